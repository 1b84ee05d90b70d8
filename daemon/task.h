/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * task.h - the tasks the daemon knows, by tid.
 *
 * An entry is a record of the sense side plus what the daemon adds: change in
 * the window, verdict, what it asked of others. The table owns its entries.
 */
#ifndef STARLING_TASK_H
#define STARLING_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <uthash.h>
#include <linux/starling.h>
#include "daemon/sense/sense.h"

enum { TASK_TABLE_MAX = 32768 };

struct task {
	uint32_t tid;		/* key; identity is (tid, rec.start_ns) */
	uint32_t tgid;
	uint32_t ppid;
	struct starling_task_record rec;
	/* change in the window of activity, fading (window.h) */
	double d_run_ns;
	double d_wait_ns;
	double d_gpu_waits;
	double d_nvcsw;
	double recent_ns;	/* ran or waited for a CPU, last round alone */
	double late_ns;		/* ran of late: fades with time alone */
	double recent_wait_ns;	/* of that: waited */
	/* verdict */
	uint16_t role;
	uint16_t role_source;
	uint16_t why;
	uint32_t why_tid;
	/* flags */
	bool agent_root;
	bool execed;
	bool kthread;
	bool has_proc;		/* ppid and kthread have been looked up */
	bool watched;		/* we asked sense to watch it */
	bool has_base;		/* rec holds values to subtract from */
	bool in_effect;		/* given to the placer */
	bool real_time;		/* policy_real_time() said so */
	bool feeding;		/* policy_feeding() said so */
	uint64_t last_edge_ns;	/* last reason to watch it */
	uint64_t compute_last_ns;	/* began to compute a model's graph; 0: never */
	uint64_t computing_ns;	/* policy_computing() said so then */
	uint64_t beside_ns;	/* its process was looked at then, for one that computes */
	uint64_t denied_ns;	/* last time it was found without a CPU for long */
	uint64_t first_ns;	/* first known here */
	uint32_t round;		/* sense round that last reported it */
	UT_hash_handle hh;
};

struct task_table {
	struct task *head;
	uint64_t overflow;	/* tasks not taken in: table full */
};

struct task *task_find(const struct task_table *t, uint32_t tid);
/* Find or make; NULL when the table is full or out of memory (counted). */
struct task *task_get(struct task_table *t, uint32_t tid);
void task_drop(struct task_table *t, struct task *task);
size_t task_count(const struct task_table *t);
void task_table_free(struct task_table *t);

/* Take @rec in: changes since the last one are added to the window. */
void task_update(struct task *task, const struct starling_task_record *rec);
/* Look ppid and kthread up once. */
void task_look_up(struct task *task);

/* When it was last found to compute a model; 0: never. */
static inline uint64_t task_computed_ns(const struct task *task)
{
	return task->compute_last_ns && task->computing_ns > task->compute_last_ns ?
		task->computing_ns : task->compute_last_ns;
}

static inline bool task_has(const struct task *task, enum starling_value value)
{
	return task->rec.valid & (1U << value);
}

#endif
