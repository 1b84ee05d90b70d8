/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Starved time: how long a GPU had nothing to do because its feeder waited for
 * a CPU.
 *
 * No probe sees the device come to its end. But a feeder goes in steps, from
 * one wait for the device to the next, and while it waits for a CPU at a time
 * when the device works anyway a step takes no longer than usual. So what
 * counts is by how much a step took longer, at most the time in it that the
 * thread stood in a run queue. Nothing is added to a context switch: both are
 * read where a wait begins.
 */
#ifndef STARLING_STEP_BPF_H
#define STARLING_STEP_BPF_H

#define STEP_MIN_NS	50000	/* shorter: part of the next one ... */
#define STEP_SHORT_PART	8	/* ... and than so much of the longest one of late */
#define STEP_CALM_PART	64	/* waited less than so much of it: undisturbed */
#define STEP_CALM_OLD	64	/* steps since the last undisturbed one */
#define STEP_LEARNED	16
#define STEP_RECENT	32	/* "of late": so many, and those before */

/*
 * The median of undisturbed steps, as pauses are among them: a little up or down
 * at each. It begins with large paces.
 */
static __always_inline void step_learn(struct task_state *st, u64 ns)
{
	u64 pace = st->step_median >> (st->step_calm < STEP_LEARNED ? 3 : 6);

	st->step_since = 0;
	if (!st->step_calm)
		st->step_median = ns;
	else if (ns > st->step_median)
		st->step_median += pace;
	else
		st->step_median -= pace;
	if (st->step_calm < STEP_LEARNED)
		st->step_calm++;
}

/*
 * Forgets what was before twice STEP_RECENT, as the copies a program begins with.
 * The longest ones are without pauses.
 */
static __always_inline void step_compare(struct task_state *st, u64 ns)
{
	u64 work = ns < PROBE_GPU_QUIET_NS ? ns : 0;

	if (st->step_count++ % STEP_RECENT == 0) {
		st->step_least_before = st->step_least;
		st->step_most_before = st->step_most;
		st->step_least = ns;
		st->step_most = work;
		return;
	}
	if (ns < st->step_least)
		st->step_least = ns;
	if (work > st->step_most)
		st->step_most = work;
}

/* A copy beside the work, say: all steps are to be of one kind. */
static __always_inline bool step_is_part(const struct task_state *st, u64 ns)
{
	u64 most = st->step_most;

	if (st->step_most_before > most)
		most = st->step_most_before;
	return ns < STEP_MIN_NS || ns < most / STEP_SHORT_PART;
}

/* Where each is disturbed: the shortest one of late, which cannot be by much. */
static __always_inline u64 step_usual(const struct task_state *st)
{
	if (st->step_calm && st->step_since < STEP_CALM_OLD)
		return st->step_median;
	if (st->step_least_before && st->step_least_before < st->step_least)
		return st->step_least_before;
	return st->step_least;
}

static __always_inline void step_ends(struct task_struct *p, struct task_state *st,
				      u64 now)
{
	u64 ns = now - st->step_ns, waited = wait_of(p) - st->step_wait;
	bool first = !st->step_ns;
	u64 usual, over;

	if (!first && step_is_part(st, ns))
		return;
	st->step_ns = now;
	st->step_wait += waited;
	if (first)
		return;
	step_compare(st, ns);
	if (waited < ns / STEP_CALM_PART)
		step_learn(st, ns);
	else if (st->step_since < STEP_CALM_OLD)
		st->step_since++;
	usual = step_usual(st);
	over = ns > usual ? ns - usual : 0;
	st->starved_ns += over < waited ? over : waited;
}

#endif
