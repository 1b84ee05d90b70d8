/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sched_kernel.bpf.h - what the scheduler needs of the kernel: functions, and
 * types that the headers it is built with may lack or have in another shape.
 */
#ifndef STARLING_SCHED_KERNEL_BPF_H
#define STARLING_SCHED_KERNEL_BPF_H

#define DSQ_LOCAL_ON	0xc000000000000000ULL
#define ENQ_WAKEUP	(1ULL << 0)
#define ENQ_PREEMPT	(1ULL << 32)	/* and before those that wait there */
#define ENQ_REENQ	(1ULL << 40)
#define ENQ_LAST	(1ULL << 41)
#define OPS_ENQ_LAST	(1ULL << 1)
#define TASK_QUEUED	(1U << 0)
#define TASK_EXITING	0x4
#define TASK_KTHREAD	0x00200000

struct scx_init_task_args___s {
	bool fork;
	struct cgroup *cgroup;
} __attribute__((preserve_access_index));

struct scx_cgroup_init_args___s {
	u32 weight;
	u64 bw_period_us;
	u64 bw_quota_us;
} __attribute__((preserve_access_index));

enum scx_cpu_preempt_reason___s {
	SCX_CPU_PREEMPT_STOP___s = 2,
};

struct scx_cpu_release_args___s {
	enum scx_cpu_preempt_reason___s reason;
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
	u64 dsq_vtime;
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
	void (*quiescent)(struct task_struct *p, u64 deq_flags);
	bool (*yield)(struct task_struct *from, struct task_struct *to);
	void (*set_weight)(struct task_struct *p, u32 weight);
	s32 (*init_task)(struct task_struct *p, void *args);
	s32 (*cgroup_init)(struct cgroup *cgrp, void *args);
	void (*cgroup_exit)(struct cgroup *cgrp);
	void (*cgroup_move)(struct task_struct *p, struct cgroup *from, struct cgroup *to);
	void (*cgroup_set_weight)(struct cgroup *cgrp, u32 weight);
	void (*cgroup_set_bandwidth)(struct cgroup *cgrp, u64 period_us, u64 quota_us,
				     u64 burst_us);
	s32 (*init)(void);
	void (*exit)(void *info);
	u64 flags;
	u32 timeout_ms;
	char name[128];
	void (*cpu_acquire)(s32 cpu, void *args);
	void (*cpu_release)(s32 cpu, void *args);
};

struct scx_bpf_select_cpu_and_args___s {
	s32 prev_cpu;
	u64 wake_flags;
	u64 flags;
};

struct bpf_iter_scx_dsq___s {
	u64 opaque[6];
} __attribute__((aligned(8)));

s32 scx_bpf_create_dsq(u64 dsq_id, s32 node) __ksym;
s32 __scx_bpf_select_cpu_and(struct task_struct *p, const struct cpumask *cpus_allowed,
			     struct scx_bpf_select_cpu_and_args___s *args) __ksym __weak;
s32 scx_bpf_pick_idle_cpu(const struct cpumask *cpus_allowed, u64 flags) __ksym;
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
int bpf_iter_scx_dsq_new(struct bpf_iter_scx_dsq___s *it, u64 dsq_id, u64 flags) __ksym __weak;
struct task_struct *bpf_iter_scx_dsq_next(struct bpf_iter_scx_dsq___s *it) __ksym __weak;
void bpf_iter_scx_dsq_destroy(struct bpf_iter_scx_dsq___s *it) __ksym __weak;
struct task_struct *scx_bpf_dsq_peek(u64 dsq_id) __ksym __weak;
bool scx_bpf_dsq_move(struct bpf_iter_scx_dsq___s *it, struct task_struct *p, u64 dsq_id,
		      u64 enq_flags) __ksym __weak;
bool scx_bpf_dsq_move_vtime(struct bpf_iter_scx_dsq___s *it, struct task_struct *p, u64 dsq_id,
			    u64 enq_flags) __ksym __weak;
void scx_bpf_dsq_move_set_vtime(struct bpf_iter_scx_dsq___s *it, u64 vtime) __ksym __weak;
struct task_struct *bpf_task_from_pid(s32 pid) __ksym;
void bpf_task_release(struct task_struct *p) __ksym;
void bpf_rcu_read_lock(void) __ksym;
void bpf_rcu_read_unlock(void) __ksym;
bool bpf_cpumask_test_cpu(u32 cpu, const struct cpumask *mask) __ksym;
struct bpf_cpumask *bpf_cpumask_create(void) __ksym;
void bpf_cpumask_release(struct bpf_cpumask *mask) __ksym;
void bpf_cpumask_set_cpu(u32 cpu, struct bpf_cpumask *mask) __ksym;
int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;
void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym;

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

#endif
