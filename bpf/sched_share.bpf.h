/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sched_share.bpf.h - who has which share of the CPUs.
 *
 * Agents, cgroups that the cpu controller is enabled for, and the tasks that are
 * in neither share the CPUs by weight. Inside a cgroup its tasks (by nice value)
 * and child cgroups do so; inside an agent its sub-agents, and all of its own
 * tasks as one of weight WEIGHT_UNIT. A task of an agent counts for the agent, in
 * whatever cgroup it is. Those that compute a model weigh more than their nice value,
 * where they are no agent's.
 *
 * Each share knows the weights of those below it that want to run, so a weight
 * becomes one among all by a walk to the root.
 *
 * A flow (an agent, or a task in none) is charged for a slice when one of its
 * tasks queues up, and for what it used instead as that one runs: so an agent
 * with fifty processes has its share and not fifty. Virtual times are compared
 * by their difference, and may wrap.
 */
#ifndef STARLING_SCHED_SHARE_BPF_H
#define STARLING_SCHED_SHARE_BPF_H

#define WEIGHT_UNIT	100
#define WEIGHT_INFERENCE	932
/* Weights among all are finer than those that people give. */
#define WEIGHT_SHIFT	16
/* Shares below that depth count as if they were there. */
#define DEPTH_MAX	8
#define CGROUP_KEY	(1ULL << 62)

/* The least that a flow may be behind the others, in virtual time ... */
#define LAG_MIN		(64 * SLICE)
/* ... and the most that one that has wanted to run all the time may be ahead. */
#define CREDIT_MAX	(16 * SLICE)
#define RATE_EVERY	(100 * MSEC)

/*
 * @parent:	key of the share it is in; 0: the root
 * @finish:	of an agent: virtual time up to which it is charged
 * @below:	sum of the weights of those in it that want to run
 * @nr_below:	how many these are
 * @own:	of an agent: its own tasks that want to run
 * @weight:	in @parent
 * @counted_in:	the parent that counts it, as long as it wants to run ...
 * @counted:	... with that weight: both may have changed since
 * @class:	of an agent
 * @seen:	@agents_seq when it was last read
 */
struct share {
	u64 parent;
	u64 counted_in;
	u64 finish;
	u64 below;
	u32 nr_below;
	u32 own;
	u32 weight;
	u32 counted;
	u32 class;
	u32 seen;
};

/* Virtual time up to which it is charged, in ns of weight WEIGHT_UNIT. */
struct flow {
	u64 finish;
};

/*
 * @own:	its flow while it is in no agent
 * @flow:	agent whose flow was charged last; 0: @own
 * @group:	key of its cgroup's share; 0: the root
 * @counted:	key of the share that counts it; @counts tells whether one does
 * @start:	virtual time at which it queued up, and where it runs now
 * @reserved:	charged in advance for the slice it has
 * @queued_ns:	when it queued up, by the clock
 * @began_ns:	from when on its run time is not charged yet
 * @slice_ns:	when its slice began, or it queued up for it
 * @burst_ns:	CPU time since it woke
 * @usual_ns:	what that mostly is
 * @ran:	until it was stopped, as it still wants to
 */
struct task_state {
	struct flow own;
	u64 flow;
	u64 group;
	u64 counted;
	u32 counted_weight;
	bool counts;
	u64 start;
	u64 reserved;
	u64 queued_ns;
	u64 began_ns;
	u64 slice_ns;
	u64 burst_ns;
	u64 usual_ns;
	bool ran;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct sched_role);
} roles SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_state);
} states SEC(".maps");

/* What the daemon says of agents; it raises agents_seq after each change. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SCHED_SHARES_MAX);
	__type(key, u64);
	__type(value, struct sched_agent);
} agents SEC(".maps");
unsigned int agents_seq = 1;

/* Agents by their number, cgroups by CGROUP_KEY and theirs. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SCHED_SHARES_MAX);
	__type(key, u64);
	__type(value, struct share);
} shares SEC(".maps");

static u64 vnow;
static u64 lag_max = LAG_MIN;
static u64 rate_ns, rate_vnow;

static __always_inline struct sched_role *role_of(struct task_struct *p)
{
	return bpf_task_storage_get(&roles, p, NULL, 0);
}

static __always_inline struct task_state *state_of(struct task_struct *p)
{
	return bpf_task_storage_get(&states, p, NULL, 0);
}

static __always_inline u64 agent_of(struct task_struct *p)
{
	const struct sched_role *r = role_of(p);

	return r ? r->agent : 0;
}

static __always_inline bool is_after(u64 a, u64 b)
{
	return (s64)(a - b) > 0;
}

/* One of those that compute a model together weighs as much as at nice -10. */
static __always_inline u32 task_weight(struct task_struct *p)
{
	u32 own = BPF_CORE_READ((struct task_struct___s *)p, scx.weight) ?: WEIGHT_UNIT;
	const struct sched_role *r = role_of(p);

	if (!r || r->role != STARLING_ROLE_INFERENCE)
		return own;
	return own > WEIGHT_INFERENCE ? own : WEIGHT_INFERENCE;
}

/* The root's tasks and child cgroups share without it. */
static __always_inline u64 cgroup_key(struct cgroup *cgrp)
{
	if (!cgrp || BPF_CORE_READ(cgrp, level) == 0)
		return 0;
	return BPF_CORE_READ(cgrp, kn, id) | CGROUP_KEY;
}

/* What a cgroup is to its controllers is the first thing in it. */
static __always_inline struct cgroup *cgroup_parent(struct cgroup *cgrp)
{
	return (struct cgroup *)BPF_CORE_READ(cgrp, self.parent);
}

/*
 * Functions that are not static are verified once, and not at each of their calls:
 * this takes a tenth of the time.
 */

/* -- shares ------------------------------------------------------------------- */

/* An agent that the daemon has not told of yet is like most. */
static __noinline int agent_read(struct share *s, u64 id)
{
	const struct sched_agent *a = bpf_map_lookup_elem(&agents, &id);

	s->seen = agents_seq;
	s->weight = a && a->weight ? a->weight : WEIGHT_UNIT;
	s->parent = a ? a->parent : 0;
	s->class = a ? a->class : STARLING_CLASS_NORMAL;
	return 0;
}

static __always_inline struct share *share_find(u64 key)
{
	struct share *s = key ? bpf_map_lookup_elem(&shares, &key) : NULL;

	if (s && !(key & CGROUP_KEY) && s->seen != agents_seq)
		agent_read(s, key);
	return s;
}

/* The daemon makes one for each agent; a child may be there sooner. */
static __noinline struct share *agent_share(u64 id)
{
	struct share *s = share_find(id), none = { .finish = vnow };

	if (s)
		return s;
	bpf_map_update_elem(&shares, &id, &none, BPF_NOEXIST);
	return share_find(id);
}

/* One of @weight more below @key wants to run; the first of them makes @key want to. */
__noinline int count_in(u64 key, u32 weight)
{
	struct share *s;

	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		s = share_find(key);
		if (!s)
			break;
		if (!s->nr_below) {
			s->counted = s->weight;
			s->counted_in = s->parent;
		}
		__sync_fetch_and_add(&s->below, weight);
		if (__sync_fetch_and_add(&s->nr_below, 1))
			break;
		weight = s->counted;
		key = s->counted_in;
	}
	return 0;
}

__noinline int count_out(u64 key, u32 weight)
{
	struct share *s;

	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		s = share_find(key);
		if (!s || !s->nr_below)
			break;
		__sync_fetch_and_add(&s->below, -(u64)weight);
		if (__sync_fetch_and_add(&s->nr_below, -1) != 1)
			break;
		weight = s->counted;
		key = s->counted_in;
	}
	return 0;
}

/* It has another weight or parent than when it began to want to run. */
__noinline int share_recount(u64 key)
{
	struct share *s = share_find(key), *parent;
	u64 from, to;
	u32 old, weight;

	if (!s)
		return 0;
	from = s->counted_in;
	to = s->parent;
	old = s->counted;
	weight = s->weight;
	if (from != to) {
		if (!__sync_bool_compare_and_swap(&s->counted_in, from, to))
			return 0;
		s->counted = weight;
		count_out(from, old);
		count_in(to, weight);
	} else if (__sync_bool_compare_and_swap(&s->counted, old, weight)) {
		parent = share_find(to);
		if (parent)
			__sync_fetch_and_add(&parent->below, (u64)weight - old);
	}
	return 0;
}

/* True when it is the first of its flow that wants to run. */
static bool count_task(struct task_state *t, struct task_struct *p)
{
	u64 agent = agent_of(p);
	struct share *s;

	t->counts = true;
	t->counted = agent;
	if (!agent) {
		t->counted = t->group;
		t->counted_weight = task_weight(p);
		count_in(t->group, t->counted_weight);
		return true;
	}
	s = agent_share(agent);
	if (!s || __sync_fetch_and_add(&s->own, 1))
		return false;
	count_in(agent, WEIGHT_UNIT);
	return true;
}

static void uncount_task(struct task_state *t)
{
	struct share *s;

	if (!t->counts)
		return;
	t->counts = false;
	if (!t->counted || t->counted & CGROUP_KEY) {
		count_out(t->counted, t->counted_weight);
		return;
	}
	s = share_find(t->counted);
	if (s && s->own && __sync_fetch_and_add(&s->own, -1) == 1)
		count_out(t->counted, WEIGHT_UNIT);
}

/* @weight in @key, as a weight among all: never 0. */
__noinline u64 weight_among_all(u64 key, u64 weight)
{
	struct share *s;
	u64 among = weight << WEIGHT_SHIFT, sum;

	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		s = share_find(key);
		if (!s)
			break;
		if (s->nr_below && (s->counted != s->weight || s->counted_in != s->parent))
			share_recount(key);
		sum = s->below > weight ? s->below : weight;
		weight = s->weight;
		among = among * weight / (sum ?: 1);
		key = s->parent;
	}
	return among ?: 1;
}

static u64 by_weight(const struct task_state *t, struct task_struct *p, u64 agent, u64 ns)
{
	u64 among = agent ? weight_among_all(agent, WEIGHT_UNIT) :
			    weight_among_all(t->group, task_weight(p));

	return (ns * WEIGHT_UNIT << WEIGHT_SHIFT) / among;
}

/* -- flows ---------------------------------------------------------------------- */

static __always_inline u64 *flow_of(struct task_state *t, u64 agent)
{
	struct share *s;

	if (!agent)
		return &t->own.finish;
	s = agent_share(agent);
	return s ? &s->finish : NULL;
}

/* Who has slept has not saved up time; who has waited is owed some. */
static void flow_wakes(struct task_state *t, struct task_struct *p)
{
	u64 *finish = flow_of(t, agent_of(p));

	if (finish && is_after(vnow, *finish))
		*finish = vnow;
}

/* It is queued anew, or not any more, and has not run: nothing is charged for that. */
static void flow_unreserve(struct task_state *t)
{
	u64 *finish = t->reserved ? flow_of(t, t->flow) : NULL;

	if (finish)
		__sync_fetch_and_add(finish, -t->reserved);
	t->reserved = 0;
}

/* Charges a slice in advance; where it starts is the place in the queue. */
static u64 flow_start(struct task_state *t, struct task_struct *p)
{
	u64 agent = agent_of(p), *finish = flow_of(t, agent);

	flow_unreserve(t);
	t->slice_ns = bpf_ktime_get_ns();
	t->start = vnow;
	if (!finish)
		return vnow;
	if (is_after(*finish, vnow + lag_max))
		*finish = vnow + lag_max;
	if (is_after(vnow - CREDIT_MAX, *finish))
		*finish = vnow - CREDIT_MAX;
	t->flow = agent;
	t->start = *finish;
	t->reserved = by_weight(t, p, agent, SLICE);
	__sync_fetch_and_add(finish, t->reserved);
	return t->start;
}

/*
 * Virtual time is where the last one started that had its turn. While nobody
 * waits it goes on with those that run, as there is nothing to be owed.
 */
static __always_inline void time_goes_on(const struct task_state *t)
{
	if (is_after(t->start, vnow))
		vnow = t->start;
}

/* What it used takes the place of what was charged. */
static void flow_charge(struct task_state *t, struct task_struct *p, u64 used)
{
	u64 cost = by_weight(t, p, t->flow, used), *finish = flow_of(t, t->flow);

	if (finish)
		__sync_fetch_and_add(finish, cost - t->reserved);
	t->reserved = 0;
	t->start += cost;
}

/* About the virtual time of WAIT_MAX, by how fast it goes now. */
static void lag_update(u64 now)
{
	u64 took = now - rate_ns, lag;

	if (took < RATE_EVERY)
		return;
	lag = (vnow - rate_vnow) * (WAIT_MAX / MSEC) / (took / MSEC);
	lag_max = lag > LAG_MIN && lag <= WAIT_MAX * 1024 ? lag : LAG_MIN;
	rate_vnow = vnow;
	rate_ns = now;
}

#endif
