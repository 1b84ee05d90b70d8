/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sched_look.bpf.h - a timer that looks after those who wait.
 *
 * Places in a queue are virtual times, and how fast these go by depends on who
 * else wants to run, with which weights. Whatever they come to: who has waited
 * for WAIT_MAX moves to the local queue of a CPU, where turns are taken: a CPU with
 * tasks there, as feeders are, does not look at any other queue.
 */
#ifndef STARLING_SCHED_LOOK_BPF_H
#define STARLING_SCHED_LOOK_BPF_H

#define LOOK_EVERY	(1000 * MSEC)
/* While some cgroup has a limit, or tasks wait for one that is no more. */
#define LOOK_LIMITS_EVERY (4 * MSEC)
/* The most that is looked at in one queue, and the most a CPU that are moved. */
#define LOOK_MAX	8192
#define MOVES_MAX	8
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
static volatile u32 nr_looked, nr_moved;
static u32 last_cpu;

/* The CPUs take turns, those that run feeders only for who may run nowhere else. */
static s32 next_cpu_for(struct task_struct *p)
{
	u32 n = nr_cpus(), i, cpu;
	s32 found = -1;

	bpf_for(i, 1, n + 1) {
		cpu = (last_cpu + i) % n;
		if (!is_online(cpu) || !may_run_on(p, cpu))
			continue;
		found = cpu;
		if (is_lesser(cpu, TIER_FEEDER))
			break;
	}
	if (found >= 0)
		last_cpu = found;
	return found;
}

static __noinline int look_at(u64 queue, u64 age, u64 now)
{
	struct bpf_iter_scx_dsq___s it;
	const struct task_state *t;
	struct task_struct *p;
	s32 cpu;

	if (scx_bpf_dsq_nr_queued(queue) <= 0)
		return 0;
	bpf_iter_scx_dsq_new(&it, queue, 0);
	nr_looked = 0;
	while ((p = bpf_iter_scx_dsq_next(&it)) && nr_looked++ < LOOK_MAX) {
		t = state_of(p);
		if (!t || now - t->queued_ns < age)
			continue;
		cpu = nr_moved < MOVES_MAX * nr_online ? next_cpu_for(p) : -1;
		if (cpu < 0)
			continue;
		scx_bpf_dsq_move(&it, p, DSQ_LOCAL_ON | cpu, 0);
		nr_moved++;
		count(SCHED_AGED);
	}
	bpf_iter_scx_dsq_destroy(&it);
	return 0;
}

static int look(void *map, u32 *key, struct look_timer *t)
{
	u64 now = bpf_ktime_get_ns();
	bool limits = nr_limits || scx_bpf_dsq_nr_queued(QUEUE_LIMITED) > 0;
	u32 cpu;

	if (limits)
		limit_look(now);
	if (now - looked_ns >= LOOK_EVERY) {
		looked_ns = now;
		nr_moved = 0;
		for (u64 queue = TIER_SERVICE; queue <= TIER_BACKGROUND; queue++)
			look_at(queue, WAIT_MAX, now);
		/* Feeders that take turns in a local queue leave it no look at its own. */
		bpf_for(cpu, 0, nr_cpus())
			look_at(own_queue(cpu), is_lesser(cpu, TIER_FEEDER) ? WAIT_MAX : LOOK_EVERY,
				now);
	}
	bpf_timer_start(&t->timer, limits ? LOOK_LIMITS_EVERY : LOOK_EVERY, 0);
	return 0;
}

static void look_no_more(void)
{
	u32 zero = 0;
	struct look_timer *t = bpf_map_lookup_elem(&look_timers, &zero);

	if (t)
		bpf_timer_cancel(&t->timer);
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
