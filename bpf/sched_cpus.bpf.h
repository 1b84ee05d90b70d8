/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sched_cpus.bpf.h - what runs where, and which CPU a task goes to.
 *
 * Free ones are searched kind by kind in the order that suits the task: feeders
 * where CPUs are protected, tools on small cores first. Within a kind the kernel
 * prefers the last CPU, whole cores and what shares its cache.
 */
#ifndef STARLING_SCHED_CPUS_BPF_H
#define STARLING_SCHED_CPUS_BPF_H

/*
 * Better first; queues of the tiers have the same numbers. A CPU that runs what
 * is not ours, as real-time tasks are, or that is offline cannot be taken.
 */
enum tier {
	TIER_NONE = 0,
	TIER_FEEDER,
	TIER_SERVICE,
	TIER_INTERACTIVE,	/* main loops of agents that a person waits for */
	TIER_ORCHESTRATOR,
	TIER_NORMAL,
	TIER_BACKGROUND,
	TIER_IDLE,
	QUEUE_LIMITED,		/* those whose cgroup has used up its time */
};

/* And one for each CPU, of those that can run there alone. */
#define QUEUE_OWN	0x10000

/* Each CPU is in one of these. */
enum kind {
	KIND_PROTECTED,		/* where feeders go first */
	KIND_BIG,
	KIND_LITTLE,
	__KIND_MAX,
};

static const u8 kind_order[][__KIND_MAX] = {
	[TIER_FEEDER] = { KIND_PROTECTED, KIND_BIG, KIND_LITTLE },
	[TIER_SERVICE] = { KIND_BIG, KIND_PROTECTED, KIND_LITTLE },
	[TIER_INTERACTIVE] = { KIND_BIG, KIND_LITTLE, KIND_PROTECTED },
	[TIER_ORCHESTRATOR] = { KIND_BIG, KIND_LITTLE, KIND_PROTECTED },
	[TIER_NORMAL] = { KIND_LITTLE, KIND_BIG, KIND_PROTECTED },
	[TIER_BACKGROUND] = { KIND_LITTLE, KIND_BIG, KIND_PROTECTED },
};

/*
 * Written by the daemon, which then runs starling_kinds: CPUs where feeders go
 * first, and those that are smaller than the largest.
 */
unsigned char protected_cpu[SCHED_CPUS_MAX];
unsigned char little_cpu[SCHED_CPUS_MAX];
/* Once, before it starts: a CPU that comes or goes later ends the scheduler. */
unsigned char online_cpu[SCHED_CPUS_MAX];
unsigned int nr_online;

/*
 * @turn_ns:	last start of a task that is no thread of the kernel
 * @own_ns:	last turn of those bound to it
 * @shared_ns:	last look at the queues, while feeders run there
 * @tier:	what it runs
 * @brief:	a thread of the kernel that is soon done waits there: who is put out for
 *		it stays
 */
struct cpu_state {
	u64 turn_ns;
	u64 own_ns;
	u64 shared_ns;
	u8 tier;
	bool brief;
};

static struct cpu_state cpus[SCHED_CPUS_MAX];
static u32 nr_of_kind[4];	/* a power of two, see cpu_at() */

struct kind_mask {
	struct bpf_cpumask __kptr * mask;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, __KIND_MAX);
	__type(key, u32);
	__type(value, struct kind_mask);
} kinds SEC(".maps");

static __always_inline u32 nr_cpus(void)
{
	u32 n = scx_bpf_nr_cpu_ids();

	return n < SCHED_CPUS_MAX ? n : SCHED_CPUS_MAX;
}

/* A power of two: the verifier sees that it is within bounds. */
static __always_inline struct cpu_state *cpu_at(s32 cpu)
{
	u64 i = (u32)cpu & (SCHED_CPUS_MAX - 1);

	barrier_var(i);
	return &cpus[i < SCHED_CPUS_MAX ? i : 0];
}

static __always_inline void set_tier(s32 cpu, enum tier tier)
{
	cpu_at(cpu)->tier = tier;
}

static __always_inline bool may_run_on(const struct task_struct *p, u32 cpu)
{
	return bpf_cpumask_test_cpu(cpu, p->cpus_ptr);
}

static __always_inline bool is_protected(s32 cpu)
{
	u64 i = (u32)cpu & (SCHED_CPUS_MAX - 1);

	barrier_var(i);
	return i < SCHED_CPUS_MAX && protected_cpu[i];
}

static __always_inline bool is_online(s32 cpu)
{
	u64 i = (u32)cpu & (SCHED_CPUS_MAX - 1);

	barrier_var(i);
	return i < SCHED_CPUS_MAX && online_cpu[i];
}

/* To one CPU of several. */
static __always_inline bool is_bound(const struct task_struct *p)
{
	return p->nr_cpus_allowed == 1 && nr_online > 1;
}

static __always_inline u64 own_queue(s32 cpu)
{
	return QUEUE_OWN + (u32)cpu;
}

/* In its local queue, which is empty before it looks at any other. */
static __always_inline bool is_wanted(s32 cpu)
{
	return scx_bpf_dsq_nr_queued(DSQ_LOCAL_ON | cpu) > 0;
}

static __always_inline enum kind kind_of(u32 cpu)
{
	if (protected_cpu[cpu])
		return KIND_PROTECTED;
	return little_cpu[cpu] ? KIND_LITTLE : KIND_BIG;
}

/* -- which are free ----------------------------------------------------------- */

/* One of @mask's; the kernel before 6.17 cannot be asked for the best of them. */
static s32 pick_idle(struct task_struct *p, const struct cpumask *mask, s32 prev, u64 wake_flags)
{
	struct scx_bpf_select_cpu_and_args___s args = {
		.prev_cpu = prev, .wake_flags = wake_flags,
	};

	if (__scx_bpf_select_cpu_and)
		return __scx_bpf_select_cpu_and(p, mask, &args);
	if (prev >= 0 && bpf_cpumask_test_cpu(prev, mask) && may_run_on(p, prev) &&
	    scx_bpf_test_and_clear_cpu_idle(prev))
		return prev;
	if (p->nr_cpus_allowed < nr_online)
		return -1;
	return scx_bpf_pick_idle_cpu(mask, 0);
}

static s32 pick_kind(struct task_struct *p, u32 kind, s32 prev, u64 wake_flags)
{
	struct kind_mask *k;
	struct bpf_cpumask *mask;

	if (kind >= __KIND_MAX || !nr_of_kind[kind])
		return -1;
	k = bpf_map_lookup_elem(&kinds, &kind);
	if (!k)
		return -1;
	mask = k->mask;
	return mask ? pick_idle(p, (const struct cpumask *)mask, prev, wake_flags) : -1;
}

/* A free CPU for @p, which is then no longer seen as free; negative: none. */
static s32 find_idle(struct task_struct *p, enum tier tier, s32 prev, u64 wake_flags)
{
	s32 cpu = -1;

	if (tier < TIER_FEEDER || tier > TIER_BACKGROUND)
		return cpu;
	for (int i = 0; i < __KIND_MAX && cpu < 0; i++)
		cpu = pick_kind(p, kind_order[tier][i], prev, wake_flags);
	return cpu;
}

static int kind_set(u32 kind, u32 n)
{
	struct kind_mask *k = bpf_map_lookup_elem(&kinds, &kind);
	struct bpf_cpumask *mask, *old;
	u32 cpu, count = 0;

	if (!k)
		return -22;	/* EINVAL */
	mask = bpf_cpumask_create();
	if (!mask)
		return -12;	/* ENOMEM */
	bpf_for(cpu, 0, n) {
		if (cpu < SCHED_CPUS_MAX && online_cpu[cpu] && kind_of(cpu) == kind) {
			bpf_cpumask_set_cpu(cpu, mask);
			count++;
		}
	}
	old = bpf_kptr_xchg(&k->mask, mask);
	if (old)
		bpf_cpumask_release(old);
	barrier_var(kind);
	nr_of_kind[kind & 3] = count;
	return 0;
}

static int kinds_set(void)
{
	u32 n = nr_cpus();
	int err = 0;

	for (u32 kind = 0; kind < __KIND_MAX && !err; kind++)
		err = kind_set(kind, n);
	return err;
}

/* -- what others run ------------------------------------------------------------ */

/* Among CPUs that may be taken from those that are protected go first, then big ones. */
static __always_inline u32 rank_of(u32 cpu, s32 prev, bool feeder)
{
	/* Seen as free by nobody: it is between two tasks. */
	u32 rank = cpus[cpu].tier == TIER_IDLE ? 1 : (u32)cpus[cpu].tier * 8;

	if (feeder && protected_cpu[cpu])
		rank += 4;
	if (!little_cpu[cpu])
		rank += 2;
	if ((s32)cpu == prev)
		rank += 1;
	return rank;
}

/* The CPU that runs what matters least, and less than @tier; -1: none. */
static s32 find_victim(struct task_struct *p, enum tier tier)
{
	s32 prev = scx_bpf_task_cpu(p), best = -1;
	bool feeder = tier == TIER_FEEDER;
	u32 most = 0, rank, cpu;

	bpf_for(cpu, 0, nr_cpus()) {
		if (cpu >= SCHED_CPUS_MAX || cpus[cpu].tier <= tier || !may_run_on(p, cpu))
			continue;
		rank = rank_of(cpu, prev, feeder);
		if (rank > most) {
			most = rank;
			best = cpu;
		}
	}
	return best;
}

static __always_inline bool is_lesser(s32 cpu, enum tier tier)
{
	return cpu_at(cpu)->tier > tier;
}

/* A protected CPU that runs less than @tier; -1: none. */
static s32 find_protected(struct task_struct *p, enum tier tier)
{
	u32 cpu;

	bpf_for(cpu, 0, nr_cpus()) {
		if (cpu < SCHED_CPUS_MAX && protected_cpu[cpu] && cpus[cpu].tier > tier &&
		    may_run_on(p, cpu))
			return cpu;
	}
	return -1;
}

/*
 * Feeders have all CPUs that it may run on, or others wait in their local queues:
 * while these do, a CPU does not look at any other queue.
 */
static bool is_crowded_out(struct task_struct *p)
{
	u32 cpu;

	bpf_for(cpu, 0, nr_cpus()) {
		if (cpu < SCHED_CPUS_MAX && cpus[cpu].tier > TIER_FEEDER && may_run_on(p, cpu) &&
		    !is_wanted(cpu))
			return false;
	}
	return true;
}

#endif
