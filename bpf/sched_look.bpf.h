/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sched_look.bpf.h - a timer that looks after those who wait.
 *
 * Places in a queue are virtual times, and how fast these go by depends on who
 * else wants to run, with which weights. Whatever they come to: who has waited
 * for WAIT_MAX moves to a queue that every CPU takes from first.
 */
#ifndef STARLING_SCHED_LOOK_BPF_H
#define STARLING_SCHED_LOOK_BPF_H

#define LOOK_EVERY	(1000 * MSEC)
/* While some cgroup has a limit, or tasks wait for one that is no more. */
#define LOOK_LIMITS_EVERY (4 * MSEC)
/* The most that is looked at in one queue: more than one CPU can serve meanwhile. */
#define LOOK_MAX	8192
#define CLOCK_MONOTONIC	1

struct look_timer {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct look_timer);
} look_timers SEC(".maps");

static u64 looked_ns;
/* In memory: the verifier would follow a counter of the loop's own to its end. */
static volatile u32 nr_looked;

static __noinline int look_at(u64 queue, u64 now)
{
	struct bpf_iter_scx_dsq___s it;
	const struct task_state *t;
	struct task_struct *p;

	if (scx_bpf_dsq_nr_queued(queue) <= 0)
		return 0;
	bpf_iter_scx_dsq_new(&it, queue, 0);
	nr_looked = 0;
	while ((p = bpf_iter_scx_dsq_next(&it)) && nr_looked++ < LOOK_MAX) {
		t = state_of(p);
		if (!t || now - t->queued_ns < WAIT_MAX)
			continue;
		if (scx_bpf_dsq_move(&it, p, QUEUE_AGED, 0))
			count(SCHED_AGED);
	}
	bpf_iter_scx_dsq_destroy(&it);
	return 0;
}

static int look(void *map, u32 *key, struct look_timer *t)
{
	u64 now = bpf_ktime_get_ns();
	bool limits = nr_limits || scx_bpf_dsq_nr_queued(QUEUE_LIMITED) > 0;

	if (limits)
		limit_look(now);
	if (now - looked_ns >= LOOK_EVERY) {
		looked_ns = now;
		for (u64 queue = TIER_SERVICE; queue <= TIER_BACKGROUND; queue++)
			look_at(queue, now);
	}
	bpf_timer_start(&t->timer, limits ? LOOK_LIMITS_EVERY : LOOK_EVERY, 0);
	return 0;
}

/* Also when the timer runs already: then it comes sooner. */
static void look_soon(void)
{
	u32 zero = 0;
	struct look_timer *t = bpf_map_lookup_elem(&look_timers, &zero);

	if (!t)
		return;
	bpf_timer_init(&t->timer, &look_timers, CLOCK_MONOTONIC);
	bpf_timer_set_callback(&t->timer, look);
	bpf_timer_start(&t->timer, LOOK_LIMITS_EVERY, 0);
}

#endif
