/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sched_turn.bpf.h - whose turn it is: takes the next task from the queues into the
 * local one of the CPU that asks.
 */
#ifndef STARLING_SCHED_TURN_BPF_H
#define STARLING_SCHED_TURN_BPF_H

static u64 last_turn_ns[TIER_IDLE + 1];

static bool take(u64 tier, u64 now)
{
	if (!scx_bpf_dsq_move_to_local(tier))
		return false;
	last_turn_ns[tier] = now;
	return true;
}

/* The more wait there, the sooner the next has its turn. */
static __always_inline u64 age_for(s32 n, u64 age)
{
	return WAIT_MAX / n < age ? WAIT_MAX / n : age;
}

static bool take_aged(u64 tier, u64 age, u64 now)
{
	s32 n = scx_bpf_dsq_nr_queued(tier);

	if (n <= 0) {
		last_turn_ns[tier] = now;
		return false;
	}
	if (now - last_turn_ns[tier] < age_for(n, age) || !take(tier, now))
		return false;
	count(SCHED_AGED);
	return true;
}

static bool take_own(s32 cpu, u64 now)
{
	if (!scx_bpf_dsq_move_to_local(own_queue(cpu)))
		return false;
	cpu_at(cpu)->own_ns = now;
	return true;
}

static bool take_own_aged(s32 cpu, u64 age, u64 now)
{
	s32 n = scx_bpf_dsq_nr_queued(own_queue(cpu));

	if (n <= 0) {
		cpu_at(cpu)->own_ns = now;
		return false;
	}
	return now - cpu_at(cpu)->own_ns >= age_for(n, age) && take_own(cpu, now);
}

/* The first of a queue; NULL: nobody waits, or the kernel has no function to say who. */
static __always_inline struct task_struct *first_of(u64 queue)
{
	return scx_bpf_dsq_peek ? scx_bpf_dsq_peek(queue) : NULL;
}

/*
 * Those that may run on this CPU alone and the others by the same virtual time; in
 * turn where the kernel does not tell it, or the first of the others runs elsewhere.
 */
static bool own_is_first(s32 cpu, u64 now)
{
	struct task_struct *own = first_of(own_queue(cpu)), *other = first_of(TIER_NORMAL);

	if (!scx_bpf_dsq_peek || (own && other && !may_run_on(other, cpu)))
		return cpu_at(cpu)->own_ns + SLICE < now;
	return own && (!other || !is_after(scx_of(own)->dsq_vtime, scx_of(other)->dsq_vtime));
}

static bool take_normal(s32 cpu, u64 now)
{
	if (own_is_first(cpu, now))
		return take_own(cpu, now) || take(TIER_NORMAL, now);
	return take(TIER_NORMAL, now) || take_own(cpu, now);
}

static bool take_any(s32 cpu, u64 now)
{
	return take(TIER_SERVICE, now) || take(TIER_INTERACTIVE, now) ||
	       take(TIER_ORCHESTRATOR, now) ||
	       take_normal(cpu, now) || take(TIER_BACKGROUND, now);
}

/* What has waited for long where only feeders run has a slice between two of theirs. */
static bool is_time_for_others(s32 cpu, u64 now)
{
	if (take_own_aged(cpu, CROWDED_AGE, now) ||
	    take_aged(TIER_SERVICE, CROWDED_AGE, now) ||
	    take_aged(TIER_INTERACTIVE, CROWDED_AGE, now) ||
	    take_aged(TIER_ORCHESTRATOR, CROWDED_AGE, now) ||
	    take_aged(TIER_NORMAL, CROWDED_AGE, now) ||
	    take_aged(TIER_BACKGROUND, BACKGROUND_AGE * 2, now))
		return true;
	if (now - cpu_at(cpu)->shared_ns <= FEEDER_PAUSE)
		return false;
	cpu_at(cpu)->shared_ns = now;
	return take_any(cpu, now);
}

#endif
