/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who wakes whom around the threads that feed the GPU: the request path.
 *
 * The daemon attaches this only while there is such a thread. Wakes by an
 * interrupt, and by the soft interrupts that follow it, say nothing about the
 * task that it met. Other soft interrupts count for the task: a send over the
 * loopback device delivers in the sender's context.
 */
#ifndef STARLING_WAKE_BPF_H
#define STARLING_WAKE_BPF_H

static __always_inline bool wake_matters(const struct task_state *st)
{
	return st && (st->flags & TASK_WATCHED || st->gpu_waits);
}

/*
 * Woken out of the sleep that its wait for the GPU led to: that was the
 * device, whoever carried the message. Without a seen return only the first
 * sleep after the entry is taken for it, and none of a thread that is known
 * to spin.
 */
static __always_inline bool device_wake(struct task_struct *p,
					const struct task_state *st)
{
	if (!st || !st->entry_ns || st->style == STARLING_WAIT_SPIN ||
	    st->style == STARLING_WAIT_YIELD)
		return false;
	return p->nvcsw - st->entry_nvcsw <= 1;
}

static __always_inline struct probe_edge *edge_of(struct task_struct *waker,
						  struct task_struct *wakee)
{
	struct probe_edge_key key = { .waker = waker->pid, .wakee = wakee->pid };
	struct probe_edge *e = bpf_map_lookup_elem(&edges, &key), first = {};

	if (e)
		return e;
	first.waker_tgid = waker->tgid;
	first.wakee_tgid = wakee->tgid;
	bpf_map_update_elem(&edges, &key, &first, BPF_NOEXIST);
	e = bpf_map_lookup_elem(&edges, &key);
	if (!e)
		drop(PROBE_DROP_EDGE);
	return e;
}

#define STACK_DEPTH	24
#define LOOK_AT_ALL	16
#define LOOK_AT_ONE_IN	16
#define LOOK_AT_FEW	128	/* one in so many of two whose wakes were interrupts' so far */

static __always_inline bool in_range(u64 ip, int which)
{
	return ip >= irq_entry[which][0] && ip < irq_entry[which][1];
}

/* An interrupt's entry is among the callers. Takes some microseconds. */
static __always_inline bool under_interrupt(void *ctx)
{
	u64 ip[STACK_DEPTH] = {};

	if (!irq_entry[0][0] || bpf_get_stack(ctx, ip, sizeof(ip), 0) <= 0)
		return false;
	for (int i = 0; i < STACK_DEPTH; i++)
		if (in_range(ip[i], 0) || in_range(ip[i], 1))
			return true;
	return false;
}

enum in_interrupt { NO, YES, LOOK };

static __always_inline enum in_interrupt by_count(void)
{
	int count = preempt_count();

	if (count & (HARDIRQ_MASK | NMI_MASK))
		return YES;
	return count & SOFTIRQ_MASK ? LOOK : NO;
}

/* Without the counter, which kernels without CONFIG_KALLSYMS_ALL hide. */
static __always_inline enum in_interrupt by_regs(struct task_struct *p)
{
#if defined(__TARGET_ARCH_x86)
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(p);

	/* it met user code */
	if (!(p->flags & PF_KTHREAD) && (s64)regs->orig_ax == -1)
		return YES;
#endif
	return LOOK;
}

static __always_inline struct looks *looks_of(struct task_struct *waker,
					      struct task_struct *wakee)
{
	struct probe_edge_key key = { .waker = waker->pid, .wakee = wakee->pid };
	struct looks *l = bpf_map_lookup_elem(&looks, &key), none = {};

	if (l)
		return l;
	bpf_map_update_elem(&looks, &key, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&looks, &key);
}

/*
 * For how many wakes this one stands that has to be looked at, 0: it is not counted.
 * Of many between the same two, a sample is looked at for all, for as long as they
 * live: an interrupt of a disk that meets a feeder wakes others hundreds of times a
 * second, and by what each look takes the feeder is late. Two at once may count as one.
 */
static __always_inline u32 look(void *ctx, struct task_struct *waker, struct task_struct *wakee)
{
	struct looks *l = looks_of(waker, wakee);
	u32 n = l ? l->wakes++ : 0, every = 1;

	if (n >= LOOK_AT_ALL)
		every = l->counted ? LOOK_AT_ONE_IN : LOOK_AT_FEW;
	/* the one in the middle: counts may end anywhere */
	if (n % every != every / 2 || under_interrupt(ctx))
		return 0;
	if (l)
		l->counted = 1;
	return every;
}

static __always_inline void count_wake(void *ctx, struct task_struct *waker,
				       struct task_struct *wakee,
				       enum in_interrupt interrupt)
{
	u32 weight = interrupt == LOOK ? look(ctx, waker, wakee) : 1;
	struct probe_edge *e = weight ? edge_of(waker, wakee) : NULL;

	if (e)
		__sync_fetch_and_add(&e->count, weight);
}

/* Each wake of the machine comes here: what tells most of them off goes first. */
static __always_inline void on_wake(void *ctx, struct task_struct *waker,
				    struct task_struct *wakee, enum in_interrupt interrupt)
{
	struct task_state *st = state_of(wakee);

	if (device_wake(wakee, st))
		st->woken_ns = bpf_ktime_get_ns();
	else if (interrupt != YES && waker->pid && waker->pid != wakee->pid &&
		 (wake_matters(st) || wake_matters(state_of(waker))))
		count_wake(ctx, waker, wakee, interrupt);
}

/* One of the two is loaded. */
SEC("tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct *p)
{
	struct task_struct *waker = bpf_get_current_task_btf();

	on_wake(ctx, waker, p, by_count());
	return 0;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(on_waking_regs, struct task_struct *p)
{
	struct task_struct *waker = bpf_get_current_task_btf();

	on_wake(ctx, waker, p, by_regs(waker));
	return 0;
}

#endif
