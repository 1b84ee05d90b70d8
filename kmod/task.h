/* SPDX-License-Identifier: GPL-2.0-only */
/* task.h - member tasks of agents. */
#ifndef STARLING_TASK_H
#define STARLING_TASK_H

#include <linux/list.h>
#include <linux/rhashtable-types.h>
#include <linux/sched.h>
#include <uapi/linux/starling.h>

#include "roll.h"

struct file;
struct pid_namespace;
struct starling_agent;

/* Bytes of a record in the first version: it may grow, not shrink. */
#define STARLING_TASK_RECORD_MIN	248

/* Values of a record that an agent sums up. */
#define STARLING_NSUMS	20
/* The first of them that come from PUBLISH; those before from the task. */
#define STARLING_SUM_GPU	12
/* The first that is no counter: what there is now, of members there are. */
#define STARLING_SUM_GAUGE	19

/* Bits of the values that the module reads itself. */
#define STARLING_VALID_CPU	(BIT(STARLING_VAL_RUN) | BIT(STARLING_VAL_SWITCHES) | \
				 BIT(STARLING_VAL_MIGRATIONS) | BIT(STARLING_VAL_ROLES) | \
				 (IS_ENABLED(CONFIG_SCHED_INFO) ? BIT(STARLING_VAL_WAIT) : 0))
#define STARLING_VALID_GPU	(BIT(STARLING_VAL_GPU_WAIT) | BIT(STARLING_VAL_GPU_LAUNCH) | \
				 BIT(STARLING_VAL_GPU_ALLOC) | BIT(STARLING_VAL_STARVED) | \
				 BIT(STARLING_VAL_GPU_BUSY) | BIT(STARLING_VAL_GPU_MEMORY) | \
				 BIT(STARLING_VAL_ENERGY))
#define STARLING_BY_KERNEL(val)	STARLING_SOURCE(STARLING_VAL_##val, STARLING_FROM_KERNEL)
#define STARLING_SOURCES_CPU	(STARLING_BY_KERNEL(RUN) | STARLING_BY_KERNEL(SWITCHES) | \
				 STARLING_BY_KERNEL(MIGRATIONS) | STARLING_BY_KERNEL(ROLES) | \
				 (IS_ENABLED(CONFIG_SCHED_INFO) ? STARLING_BY_KERNEL(WAIT) : 0))

/**
 * struct starling_member - a task in an agent
 * @node:	in the table of all members, by @task
 * @task:	not counted: the exit hook takes the member out of the table
 *		and of the agent before the task can be freed
 * @agent:	counted; changes only while it is linked there, under the locks
 *		of both, when that agent dissolves: look again after locking. A
 *		task that moves by JOIN gets a new member
 * @link:	in the agent's @members; under its lock like all below
 * @remains:	after exit: among those
 * @slot:	in the agent's pages; negative: STARLING_SLOT_x
 * @root:	brought in by AGENT_JOIN, or a thread of such a process
 * @left:	no longer in the list
 * @looks:	among the remains: how often it was not yet at its end
 * @rec:	its record; CPU values and names as of the last look
 * @base:	counters before it was a member
 */
struct starling_member {
	struct rhash_head node;
	struct task_struct *task;
	struct starling_agent *agent;
	struct rcu_head rcu;

	struct starling_link link;
	struct list_head remains;
	int slot;
	bool root;
	bool left;
	u8 looks;
	struct starling_task_record rec;
	u64 base[STARLING_NSUMS];
};

enum starling_leave { STARLING_LEFT_EXIT, STARLING_LEFT_ASKED, STARLING_LEFT_MOVED };

extern unsigned int starling_max_tasks;
extern atomic_t starling_ntasks;
extern atomic64_t starling_lost;

int starling_tasks_init(void);
void starling_tasks_exit(void);

int starling_member_do(struct task_struct *task,
		       int (*fn)(struct starling_member *m, void *arg), void *arg);
struct starling_member *starling_member_find(struct task_struct *task);
void starling_member_free(struct starling_member *m);
int starling_member_fork(struct task_struct *parent, struct task_struct *child);
int starling_member_join(struct starling_agent *agent, struct task_struct *task);
int starling_member_leave(struct starling_agent *agent, struct task_struct *task);
void starling_member_exit(struct task_struct *task);
void starling_member_exec(struct task_struct *task);
void starling_members_do(struct starling_agent *agent,
			 void (*fn)(struct starling_link *link, void *arg), void *arg);
void starling_members_move(struct starling_agent *from, struct starling_agent *to);
bool starling_member_role(struct starling_member *m, u16 role, u16 source);
void starling_member_place(struct starling_member *m, u16 placement);

static inline u64 starling_task_run_ns(const struct task_struct *task)
{
	return READ_ONCE(task->se.sum_exec_runtime);
}

static inline struct starling_member *starling_member_at(struct starling_link *link)
{
	return container_of(link, struct starling_member, link);
}

void starling_member_read(struct starling_member *m);
void starling_member_sample(struct starling_member *m);
void starling_member_count(struct starling_member *m);
void starling_member_discount(struct starling_member *m);
void starling_member_stat(struct starling_link *link, void *arg);
void starling_member_publish(struct starling_member *m, const struct starling_task_record *pub);
void starling_member_unpublish(struct starling_member *m);
void starling_member_rebase(struct starling_member *m);
void starling_member_set(struct starling_member *m, const u64 *counters);
void starling_member_add_to(struct starling_member *m, struct starling_agent_record *sum);
void starling_record_add(struct starling_agent_record *to,
			 const struct starling_agent_record *from);
void starling_record_clear(struct starling_agent_record *rec);
bool starling_member_record(struct starling_member *m, struct pid_namespace *ns,
			    struct starling_task_record *rec);

/* lineage.c: membership follows fork, exec and exit. */
int starling_lineage_init(void);
void starling_lineage_exit(void);

/* remains.c: what tasks used up to their very end. */
bool starling_remains_add(struct starling_member *m);
void starling_remains_exit(void);

long starling_agent_join(struct file *file, void *arg);
long starling_agent_leave(struct file *file, void *arg);
long starling_task_stat(struct file *file, void *arg);
long starling_task_set_role(struct file *file, void *arg);

#endif
