// SPDX-License-Identifier: GPL-2.0-only
/*
 * The scheduler: feeders at once, then those that serve them, then agents'
 * main loops that run in short bursts, then everything else by agent and
 * weight, background when nobody else wants to run.
 *
 * Everything else is fair by start-time fair queueing: a flow (an agent, or a
 * task that is in none) is charged for a slice when one of its tasks queues up,
 * and for what it used instead as that one runs. So an agent with fifty
 * processes has its share, and not fifty. Virtual times are compared by their
 * difference, and may wrap.
 *
 * Nobody starves: lower tiers have a turn when they have waited for long, and
 * how far a flow can be behind is bounded by time. The kernel puts a scheduler
 * out that leaves a task without a CPU for STALL_MS.
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
#define SEC_NS		(1000 * MSEC)
#define SLICE		(5 * MSEC)
/* An orchestrator that has run for longer since it woke is like any other. */
#define BURST_MAX	(5 * MSEC)
/* A feeder that has run for so long without a wait, and uses no GPU, too. */
#define FEEDER_BURST_MAX (100 * MSEC)
/* A tier that others kept from running for so long has a turn ... */
#define NORMAL_AGE	(100 * MSEC)
#define BACKGROUND_AGE	(1000 * MSEC)
/* ... or sooner, when many wait there: about the longest that one of them should. */
#define WAIT_MAX	(10 * SEC_NS)
/* A feeder makes room for what nobody else has run for so long ... */
#define CROWDED_AGE	(500 * MSEC)
/* ... and its CPU looks so often for what may run nowhere else. */
#define FEEDER_PAUSE	(5 * SEC_NS)
/* The least that a flow may be behind, in virtual time. */
#define LAG_MIN		(64 * SLICE)
#define RATE_EVERY	(100 * MSEC)
#define STALL_MS	30000
#define WEIGHT_UNIT	100

/* Constants of the kernel, and types of it that this one may not have. */
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
	void (*tick)(struct task_struct *p);
	void (*stopping)(struct task_struct *p, bool runnable);
	bool (*yield)(struct task_struct *from, struct task_struct *to);
	s32 (*init_task)(struct task_struct *p, void *args);
	s32 (*init)(void);
	void (*exit)(void *info);
	u64 flags;
	u32 timeout_ms;
	char name[128];
	void (*cpu_acquire)(s32 cpu, void *args);
	void (*cpu_release)(s32 cpu, void *args);
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
u32 scx_bpf_reenqueue_local(void) __ksym;
s32 scx_bpf_task_cpu(const struct task_struct *p) __ksym;
bool scx_bpf_task_set_slice(struct task_struct *p, u64 slice) __ksym __weak;
u32 scx_bpf_nr_cpu_ids(void) __ksym;
bool bpf_cpumask_test_cpu(u32 cpu, const struct cpumask *mask) __ksym;
int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;
void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym;

/*
 * Better first; queues of the tiers have the same numbers. A CPU that runs what
 * is not ours, as real-time tasks are, or that is offline cannot be taken.
 */
enum tier {
	TIER_NONE = 0,
	TIER_FEEDER,
	TIER_SERVICE,
	TIER_ORCHESTRATOR,
	TIER_NORMAL,
	TIER_BACKGROUND,
	TIER_IDLE,
};

/* Virtual time up to which it is charged, in ns of weight WEIGHT_UNIT. */
struct flow {
	u64 finish;
};

/*
 * @own:	its flow while it is in no agent
 * @flow:	agent whose flow was charged last; 0: @own
 * @start:	virtual time at which it queued up, and where it runs now
 * @reserved:	charged in advance for the slice it has
 * @began_ns:	from when on its run time is not charged yet
 * @burst_ns:	CPU time since it woke
 */
struct task_state {
	struct flow own;
	u64 flow;
	u64 start;
	u64 reserved;
	u64 began_ns;
	u64 burst_ns;
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
/* Once, before it starts: a CPU that comes or goes later ends the scheduler. */
unsigned char online_cpu[SCHED_CPUS_MAX];
unsigned int nr_online;
unsigned long long active_until_ns;
unsigned long long counts[__SCHED_COUNT_MAX];
/* Why it ended. */
int exit_kind;
long long exit_code;
char exit_reason[128];
char exit_msg[256];

static u8 cpu_tier[SCHED_CPUS_MAX];
unsigned long long cpu_shared_ns[SCHED_CPUS_MAX];	/* last look at the queues */
unsigned long long last_turn_ns[TIER_IDLE + 1];
static u64 vnow;
static u64 lag_max = LAG_MIN;
static u64 rate_ns, rate_vnow;

static __always_inline void count(enum sched_count what)
{
	__sync_fetch_and_add(&counts[what], 1);
}

static __always_inline struct sched_role *role_of(struct task_struct *p)
{
	return bpf_task_storage_get(&roles, p, NULL, 0);
}

static __always_inline struct task_state *state_of(struct task_struct *p)
{
	return bpf_task_storage_get(&states, p, NULL, 0);
}

static __always_inline bool is_after(u64 a, u64 b)
{
	return (s64)(a - b) > 0;
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

static __always_inline bool is_protected(s32 cpu)
{
	u64 i = (u32)cpu & (SCHED_CPUS_MAX - 1);

	barrier_var(i);
	return i < SCHED_CPUS_MAX && protected_cpu[i];
}

/*
 * One that does not sleep while it waits is a feeder for as long as the GPU is
 * in use and on protected CPUs only: of these there are few, so feeders never
 * have the machine to themselves.
 */
static __always_inline bool is_feeding(struct task_struct *p, const struct task_state *t)
{
	return t->burst_ns < FEEDER_BURST_MAX ||
	       (bpf_ktime_get_ns() < active_until_ns && is_protected(scx_bpf_task_cpu(p)));
}

static enum tier tier_of(struct task_struct *p)
{
	const struct sched_role *r = role_of(p);
	const struct task_state *t = state_of(p);

	if (!r || !t)
		return TIER_NORMAL;
	switch (r->role) {
	case STARLING_ROLE_FEEDER:
		return is_feeding(p, t) ? TIER_FEEDER : TIER_NORMAL;
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

/* Among CPUs that may be taken from those that are protected go first. */
static __always_inline u32 rank_of(u32 cpu, s32 prev, bool feeder)
{
	/* Seen as free by nobody: it is between two tasks. */
	u32 rank = cpu_tier[cpu] == TIER_IDLE ? 1 : (u32)cpu_tier[cpu] * 4;

	if (feeder && protected_cpu[cpu])
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

/* Feeders have all CPUs that it may run on. */
static bool is_crowded_out(struct task_struct *p)
{
	struct bpf_iter_num it;
	bool out = true;
	u32 cpu;
	int *i;

	bpf_iter_num_new(&it, 0, nr_cpus());
	while ((i = bpf_iter_num_next(&it))) {
		cpu = *i;
		if (cpu < SCHED_CPUS_MAX && cpu_tier[cpu] > TIER_FEEDER && may_run_on(p, cpu)) {
			out = false;
			break;
		}
	}
	bpf_iter_num_destroy(&it);
	return out;
}

/* -- fairness ----------------------------------------------------------------- */

static __always_inline u64 by_weight(struct task_struct *p, u64 ns)
{
	const struct sched_role *r = role_of(p);
	u32 weight = 0;

	if (r && r->agent)
		weight = r->weight;
	if (!weight)
		weight = BPF_CORE_READ((struct task_struct___s *)p, scx.weight);
	return ns * WEIGHT_UNIT / (weight ?: WEIGHT_UNIT);
}

static __always_inline struct flow *flow_of(struct task_state *t, u64 agent)
{
	struct flow *flow, none = { .finish = vnow };

	if (!agent)
		return &t->own;
	flow = bpf_map_lookup_elem(&flows, &agent);
	if (!flow) {
		bpf_map_update_elem(&flows, &agent, &none, BPF_NOEXIST);
		flow = bpf_map_lookup_elem(&flows, &agent);
	}
	return flow;
}

/* Charges a slice in advance; where it starts is the place in the queue. */
static u64 flow_start(struct task_state *t, struct task_struct *p)
{
	const struct sched_role *r = role_of(p);
	u64 start = vnow, agent = r ? r->agent : 0;
	struct flow *flow = flow_of(t, agent);

	t->start = start;
	if (!flow)
		return start;
	if (is_after(flow->finish, vnow + lag_max))
		flow->finish = vnow + lag_max;
	if (is_after(flow->finish, start))
		start = flow->finish;
	t->flow = agent;
	t->start = start;
	t->reserved = by_weight(p, SLICE);
	flow->finish = start + t->reserved;
	return start;
}

/* Time goes on with those that share it: who sleeps does not save it up. */
static __always_inline void time_goes_on(const struct task_state *t, struct task_struct *p)
{
	if (tier_of(p) >= TIER_NORMAL && is_after(t->start, vnow))
		vnow = t->start;
}

/* What it used takes the place of what was charged. */
static void flow_charge(struct task_state *t, struct task_struct *p)
{
	u64 now = bpf_ktime_get_ns(), used = now - t->began_ns, cost = by_weight(p, used);
	struct flow *flow = flow_of(t, t->flow);

	if (flow)
		__sync_fetch_and_add(&flow->finish, cost - t->reserved);
	t->reserved = 0;
	t->began_ns = now;
	t->burst_ns += used;
	t->start += cost;
	time_goes_on(t, p);
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

/* -- who goes where ------------------------------------------------------------ */

/*
 * On the spot: in front of all, on a CPU that runs no other feeder if there is
 * one. One whose slice is over on a protected CPU stays there: after those that
 * wait for that very CPU.
 */
static void queue_feeder(struct task_struct *p, u64 flags)
{
	s32 own = scx_bpf_task_cpu(p), cpu = -1;
	bool stays = !(flags & ENQ_WAKEUP) && is_protected(own);

	if (!stays)
		cpu = find_victim(p, TIER_FEEDER);
	else if (!is_wanted(own))
		cpu = own;
	count(cpu >= 0 ? SCHED_FEEDER_KICK : SCHED_FEEDER_QUEUE);
	if (cpu < 0)
		scx_bpf_dsq_insert(p, DSQ_LOCAL_ON | own, SLICE, flags);
	else
		scx_bpf_dsq_insert(p, DSQ_LOCAL_ON | cpu, SLICE, flags | ENQ_HEAD | ENQ_PREEMPT);
}

/*
 * The CPU that shall run @p at once: a free one, or one that runs something
 * lesser; -1: none. The local queues wake it without kicks, which 7.2's types
 * lack.
 */
static s32 find_now(struct task_struct *p, enum tier tier, u64 *flags)
{
	s32 cpu = find_idle(p, false);

	if (cpu < 0)
		cpu = find_idle(p, true);
	if (cpu < 0 && tier <= TIER_ORCHESTRATOR) {
		cpu = find_victim(p, TIER_ORCHESTRATOR);
		*flags |= ENQ_HEAD | ENQ_PREEMPT;
	}
	return cpu;
}

SEC("struct_ops/enqueue")
void BPF_PROG(starling_enqueue, struct task_struct *p, u64 flags)
{
	struct task_state *t = state_of(p);
	enum tier tier = tier_of(p);
	u64 start = 0, now_flags = flags;
	s32 cpu = -1;

	if (t)
		start = flow_start(t, p);
	if (tier == TIER_FEEDER) {
		queue_feeder(p, flags);
		return;
	}
	/* Bound to one CPU, above all the kernel's own: others cannot take it. */
	if (p->nr_cpus_allowed == 1 || (p->nr_cpus_allowed < nr_online && is_crowded_out(p)))
		cpu = scx_bpf_task_cpu(p);
	else
		cpu = find_now(p, tier, &now_flags);
	if (cpu >= 0)
		scx_bpf_dsq_insert(p, DSQ_LOCAL_ON | cpu, SLICE, now_flags);
	else if (tier >= TIER_NORMAL)
		scx_bpf_dsq_insert_vtime(p, tier, SLICE, start, flags);
	else
		scx_bpf_dsq_insert(p, tier, SLICE, flags);
}

SEC("struct_ops/select_cpu")
s32 BPF_PROG(starling_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	struct task_state *t = state_of(p);
	bool feeder = tier_of(p) == TIER_FEEDER, idle = false;
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
	if (t)
		flow_start(t, p);
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

/* The more wait there, the sooner the next has its turn. */
static bool take_aged(u64 tier, u64 age, u64 now)
{
	s32 n = scx_bpf_dsq_nr_queued(tier);

	if (n <= 0) {
		last_turn_ns[tier] = now;
		return false;
	}
	if (WAIT_MAX / n < age)
		age = WAIT_MAX / n;
	if (now - last_turn_ns[tier] < age || !take(tier, now))
		return false;
	count(SCHED_AGED);
	return true;
}

static bool take_any(u64 now)
{
	return take(TIER_SERVICE, now) || take(TIER_ORCHESTRATOR, now) ||
	       take(TIER_NORMAL, now) || take(TIER_BACKGROUND, now);
}

/* What has waited for long where only feeders run has a slice between two of theirs. */
static void feeder_goes_on(struct task_struct *prev, s32 cpu, u64 *looked, u64 now)
{
	bool pause = take_aged(TIER_SERVICE, CROWDED_AGE, now) ||
		     take_aged(TIER_NORMAL, CROWDED_AGE, now) ||
		     take_aged(TIER_BACKGROUND, BACKGROUND_AGE * 2, now);

	if (!pause && now - *looked > FEEDER_PAUSE) {
		*looked = now;
		pause = take_any(now);
	}
	if (pause)
		count(SCHED_FEEDER_PAUSE);
	else if (!is_wanted(cpu))
		set_slice(prev, SLICE);
}

SEC("struct_ops/dispatch")
void BPF_PROG(starling_dispatch, s32 cpu, struct task_struct *prev)
{
	u64 now = bpf_ktime_get_ns(), i = (u32)cpu & (SCHED_CPUS_MAX - 1);

	lag_update(now);
	if (prev && scx_of(prev)->flags & TASK_QUEUED && tier_of(prev) == TIER_FEEDER) {
		feeder_goes_on(prev, cpu, &cpu_shared_ns[i], now);
		return;
	}
	cpu_shared_ns[i] = now;
	if (!take_aged(TIER_BACKGROUND, BACKGROUND_AGE, now) &&
	    !take_aged(TIER_NORMAL, NORMAL_AGE, now))
		take_any(now);
}

SEC("struct_ops/runnable")
void BPF_PROG(starling_runnable, struct task_struct *p, u64 flags)
{
	struct task_state *t = state_of(p);

	if (t)
		t->burst_ns = 0;
}

SEC("struct_ops/running")
void BPF_PROG(starling_running, struct task_struct *p)
{
	struct task_state *t = state_of(p);

	set_tier(scx_bpf_task_cpu(p), tier_of(p));
	if (!t)
		return;
	t->began_ns = bpf_ktime_get_ns();
	time_goes_on(t, p);
}

/* One that nobody else wants the CPU of is not stopped for a long time. */
SEC("struct_ops/tick")
void BPF_PROG(starling_tick, struct task_struct *p)
{
	struct task_state *t = state_of(p);

	if (!t)
		return;
	flow_charge(t, p);
	set_tier(scx_bpf_task_cpu(p), tier_of(p));
}

SEC("struct_ops/stopping")
void BPF_PROG(starling_stopping, struct task_struct *p, bool runnable)
{
	struct task_state *t = state_of(p);

	set_tier(scx_bpf_task_cpu(p), TIER_IDLE);
	if (t)
		flow_charge(t, p);
}

/* A real-time task takes the CPU: who waits there goes elsewhere. */
SEC("struct_ops/cpu_release")
void BPF_PROG(starling_cpu_release, s32 cpu, void *args)
{
	set_tier(cpu, TIER_NONE);
	scx_bpf_reenqueue_local();
}

SEC("struct_ops/cpu_acquire")
void BPF_PROG(starling_cpu_acquire, s32 cpu, void *args)
{
	set_tier(cpu, TIER_IDLE);
}

/*
 * Who waits for the GPU in a loop of yields wants to be asked again at once: it
 * keeps what it has of its slice, unless another waits for this very CPU.
 */
SEC("struct_ops/yield")
bool BPF_PROG(starling_yield, struct task_struct *from, struct task_struct *to)
{
	const struct sched_role *r = role_of(from);

	if (r && r->role == STARLING_ROLE_FEEDER && bpf_ktime_get_ns() < active_until_ns &&
	    !is_wanted(scx_bpf_task_cpu(from))) {
		count(SCHED_YIELD_KEPT);
		return false;
	}
	count(SCHED_YIELD_GIVEN);
	set_slice(from, 0);
	return false;
}

/* -- tasks and the scheduler itself ------------------------------------------------ */

/*
 * A child starts in its parent's agent. Its role is its own business, except
 * that what a tool starts is a tool, and in the background all stays there.
 */
static void role_inherit(struct task_struct *p, const struct sched_role *parent)
{
	struct sched_role *r = bpf_task_storage_get(&roles, p, NULL,
						    BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!r)
		return;
	r->agent = parent->agent;
	r->weight = parent->weight;
	if (parent->role == STARLING_ROLE_TOOL || parent->role == STARLING_ROLE_BACKGROUND)
		r->role = parent->role;
}

SEC("struct_ops/init_task")
s32 BPF_PROG(starling_init_task, struct task_struct *p, struct scx_init_task_args___s *args)
{
	const struct sched_role *parent;
	struct task_state *t;

	t = bpf_task_storage_get(&states, p, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t)
		return -12;	/* ENOMEM */
	t->own.finish = vnow;
	t->start = vnow;
	t->flow = 0;
	t->reserved = 0;
	t->burst_ns = 0;
	t->began_ns = bpf_ktime_get_ns();
	if (!args->fork)
		return 0;
	parent = role_of(bpf_get_current_task_btf());
	if (parent)
		role_inherit(p, parent);
	return 0;
}

SEC("struct_ops.s/init")
s32 BPF_PROG(starling_init)
{
	s32 err = 0;

	for (int tier = TIER_SERVICE; tier <= TIER_BACKGROUND && !err; tier++)
		err = scx_bpf_create_dsq(tier, -1);
	for (int cpu = 0; cpu < SCHED_CPUS_MAX; cpu++)
		cpu_tier[cpu] = online_cpu[cpu] ? TIER_IDLE : TIER_NONE;
	return err;
}

SEC("struct_ops/exit")
void BPF_PROG(starling_exit, struct scx_exit_info___s *info)
{
	bpf_probe_read_kernel_str(exit_reason, sizeof(exit_reason), info->reason);
	bpf_probe_read_kernel_str(exit_msg, sizeof(exit_msg), info->msg);
	exit_code = info->exit_code;
	exit_kind = info->kind;
}

SEC(".struct_ops.link")
struct sched_ext_ops___s starling = {
	.select_cpu	= (void *)starling_select_cpu,
	.enqueue	= (void *)starling_enqueue,
	.dispatch	= (void *)starling_dispatch,
	.runnable	= (void *)starling_runnable,
	.running	= (void *)starling_running,
	.tick		= (void *)starling_tick,
	.stopping	= (void *)starling_stopping,
	.cpu_release	= (void *)starling_cpu_release,
	.cpu_acquire	= (void *)starling_cpu_acquire,
	.yield		= (void *)starling_yield,
	.init_task	= (void *)starling_init_task,
	.init		= (void *)starling_init,
	.exit		= (void *)starling_exit,
	.timeout_ms	= STALL_MS,
	.name		= "starling",
};
