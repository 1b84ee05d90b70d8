/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads at the GPU driver's library.
 *
 * A hit of a uprobe costs microseconds. Always on is only the entry of calls
 * that wait for the device, where the cost hides under the device's own time,
 * and of those that are rare: launches of whole graphs, allocations and new
 * contexts. Returns, launches of single kernels and sched_yield() are probed in
 * short windows; between these, what they would count is extrapolated and marked
 * as an estimate.
 *
 * The entry of what computes a model on CPUs is probed by the same program.
 */
#ifndef STARLING_GPU_BPF_H
#define STARLING_GPU_BPF_H

#define WAIT_JUDGED_NS	50000		/* shorter: the device was ready */
#define VOTES_ENOUGH	2
#define VOTES_MAX	8
#define SEEN_MAX	256
#define LEARN_MAX	64
#define LAUNCH_ONE	1024		/* unit of launch_rest */
#define SHARE_ONE	1024
#define IN_WAIT_MAX_NS	2000000000ULL

/* Sums that fade keep up with a program that changes. */
static __always_inline void seen_add(struct task_state *st, u64 ns)
{
	if (st->seen_waits >= SEEN_MAX) {
		st->seen_waits /= 2;
		st->seen_ns /= 2;
		st->seen_gap /= 2;
	}
	st->seen_waits++;
	st->seen_ns += ns;
}

static __always_inline void learn_add(struct task_state *st)
{
	if (st->learn_waits >= LEARN_MAX) {
		st->learn_waits /= 2;
		st->learn_launches /= 2;
	}
	st->learn_waits++;
}

/*
 * A wait whose return nobody saw: the same share of the time until the next
 * one as those seen, or after a pause, as long as those.
 */
static __always_inline void guess_wait(struct task_state *st, u64 now)
{
	u64 gap = now - st->entry_ns, mean;

	if (!st->entry_ns || !st->seen_waits)
		return;
	mean = st->seen_ns / st->seen_waits;
	if (gap < 4 * mean && st->seen_gap > st->seen_ns)
		st->gpu_wait_ns += gap * (st->seen_ns * SHARE_ONE / st->seen_gap) / SHARE_ONE;
	else
		st->gpu_wait_ns += mean < gap ? mean : gap;
}

static __always_inline void guess_launches(struct task_state *st)
{
	u64 n;

	if (launches_probed) {
		learn_add(st);
		return;
	}
	if (!st->learn_launches)
		return;
	n = (u64)st->learn_launches * LAUNCH_ONE / st->learn_waits + st->launch_rest;
	st->launches += n / LAUNCH_ONE;
	st->launch_rest = n % LAUNCH_ONE;
}

static __always_inline void vote(struct task_state *st, u16 style)
{
	u8 block = st->vote[STARLING_WAIT_BLOCK];
	u8 spin = st->vote[STARLING_WAIT_SPIN];
	u8 yield = st->vote[STARLING_WAIT_YIELD];

	block += style == STARLING_WAIT_BLOCK;
	spin += style == STARLING_WAIT_SPIN;
	yield += style == STARLING_WAIT_YIELD;
	if (block + spin + yield > VOTES_MAX) {
		block /= 2;
		spin /= 2;
		yield /= 2;
	}
	st->vote[STARLING_WAIT_BLOCK] = block;
	st->vote[STARLING_WAIT_SPIN] = spin;
	st->vote[STARLING_WAIT_YIELD] = yield;
	if (block + spin + yield < VOTES_ENOUGH)
		return;
	if (block >= spin && block >= yield)
		st->style = STARLING_WAIT_BLOCK;
	else
		st->style = spin > yield ? STARLING_WAIT_SPIN : STARLING_WAIT_YIELD;
}

/*
 * From one wait to the next without having seen the return: one that sleeps
 * each time and for more than half of the time sleeps in the wait or close to
 * it. Good enough until a window has opened; where windows have no returns,
 * so is that one which is awake all the time spins or yields.
 */
static __always_inline void guess_style(struct task_state *st, u64 now,
					u64 nvcsw, u64 awake)
{
	u64 wall = now - st->entry_ns;
	bool slept = nvcsw != st->entry_nvcsw;
	bool idle = (awake - st->entry_awake) * 2 < wall;

	if (!st->entry_ns || wall < WAIT_JUDGED_NS || wall > PROBE_GPU_QUIET_NS ||
	    (returns_probed && st->style != STARLING_WAIT_UNKNOWN))
		return;
	if (slept && idle)
		vote(st, STARLING_WAIT_BLOCK);
	else if (!returns_probed && yields_probed && !slept && !idle)
		vote(st, st->yields ? STARLING_WAIT_YIELD : STARLING_WAIT_SPIN);
}

/*
 * Still in the wait that was entered last? One that spins or yields has not
 * slept since, one that blocks is in its first sleep. That may as well be the
 * sleep after a wait that had nothing to wait for, hence the limit.
 */
static __always_inline bool in_wait(struct task_struct *p,
				    const struct task_state *st, u64 now)
{
	u64 slept = p->nvcsw - st->entry_nvcsw;
	bool asleep = p->__state;

	if (!st->entry_ns || now - st->entry_ns > IN_WAIT_MAX_NS)
		return false;
	if (st->style == STARLING_WAIT_SPIN || st->style == STARLING_WAIT_YIELD)
		return !asleep && !slept;
	return asleep && slept == 1;
}

static __always_inline void wait_event(struct task_struct *p,
				       struct task_state *st, u32 type)
{
	struct probe_event *ev = event_new(type);

	if (!ev)
		return;
	ev->tid = p->pid;
	ev->tgid = p->tgid;
	ev->ppid = BPF_CORE_READ(p, real_parent, tgid);
	ev->agent_id = st->agent_id;
	ev->role = st->role;
	ev->source = st->source;
	bpf_ringbuf_submit(ev, BPF_RB_FORCE_WAKEUP);
}

static __always_inline void wait_begins(struct task_struct *p,
					struct task_state *st)
{
	u64 now = bpf_ktime_get_ns(), last = st->gpu_last_ns;
	u64 nvcsw = p->nvcsw, awake = run_of(p) + wait_of(p);

	if (!st->entry_ns && now - last < PROBE_GPU_QUIET_NS)
		st->seen_gap += now - last;
	step_ends(p, st, now);
	wait_over(p, st, now);
	guess_wait(st, now);
	guess_style(st, now, nvcsw, awake);
	guess_launches(st);
	st->entry_ns = now;
	st->woken_ns = 0;
	st->entry_wait = wait_of(p);
	st->entry_nvcsw = nvcsw;
	st->entry_awake = awake;
	st->yields = 0;
	st->told = waits_wanted;
	if (st->told)
		wait_put(p, PROBE_WAIT_BEGINS, now);
	st->gpu_last_ns = now;
	st->gpu_waits++;
	st->flags |= TASK_GPU;
	if (!last)
		wait_event(p, st, PROBE_GPU_FIRST_WAIT);
	else if (now - last >= PROBE_GPU_QUIET_NS)
		wait_event(p, st, PROBE_GPU_RESUME);
}

/*
 * A model's graph is about to be computed on CPUs: once or a few times a token. The
 * daemon has to know that it begins at once, and that it goes on now and then.
 */
static __always_inline void computes(struct task_struct *p, struct task_state *st)
{
	u64 now = bpf_ktime_get_ns(), last = st->compute_ns;
	bool news = !last || now - last >= PROBE_COMPUTE_QUIET_NS;

	st->compute_ns = now;
	st->flags |= TASK_COMPUTE;
	if (!news && now - st->compute_told_ns < PROBE_COMPUTE_EVERY_NS)
		return;
	st->compute_told_ns = now;
	event_task(PROBE_COMPUTE, p, st, news);
}

/* Each process once, however it was seen to begin with a GPU. */
static __always_inline void report_opener(struct task_struct *p)
{
	u32 tgid = p->tgid;
	u8 one = 1;

	if (!bpf_map_update_elem(&openers, &tgid, &one, BPF_NOEXIST))
		event_task(PROBE_GPU_OPEN, p, state_of(p), true);
}

SEC("uprobe")
int on_call(struct pt_regs *ctx)
{
	u64 cookie = bpf_get_attach_cookie(ctx);
	struct task_struct *p = bpf_get_current_task_btf();
	struct task_state *st = state_make(p);

	if (!st)
		return 0;
	switch (cookie) {
	case PROBE_CALL_WAIT:
		/* what it waits for in poll(), it does so for these calls */
		st->flags = (st->flags | TASK_LIBRARY) & ~TASK_POLLS;
		wait_begins(p, st);
		return 0;
	case PROBE_CALL_COMPUTE:
		computes(p, st);
		return 0;
	case PROBE_CALL_GRAPH:
		st->launches++;
		break;
	case PROBE_CALL_ALLOC:
		st->alloc_bytes += PT_REGS_PARM2(ctx);
		break;
	case PROBE_CALL_CONTEXT:
		report_opener(p);
		break;
	}
	st->flags |= TASK_GPU;
	return 0;
}

SEC("uprobe")
int on_launch(struct pt_regs *ctx)
{
	struct task_state *st;

	/* taking the probes out takes its time; guesses go on meanwhile */
	if (!launches_probed)
		return 0;
	st = state_make(bpf_get_current_task_btf());
	if (!st)
		return 0;
	st->launches++;
	if (st->learn_waits)
		st->learn_launches++;
	st->flags |= TASK_GPU;
	return 0;
}

/* Returns how long it was. */
static __always_inline u64 wait_ends(struct task_struct *p, struct task_state *st, u64 now)
{
	u64 ns = now - st->entry_ns;

	wait_over(p, st, now);
	st->entry_ns = 0;
	st->gpu_wait_ns += ns;
	seen_add(st, ns);
	return ns;
}

SEC("uprobe")
int on_wait_return(struct pt_regs *ctx)
{
	struct task_struct *p = bpf_get_current_task_btf();
	struct task_state *st = state_of(p);

	if (!st || !st->entry_ns ||
	    wait_ends(p, st, bpf_ktime_get_ns()) < WAIT_JUDGED_NS)
		return 0;
	if (p->nvcsw != st->entry_nvcsw)
		vote(st, STARLING_WAIT_BLOCK);
	else if (st->yields)
		vote(st, STARLING_WAIT_YIELD);
	else if (yields_probed)
		vote(st, STARLING_WAIT_SPIN);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_syscall, struct pt_regs *regs, long id)
{
	struct task_struct *p;
	struct task_state *st;

	if (id != NR_sched_yield)
		return 0;
	p = bpf_get_current_task_btf();
	st = state_of(p);
	if (st && st->entry_ns)
		st->yields++;
	return 0;
}

/* -- opens of a driver's device ------------------------------------------- */

#define NVIDIA_MAJOR		195
#define DRM_MAJOR		226
#define DRM_RENDER_MIN		128

static __always_inline bool gpu_device(u32 dev)
{
	u32 major = dev >> 20, minor = dev & 0xfffff;

	return major == NVIDIA_MAJOR || (uvm_major && major == uvm_major) ||
	       (major == DRM_MAJOR && minor >= DRM_RENDER_MIN);
}

SEC("fentry/chrdev_open")
int BPF_PROG(on_chrdev_open, struct inode *inode)
{
	if (gpu_device(inode->i_rdev))
		report_opener(bpf_get_current_task_btf());
	return 0;
}

#endif
