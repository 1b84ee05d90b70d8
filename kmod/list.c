// SPDX-License-Identifier: GPL-2.0-only
/*
 * AGENTS, TASKS and LEASES: of the agent whose descriptor it is or, on the
 * device, of all agents for who may see them. Records are made a batch at a
 * time with the lock held, and copied to the reader without it.
 *
 * The reader's cursor is the agent and the number of the entry last looked at
 * there.
 */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "agent.h"
#include "command.h"
#include "control.h"
#include "list.h"
#include "task.h"

/**
 * struct lister - one kind of record
 * @size:	of the record as known here
 * @min_size:	of the first version: records may grow, not shrink
 * @fill:	makes the next records of @agent; false: there are no more
 */
struct lister {
	u32 size;
	u32 min_size;
	bool (*fill)(struct starling_agent *agent, struct starling_batch *b);
};

#define LISTER(_struct, _min, _fill) {						\
	.size = sizeof(struct _struct) +					\
		BUILD_BUG_ON_ZERO(sizeof(struct _struct) < (_min)),		\
	.min_size = (_min), .fill = (_fill),					\
}

static int batch_out(const struct lister *l, struct starling_list *list,
		     const struct starling_batch *b)
{
	int err = 0;
	u32 i;

	for (i = 0; i < b->n && !err; i++, list->count++)
		err = starling_record_out(list->records + (u64)list->count * list->record_size,
					  list->record_size, b->records + i * l->size, l->size);
	return err;
}

/* All of an agent's, as far as there is room. */
static int list_agent(const struct lister *l, struct starling_agent *agent,
		      struct starling_list *list, u32 room, struct starling_batch *b)
{
	bool more = true;
	int err = 0;

	while (more && list->count < room && !err) {
		b->room = min_t(u32, room - list->count, STARLING_BATCH);
		b->n = 0;
		b->after = list->cursor[1];
		more = l->fill(agent, b);
		list->cursor[1] = b->after;
		err = batch_out(l, list, b);
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	return err;
}

static int list_all(const struct lister *l, struct starling_list *list, u32 room,
		    struct starling_batch *b)
{
	struct starling_agent *agent;
	int err = 0;

	while (list->count < room && !err && (agent = starling_agent_next(list->cursor[0]))) {
		if (list->cursor[0] != agent->id) {
			list->cursor[0] = agent->id;
			list->cursor[1] = 0;
		}
		err = list_agent(l, agent, list, room, b);
		/* With room left it is through with this one. */
		if (list->count < room) {
			list->cursor[0] = agent->id + 1;
			list->cursor[1] = 0;
		}
		starling_agent_put(agent);
	}
	return err;
}

static long list_do(const struct lister *l, struct file *file, struct starling_list *list)
{
	struct starling_batch b = { .ns = task_active_pid_ns(current) };
	struct starling_agent *only = starling_agent_of(file);
	u32 room = list->count;
	long err;

	if (list->record_size < l->min_size || list->record_size > STARLING_SIZE_MAX)
		return -EINVAL;
	if (!only && !starling_control_sees_all(file))
		return -EPERM;
	b.records = kvmalloc_array(STARLING_BATCH, l->size, GFP_KERNEL);
	if (!b.records)
		return -ENOMEM;
	list->count = 0;
	if (only)
		err = list_agent(l, only, list, room, &b);
	else
		err = list_all(l, list, room, &b);
	kvfree(b.records);
	return err;
}

/* An agent has one record of its own, number 1. */
static bool agents_fill(struct starling_agent *agent, struct starling_batch *b)
{
	if (!b->after)
		starling_agent_read(agent, (struct starling_agent_record *)b->records + b->n++);
	b->after = 1;
	return false;
}

static void task_fill(struct starling_link *link, void *arg)
{
	struct starling_batch *b = arg;
	struct starling_task_record *rec = b->records;

	b->n += starling_member_record(starling_member_at(link), b->ns, &rec[b->n]);
}

static bool tasks_fill(struct starling_agent *agent, struct starling_batch *b)
{
	bool more;

	spin_lock(&agent->lock);
	more = starling_roll_batch(&agent->members, &b->after, b->room, task_fill, b);
	spin_unlock(&agent->lock);
	return more;
}

long starling_list_agents(struct file *file, void *arg)
{
	static const struct lister l = LISTER(starling_agent_record, 296, agents_fill);

	return list_do(&l, file, arg);
}

long starling_list_tasks(struct file *file, void *arg)
{
	static const struct lister l = LISTER(starling_task_record, STARLING_TASK_RECORD_MIN,
					      tasks_fill);

	return list_do(&l, file, arg);
}

long starling_list_leases(struct file *file, void *arg)
{
	static const struct lister l = LISTER(starling_lease_record, 88, starling_leases_fill);

	return list_do(&l, file, arg);
}
