// SPDX-License-Identifier: GPL-2.0-only
/* Asks the module: when run by hand, and at each switch of a thread. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "kfunc.h"

u64 starling_tid_agent(s32 tid) __ksym;
u32 starling_tid_role(s32 tid) __ksym;
u32 starling_tid_weight(s32 tid) __ksym;
u32 starling_gpu_holders(u32 gpu) __ksym;
u32 starling_gpu_waiting(u32 gpu) __ksym;

char LICENSE[] SEC("license") = "GPL";

int watched;
unsigned long long switches, known;

SEC("syscall")
int ask(struct answers *a)
{
	a->agent = starling_tid_agent(a->tid);
	a->role = starling_tid_role(a->tid);
	a->weight = starling_tid_weight(a->tid);
	a->holders = starling_gpu_holders(a->gpu);
	a->waiting = starling_gpu_waiting(a->gpu);
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev)
{
	if (prev->pid != watched)
		return 0;
	switches++;
	known += starling_tid_agent(prev->pid) != 0;
	return 0;
}
