/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who belongs to which agent: inherited at fork, in the kernel, before the
 * child runs its first instruction.
 */
#ifndef STARLING_LINEAGE_BPF_H
#define STARLING_LINEAGE_BPF_H

static __always_inline u64 run_of(struct task_struct *p)
{
	return p->se.sum_exec_runtime;
}

/* Zero without CONFIG_SCHED_INFO. */
static __always_inline u64 wait_of(struct task_struct *p)
{
	if (!bpf_core_field_exists(p->sched_info.run_delay))
		return 0;
	return p->sched_info.run_delay;
}

/*
 * Each begin that is told has its end, also where the return was missed or does not
 * come. The device was done when it woke the thread, not when that had a CPU; one
 * that slept more than once was woken by something else, too.
 */
static __always_inline void wait_over(struct task_struct *p, struct task_state *st, u64 now)
{
	if (!st->told)
		return;
	st->told = false;
	if (st->woken_ns && p->nvcsw - st->entry_nvcsw == 1)
		wait_put(p, PROBE_WAIT_ENDS, st->woken_ns);
	else
		wait_put(p, wait_of(p) == st->entry_wait ? PROBE_WAIT_ENDS : PROBE_WAIT_ENDED,
			 now);
}

/*
 * What lineage gives a child: not what was said of the parent's own work, and to another
 * process not what was said of the threads of this one.
 */
static __always_inline u16 inherited_role(const struct task_state *st, bool thread)
{
	if (st->role == STARLING_ROLE_FEEDER || st->source == STARLING_BY_DETECTION ||
	    (st->role == STARLING_ROLE_INFERENCE && !thread))
		return STARLING_ROLE_NONE;
	return st->role;
}

static __always_inline void inherit(struct task_struct *child, bool thread,
				    const struct task_state *from)
{
	struct probe_agent *agent = agent_make(from->agent_id);
	struct task_state *to = state_make(child);

	if (!to) {
		if (agent)
			__sync_fetch_and_add(&agent->lost, 1);
		adopt_wanted = true;
		return;
	}
	if (to->agent_id)
		return;
	to->agent_id = from->agent_id;
	to->role = inherited_role(from, thread);
	to->source = to->role ? STARLING_BY_LINEAGE : STARLING_BY_NONE;
	to->flags |= from->flags & TASK_EXECED;
	if (thread)
		to->flags |= from->flags & TASK_ROOT;
	if (agent) {
		__sync_fetch_and_add(&agent->forks, 1);
		__sync_fetch_and_add(&agent->tasks, 1);
	}
}

/*
 * Since 6.19 a program at a tracepoint can be preempted, and until it goes on
 * the kernel passes over it for every other task on that CPU. What must not
 * be missed is therefore done by two programs, each with a guard of its own;
 * the one that comes second finds nothing left to do.
 */
static __always_inline int forked(struct task_struct *parent,
				  struct task_struct *child)
{
	struct task_state *from = state_of(parent);

	if (from && from->agent_id)
		inherit(child, child->tgid == parent->tgid, from);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	return forked(parent, child);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork_again, struct task_struct *parent, struct task_struct *child)
{
	return forked(parent, child);
}

/* A new program: what was seen of the old one is void. */
static __always_inline void forget_program(struct task_state *st)
{
	st->flags = (st->flags | TASK_EXECED) & ~(TASK_LIBRARY | TASK_POLLS | TASK_COMPUTE);
	st->entry_ns = st->poll_ns = st->compute_ns = 0;
	st->poll_done = 0;
	st->style = STARLING_WAIT_UNKNOWN;
	st->vote[STARLING_WAIT_BLOCK] = 0;
	st->vote[STARLING_WAIT_SPIN] = 0;
	st->vote[STARLING_WAIT_YIELD] = 0;
	st->seen_waits = st->learn_waits = 0;
	st->step_ns = 0;
	st->step_calm = st->step_count = 0;
	st->step_least = st->step_least_before = st->step_most = st->step_most_before = 0;
	if (st->source == STARLING_BY_DETECTION) {
		st->role = STARLING_ROLE_NONE;
		st->source = STARLING_BY_NONE;
	}
}

/* Any of a process's threads may execute a program, and has another number then. */
static __always_inline int executed(struct task_struct *p, u32 old_tid)
{
	struct task_state *st = state_of(p);
	u32 id = p->self_exec_id;

	if (!st || st->exec_id == id)
		return 0;
	st->exec_id = id;
	wait_over(p, st, bpf_ktime_get_ns());
	driver_forget(st, old_tid);
	forget_program(st);
	if (!st->agent_id)
		return 0;
	if (!(st->flags & TASK_ROOT) && st->source < STARLING_BY_OWNER) {
		st->role = STARLING_ROLE_TOOL;
		st->source = STARLING_BY_LINEAGE;
	}
	event_task(PROBE_EXEC, p, st, !execs_awaited);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *p, pid_t old_tid)
{
	return executed(p, old_tid);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec_again, struct task_struct *p, pid_t old_tid)
{
	return executed(p, old_tid);
}

/* Adds to its agent's sums what they do not have yet of @p. */
static __always_inline void fold(struct task_struct *p, struct task_state *st)
{
	struct probe_agent *agent = agent_of(st->agent_id);
	u64 run = run_of(p) - st->base_run, wait = wait_of(p) - st->base_wait;

	if (!agent)
		return;
	if (run > st->folded_run)
		__sync_fetch_and_add(&agent->run_ns, run - st->folded_run);
	if (wait > st->folded_wait)
		__sync_fetch_and_add(&agent->wait_ns, wait - st->folded_wait);
	st->folded_run = run;
	st->folded_wait = wait;
}

static __always_inline void count_exit(struct task_state *st)
{
	struct probe_agent *agent = agent_of(st->agent_id);

	if (!agent)
		return;
	__sync_fetch_and_add(&agent->gpu_wait_ns,
			     st->gpu_wait_ns - st->base_gpu_wait);
	__sync_fetch_and_add(&agent->exits, 1);
	__sync_fetch_and_add(&agent->tasks, -1);
}

static __always_inline int exited(struct task_struct *p)
{
	struct task_state *st = state_of(p);

	if (!st || st->flags & TASK_EXITED)
		return 0;
	st->flags |= TASK_EXITED;
	wait_over(p, st, bpf_ktime_get_ns());
	driver_forget(st, p->pid);
	if (!st->agent_id && !(st->flags & (TASK_GPU | TASK_WATCHED | TASK_COMPUTE)))
		return 0;
	fold(p, st);
	count_exit(st);
	event_task(PROBE_EXIT, p, st, false);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *p)
{
	return exited(p);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit_again, struct task_struct *p)
{
	return exited(p);
}

/*
 * The accounting of a running task is as old as the last tick: most of the
 * time of a task that lives for milliseconds is only known once it is off
 * its CPU for good.
 */
SEC("tp_btf/sched_process_free")
int BPF_PROG(on_free, struct task_struct *p)
{
	struct task_state *st = state_of(p);

	if (st && st->flags & TASK_EXITED)
		fold(p, st);
	return 0;
}

#endif
