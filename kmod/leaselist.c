// SPDX-License-Identifier: GPL-2.0-only
/* What LEASES says about a lease or a request. */
#include <linux/ktime.h>
#include <linux/minmax.h>

#include "agent.h"
#include "lease.h"
#include "list.h"

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
			const struct starling_batch *b)
{
	bool held = r->state == STARLING_LEASE_HELD;

	*rec = (struct starling_lease_record) {
		.lease = r->id,
		.agent_id = r->agent->id,
		.cookie = r->cookie,
		.gpu = r->gpu ? r->gpu->index : STARLING_GPU_ANY,
		.tgid = starling_holder_tgid(r, b->ns),
		.state = r->state,
		.class = r->class,
		.effective_class = effective_class(r),
		.asked = r->asked,
		.since_ns = r->since,
		.expires_ns = held ? r->end : 0,
		.memory_bytes = r->memory,
		.held_ns = r->held_ns + (held ? b->now - r->since : 0),
		.had_ns = starling_queue_had(r, b->now),
	};
}

static void lease_fill(struct starling_link *link, void *arg)
{
	struct starling_batch *b = arg;
	struct starling_lease_record *rec = b->records;

	record_fill(starling_request_at(link), &rec[b->n++], b);
}

bool starling_leases_fill(struct starling_agent *agent, struct starling_batch *b)
{
	bool more;
	u32 i;

	spin_lock(&starling_lease_lock);
	b->now = ktime_get_ns();
	for (i = 0; i < starling_ngpus; i++)
		starling_queue_age(&starling_gpus[i], b->now);
	more = starling_roll_batch(&agent->leases, &b->after, b->room, lease_fill, b);
	spin_unlock(&starling_lease_lock);
	return more;
}
