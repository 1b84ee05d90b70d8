/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * load.h - a load that a file describes, as the snapshot that the daemon would
 * take of it. starling(1) has the format.
 */
#ifndef STARLING_LOAD_H
#define STARLING_LOAD_H

#include "daemon/policy/policy.h"

enum { LOAD_TASKS_MAX = 4096, LOAD_ROWS_MAX = 256, LOAD_NAME = 32 };

/* One line of the file: @count equal tasks, of each of the agents it is for. */
struct load_row {
	char name[LOAD_NAME];
	char agent[LOAD_NAME];	/* "": no agent's */
	unsigned int first;	/* index of its first task */
	unsigned int count;
	unsigned int agents;	/* that have so many tasks together */
	unsigned int weight;	/* of each of the agents */
	bool starts_agents;
	bool quiet;
};

struct load {
	struct load_row row[LOAD_ROWS_MAX];
	size_t nrow;
	struct snap_task task[LOAD_TASKS_MAX];
	bool quiet[LOAD_TASKS_MAX];
	size_t ntask;
	struct snap_edge edge[2 * LOAD_TASKS_MAX];
	size_t nedge;
};

extern const uint64_t load_window_ns, load_round_ns;

/* Fill *@out from @path, NULL: one feeder and nine agents. Says what is wrong. */
int load_read(struct load *out, const char *path);

#endif
