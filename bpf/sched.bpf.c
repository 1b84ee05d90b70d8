// SPDX-License-Identifier: GPL-2.0-only
/*
 * The scheduler: feeders at once, then those that serve them, then agents'
 * main loops that run in short bursts, then everything else by agent and
 * weight, background when nobody else wants to run.
 *
 * Everything else is fair by start-time fair queueing: a flow (an agent, or a
 * task that is in none) is charged for a slice when one of its tasks queues up,
 * and for what it used instead when that one stops. So an agent with fifty
 * processes has its share, and not fifty.
 *
 * No tier starves another: one that has waited for long has a turn.
 */
#include <vmlinux.h>
#define _LINUX_TYPES_H
#define _UAPI_LINUX_IOCTL_H
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <linux/starling.h>

#include "sched.h"

char LICENSE[] SEC("license") = "GPL";

#define MSEC		1000000ULL
#define SLICE		(5 * MSEC)
/* An orchestrator that has run for longer since it woke is like any other. */
#define BURST_MAX	(5 * MSEC)
/* A feeder that has run for so long without a wait, and uses no GPU, too. */
#define FEEDER_BURST_MAX	(100 * MSEC)
/* A tier that others kept from running for so long has a turn. */
#define NORMAL_AGE	(100 * MSEC)
#define BACKGROUND_AGE	(1000 * MSEC)
#define WEIGHT_UNIT	100

/* Constants of the kernel, and types of it that this one may not have. */
#define DSQ_LOCAL	0x8000000000000002ULL
#define DSQ_LOCAL_ON	0xc000000000000000ULL
#define ENQ_WAKEUP	(1ULL << 0)
#define ENQ_HEAD	(1ULL << 4)
#define ENQ_PREEMPT	(1ULL << 32)
#define TASK_QUEUED	(1U << 0)

struct scx_init_task_args___s {
	bool fork;
} __attribute__((preserve_access_index));

enum scx_exit_kind___s {
	SCX_EXIT_NONE___s,
};

struct scx_exit_info___s {
	enum scx_exit_kind___s kind;
	s64 exit_code;
	const char *reason;
	const char *msg;
} __attribute__((preserve_access_index));

struct sched_ext_entity___s {
	u32 flags;
	u32 weight;
	u64 slice;
} __attribute__((preserve_access_index));

struct task_struct___s {
	struct sched_ext_entity___s scx;
} __attribute__((preserve_access_index));

struct sched_ext_ops___s {
	s32 (*select_cpu)(struct task_struct *p, s32 prev_cpu, u64 wake_flags);
	void (*enqueue)(struct task_struct *p, u64 enq_flags);
	void (*dispatch)(s32 cpu, struct task_struct *prev);
	void (*runnable)(struct task_struct *p, u64 enq_flags);
	void (*running)(struct task_struct *p);
	void (*stopping)(struct task_struct *p, bool runnable);
	bool (*yield)(struct task_struct *from, struct task_struct *to);
	s32 (*init_task)(struct task_struct *p, void *args);
	s32 (*init)(void);
	void (*exit)(void *info);
	u64 flags;
	u32 timeout_ms;
	char name[128];
};

s32 scx_bpf_create_dsq(u64 dsq_id, s32 node) __ksym;
s32 scx_bpf_select_cpu_dfl(struct task_struct *p, s32 prev_cpu, u64 wake_flags,
			   bool *is_idle) __ksym;
bool scx_bpf_test_and_clear_cpu_idle(s32 cpu) __ksym;
void scx_bpf_dsq_insert(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags) __ksym;
bool scx_bpf_dsq_move_to_local(u64 dsq_id) __ksym;
void scx_bpf_dsq_insert_vtime(struct task_struct *p, u64 dsq_id, u64 slice, u64 vtime,
			      u64 enq_flags) __ksym;
s32 scx_bpf_dsq_nr_queued(u64 dsq_id) __ksym;
s32 scx_bpf_task_cpu(const struct task_struct *p) __ksym;
bool scx_bpf_task_set_slice(struct task_struct *p, u64 slice) __ksym __weak;
u32 scx_bpf_nr_cpu_ids(void) __ksym;
bool bpf_cpumask_test_cpu(u32 cpu, const struct cpumask *mask) __ksym;
int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;
void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym;

/* Better first; queues of the tiers have the same numbers. */
enum tier {
	TIER_FEEDER = 1,
	TIER_SERVICE,
	TIER_ORCHESTRATOR,
	TIER_NORMAL,
	TIER_BACKGROUND,
	TIER_IDLE,
};

struct flow {
	u64 finish;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct sched_task);
} tasks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, struct flow);
} flows SEC(".maps");

/*
 * Written by the daemon: CPUs where feeders go first; until when a GPU is known
 * to be in use (CLOCK_MONOTONIC), which a daemon that hangs does not prolong.
 */
unsigned char protected_cpu[SCHED_CPUS_MAX];
unsigned long long active_until_ns;
unsigned long long counts[__SCHED_COUNT_MAX];
/* Why it ended. */
int exit_kind;
char exit_reason[128];
char exit_msg[256];

static u8 cpu_tier[SCHED_CPUS_MAX];
static u64 vnow;
unsigned long long last_turn_ns[TIER_IDLE + 1];

static __always_inline void count(enum sched_count what)
{
	__sync_fetch_and_add(&counts[what], 1);
}

static __always_inline struct sched_task *task_of(struct task_struct *p)
{
	return bpf_task_storage_get(&tasks, p, NULL, 0);
}

static __always_inline struct sched_ext_entity___s *scx_of(struct task_struct *p)
{
	return &((struct task_struct___s *)p)->scx;
}

/* What it may still run before the others have their turn. */
static __always_inline void set_slice(struct task_struct *p, u64 slice)
{
	if (scx_bpf_task_set_slice)
		scx_bpf_task_set_slice(p, slice);
	else
		scx_of(p)->slice = slice;
}

/* Others that can run on this CPU alone, or feeders, wait there. */
static __always_inline bool is_wanted(s32 cpu)
{
	return scx_bpf_dsq_nr_queued(DSQ_LOCAL_ON | cpu) > 0;
}

static __always_inline u32 nr_cpus(void)
{
	u32 n = scx_bpf_nr_cpu_ids();

	return n < SCHED_CPUS_MAX ? n : SCHED_CPUS_MAX;
}

/* A power of two: the verifier sees that it is within bounds. */
static __always_inline void set_tier(s32 cpu, enum tier tier)
{
	u64 i = (u32)cpu & (SCHED_CPUS_MAX - 1);

	barrier_var(i);
	if (i < SCHED_CPUS_MAX)
		cpu_tier[i] = tier;
}

static __always_inline bool may_run_on(const struct task_struct *p, u32 cpu)
{
	return bpf_cpumask_test_cpu(cpu, p->cpus_ptr);
}

static enum tier tier_of(const struct sched_task *t)
{
	if (!t)
		return TIER_NORMAL;
	switch (t->role) {
	case STARLING_ROLE_FEEDER:
		if (t->burst_ns < FEEDER_BURST_MAX || bpf_ktime_get_ns() < active_until_ns)
			return TIER_FEEDER;
		return TIER_NORMAL;
	case STARLING_ROLE_SERVICE:
		return TIER_SERVICE;
	case STARLING_ROLE_ORCHESTRATOR:
		return t->burst_ns < BURST_MAX ? TIER_ORCHESTRATOR : TIER_NORMAL;
	case STARLING_ROLE_BACKGROUND:
		return TIER_BACKGROUND;
	default:
		return TIER_NORMAL;
	}
}

/* -- what others run -------------------------------------------------------- */

struct victim {
	s32 cpu;
	u32 rank;	/* higher: rather this one */
};

/* Among CPUs that may be taken from those that are protected go first. */
static __always_inline u32 rank_of(u32 cpu, s32 prev, bool feeder)
{
	u32 rank = (u32)cpu_tier[cpu] * 4;

	if (feeder && protected_cpu[cpu])
		rank += 2;
	if ((s32)cpu == prev)
		rank += 1;
	return rank;
}

/* The CPU that runs what matters least, and less than @tier; -1: none does. */
static s32 find_victim(struct task_struct *p, enum tier tier)
{
	s32 prev = scx_bpf_task_cpu(p), best = -1;
	bool feeder = tier == TIER_FEEDER;
	u32 most = 0, rank, cpu;
	struct bpf_iter_num it;
	int *i;

	bpf_iter_num_new(&it, 0, nr_cpus());
	while ((i = bpf_iter_num_next(&it))) {
		cpu = *i;
		if (cpu >= SCHED_CPUS_MAX || cpu_tier[cpu] <= tier || !may_run_on(p, cpu))
			continue;
		rank = rank_of(cpu, prev, feeder);
		if (rank > most) {
			most = rank;
			best = cpu;
		}
	}
	bpf_iter_num_destroy(&it);
	return best;
}

/* A free CPU, protected or not as wanted; -1: none. */
static s32 find_idle(struct task_struct *p, bool protected)
{
	struct bpf_iter_num it;
	s32 found = -1;
	u32 cpu;
	int *i;

	bpf_iter_num_new(&it, 0, nr_cpus());
	while ((i = bpf_iter_num_next(&it))) {
		cpu = *i;
		if (cpu < SCHED_CPUS_MAX && protected_cpu[cpu] == protected &&
		    may_run_on(p, cpu) && scx_bpf_test_and_clear_cpu_idle(cpu)) {
			found = cpu;
			break;
		}
	}
	bpf_iter_num_destroy(&it);
	return found;
}

/* -- fairness ----------------------------------------------------------------- */

static __always_inline u64 by_weight(const struct sched_task *t, struct task_struct *p, u64 ns)
{
	u32 weight = t->agent ? t->weight : BPF_CORE_READ((struct task_struct___s *)p, scx.weight);

	return ns * WEIGHT_UNIT / (weight ?: WEIGHT_UNIT);
}

static __always_inline u64 *finish_of(struct sched_task *t)
{
	struct flow *flow, none = { .finish = vnow };

	if (!t->agent)
		return &t->finish;
	flow = bpf_map_lookup_elem(&flows, &t->agent);
	if (!flow) {
		bpf_map_update_elem(&flows, &t->agent, &none, BPF_NOEXIST);
		flow = bpf_map_lookup_elem(&flows, &t->agent);
	}
	return flow ? &flow->finish : NULL;
}

/* Charges a slice in advance; where it starts is the place in the queue. */
static u64 flow_start(struct sched_task *t, struct task_struct *p)
{
	u64 *finish = finish_of(t), start = vnow;

	if (!finish)
		return start;
	if (*finish > start)
		start = *finish;
	t->start = start;
	t->reserved = by_weight(t, p, SLICE);
	*finish = start + t->reserved;
	return start;
}

/* What it used takes the place of what was charged. */
static void flow_settle(struct sched_task *t, struct task_struct *p, u64 used)
{
	u64 *finish = finish_of(t);

	if (finish)
		__sync_fetch_and_add(finish, by_weight(t, p, used) - t->reserved);
	t->reserved = 0;
}

/* -- who goes where ------------------------------------------------------------ */

/* On the spot: in front of all, on a CPU that runs no other feeder if there is one. */
static void queue_feeder(struct task_struct *p, u64 flags)
{
	s32 cpu;

	/* Its slice is over because others can run nowhere else: after them. */
	if (!(flags & ENQ_WAKEUP) && is_wanted(scx_bpf_task_cpu(p))) {
		count(SCHED_FEEDER_QUEUE);
		scx_bpf_dsq_insert(p, DSQ_LOCAL_ON | scx_bpf_task_cpu(p), SLICE, flags);
		return;
	}
	cpu = find_victim(p, TIER_FEEDER);
	count(cpu >= 0 ? SCHED_FEEDER_KICK : SCHED_FEEDER_QUEUE);
	if (cpu < 0)
		scx_bpf_dsq_insert(p, DSQ_LOCAL_ON | scx_bpf_task_cpu(p), SLICE, flags);
	else
		scx_bpf_dsq_insert(p, DSQ_LOCAL_ON | cpu, SLICE,
				   flags | ENQ_HEAD | ENQ_PREEMPT);
}

/*
 * At once on a free CPU, or instead of one that runs something lesser. The
 * local queues do that without kicks, which 7.2's types lack.
 */
static bool queue_now(struct task_struct *p, enum tier tier, u64 flags)
{
	s32 cpu = find_idle(p, false);

	if (cpu < 0)
		cpu = find_idle(p, true);
	if (cpu < 0 && tier <= TIER_ORCHESTRATOR) {
		cpu = find_victim(p, TIER_ORCHESTRATOR);
		flags |= ENQ_HEAD | ENQ_PREEMPT;
	}
	if (cpu < 0)
		return false;
	scx_bpf_dsq_insert(p, DSQ_LOCAL_ON | cpu, SLICE, flags);
	return true;
}

SEC("struct_ops/enqueue")
void BPF_PROG(starling_enqueue, struct task_struct *p, u64 flags)
{
	struct sched_task *t = task_of(p);
	enum tier tier = tier_of(t);

	if (tier == TIER_FEEDER) {
		queue_feeder(p, flags);
		return;
	}
	/* Bound to one CPU, above all the kernel's own: others cannot take it. */
	if (p->nr_cpus_allowed == 1) {
		scx_bpf_dsq_insert(p, DSQ_LOCAL_ON | scx_bpf_task_cpu(p), SLICE, flags);
		return;
	}
	if (queue_now(p, tier, flags))
		return;
	if (t && (tier == TIER_NORMAL || tier == TIER_BACKGROUND))
		scx_bpf_dsq_insert_vtime(p, tier, SLICE, flow_start(t, p), flags);
	else
		scx_bpf_dsq_insert(p, tier, SLICE, flags);
}

SEC("struct_ops/select_cpu")
s32 BPF_PROG(starling_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	struct sched_task *t = task_of(p);
	bool feeder = tier_of(t) == TIER_FEEDER, idle = false;
	s32 cpu = -1;

	if (feeder) {
		cpu = find_idle(p, true);
		idle = cpu >= 0;
	}
	if (!idle)
		cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &idle);
	if (!idle)
		return cpu;
	if (feeder)
		count(SCHED_FEEDER_IDLE);
	scx_bpf_dsq_insert(p, DSQ_LOCAL_ON | cpu, SLICE, 0);
	return cpu;
}

/* -- what a CPU runs next -------------------------------------------------------- */

static bool take(u64 tier, u64 now)
{
	if (!scx_bpf_dsq_move_to_local(tier))
		return false;
	last_turn_ns[tier] = now;
	return true;
}

static bool take_aged(u64 tier, u64 age, u64 now)
{
	if (!scx_bpf_dsq_nr_queued(tier)) {
		last_turn_ns[tier] = now;
		return false;
	}
	if (now - last_turn_ns[tier] < age || !take(tier, now))
		return false;
	count(SCHED_AGED);
	return true;
}

SEC("struct_ops/dispatch")
void BPF_PROG(starling_dispatch, s32 cpu, struct task_struct *prev)
{
	u64 now = bpf_ktime_get_ns();

	if (prev && scx_of(prev)->flags & TASK_QUEUED && tier_of(task_of(prev)) == TIER_FEEDER) {
		if (!is_wanted(cpu))
			set_slice(prev, SLICE);
		return;
	}
	if (take_aged(TIER_BACKGROUND, BACKGROUND_AGE, now) ||
	    take_aged(TIER_NORMAL, NORMAL_AGE, now))
		return;
	if (take(TIER_SERVICE, now) || take(TIER_ORCHESTRATOR, now) || take(TIER_NORMAL, now))
		return;
	take(TIER_BACKGROUND, now);
}

SEC("struct_ops/runnable")
void BPF_PROG(starling_runnable, struct task_struct *p, u64 flags)
{
	struct sched_task *t = task_of(p);

	if (t)
		t->burst_ns = 0;
}

SEC("struct_ops/running")
void BPF_PROG(starling_running, struct task_struct *p)
{
	struct sched_task *t = task_of(p);
	s32 cpu = scx_bpf_task_cpu(p);

	set_tier(cpu, tier_of(t));
	if (!t)
		return;
	t->began_ns = bpf_ktime_get_ns();
	/* Time goes on with those that run; who sleeps does not save it up. */
	if (t->start > vnow)
		vnow = t->start;
}

SEC("struct_ops/stopping")
void BPF_PROG(starling_stopping, struct task_struct *p, bool runnable)
{
	struct sched_task *t = task_of(p);
	s32 cpu = scx_bpf_task_cpu(p);
	u64 used;

	set_tier(cpu, TIER_IDLE);
	if (!t)
		return;
	used = bpf_ktime_get_ns() - t->began_ns;
	t->burst_ns += used;
	flow_settle(t, p, used);
}

/*
 * Who waits for the GPU in a loop of yields wants to be asked again at once,
 * unless another feeder waits for this very CPU.
 */
SEC("struct_ops/yield")
bool BPF_PROG(starling_yield, struct task_struct *from, struct task_struct *to)
{
	bool feeder = tier_of(task_of(from)) == TIER_FEEDER;

	if (feeder && !is_wanted(scx_bpf_task_cpu(from))) {
		count(SCHED_YIELD_KEPT);
		return false;
	}
	count(SCHED_YIELD_GIVEN);
	set_slice(from, 0);
	return false;
}

/* -- tasks and the scheduler itself ------------------------------------------------ */

/* A child starts in its parent's agent; being a feeder is a thread's own business. */
SEC("struct_ops/init_task")
s32 BPF_PROG(starling_init_task, struct task_struct *p, struct scx_init_task_args___s *args)
{
	struct sched_task *t, *parent;

	t = bpf_task_storage_get(&tasks, p, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t)
		return -12;
	t->finish = vnow;
	if (!args->fork)
		return 0;
	parent = task_of(bpf_get_current_task_btf());
	if (!parent || parent->role == STARLING_ROLE_FEEDER)
		return 0;
	t->agent = parent->agent;
	t->weight = parent->weight;
	t->role = parent->role;
	return 0;
}

SEC("struct_ops.s/init")
s32 BPF_PROG(starling_init)
{
	s32 err = 0;

	for (int tier = TIER_SERVICE; tier <= TIER_BACKGROUND && !err; tier++)
		err = scx_bpf_create_dsq(tier, -1);
	for (int cpu = 0; cpu < SCHED_CPUS_MAX; cpu++)
		cpu_tier[cpu] = TIER_IDLE;
	return err;
}

SEC("struct_ops/exit")
void BPF_PROG(starling_exit, struct scx_exit_info___s *info)
{
	bpf_probe_read_kernel_str(exit_reason, sizeof(exit_reason), info->reason);
	bpf_probe_read_kernel_str(exit_msg, sizeof(exit_msg), info->msg);
	exit_kind = info->kind;
}

SEC(".struct_ops.link")
struct sched_ext_ops___s starling = {
	.select_cpu	= (void *)starling_select_cpu,
	.enqueue	= (void *)starling_enqueue,
	.dispatch	= (void *)starling_dispatch,
	.runnable	= (void *)starling_runnable,
	.running	= (void *)starling_running,
	.stopping	= (void *)starling_stopping,
	.yield		= (void *)starling_yield,
	.init_task	= (void *)starling_init_task,
	.init		= (void *)starling_init,
	.exit		= (void *)starling_exit,
	.timeout_ms	= 10000,
	.name		= "starling",
};
