/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the daemon and the module say about tasks, and what the daemon reads.
 */
#ifndef STARLING_CONTROL_BPF_H
#define STARLING_CONTROL_BPF_H

static __always_inline void leave_agent(struct task_struct *p,
					struct task_state *st)
{
	struct probe_agent *old = agent_of(st->agent_id);

	if (old) {
		fold(p, st);
		__sync_fetch_and_add(&old->tasks, -1);
	}
	st->agent_id = 0;
}

static __always_inline void join_agent(struct task_struct *p,
				       struct task_state *st, u64 id)
{
	struct probe_agent *agent = agent_make(id);

	st->base_run = run_of(p);
	st->base_wait = wait_of(p);
	st->base_gpu_wait = st->gpu_wait_ns;
	st->folded_run = st->folded_wait = 0;
	st->agent_id = id;
	if (agent)
		__sync_fetch_and_add(&agent->tasks, 1);
}

static __always_inline void set_agent(struct task_struct *p,
				      struct task_state *st,
				      const struct probe_control *c)
{
	if (st->agent_id != c->agent_id) {
		if (st->agent_id)
			leave_agent(p, st);
		if (c->agent_id)
			join_agent(p, st, c->agent_id);
	}
	if (c->root)
		st->flags |= TASK_ROOT;
	else
		st->flags &= ~TASK_ROOT;
}

static __always_inline void apply(struct task_struct *p, struct task_state *st,
				  const struct probe_control *c)
{
	if (c->flags & PROBE_SET_AGENT)
		set_agent(p, st, c);
	if (c->flags & (PROBE_SET_AGENT | PROBE_SET_ROLE)) {
		st->role = c->role;
		st->source = c->source;
	}
	if (c->flags & PROBE_SET_EXECED)
		st->flags |= TASK_EXECED;
	if (c->flags & PROBE_SET_WATCH) {
		if (c->on)
			st->flags |= TASK_WATCHED;
		else
			st->flags &= ~TASK_WATCHED;
	}
}

/* Returns 0 or -ESRCH, -ENOMEM. */
static __always_inline int control_task(struct task_struct *p,
					const struct probe_control *c)
{
	struct task_state *st;

	/* its exit was counted, or is about to be and would not be seen */
	if (p->flags & PF_EXITING)
		return -3;
	st = state_make(p);
	if (!st)
		return -12;
	apply(p, st, c);
	return 0;
}

SEC("syscall")
int control(struct probe_control *c)
{
	struct task_struct *p = bpf_task_from_pid(c->tid);
	int err;

	if (!p)
		return -3;
	err = control_task(p, c);
	bpf_task_release(p);
	return err;
}

/* The same where a task cannot be found by its number: among all. */
struct probe_control control_wanted;
int control_result;

SEC("iter/task")
int control_one(struct bpf_iter__task *ctx)
{
	struct probe_control c = control_wanted;
	struct task_struct *p = ctx->task;

	if (p && p->pid == c.tid)
		control_result = control_task(p, &c);
	return 0;
}

/* -- the module's tracepoints: scalars, see kmod/trace.h --------------------- */

static __always_inline void event_module(u32 type, const u64 *args)
{
	struct probe_event *ev = event_new(type);

	if (!ev)
		return;
	ev->agent_id = args[0];
	ev->tid = args[1];
	ev->tgid = args[2];
	ev->role = args[3];
	ev->source = args[4];
	ev->inherited = type == PROBE_MODULE_JOIN && args[5];
	bpf_ringbuf_submit(ev, BPF_RB_FORCE_WAKEUP);
}

/*
 * A child of a task that is known here follows by itself, in on_fork(). The
 * module's join of a child runs in its parent.
 */
SEC("raw_tp/starling_task_join")
int on_module_join(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_state *st;

	if (ctx->args[5]) {
		st = state_of(bpf_get_current_task_btf());
		if (st && st->agent_id == ctx->args[0])
			return 0;
	}
	event_module(PROBE_MODULE_JOIN, ctx->args);
	return 0;
}

/* Exits are seen here anyway; how: 0 exit, 1 asked, 2 moved (a join follows). */
SEC("raw_tp/starling_task_leave")
int on_module_leave(struct bpf_raw_tracepoint_args *ctx)
{
	if (ctx->args[5] == 1)
		event_module(PROBE_MODULE_LEAVE, ctx->args);
	return 0;
}

SEC("raw_tp/starling_task_role")
int on_module_role(struct bpf_raw_tracepoint_args *ctx)
{
	u32 source = ctx->args[4];

	/* what the daemon itself handed in comes back as BY_DETECTION */
	if (source != STARLING_BY_LINEAGE && source != STARLING_BY_DETECTION)
		event_module(PROBE_MODULE_ROLE, ctx->args);
	return 0;
}

/* -- records ------------------------------------------------------------------- */

#define BIT(x) (1U << (x))
#define SOURCE(val, by) STARLING_SOURCE(STARLING_VAL_##val, STARLING_FROM_##by)

static __always_inline void record_cpu(struct starling_task_record *r,
				       struct task_struct *p)
{
	r->start_ns = p->start_time;
	r->run_ns = run_of(p);
	r->nvcsw = p->nvcsw;
	r->nivcsw = p->nivcsw;
	r->migrations = p->se.nr_migrations;
	r->last_cpu = cpu_of(p);
	r->valid = BIT(STARLING_VAL_RUN) | BIT(STARLING_VAL_SWITCHES) |
		BIT(STARLING_VAL_MIGRATIONS);
	r->source = SOURCE(RUN, KERNEL) | SOURCE(SWITCHES, KERNEL) | SOURCE(MIGRATIONS, KERNEL) |
		SOURCE(WAIT, KERNEL);
	if (bpf_core_field_exists(p->sched_info.run_delay)) {
		r->wait_ns = wait_of(p);
		r->valid |= BIT(STARLING_VAL_WAIT);
	}
}

static __always_inline void record_gpu(struct starling_task_record *r,
				       struct task_struct *p,
				       const struct task_state *st)
{
	u64 now = bpf_ktime_get_ns();
	u32 guessed = BIT(STARLING_VAL_GPU_WAIT) | BIT(STARLING_VAL_GPU_LAUNCH);

	r->gpu_wait_ns = st->gpu_wait_ns;
	r->gpu_waits = st->gpu_waits;
	r->gpu_launches = st->launches;
	r->gpu_alloc_bytes = st->alloc_bytes;
	r->gpu_last_ns = in_wait(p, st, now) ? now : st->gpu_last_ns;
	r->wait_style = st->style;
	/* of a library without probes nothing else is known */
	if (st->flags & TASK_POLLS)
		r->valid |= BIT(STARLING_VAL_GPU_WAIT);
	else if (gpu_probed)
		r->valid |= guessed | BIT(STARLING_VAL_GPU_ALLOC);
	r->source |= SOURCE(GPU_WAIT, PROBE) | SOURCE(GPU_LAUNCH, PROBE) |
		SOURCE(GPU_ALLOC, PROBE) | SOURCE(STARVED, MODEL);
	if (st->flags & TASK_GPU)
		r->estimated |= guessed;
	if (st->gpu_waits && r->valid & BIT(STARLING_VAL_WAIT)) {
		r->starved_ns = st->starved_ns;
		r->valid |= BIT(STARLING_VAL_STARVED);
		r->estimated |= BIT(STARLING_VAL_STARVED);
	}
}

/*
 * A task that nothing is known of, while children may have been missed: its
 * parent, or its process, tells.
 */
static __always_inline struct task_state *adopted(struct task_struct *p)
{
	bool thread = p->pid != p->tgid;
	struct task_struct *from = thread ? p->group_leader : p->real_parent;
	struct task_state *st;

	if (!adopt || !from || p->flags & (PF_KTHREAD | PF_EXITING))
		return NULL;
	st = state_of(from);
	if (!st || !st->agent_id)
		return NULL;
	inherit(p, thread, st);
	return state_of(p);
}

SEC("iter/task")
int records(struct bpf_iter__task *ctx)
{
	struct starling_task_record r = {};
	struct task_struct *p = ctx->task;
	struct task_state *st;

	if (!p)
		return 0;
	st = state_of(p);
	if (!st)
		st = adopted(p);
	if (!st || st->flags & TASK_EXITED ||
	    !(st->agent_id || st->flags & (TASK_GPU | TASK_WATCHED | TASK_COMPUTE)))
		return 0;
	r.tid = p->pid;
	r.tgid = p->tgid;
	r.agent_id = st->agent_id;
	r.role = st->role;
	r.role_source = st->source;
	record_cpu(&r, p);
	record_gpu(&r, p, st);
	BPF_CORE_READ_STR_INTO(&r.comm, p, comm);
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}

#endif
