/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * place.h - putting a plan into effect, and taking it back (contract).
 *
 * A placer changes only what the journal already holds, touches only tasks it
 * is given, leaves alone what somebody else has changed since, and can undo
 * everything, also in a later process after `kill -9`.
 */
#ifndef STARLING_PLACE_H
#define STARLING_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include "daemon/policy/policy.h"

struct journal;
struct placer;

/* One task to place. */
struct place_task {
	uint32_t tid;
	uint32_t tgid;
	uint64_t start_ns;	/* identity with tid; 0: look it up */
	uint64_t agent_id;
	uint32_t weight;	/* agent weight, 1..10000, 100 normal */
	uint16_t role;
	bool opted_in;		/* started by `starling run` or module agent */
	bool real_time;		/* policy_real_time() allows it */
	bool feeding;		/* policy_feeding() */
	bool ext;		/* under SCHED_EXT, whatever the plan says of its role */
	bool said;		/* of its role we have no more than somebody's word */
};

/* One agent, for placers that share CPU time out among them. */
struct place_agent {
	uint64_t id;
	uint64_t parent;	/* 0: none */
	uint32_t weight;	/* among those with the same parent */
	uint32_t class;		/* enum starling_class, of its main loops */
};

struct placer_ops {
	const char *name;	/* "task", "cgroup", "sched_ext" */
	/* 0: usable here; -errno and *why (static text) when not */
	int (*probe)(const char **why);
	int (*open)(struct placer **out, struct journal *j);
	/* apply @plan to all of @task; tasks not listed are restored */
	int (*apply)(struct placer *p, const struct plan *plan,
		     const struct place_task *task, size_t n);
	/* place one new or changed task under the last plan; without a role: give back
	 * what it was given, if anything */
	int (*place)(struct placer *p, const struct place_task *task);
	/* every round, before apply(); may be NULL: all the agents there are */
	int (*agents)(struct placer *p, const struct place_agent *agent, size_t n);
	/* a feeder has begun or ceased to use a GPU; may be NULL */
	void (*grant)(struct placer *p, uint32_t tid, bool feeding);
	/* every round, under the last plan; may be NULL. -ESHUTDOWN and *why (text of
	 * the placer's) when the kernel has taken its means away: nothing is placed */
	int (*beat)(struct placer *p, const char **why);
	/* can it give @tid a real-time class, as far as is known, or has that one of its
	 * own; may be NULL: no */
	bool (*real_time)(struct placer *p, uint32_t tid);
	/* the task is gone */
	void (*forget)(struct placer *p, uint32_t tid);
	/* text for explain: what was done to @tid; returns length, 0: nothing */
	int (*explain)(struct placer *p, uint32_t tid, char *buf, size_t len);
	/* undo all; returns number of tasks restored or -errno */
	int (*undo)(struct placer *p);
	void (*close)(struct placer *p);
};

extern const struct placer_ops placer_sched_ext;
extern const struct placer_ops placer_sched_partial;	/* in its place: agents' tasks alone */
extern const struct placer_ops placer_task;
extern const struct placer_ops placer_cgroup;
/* Best first, NULL-terminated; `cgroup` falls back on `task` per task. */
extern const struct placer_ops *const placer_table[];

/*
 * The journal: a text file under the run-time directory, one line a change,
 * written before the change is made. Values are the ones found before ours.
 */
int journal_open(struct journal **out, const char *dir);
void journal_close(struct journal *j);	/* keeps the file */
/*
 * Undo all that the file holds (from this or a dead process, incl. children
 * that inherited our attributes). Returns tasks restored or -errno; the file
 * is emptied when everything is back.
 */
int journal_undo(struct journal *j);
/* Number of changes that are in effect. */
size_t journal_count(const struct journal *j);

#endif
