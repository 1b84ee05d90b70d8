// SPDX-License-Identifier: GPL-2.0-only
/*
 * What BPF programs, of a scheduler above all, may ask: numbers in, numbers
 * out, as types of the kernel are not the module's to name where its BTF is
 * not deduplicated. They take no lock and may be called in any context, but in
 * an NMI no task is a member; what they say may be over the moment after. Task
 * ids are the initial namespace's.
 */
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/init.h>
#include <linux/pid_namespace.h>
#include <linux/preempt.h>

#include "agent.h"
#include "gpu.h"
#include "kfunc.h"
#include "task.h"

typedef u64 (*member_value_t)(const struct starling_member *m);

static u64 value_agent(const struct starling_member *m)
{
	return READ_ONCE(m->agent)->id;
}

static u64 value_role(const struct starling_member *m)
{
	return READ_ONCE(m->rec.role);
}

static u64 value_weight(const struct starling_member *m)
{
	return READ_ONCE(READ_ONCE(m->agent)->rec.weight);
}

/*
 * RCU keeps the task, its member and the agent of that. An NMI may find a table
 * that its CPU is changing: while an entry is moved its chain has no end.
 */
static u64 tid_value(s32 tid, member_value_t value)
{
	struct starling_member *m = NULL;
	struct task_struct *task;
	u64 ret;

	if (in_nmi())
		return 0;
	rcu_read_lock();
	task = pid_task(find_pid_ns(tid, &init_pid_ns), PIDTYPE_PID);
	if (task)
		m = starling_member_find(task);
	ret = m ? value(m) : 0;
	rcu_read_unlock();
	return ret;
}

__bpf_kfunc_start_defs();

/* The id of the agent that @tid is a member of; 0: none. */
__bpf_kfunc u64 starling_tid_agent(s32 tid)
{
	return tid_value(tid, value_agent);
}

/* enum starling_role of @tid; STARLING_ROLE_NONE for one that is no member. */
__bpf_kfunc u32 starling_tid_role(s32 tid)
{
	return tid_value(tid, value_role);
}

/* The weight of the agent of @tid, 1 to 10000; 0: no member. */
__bpf_kfunc u32 starling_tid_weight(s32 tid)
{
	return tid_value(tid, value_weight);
}

/* Leases of @gpu held now; 0 also where there is no such GPU. */
__bpf_kfunc u32 starling_gpu_holders(u32 gpu)
{
	return gpu < STARLING_GPUS_MAX ? READ_ONCE(starling_gpus[gpu].nheld) : 0;
}

/* Requests that wait for @gpu now; 0 also where there is no such GPU. */
__bpf_kfunc u32 starling_gpu_waiting(u32 gpu)
{
	return gpu < STARLING_GPUS_MAX ? READ_ONCE(starling_gpus[gpu].waiting[0]) : 0;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(ids)
BTF_ID_FLAGS(func, starling_tid_agent)
BTF_ID_FLAGS(func, starling_tid_role)
BTF_ID_FLAGS(func, starling_tid_weight)
BTF_ID_FLAGS(func, starling_gpu_holders)
BTF_ID_FLAGS(func, starling_gpu_waiting)
BTF_KFUNCS_END(ids)

static const struct btf_kfunc_id_set kfuncs = {
	.owner	= THIS_MODULE,
	.set	= &ids,
};

/* Where the kernel or this build has no BTF nobody can call them: no error. */
void __init starling_kfuncs_init(void)
{
	static const enum bpf_prog_type types[] = {
		BPF_PROG_TYPE_TRACING, BPF_PROG_TYPE_STRUCT_OPS, BPF_PROG_TYPE_SYSCALL,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(types); i++)
		if (register_btf_kfunc_id_set(types[i], &kfuncs))
			return;
}
