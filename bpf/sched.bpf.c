// SPDX-License-Identifier: GPL-2.0-only
/*
 * The scheduler: feeders at once, then those that serve them, then agents'
 * main loops that run in short bursts, first of those that a person waits for,
 * then everything else by share and weight, background when nobody else wants to
 * run.
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
/* ... and its CPU looks so often at all queues, for who may use but a few CPUs. */
#define FEEDER_PAUSE	(5 * SEC_NS)
/* A thread of the kernel that mostly runs for no longer goes before tools at once. */
#define BRIEF_MAX	(1 * MSEC)
#define STALL_MS	30000

unsigned long long counts[__SCHED_COUNT_MAX];

static __always_inline void count(enum sched_count what)
{
	__sync_fetch_and_add(&counts[what], 1);
}

#include "sched_kernel.bpf.h"
#include "sched_cpus.bpf.h"
#include "sched_share.bpf.h"
#include "sched_limit.bpf.h"
#include "sched_look.bpf.h"
#include "sched_turn.bpf.h"

/* Why it ended, and when. */
int exit_kind;
unsigned long long exit_ns;
long long exit_code;
char exit_reason[128];
char exit_msg[256];


/*
 * Does it wait for a GPU that is in use? The daemon says so for a short time in
 * advance, each feeder for itself: this is what its yields and spins are good for.
 */
static __always_inline bool is_granted(const struct sched_role *r)
{
	return bpf_ktime_get_ns() < r->until_ns;
}

/*
 * One that does not sleep while it waits is a feeder for as long as it waits for
 * a GPU, and on protected CPUs only, or on its way to one: of these there are few,
 * so feeders never have the machine to themselves.
 */
static __always_inline bool is_feeding(struct task_struct *p, const struct sched_role *r,
				       const struct task_state *t)
{
	return t->burst_ns < FEEDER_BURST_MAX ||
	       (is_granted(r) && (is_protected(scx_bpf_task_cpu(p)) ||
				  find_protected(p, TIER_FEEDER) >= 0));
}

static __always_inline enum tier orchestrator_tier(const struct sched_role *r,
						   const struct task_state *t)
{
	const struct share *s = share_find(r->agent);
	u32 class = s ? s->class : STARLING_CLASS_NORMAL;

	if (t->burst_ns >= BURST_MAX || class == STARLING_CLASS_BATCH)
		return TIER_NORMAL;
	return class == STARLING_CLASS_INTERACTIVE ? TIER_INTERACTIVE : TIER_ORCHESTRATOR;
}

static enum tier tier_of(struct task_struct *p)
{
	const struct sched_role *r = role_of(p);
	const struct task_state *t = state_of(p);

	if (!r || !t)
		return TIER_NORMAL;
	switch (r->role) {
	case STARLING_ROLE_FEEDER:
		return is_feeding(p, r, t) ? TIER_FEEDER : TIER_NORMAL;
	case STARLING_ROLE_SERVICE:
		return TIER_SERVICE;
	case STARLING_ROLE_ORCHESTRATOR:
		return orchestrator_tier(r, t);
	case STARLING_ROLE_BACKGROUND:
		return TIER_BACKGROUND;
	default:
		return TIER_NORMAL;
	}
}

/* -- who goes where ------------------------------------------------------------ */

/*
 * One that a real-time task has put out keeps what it has of its slice (0 says so):
 * with a new one each time, those behind it would never have their turn.
 */
static __always_inline u64 slice_of(u64 flags)
{
	return flags & ENQ_REENQ ? 0 : SLICE;
}

/*
 * The CPU that shall run a feeder on the spot: one that runs no other feeder; -1:
 * none. One whose slice is over goes to a protected CPU or stays where it is, after
 * those that wait for that very CPU.
 */
static s32 find_for_feeder(struct task_struct *p, bool ran)
{
	s32 own = scx_bpf_task_cpu(p), cpu = -1;

	if (ran && !is_protected(own))
		cpu = find_protected(p, TIER_FEEDER);
	if (cpu >= 0)
		return cpu;
	if (ran && !is_wanted(own) && may_run_on(p, own))
		return own;
	if (ran && is_protected(own))
		return -1;
	cpu = find_idle(p, TIER_FEEDER, own, 0);
	return cpu >= 0 ? cpu : find_victim(p, TIER_FEEDER);
}

static void queue_feeder(struct task_struct *p, bool ran, u64 flags)
{
	s32 own = scx_bpf_task_cpu(p), cpu = find_for_feeder(p, ran), other;

	/* Its own CPU would not look again; it has left that for a protected one. */
	if (cpu < 0 && flags & ENQ_LAST) {
		other = find_protected(p, TIER_NONE);
		own = other < 0 ? own : other;
	}
	count(cpu >= 0 ? SCHED_FEEDER_KICK : SCHED_FEEDER_QUEUE);
	/* At once, lest the next to wake takes the same CPU. */
	if (cpu >= 0)
		set_tier(cpu, TIER_FEEDER);
	if (cpu < 0)
		scx_bpf_dsq_insert(p, DSQ_LOCAL_ON | own, slice_of(flags), flags);
	else
		scx_bpf_dsq_insert(p, DSQ_LOCAL_ON | cpu, slice_of(flags), flags | ENQ_PREEMPT);
}

/* Those that compute a model are all as late as the one on the smallest CPU. */
static __always_inline enum tier tier_to_search(struct task_struct *p, enum tier tier)
{
	const struct sched_role *r = role_of(p);

	return r && r->role == STARLING_ROLE_INFERENCE ? TIER_ORCHESTRATOR : tier;
}

/* Whom it may put out: those that serve feeders leave main loops alone. */
static __always_inline enum tier lesser_than(enum tier tier)
{
	return tier == TIER_INTERACTIVE ? TIER_INTERACTIVE : TIER_ORCHESTRATOR;
}

/*
 * The CPU that shall run @p at once: a free one, or one that runs something
 * lesser; negative: none. The local queues wake it without kicks, which 7.2's
 * types lack.
 */
static s32 find_now(struct task_struct *p, enum tier tier, u64 *flags)
{
	s32 cpu = find_idle(p, tier_to_search(p, tier), scx_bpf_task_cpu(p), 0);

	if (cpu < 0 && tier <= TIER_ORCHESTRATOR) {
		cpu = find_victim(p, lesser_than(tier));
		*flags |= ENQ_PREEMPT;
		if (cpu >= 0)
			set_tier(cpu, tier);
	}
	return cpu;
}

/*
 * As work queues' and RCU's threads of one CPU are: what they do does not wait well.
 * Nor do those that they put out: one after the other they would keep these waiting.
 */
static __always_inline bool is_brief(struct task_struct *p, const struct task_state *t, s32 cpu)
{
	return p->flags & TASK_KTHREAD && p->nr_cpus_allowed == 1 && t &&
	       t->usual_ns < BRIEF_MAX && t->burst_ns < BRIEF_MAX &&
	       !(is_wanted(cpu) && bpf_ktime_get_ns() - cpu_at(cpu)->turn_ns > 2 * SLICE);
}

/*
 * It can run on one CPU alone. What matters goes into that one's local queue, and at
 * once if what runs there matters less; negative: it waits its turn among others.
 */
static s32 find_own(struct task_struct *p, const struct task_state *t, enum tier tier, u64 *flags)
{
	s32 cpu = scx_bpf_task_cpu(p);
	bool brief = is_brief(p, t, cpu);

	if (tier > TIER_ORCHESTRATOR && is_bound(p) &&
	    !(p->flags & TASK_KTHREAD && t && t->burst_ns < SLICE))
		return -1;
	if ((tier <= TIER_ORCHESTRATOR || brief) && is_lesser(cpu, lesser_than(tier))) {
		*flags |= ENQ_PREEMPT;
		set_tier(cpu, tier);
		cpu_at(cpu)->brief = brief;
	}
	return cpu;
}

/*
 * Put out for a thread that is soon done, it goes on there with what it has of its
 * slice: to go elsewhere would cost more, to it and to the CPU that has to be woken.
 * A slice that is over ends at a tick only.
 */
static __always_inline bool stays(struct task_struct *p, const struct task_state *t, u64 now)
{
	s32 cpu = scx_bpf_task_cpu(p);

	return cpu_at(cpu)->brief && now - t->slice_ns < 3 * SLICE && may_run_on(p, cpu);
}

static __always_inline u64 slice_left(const struct task_state *t, u64 now)
{
	u64 gone = now - t->slice_ns;

	return gone + MSEC < SLICE ? SLICE - gone : MSEC;
}

/*
 * When a main loop should be done: the shorter it mostly runs and the more its agent
 * weighs, the sooner.
 */
static u64 due(struct task_struct *p, const struct task_state *t)
{
	u64 now = bpf_ktime_get_ns();

	return t ? now + by_weight(t, p, agent_of(p), t->usual_ns) : now;
}

/* Where it waits: by share and weight; main loops by when they should be done. */
static void queue_up(struct task_struct *p, struct task_state *t, enum tier tier,
		     u64 start, u64 flags)
{
	bool bound = tier > TIER_ORCHESTRATOR && is_bound(p);
	u64 queue = bound ? own_queue(scx_bpf_task_cpu(p)) : tier;

	/* There it waits with the others: after those that want to run now. */
	if (bound && tier == TIER_BACKGROUND)
		start += lag_max;
	if ((tier == TIER_ORCHESTRATOR || tier == TIER_INTERACTIVE) && t)
		start = due(p, t);
	if (t)
		t->queued_ns = bpf_ktime_get_ns();
	if (tier == TIER_SERVICE)
		scx_bpf_dsq_insert(p, queue, SLICE, flags);
	else
		scx_bpf_dsq_insert_vtime(p, queue, SLICE, start, flags);
}

/* Whether it ran until now. A waiting one is queued anew too, when its weight changes. */
static __always_inline bool has_run(struct task_state *t, u64 flags)
{
	bool ran = t && t->ran && !(flags & (ENQ_WAKEUP | ENQ_REENQ));

	if (t)
		t->ran = false;
	return ran;
}

/* The CPU of those that are no feeders; negative: none, it queues up. */
static s32 find_other(struct task_struct *p, const struct task_state *t, enum tier tier,
		      u64 *flags)
{
	s32 cpu;

	if (is_bound(p) || ((u32)p->nr_cpus_allowed < nr_online && is_crowded_out(p)))
		cpu = find_own(p, t, tier, flags);
	else
		cpu = find_now(p, tier, flags);
	/* Its CPU is about to idle, and looks at no queue again before it does. */
	if (cpu < 0 && *flags & ENQ_LAST && may_run_on(p, scx_bpf_task_cpu(p)))
		cpu = scx_bpf_task_cpu(p);
	return cpu;
}

#include "sched_promote.bpf.h"

SEC("struct_ops/enqueue")
void BPF_PROG(starling_enqueue, struct task_struct *p, u64 flags)
{
	struct task_state *t = state_of(p);
	enum tier tier = tier_of(p);
	u64 start = 0, now = bpf_ktime_get_ns(), now_flags = flags;
	bool ran = has_run(t, flags);
	s32 cpu;

	if (t && limit_queue(p, t, flags))
		return;
	if (t && ran && tier != TIER_FEEDER && stays(p, t, now)) {
		scx_bpf_dsq_insert(p, DSQ_LOCAL_ON | scx_bpf_task_cpu(p), slice_left(t, now),
				   flags);
		return;
	}
	if (t)
		start = flow_start(t, p);
	if (tier == TIER_FEEDER) {
		queue_feeder(p, ran, flags);
		return;
	}
	cpu = find_other(p, t, tier, &now_flags);
	if (cpu >= 0)
		scx_bpf_dsq_insert(p, DSQ_LOCAL_ON | cpu, slice_of(flags), now_flags);
	else
		queue_up(p, t, tier, start, flags);
}

SEC("struct_ops/select_cpu")
s32 BPF_PROG(starling_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	struct task_state *t = state_of(p);
	enum tier tier = tier_of(p);
	s32 cpu;

	if (t && limited_until(p, t, bpf_ktime_get_ns()))
		return prev_cpu;
	cpu = find_idle(p, tier_to_search(p, tier), prev_cpu, wake_flags);
	if (cpu < 0)
		return prev_cpu;
	if (tier == TIER_FEEDER)
		count(SCHED_FEEDER_IDLE);
	if (t)
		flow_start(t, p);
	scx_bpf_dsq_insert(p, DSQ_LOCAL_ON | cpu, SLICE, 0);
	return cpu;
}

/* -- what a CPU runs next -------------------------------------------------------- */

/*
 * One whose slice is over is not in the queue yet: is it owed more than the first
 * there? Then its next slice begins at once.
 */
static bool goes_on(s32 cpu, struct task_struct *prev, u64 now)
{
	struct task_state *t = state_of(prev);
	struct task_struct *first;
	u64 *finish;

	if (!t || !scx_bpf_dsq_peek || tier_of(prev) != TIER_NORMAL)
		return false;
	finish = flow_of(t, agent_of(prev));
	first = first_of(own_is_first(cpu, now) ? own_queue(cpu) : TIER_NORMAL);
	if (!finish || !first || !is_after(scx_of(first)->dsq_vtime, *finish))
		return false;
	flow_start(t, prev);
	time_goes_on(t);
	set_slice(prev, SLICE);
	return true;
}

/* Elsewhere than on a protected CPU, a feeder whose slice is over looks for one. */
static void feeder_goes_on(struct task_struct *prev, s32 cpu, u64 now)
{
	if (is_time_for_others(cpu, now))
		count(SCHED_FEEDER_PAUSE);
	else if (!is_protected(cpu) && find_protected(prev, TIER_FEEDER) >= 0)
		take_any(cpu, now);
	else if (!is_wanted(cpu))
		set_slice(prev, SLICE);
}

static bool take_fair(s32 cpu, struct task_struct *prev, bool ran, u64 now)
{
	return take_own_aged(cpu, BACKGROUND_AGE, now) ||
	       take_aged(TIER_BACKGROUND, BACKGROUND_AGE, now) ||
	       take_aged(TIER_INTERACTIVE, NORMAL_AGE, now) ||
	       take_aged(TIER_ORCHESTRATOR, NORMAL_AGE, now) ||
	       take_aged(TIER_NORMAL, NORMAL_AGE, now) ||
	       take(TIER_SERVICE, now) || take(TIER_INTERACTIVE, now) ||
	       take(TIER_ORCHESTRATOR, now) ||
	       (ran && goes_on(cpu, prev, now)) || take_normal(cpu, now) ||
	       take(TIER_BACKGROUND, now);
}

SEC("struct_ops/dispatch")
void BPF_PROG(starling_dispatch, s32 cpu, struct task_struct *prev)
{
	u64 now = bpf_ktime_get_ns();
	struct task_state *t = prev ? state_of(prev) : NULL;
	bool ran = prev && scx_of(prev)->flags & TASK_QUEUED;

	lag_update(now);
	/* Over the limit of its cgroup: it is queued, whether others want to run or not. */
	if (ran && t && limited_until(prev, t, now))
		ran = false;
	if (ran && tier_of(prev) == TIER_FEEDER) {
		feeder_goes_on(prev, cpu, now);
		return;
	}
	cpu_at(cpu)->shared_ns = now;
	if (take_fair(cpu, prev, ran, now) || !ran)
		return;
	if (t)
		t->slice_ns = now;
	set_slice(prev, SLICE);
}

/* -- what they do --------------------------------------------------------------- */

SEC("struct_ops/runnable")
void BPF_PROG(starling_runnable, struct task_struct *p, u64 flags)
{
	struct task_state *t = state_of(p);

	if (!t)
		return;
	t->burst_ns = 0;
	uncount_task(t);
	if (count_task(t, p))
		flow_wakes(t, p);
}

SEC("struct_ops/quiescent")
void BPF_PROG(starling_quiescent, struct task_struct *p, u64 flags)
{
	struct task_state *t = state_of(p);

	if (!t)
		return;
	uncount_task(t);
	flow_unreserve(t);
	t->usual_ns = (t->usual_ns * 3 + t->burst_ns) / 4;
}

SEC("struct_ops/set_weight")
void BPF_PROG(starling_set_weight, struct task_struct *p, u32 weight)
{
	struct task_state *t = state_of(p);

	if (!t || !t->counts)
		return;
	uncount_task(t);
	count_task(t, p);
}

SEC("struct_ops/running")
void BPF_PROG(starling_running, struct task_struct *p)
{
	struct task_state *t = state_of(p);
	enum tier tier = tier_of(p);

	set_tier(scx_bpf_task_cpu(p), tier);
	cpu_at(scx_bpf_task_cpu(p))->brief = false;
	if (!t)
		return;
	t->ran = false;
	t->began_ns = bpf_ktime_get_ns();
	if (!(p->flags & TASK_KTHREAD))
		cpu_at(scx_bpf_task_cpu(p))->turn_ns = t->began_ns;
	if (tier >= TIER_NORMAL)
		time_goes_on(t);
}

/*
 * By a clock of one's own: to a task that is moved to an idle CPU the kernel counts the
 * time in which that was idle, too.
 */
static void charge(struct task_state *t, struct task_struct *p)
{
	u64 now = bpf_ktime_get_ns(), used = now - t->began_ns;

	t->began_ns = now;
	t->burst_ns += used;
	flow_charge(t, p, used);
	if (nr_limits && t->group)
		limit_charge(t->group, used);
}

/* One that nobody else wants the CPU of is not stopped for a long time. */
SEC("struct_ops/tick")
void BPF_PROG(starling_tick, struct task_struct *p)
{
	struct task_state *t = state_of(p);
	enum tier tier;

	if (!t)
		return;
	charge(t, p);
	tier = tier_of(p);
	set_tier(scx_bpf_task_cpu(p), tier);
	if (tier >= TIER_NORMAL && !scx_bpf_dsq_nr_queued(TIER_NORMAL) &&
	    !scx_bpf_dsq_nr_queued(own_queue(scx_bpf_task_cpu(p))))
		time_goes_on(t);
	if (limited_until(p, t, t->began_ns))
		set_slice(p, 0);
}

SEC("struct_ops/stopping")
void BPF_PROG(starling_stopping, struct task_struct *p, bool runnable)
{
	struct task_state *t = state_of(p);

	set_tier(scx_bpf_task_cpu(p), TIER_IDLE);
	if (!t)
		return;
	t->ran = runnable;
	charge(t, p);
}

/*
 * A real-time task takes the CPU: who waits there goes elsewhere. The kernel's own
 * stopper is mostly gone before anybody could.
 */
SEC("struct_ops/cpu_release")
void BPF_PROG(starling_cpu_release, s32 cpu, void *args)
{
	const struct scx_cpu_release_args___s *a = args;

	set_tier(cpu, TIER_NONE);
	if (a->reason != SCX_CPU_PREEMPT_STOP___s)
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

	if (r && r->role == STARLING_ROLE_FEEDER && is_granted(r) &&
	    !is_wanted(scx_bpf_task_cpu(from))) {
		count(SCHED_YIELD_KEPT);
		return false;
	}
	count(SCHED_YIELD_GIVEN);
	set_slice(from, 0);
	return false;
}

/* -- tasks ----------------------------------------------------------------------- */

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
	__builtin_memset(t, 0, sizeof(*t));
	t->own.finish = vnow;
	t->start = vnow;
	t->began_ns = bpf_ktime_get_ns();
	if (bpf_core_field_exists(args->cgroup) && args->cgroup)
		t->group = cgroup_key(args->cgroup);
	if (!args->fork)
		return 0;
	parent = role_of(bpf_get_current_task_btf());
	if (parent)
		role_inherit(p, parent);
	return 0;
}

/* -- cgroups ------------------------------------------------------------------- */

SEC("struct_ops/cgroup_init")
s32 BPF_PROG(starling_cgroup_init, struct cgroup *cgrp, struct scx_cgroup_init_args___s *args)
{
	u64 key = cgroup_key(cgrp), parent = cgroup_key(cgroup_parent(cgrp));
	struct share share = { .parent = parent, .weight = args->weight };
	struct limit limit = { .parent = parent };

	if (!key)
		return 0;
	if (bpf_map_update_elem(&shares, &key, &share, BPF_ANY) ||
	    bpf_map_update_elem(&limits, &key, &limit, BPF_ANY))
		count(SCHED_NO_ROOM);
	if (bpf_core_field_exists(args->bw_quota_us))
		limit_set(key, args->bw_period_us, args->bw_quota_us);
	return 0;
}

SEC("struct_ops/cgroup_exit")
void BPF_PROG(starling_cgroup_exit, struct cgroup *cgrp)
{
	u64 key = cgroup_key(cgrp);

	limit_set(key, 0, ~0ULL);
	bpf_map_delete_elem(&limits, &key);
	bpf_map_delete_elem(&shares, &key);
}

/* It does not want to run while it is moved. */
SEC("struct_ops/cgroup_move")
void BPF_PROG(starling_cgroup_move, struct task_struct *p, struct cgroup *from,
	      struct cgroup *to)
{
	struct task_state *t = state_of(p);

	if (t)
		t->group = cgroup_key(to);
}

SEC("struct_ops/cgroup_set_weight")
void BPF_PROG(starling_cgroup_set_weight, struct cgroup *cgrp, u32 weight)
{
	struct share *s = share_find(cgroup_key(cgrp));

	if (s)
		s->weight = weight;
}

SEC("struct_ops/cgroup_set_bandwidth")
void BPF_PROG(starling_cgroup_set_bandwidth, struct cgroup *cgrp, u64 period_us,
	      u64 quota_us, u64 burst_us)
{
	limit_set(cgroup_key(cgrp), period_us, quota_us);
}

/* -- the scheduler itself ---------------------------------------------------------- */

/* The daemon has changed which CPUs are protected or small. */
SEC("syscall")
int starling_kinds(void *ctx)
{
	return kinds_set();
}

/* It has told of task @pid that it is more than a tool. */
SEC("syscall")
int starling_promote(struct sched_promote *ctx)
{
	struct task_struct *p = bpf_task_from_pid(ctx->pid);

	if (!p)
		return 0;
	bpf_rcu_read_lock();
	if (is_queued(state_of(p)) && !promote_from(TIER_NORMAL, p->pid))
		promote_from(own_queue(scx_bpf_task_cpu(p)), p->pid);
	bpf_rcu_read_unlock();
	bpf_task_release(p);
	return 0;
}

SEC("struct_ops.s/init")
s32 BPF_PROG(starling_init)
{
	s32 err = kinds_set();
	u32 cpu;

	nr_limits = 0;
	for (int tier = TIER_SERVICE; tier <= TIER_BACKGROUND && !err; tier++)
		err = scx_bpf_create_dsq(tier, -1);
	if (!err)
		err = scx_bpf_create_dsq(QUEUE_LIMITED, -1);
	bpf_for(cpu, 0, nr_cpus()) {
		if (!err)
			err = scx_bpf_create_dsq(own_queue(cpu), -1);
	}
	bpf_for(cpu, 0, SCHED_CPUS_MAX) {
		if (cpu < SCHED_CPUS_MAX)
			cpus[cpu].tier = online_cpu[cpu] ? TIER_IDLE : TIER_NONE;
	}
	if (!err)
		look_soon();
	return err;
}

SEC("struct_ops/exit")
void BPF_PROG(starling_exit, struct scx_exit_info___s *info)
{
	bpf_probe_read_kernel_str(exit_reason, sizeof(exit_reason), info->reason);
	bpf_probe_read_kernel_str(exit_msg, sizeof(exit_msg), info->msg);
	look_no_more();
	exit_code = info->exit_code;
	exit_ns = bpf_ktime_get_ns();
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
	.quiescent	= (void *)starling_quiescent,
	.cpu_release	= (void *)starling_cpu_release,
	.cpu_acquire	= (void *)starling_cpu_acquire,
	.yield		= (void *)starling_yield,
	.set_weight	= (void *)starling_set_weight,
	.init_task	= (void *)starling_init_task,
	.cgroup_init	= (void *)starling_cgroup_init,
	.cgroup_exit	= (void *)starling_cgroup_exit,
	.cgroup_move	= (void *)starling_cgroup_move,
	.cgroup_set_weight = (void *)starling_cgroup_set_weight,
	.cgroup_set_bandwidth = (void *)starling_cgroup_set_bandwidth,
	.init		= (void *)starling_init,
	.exit		= (void *)starling_exit,
	.flags		= OPS_ENQ_LAST,
	.timeout_ms	= STALL_MS,
	.name		= "starling",
};
