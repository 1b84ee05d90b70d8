// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is next for a GPU; see "Leases" in uapi/linux/starling.h for the rules.
 *
 * A request ages by moving from level to level at times known beforehand, all
 * that are due when somebody is to be chosen. Within a level agents' shares are
 * sorted by virtual time, and within a share its requests: so neither coming,
 * nor going, nor choosing depends on how many others wait, but for a logarithm.
 */
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/slab.h>

#include "agent.h"
#include "event.h"
#include "lease.h"

static struct starling_ticket *ticket_of(struct starling_entry *e)
{
	return container_of(e, struct starling_ticket, entry);
}

static struct starling_level *level_of(struct starling_entry *e)
{
	return container_of(e, struct starling_level, entry);
}

struct starling_share *starling_share_alloc(struct starling_agent *agent,
					    struct starling_gpu *gpu, gfp_t gfp)
{
	struct starling_share *share = kzalloc(sizeof(*share), gfp);
	int i;

	if (!share)
		return NULL;
	share->agent = agent;
	share->gpu = gpu;
	for (i = 0; i < STARLING_NLEVELS; i++) {
		share->levels[i].share = share;
		share->levels[i].tickets = RB_ROOT_CACHED;
	}
	return share;
}

/* @ns of the GPU as this share's agent pays for it. */
static u64 by_weight(const struct starling_share *share, u64 ns)
{
	u32 weight = READ_ONCE(share->agent->rec.weight);

	if (weight == STARLING_WEIGHT_DEFAULT)
		return ns;
	return div_u64(ns * STARLING_WEIGHT_DEFAULT, weight);
}

/* Its place among the shares of @level, by what waits there now. */
static void share_place(struct starling_share *share, u32 level)
{
	struct rb_root_cached *shares = &share->gpu->levels[level];
	struct starling_level *l = &share->levels[level];
	struct starling_entry *first = starling_order_first(&l->tickets);

	if (l->queued)
		starling_order_del(shares, &l->entry);
	l->queued = first;
	if (!first)
		return;
	l->entry.key[0] = share->vtime + share->ahead;
	/* Of two with the same claim the one that unparks. */
	l->entry.key[1] = ticket_of(first)->request->state != STARLING_LEASE_PARKED;
	l->entry.key[2] = ticket_of(first)->request->arrival;
	l->entry.need = starling_order_least(&l->tickets);
	starling_order_add(shares, &l->entry);
}

static void share_place_all(struct starling_share *share)
{
	u32 level;

	for (level = 1; level < STARLING_NLEVELS; level++)
		share_place(share, level);
}

static void hold_charge(struct starling_request *r, struct starling_share *share, u64 now)
{
	share->vtime += by_weight(share, now - r->charged);
	r->charged = now;
}

/*
 * What leases held now have cost so far. As many steps as there are slots. What
 * is ahead counts only where somebody waits: before one of those is chosen this
 * is called again.
 */
void starling_gpu_settle(struct starling_gpu *gpu, u64 now)
{
	struct starling_share *share;
	struct starling_request *r;
	u64 held;

	hlist_for_each_entry(r, &gpu->held, held_link) {
		share = r->agent->shares[gpu->index];
		hold_charge(r, share, now);
		share->ahead = 0;
	}
	if (!gpu->waiting[0])
		return;
	hlist_for_each_entry(r, &gpu->held, held_link) {
		share = r->agent->shares[gpu->index];
		held = now - r->since;
		if (held < gpu->mean_hold)
			share->ahead += by_weight(share, gpu->mean_hold - held);
	}
	hlist_for_each_entry(r, &gpu->held, held_link)
		share_place_all(r->agent->shares[gpu->index]);
}

/*
 * Brings @vmin up to the least virtual time of those there are. A share that has
 * no lease now has nothing ahead, and comes before or is itself the first of its
 * level.
 */
void starling_gpu_least(struct starling_gpu *gpu, u64 now)
{
	struct starling_entry *e = starling_order_first(&gpu->starved);
	struct starling_request *r;
	u64 least = U64_MAX;
	u32 level;

	starling_gpu_settle(gpu, now);
	if (e)
		least = ticket_of(e)->share->vtime;
	for (level = 1; level < STARLING_NLEVELS; level++) {
		e = starling_order_first(&gpu->levels[level]);
		if (e)
			least = min(least, level_of(e)->share->vtime);
	}
	hlist_for_each_entry(r, &gpu->held, held_link)
		least = min(least, r->agent->shares[gpu->index]->vtime);
	if (least != U64_MAX)
		gpu->vmin = max(gpu->vmin, least);
}

/* Before a request or a held lease of @share goes, with all of its time charged. */
static void share_go(struct starling_share *share, u64 now)
{
	struct starling_gpu *gpu = share->gpu;

	if (--share->here)
		return;
	if (gpu->nheld + gpu->waiting[0] == 1) {
		gpu->vmin = max(gpu->vmin, share->vtime);
		return;
	}
	starling_gpu_least(gpu, now);
}

void starling_hold_stop(struct starling_request *r, u64 now)
{
	struct starling_gpu *gpu = r->gpu;
	struct starling_share *share = r->agent->shares[gpu->index];
	u64 held = now - r->since;

	hold_charge(r, share, now);
	share_go(share, now);
	hlist_del(&r->held_link);
	gpu->nheld--;
	gpu->sums.out_hold_ns += held;
	gpu->mean_hold = gpu->mean_hold - gpu->mean_hold / 8 + held / 8;
	r->held_ns += held;
	share->ahead = 0;
	if (!gpu->waiting[0])
		return;
	share_place_all(share);
	starling_gpu_settle(gpu, now);
}

/* Each aging_ns waited counts for one class; 0: it starves. */
static u32 level_at(const struct starling_request *r, const struct starling_lease_policy *rules,
		    u64 now)
{
	u64 waited = now - r->waiting_since;
	u64 aged = div64_u64(waited, rules->aging_ns);

	if (waited > rules->starve_ns)
		return 0;
	return aged < r->class ? max_t(u32, r->class - aged, 1) : 1;
}

/* When @t gets to its next level, which is not the last. */
static u64 next_level_at(const struct starling_ticket *t, const struct starling_lease_policy *rules)
{
	const struct starling_request *r = t->request;
	u64 at = rules->starve_ns + 1;

	if (t->level > STARLING_CLASS_INTERACTIVE)
		at = min(at, (r->class - t->level + 1) * rules->aging_ns);
	return r->waiting_since + at;
}

static void ticket_place(struct starling_ticket *t, u64 now)
{
	struct starling_share *share = t->share;
	struct starling_gpu *gpu = share->gpu;
	struct starling_request *r = t->request;

	t->level = level_at(r, &gpu->rules, now);
	t->entry.need = r->state == STARLING_LEASE_PARKED ? 0 : r->memory;
	t->entry.key[0] = t->level ? r->deadline ?: U64_MAX : 0;
	t->entry.key[1] = r->arrival;
	if (!t->level) {
		starling_order_add(&gpu->starved, &t->entry);
		return;
	}
	starling_order_add(&share->levels[t->level].tickets, &t->entry);
	share_place(share, t->level);
	t->aging.key[0] = next_level_at(t, &gpu->rules);
	starling_order_add(&gpu->aging, &t->aging);
}

static void ticket_unplace(struct starling_ticket *t)
{
	struct starling_share *share = t->share;
	struct starling_gpu *gpu = share->gpu;

	if (!t->level) {
		starling_order_del(&gpu->starved, &t->entry);
		return;
	}
	starling_order_del(&gpu->aging, &t->aging);
	starling_order_del(&share->levels[t->level].tickets, &t->entry);
	share_place(share, t->level);
}

void starling_ticket_add(struct starling_ticket *t, u64 now)
{
	struct starling_gpu *gpu = t->share->gpu;

	starling_share_come(t->share, now);
	gpu->waiting[0]++;
	gpu->waiting[t->request->class]++;
	ticket_place(t, now);
}

void starling_ticket_del(struct starling_ticket *t, u64 now)
{
	struct starling_gpu *gpu = t->share->gpu;

	share_go(t->share, now);
	gpu->waiting[0]--;
	gpu->waiting[t->request->class]--;
	ticket_unplace(t);
	t->share = NULL;
}

/* Each request changes its level a few times at most. */
void starling_queue_age(struct starling_gpu *gpu, u64 now)
{
	struct starling_ticket *t;
	struct starling_entry *e;

	while ((e = starling_order_first(&gpu->aging)) && e->key[0] <= now) {
		t = container_of(e, struct starling_ticket, aging);
		ticket_unplace(t);
		ticket_place(t, now);
	}
}

/* The best class that waits; __STARLING_CLASS_MAX: nobody does. */
u32 starling_queue_best(struct starling_gpu *gpu)
{
	u32 level;

	if (starling_order_first(&gpu->starved))
		return STARLING_CLASS_INTERACTIVE;
	for (level = 1; level < STARLING_NLEVELS; level++)
		if (starling_order_first(&gpu->levels[level]))
			break;
	return level;
}

/* It would be next but for its memory: told once. */
static void pressed(struct starling_gpu *gpu, struct starling_request *r)
{
	if (r->pressed)
		return;
	r->pressed = true;
	starling_event_push(r->agent, STARLING_EVENT_MEMORY_PRESSURE,
			    starling_holder_tgid(r, r->agent->pid_ns),
			    gpu->index, gpu->used, gpu->rules.memory_bytes, 0);
}

static struct starling_request *level_first(struct starling_gpu *gpu, u32 level, u64 room)
{
	struct starling_entry *e = starling_order_first(&gpu->levels[level]);

	if (!e)
		return NULL;
	e = starling_order_first(&level_of(e)->tickets);
	if (e->need > room)
		pressed(gpu, ticket_of(e)->request);
	e = starling_order_fit(&gpu->levels[level], room);
	if (!e)
		return NULL;
	return ticket_of(starling_order_fit(&level_of(e)->tickets, room))->request;
}

/* Who gets a free slot now; NULL: nobody waits whose memory fits. */
struct starling_request *starling_queue_first(struct starling_gpu *gpu, u64 now)
{
	u64 room = starling_gpu_room(gpu);
	struct starling_request *r = NULL;
	struct starling_entry *e;
	u32 level;

	starling_queue_age(gpu, now);
	starling_gpu_settle(gpu, now);
	e = starling_order_first(&gpu->starved);
	if (e && e->need > room) {
		pressed(gpu, ticket_of(e)->request);
		/*
		 * All memory is for that one now. Leases that are parked must
		 * be able to come to their end.
		 */
		room = 0;
	}
	e = starling_order_fit(&gpu->starved, room);
	if (e)
		return ticket_of(e)->request;
	for (level = 1; level < STARLING_NLEVELS && !r; level++)
		r = level_first(gpu, level, room);
	return r;
}

/* What @r's agent has had of the GPU: see LEASES. */
u64 starling_queue_had(const struct starling_request *r, u64 now)
{
	const struct starling_share *share;

	if (!r->gpu)
		return 0;
	share = r->agent->shares[r->gpu->index];
	if (r->state != STARLING_LEASE_HELD)
		return share->vtime;
	return share->vtime + by_weight(share, now - r->charged);
}
