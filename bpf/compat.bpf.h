/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels. Everything here is resolved when the object
 * is loaded, so that it may be compiled against any kernel's types.
 */
#ifndef STARLING_COMPAT_BPF_H
#define STARLING_COMPAT_BPF_H

#define PF_EXITING	0x00000004
#define PF_KTHREAD	0x00200000

#define SOFTIRQ_MASK	0x0000ff00
#define HARDIRQ_MASK	0x000f0000
#define NMI_MASK	0x00f00000

/* Since 6.2; programs that call them are not loaded before that. */
struct task_struct *bpf_task_from_pid(s32 pid) __ksym __weak;
void bpf_task_release(struct task_struct *p) __ksym __weak;

#if defined(__TARGET_ARCH_x86)
#define NR_sched_yield	24

/* 6.2 to 6.14 had it in pcpu_hot, before and after it stands alone. */
struct pcpu_hot___starling {
	int preempt_count;
} __attribute__((preserve_access_index));

extern const int __preempt_count __ksym __weak;
extern const struct pcpu_hot___starling pcpu_hot __ksym __weak;

static __always_inline int preempt_count(void)
{
	if (&__preempt_count)
		return *(const int *)bpf_this_cpu_ptr(&__preempt_count);
	if (&pcpu_hot)
		return ((const struct pcpu_hot___starling *)
			bpf_this_cpu_ptr(&pcpu_hot))->preempt_count;
	return 0;
}
#elif defined(__TARGET_ARCH_arm64)
#define NR_sched_yield	124

struct thread_info___arm64 {
	struct {
		u32 count;
	} preempt;
} __attribute__((preserve_access_index));

struct task_struct___arm64 {
	struct thread_info___arm64 thread_info;
} __attribute__((preserve_access_index));

static __always_inline int preempt_count(void)
{
	struct task_struct___arm64 *t = (void *)bpf_get_current_task();

	return BPF_CORE_READ(t, thread_info.preempt.count);
}
#else
#error "add preempt_count() for this architecture"
#endif

struct thread_info___cpu {
	u32 cpu;
} __attribute__((preserve_access_index));

struct task_struct___cpu {
	struct thread_info___cpu thread_info;
} __attribute__((preserve_access_index));

static __always_inline u32 cpu_of(struct task_struct *p)
{
	struct task_struct___cpu *t = (void *)p;

	if (!bpf_core_field_exists(t->thread_info.cpu))
		return 0;
	return BPF_CORE_READ(t, thread_info.cpu);
}

/* Where a dentry hangs in its inode's list of names. */
struct dentry___alias {
	union {
		struct hlist_node d_alias;
	} d_u;
} __attribute__((preserve_access_index));

static __always_inline const unsigned char *inode_name(struct inode *inode)
{
	struct hlist_node *node = BPF_CORE_READ(inode, i_dentry.first);
	struct dentry___alias *d = NULL;

	if (!node || !bpf_core_field_exists(d->d_u.d_alias))
		return NULL;
	return BPF_CORE_READ((struct dentry *)((void *)node -
			     bpf_core_field_offset(d->d_u.d_alias)), d_name.name);
}

#endif
