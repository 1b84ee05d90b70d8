/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * group.h - the cgroups that are ours.
 *
 *   starling/			cpu.idle: all that is in it waits for the rest
 *     tools/			cpuset.cpus: not the protected cores
 *       a3f/  a40/ ...		one an agent; cpu.weight: the agent's
 *     background/		cpu.idle: waits for the tools; cpu.uclamp.max
 *
 * For tools, "idle" is set at the top alone: below it, weights still count,
 * which they do not among tasks of the idle class.
 */
#ifndef STARLING_PLACE_GROUP_H
#define STARLING_PLACE_GROUP_H

#include "daemon/place/cgfs.h"
#include "daemon/place/journal.h"
#include "daemon/place/place.h"

#define GROUP_TOP CGFS_ROOT "/starling"

struct groups {
	struct journal *journal;
	bool made;
	/* what was last written, so that nothing is written twice */
	int idle;
	int background_idle;
	int clamp;		/* utilization of the background; 0: none */
	cpu_set_t mask[2];
	bool masked[2];
};

/* Can this machine have them? 0 or -errno and a static text in *@why. */
int group_probe(const char **why);
/* Make the fixed ones, if they are not there. */
int group_make(struct groups *g);
/* Idle class and CPUs as @plan says for tools and background. */
int group_set(struct groups *g, const struct plan *plan);
/* Where @task belongs: makes the agent's group and sets its weight. */
int group_for(struct groups *g, const struct place_task *task, char *buf, size_t len);
/* Is @dir one of ours? */
bool group_is_ours(const char *dir);
/* Remove agents' groups that are empty. */
void group_sweep(void);

#endif
