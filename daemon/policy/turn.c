// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/policy/turn.h"

#include <string.h>

/* One that wants a turn. */
struct party {
	uint64_t since_ns;
	unsigned int class;
	unsigned int agent;	/* in play.used */
	bool done;
};

/* One game: the same queue may be played with other lengths. */
struct play {
	const struct turn_queue *q;
	uint64_t hold_ns;
	bool first_of_class;	/* we go before all others of ours */
	uint64_t least_ns;	/* that an agent has had */
	unsigned int slots;
	uint64_t free_at[TURN_SLOTS_MAX];
	unsigned int nparty;	/* the last one is us */
	struct party party[TURN_WAITING_MAX + 1];
	unsigned int nagent;
	uint64_t agent[TURN_WAITING_MAX + TURN_SLOTS_MAX + 1];
	uint64_t used[TURN_WAITING_MAX + TURN_SLOTS_MAX + 1];
};

/* An agent that nobody knows yet has no id: each is another one. */
static unsigned int agent_index(struct play *p, uint64_t id)
{
	unsigned int i;

	for (i = 0; id && i < p->nagent; i++)
		if (p->agent[i] == id)
			return i;
	p->agent[p->nagent] = id;
	p->used[p->nagent] = 0;
	return p->nagent++;
}

/*
 * A lease that is held for longer than most is expected to last as long again. Its
 * limit, where it gets near, is what it lasts to, and a notice's time if it was not
 * asked for yet.
 */
static uint64_t rest_of(const struct turn_queue *q, uint64_t hold_ns,
			const struct starling_lease_record *r)
{
	uint64_t held = q->now_ns > r->since_ns ? q->now_ns - r->since_ns : 0;
	uint64_t rest = held < hold_ns ? hold_ns - held : hold_ns;
	uint64_t limit = r->expires_ns > q->now_ns ? r->expires_ns - q->now_ns : 0;

	if (!r->asked && limit < q->stat->out_notice_ns)
		limit = q->stat->out_notice_ns;
	return rest < limit ? rest : limit;
}

static unsigned int agent_of(struct play *p, const struct starling_lease_record *r)
{
	unsigned int agent = agent_index(p, r->agent_id);

	if (r->gpu == p->q->stat->gpu && r->had_ns - p->least_ns > p->used[agent])
		p->used[agent] = r->had_ns - p->least_ns;
	return agent;
}

static void seat_holder(struct play *p, const struct starling_lease_record *r,
			unsigned int *slot)
{
	uint64_t rest = rest_of(p->q, p->hold_ns, r);

	if (*slot == p->slots)
		return;
	/* who has just got a turn is not first for the next one */
	p->used[agent_of(p, r)] += rest;
	p->free_at[(*slot)++] = p->q->now_ns + rest;
}

static bool is_waiting(const struct turn_queue *q, const struct starling_lease_record *r)
{
	return r->state == STARLING_LEASE_WAITING &&
		(r->gpu == q->stat->gpu || r->gpu == STARLING_GPU_ANY);
}

static void seat(struct play *p, uint64_t since_ns, unsigned int class, unsigned int agent)
{
	p->party[p->nparty++] = (struct party){
		.since_ns = since_ns, .class = class, .agent = agent,
	};
}

/* Who waits with a parked lease is counted, and told apart from no other that is parked. */
static void seat_unparking(struct play *p)
{
	unsigned int listed[__STARLING_CLASS_MAX] = { 0 };

	for (unsigned int i = 0; i < p->nparty; i++)
		listed[p->party[i].class]++;
	for (int class = 1; class < __STARLING_CLASS_MAX; class++)
		while (listed[class] < p->q->stat->out_waiting[class] &&
		       p->nparty < TURN_WAITING_MAX) {
			listed[class]++;
			seat(p, p->q->now_ns - 1, class, agent_index(p, 0));
		}
}

/* Of those who are there: a new one starts with it. */
static uint64_t least_had(const struct turn_queue *q)
{
	uint64_t least = UINT64_MAX;

	for (size_t i = 0; i < q->nlease; i++) {
		const struct starling_lease_record *r = &q->lease[i];

		if (r->gpu == q->stat->gpu && r->state != STARLING_LEASE_PARKED &&
		    r->had_ns < least)
			least = r->had_ns;
	}
	return least == UINT64_MAX ? 0 : least;
}

static void set_up(struct play *p, const struct turn_queue *q)
{
	unsigned int slot = 0;

	p->q = q;
	p->least_ns = least_had(q);
	p->nparty = p->nagent = 0;
	p->slots = q->stat->out_slots < TURN_SLOTS_MAX ? q->stat->out_slots : TURN_SLOTS_MAX;
	for (unsigned int i = 0; i < p->slots; i++)
		p->free_at[i] = q->now_ns;
	for (size_t i = 0; i < q->nlease; i++) {
		const struct starling_lease_record *r = &q->lease[i];

		if (r->state == STARLING_LEASE_HELD && r->gpu == q->stat->gpu)
			seat_holder(p, r, &slot);
		if (is_waiting(q, r) && p->nparty < TURN_WAITING_MAX)
			seat(p, r->since_ns, r->class, agent_of(p, r));
	}
	seat_unparking(p);
	seat(p, q->now_ns, q->class, agent_index(p, q->agent_id));
}

static unsigned int us(const struct play *p)
{
	return p->nparty - 1;
}

/* Each aging_ns waited counts for one class; 0: it starves. */
static unsigned int level_at(const struct play *p, const struct party *party, uint64_t now)
{
	const struct starling_lease_stat *stat = p->q->stat;
	uint64_t waited = now > party->since_ns ? now - party->since_ns : 0;
	uint64_t aged = stat->out_aging_ns ? waited / stat->out_aging_ns : 0;

	if (stat->out_starve_ns && waited > stat->out_starve_ns)
		return 0;
	return aged + 1 < party->class ? party->class - aged : 1;
}

static bool goes_before(const struct play *p, unsigned int a, unsigned int b, uint64_t now)
{
	const struct party *x = &p->party[a], *y = &p->party[b];
	unsigned int level = level_at(p, x, now), other = level_at(p, y, now);

	if (level != other)
		return level < other;
	if (p->first_of_class && level && b == us(p))
		return false;
	if (p->first_of_class && level && a == us(p))
		return true;
	if (level && p->used[x->agent] != p->used[y->agent])
		return p->used[x->agent] < p->used[y->agent];
	return x->since_ns < y->since_ns;
}

static unsigned int next_party(const struct play *p, uint64_t now)
{
	unsigned int best = us(p);

	for (unsigned int i = 0; i < us(p); i++)
		if (!p->party[i].done && goes_before(p, i, best, now))
			best = i;
	return best;
}

static unsigned int next_slot(const struct play *p)
{
	unsigned int best = 0;

	for (unsigned int i = 1; i < p->slots; i++)
		if (p->free_at[i] < p->free_at[best])
			best = i;
	return best;
}

/* Until our turn. */
static uint64_t play_on(struct play *p, unsigned int *ahead)
{
	unsigned int slot = next_slot(p), party;

	for (*ahead = 0; ; ++*ahead) {
		slot = next_slot(p);
		party = next_party(p, p->free_at[slot]);
		if (party == us(p))
			return p->free_at[slot] - p->q->now_ns;
		p->party[party].done = true;
		p->used[p->party[party].agent] += p->hold_ns;
		p->free_at[slot] += p->hold_ns;
	}
}

static uint64_t play(const struct turn_queue *q, uint64_t hold_ns, bool first_of_class,
		     unsigned int *ahead)
{
	struct play p;

	p.hold_ns = hold_ns;
	p.first_of_class = first_of_class;
	set_up(&p, q);
	return play_on(&p, ahead);
}

static uint64_t shortest_rest(const struct turn_queue *q)
{
	uint64_t least = UINT64_MAX, rest;

	for (size_t i = 0; i < q->nlease; i++) {
		if (q->lease[i].state != STARLING_LEASE_HELD || q->lease[i].gpu != q->stat->gpu)
			continue;
		rest = rest_of(q, q->mean_hold_ns, &q->lease[i]);
		least = rest < least ? rest : least;
	}
	return least == UINT64_MAX ? 0 : least;
}

/* Too many to play with: they all go before, except those of worse classes. */
static uint64_t count_on(const struct turn_queue *q, uint64_t hold_ns, unsigned int *ahead)
{
	*ahead = 0;
	for (unsigned int class = 1; class <= q->class; class++)
		*ahead += q->stat->out_waiting[class];
	return (*ahead + 1) * hold_ns / q->stat->out_slots;
}

void turn_wait(const struct turn_queue *q, struct turn *out)
{
	bool many = q->stat->out_waiting[0] > TURN_WAITING_MAX;
	uint64_t limit_ns = q->stat->out_max_hold_ns, mean_ns = q->mean_hold_ns;
	unsigned int ahead;

	memset(out, 0, sizeof(*out));
	if (!q->stat->out_waiting[0] && q->stat->out_holders < q->stat->out_slots) {
		out->wait_known = out->most_known = out->at_once = true;
		return;
	}
	if (!q->lease || !q->stat->out_slots)
		return;
	out->most_known = true;
	out->most_ns = many ? count_on(q, limit_ns, &ahead) : play(q, limit_ns, false, &ahead);
	if (!mean_ns)
		return;
	out->wait_known = true;
	out->rest_ns = shortest_rest(q);
	if (many) {
		out->wait_ns = count_on(q, mean_ns, &out->ahead);
		out->least_ns = out->rest_ns;
		return;
	}
	out->wait_ns = play(q, mean_ns, false, &out->ahead);
	out->least_ns = play(q, mean_ns, true, &ahead);
}

uint64_t turn_held_ns(const struct turn_queue *q, uint64_t window_ns)
{
	uint64_t sum = 0, held;

	for (size_t i = 0; i < q->nlease; i++) {
		const struct starling_lease_record *r = &q->lease[i];

		if (r->state != STARLING_LEASE_HELD || r->gpu != q->stat->gpu)
			continue;
		held = q->now_ns > r->since_ns ? q->now_ns - r->since_ns : 0;
		sum += held < window_ns ? held : window_ns;
	}
	return sum;
}
