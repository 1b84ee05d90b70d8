/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sched_promote.bpf.h - one that waits as what it was, and is more now.
 *
 * Who is somebody's main loop or feeds a GPU is seen from what it does. By then it
 * may wait among tools, where its turn can be seconds away. It is moved to where it
 * would have been put had that been known: else the first wait of each main loop
 * would be a tool's.
 */
#ifndef STARLING_SCHED_PROMOTE_BPF_H
#define STARLING_SCHED_PROMOTE_BPF_H

/* Where nobody of @tier or above runs; no idle one, as it would have taken @p. */
static s32 find_lesser(struct task_struct *p, enum tier tier)
{
	s32 cpu;

	if (tier != TIER_FEEDER && is_bound(p)) {
		cpu = scx_bpf_task_cpu(p);
		return is_lesser(cpu, lesser_than(tier)) ? cpu : -1;
	}
	cpu = find_victim(p, tier == TIER_FEEDER ? TIER_FEEDER : lesser_than(tier));
	return cpu;
}

static void move_up(struct bpf_iter_scx_dsq___s *it, struct task_struct *p, enum tier tier)
{
	s32 cpu = find_lesser(p, tier);
	bool moved;

	if (cpu >= 0) {
		moved = scx_bpf_dsq_move(it, p, DSQ_LOCAL_ON | cpu, ENQ_PREEMPT);
		if (moved)
			set_tier(cpu, tier);
	} else if (tier == TIER_FEEDER) {
		moved = scx_bpf_dsq_move(it, p, DSQ_LOCAL_ON | scx_bpf_task_cpu(p), 0);
	} else if (tier == TIER_SERVICE) {
		moved = scx_bpf_dsq_move(it, p, tier, 0);
	} else {
		scx_bpf_dsq_move_set_vtime(it, due(p, state_of(p)));
		moved = scx_bpf_dsq_move_vtime(it, p, tier, 0);
	}
	if (moved)
		count(SCHED_PROMOTED);
}

/* In memory, as nr_looked is. The daemon asks for one at a time. */
static volatile u32 nr_asked;

static __noinline int promote_from(u64 queue, s32 pid)
{
	struct bpf_iter_scx_dsq___s it;
	struct task_struct *p;
	enum tier tier;
	bool found = false;

	if (scx_bpf_dsq_nr_queued(queue) <= 0)
		return 0;
	bpf_iter_scx_dsq_new(&it, queue, 0);
	nr_asked = 0;
	while (!found && (p = bpf_iter_scx_dsq_next(&it)) && nr_asked++ < LOOK_MAX) {
		if (p->pid != pid)
			continue;
		found = true;
		tier = tier_of(p);
		if (tier < TIER_NORMAL)
			move_up(&it, p, tier);
	}
	bpf_iter_scx_dsq_destroy(&it);
	return found;
}

/* One that has run since it was last queued does not wait. */
static __always_inline bool is_queued(const struct task_state *t)
{
	return t && t->queued_ns >= t->began_ns;
}

#endif
