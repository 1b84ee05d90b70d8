/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ext.h - the kernel's sched_ext core as far as a scheduler notices it: the
 * functions it calls, and its own, which are called as the kernel would.
 */
#ifndef SIM_EXT_H
#define SIM_EXT_H

#include "tools/sim/shim/vmlinux.h"

struct ext_ops {
	s32 (*select_cpu)(struct task_struct *p, s32 prev_cpu, u64 wake_flags);
	void (*enqueue)(struct task_struct *p, u64 enq_flags);
	void (*dispatch)(s32 cpu, struct task_struct *prev);
	void (*runnable)(struct task_struct *p, u64 enq_flags);
	void (*running)(struct task_struct *p);
	void (*tick)(struct task_struct *p);
	void (*stopping)(struct task_struct *p, bool runnable);
	void (*quiescent)(struct task_struct *p, u64 deq_flags);
	bool (*yield)(struct task_struct *from, struct task_struct *to);
	void (*cpu_release)(s32 cpu, void *args);
	void (*cpu_acquire)(s32 cpu, void *args);
	s32 (*init_task)(struct task_struct *p, bool fork);
	s32 (*init)(void);
};

/* What the scheduler calls, as sched.bpf.c declares it. */
s32 scx_bpf_create_dsq(u64 dsq_id, s32 node);
struct task_struct *scx_bpf_dsq_peek(u64 dsq_id);
bool scx_bpf_test_and_clear_cpu_idle(s32 cpu);
void scx_bpf_dsq_insert(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags);
void scx_bpf_dsq_insert_vtime(struct task_struct *p, u64 dsq_id, u64 slice, u64 vtime,
			      u64 enq_flags);
bool scx_bpf_dsq_move_to_local(u64 dsq_id);
s32 scx_bpf_dsq_nr_queued(u64 dsq_id);
u32 scx_bpf_reenqueue_local(void);
s32 scx_bpf_task_cpu(const struct task_struct *p);
bool scx_bpf_task_set_slice(struct task_struct *p, u64 slice);
u32 scx_bpf_nr_cpu_ids(void);
bool bpf_cpumask_test_cpu(u32 cpu, const struct cpumask *mask);

/* Those that take a structure of sched.bpf.c's own are made of these in native.c. */
s32 ext_select_cpu(struct task_struct *p, const struct cpumask *allowed, s32 prev_cpu,
		   u64 wake_flags);
struct ext_iter {
	struct dsq *dsq;
	u64 vtime, seq;		/* where it is in the queue */
	u64 set_vtime;
	bool begun;
};
int ext_iter_new(struct ext_iter *it, u64 dsq_id);
struct task_struct *ext_iter_next(struct ext_iter *it);
/* To another queue, by @vtime or to its end. */
bool ext_move(struct task_struct *p, u64 dsq_id, u64 flags, bool by_vtime, u64 vtime);

/* The task that forks now. */
struct task_struct *ext_current(void);

#endif
