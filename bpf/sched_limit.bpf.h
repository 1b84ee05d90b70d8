/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sched_limit.bpf.h - cpu.max of cgroups, which sched_ext leaves to schedulers.
 *
 * Run time is charged to the limits of the task's cgroup and those above it. Who
 * is over one waits in a queue of its own, ordered by the end of the period, from
 * which a timer (sched_look.bpf.h) lets go. What a slice took too much is missing in the next
 * period. Limits hold for all, feeders and agents' tasks too.
 */
#ifndef STARLING_SCHED_LIMIT_BPF_H
#define STARLING_SCHED_LIMIT_BPF_H

/*
 * @parent:	key of the next cgroup above; 0: none
 * @quota_ns:	of CPU time in each period; 0: no limit
 * @until_ns:	end of the current period
 */
struct limit {
	u64 parent;
	u64 quota_ns;
	u64 period_ns;
	u64 used_ns;
	u64 until_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SCHED_SHARES_MAX);
	__type(key, u64);
	__type(value, struct limit);
} limits SEC(".maps");

/* How many cgroups have one: the rest of the machine pays nothing for them. */
static u32 nr_limits;
static u64 limit_forced_ns;
/* At once; the others at the next look. In memory for the verifier's sake. */
#define LET_GO_MAX	256
static volatile u32 nr_let_go;

static void look_soon(void);

static __always_inline struct limit *limit_find(u64 key)
{
	return key ? bpf_map_lookup_elem(&limits, &key) : NULL;
}

__noinline int limit_charge(u64 key, u64 used)
{
	struct limit *l;

	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		l = limit_find(key);
		if (!l)
			break;
		if (l->quota_ns)
			__sync_fetch_and_add(&l->used_ns, used);
		key = l->parent;
	}
	return 0;
}

/* Several periods may have passed since; each of them pays a quota back. */
static __always_inline void limit_renew(struct limit *l, u64 now)
{
	u64 until = l->until_ns, paid;

	if (now < until ||
	    !__sync_bool_compare_and_swap(&l->until_ns, until, now + l->period_ns))
		return;
	paid = ((now - until) / (l->period_ns ?: 1) + 1) * l->quota_ns;
	l->used_ns = l->used_ns > paid ? l->used_ns - paid : 0;
	/* A debt ends some day: what it ran while nobody could stop it is forgiven. */
	if (l->used_ns > 2 * l->quota_ns)
		l->used_ns = 2 * l->quota_ns;
}

/* Until when one of that cgroup has to wait; 0: it may run. */
__noinline u64 limit_until(u64 key, u64 now)
{
	struct limit *l;
	u64 until = 0;

	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		l = limit_find(key);
		if (!l)
			break;
		if (l->quota_ns) {
			limit_renew(l, now);
			if (l->used_ns >= l->quota_ns && l->until_ns > until)
				until = l->until_ns;
		}
		key = l->parent;
	}
	return until;
}

/* A BPF program that runs forbids it itself, for as long, to who runs it. */
static __always_inline bool may_migrate(struct task_struct *p)
{
	return p->migration_disabled <= (p == bpf_get_current_task_btf());
}

/* Until when it has to wait, 0: it need not. The kernel itself queues those that exit. */
static __always_inline u64 limited_until(struct task_struct *p, const struct task_state *t,
					 u64 now)
{
	if (!nr_limits || !t->group || p->flags & TASK_EXITING || !may_migrate(p))
		return 0;
	return limit_until(t->group, now);
}

/* True when it has to wait, and does. */
static bool limit_queue(struct task_struct *p, struct task_state *t, u64 flags)
{
	u64 now = bpf_ktime_get_ns(), until = limited_until(p, t, now);

	if (!until)
		return false;
	t->queued_ns = now;
	count(SCHED_LIMITED);
	scx_bpf_dsq_insert_vtime(p, QUEUE_LIMITED, SLICE, until, flags);
	return true;
}

static __always_inline void limit_let_go(struct bpf_iter_scx_dsq___s *it, struct task_struct *p,
					 u64 now)
{
	struct task_state *t = state_of(p);
	s32 cpu = scx_bpf_task_cpu(p);

	if (t)
		t->queued_ns = now;
	if (p->nr_cpus_allowed > 1)
		cpu = scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
	if (cpu >= 0) {
		scx_bpf_dsq_move(it, p, DSQ_LOCAL_ON | cpu, 0);
		return;
	}
	scx_bpf_dsq_move_set_vtime(it, vnow);
	scx_bpf_dsq_move_vtime(it, p, TIER_NORMAL, 0);
}

/*
 * A limit may be far below what its tasks need to have one turn each before the
 * kernel takes them for forgotten: one goes when it has waited for long.
 */
static void limit_look(u64 now)
{
	s32 n = scx_bpf_dsq_nr_queued(QUEUE_LIMITED);
	bool force = n > 0 && now - limit_forced_ns > WAIT_MAX / n;
	struct bpf_iter_scx_dsq___s it;
	struct task_struct *p;

	nr_let_go = 0;
	if (n <= 0 || force)
		limit_forced_ns = now;
	if (n <= 0)
		return;
	bpf_iter_scx_dsq_new(&it, QUEUE_LIMITED, 0);
	while ((p = bpf_iter_scx_dsq_next(&it)) && nr_let_go++ < LET_GO_MAX) {
		if (is_after(scx_of(p)->dsq_vtime, now) && !force)
			break;
		force = false;
		limit_let_go(&it, p, now);
	}
	bpf_iter_scx_dsq_destroy(&it);
}

/* No limit is a quota of all ones. */
static void limit_set(u64 key, u64 period_us, u64 quota_us)
{
	struct limit *l = limit_find(key);
	bool had, has = quota_us < 1ULL << 50;

	if (!l)
		return;
	had = l->quota_ns;
	l->period_ns = period_us * 1000;
	l->quota_ns = has ? quota_us * 1000 : 0;
	l->used_ns = 0;
	l->until_ns = bpf_ktime_get_ns() + l->period_ns;
	if (has && !had && __sync_fetch_and_add(&nr_limits, 1) == 0)
		look_soon();
	if (had && !has)
		__sync_fetch_and_add(&nr_limits, -1);
}

#endif
