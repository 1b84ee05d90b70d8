// SPDX-License-Identifier: GPL-2.0-only
/* LEASES: what there is, for the agent and for who may see all. */
#include <linux/mm.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "agent.h"
#include "command.h"
#include "control.h"
#include "lease.h"

#define RECORD_MIN	88

static_assert(sizeof(struct starling_lease_record) >= RECORD_MIN);

/* Of one that waits: the best that it has anywhere. */
static u32 waiting_class(const struct starling_request *r)
{
	u32 i, class = r->class;

	for (i = 0; i < r->ntickets; i++)
		if (r->tickets[i].share)
			class = min(class, max_t(u32, r->tickets[i].level, 1));
	return class;
}

static u32 effective_class(const struct starling_request *r)
{
	if (r->state == STARLING_LEASE_HELD)
		return min_t(u32, r->class, starling_queue_best(r->gpu));
	return waiting_class(r);
}

static void record_fill(const struct starling_request *r, struct starling_lease_record *rec,
			u64 now)
{
	bool held = r->state == STARLING_LEASE_HELD;

	*rec = (struct starling_lease_record) {
		.lease = r->id,
		.agent_id = r->agent->id,
		.cookie = r->cookie,
		.gpu = r->gpu ? r->gpu->index : STARLING_GPU_ANY,
		.tgid = starling_holder_tgid(r, task_active_pid_ns(current)),
		.state = r->state,
		.class = r->class,
		.effective_class = effective_class(r),
		.asked = r->asked,
		.since_ns = r->since,
		.expires_ns = held ? r->end : 0,
		.memory_bytes = r->memory,
		.held_ns = r->held_ns + (held ? now - r->since : 0),
	};
}

/* Records of one batch. */
struct batch {
	struct starling_lease_record *rec;
	u32 n;
	u64 now;
};

static void batch_add(struct starling_link *link, void *arg)
{
	struct batch *b = arg;

	record_fill(starling_request_at(link), &b->rec[b->n++], b->now);
}

/* Up to @room records after *@after, which moves on. */
static u32 agent_records(struct starling_agent *agent, u64 *after,
			 struct starling_lease_record *rec, u32 room)
{
	struct batch b = { .rec = rec };
	u32 i;

	spin_lock(&starling_lease_lock);
	b.now = ktime_get_ns();
	for (i = 0; i < starling_ngpus; i++)
		starling_queue_age(&starling_gpus[i], b.now);
	starling_roll_batch(&agent->leases, after, room, batch_add, &b);
	spin_unlock(&starling_lease_lock);
	return b.n;
}

static int records_out(struct starling_list *list, const struct starling_lease_record *rec, u32 n)
{
	int err = 0;
	u32 i;

	for (i = 0; i < n && !err; i++, list->count++)
		err = starling_record_out(list->records + (u64)list->count * list->record_size,
					  list->record_size, &rec[i], sizeof(rec[i]));
	return err;
}

/* All of an agent's, as far as there is room. cursor[1]: place. */
static int list_agent(struct starling_agent *agent, struct starling_list *list, u32 room,
		      struct starling_lease_record *buf)
{
	u32 n, want;
	int err = 0;

	while (list->count < room && !err) {
		want = min_t(u32, room - list->count, STARLING_BATCH);
		n = agent_records(agent, &list->cursor[1], buf, want);
		err = records_out(list, buf, n);
		if (n < want)
			break;
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	return err;
}

static int list_all(struct starling_list *list, u32 room, struct starling_lease_record *buf)
{
	struct starling_agent *agent;
	int err = 0;

	while (list->count < room && !err && (agent = starling_agent_next(list->cursor[0]))) {
		if (list->cursor[0] != agent->id) {
			list->cursor[0] = agent->id;
			list->cursor[1] = 0;
		}
		err = list_agent(agent, list, room, buf);
		/* With room left it is through with this one. */
		if (list->count < room) {
			list->cursor[0] = agent->id + 1;
			list->cursor[1] = 0;
		}
		starling_agent_put(agent);
	}
	return err;
}

static long list_leases(struct starling_list *list, struct starling_agent *only)
{
	struct starling_lease_record *buf;
	u32 room = list->count;
	long err;

	if (!starling_is_zero(list->__reserved) ||
	    list->record_size < RECORD_MIN || list->record_size > STARLING_SIZE_MAX)
		return -EINVAL;
	buf = kvmalloc_array(STARLING_BATCH, sizeof(*buf), GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	list->count = 0;
	if (only)
		err = list_agent(only, list, room, buf);
	else
		err = list_all(list, room, buf);
	kvfree(buf);
	return err;
}

long starling_agent_leases(struct file *file, void *arg)
{
	return list_leases(arg, file->private_data);
}

long starling_control_leases(struct file *file, void *arg)
{
	if (!starling_control_sees_all(file))
		return -EPERM;
	return list_leases(arg, NULL);
}
