// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel's sched_ext core does between a scheduler's functions (7.3,
 * kernel/sched/ext). What counts here, and is easily got wrong:
 *
 * - whoever has slice left goes on, and dispatch() is not even asked;
 * - a local queue goes before dispatch(), and the task that is picked leaves it
 *   only after the old one was queued again: enqueue() sees it there still;
 * - a queue of the scheduler's own wakes nobody; but the CPU that select_cpu()
 *   named looks if it is idle;
 * - who has no slice left and is alone is queued too, as the scheduler asked for
 *   that (ENQ_LAST): if it stays on that CPU, nothing looks there by itself.
 */
#include "tools/sim/ext.h"

#include <string.h>
#include "tools/sim/check.h"
#include "tools/sim/cpu.h"
#include "tools/sim/dsq.h"
#include "tools/sim/idle.h"
#include "tools/sim/load.h"
#include "tools/sim/native.h"

#define SLICE_DFL	(20 * MS)
#define DSQ_LOCAL_ON	0xc000000000000000ULL
#define ENQ_WAKEUP	(1ULL << 0)
#define ENQ_HEAD	(1ULL << 4)
#define ENQ_PREEMPT	(1ULL << 32)
#define ENQ_REENQ	(1ULL << 40)
#define ENQ_LAST	(1ULL << 41)
#define WAKE_FORK	(1ULL << 2)
#define WAKE_TTWU	(1ULL << 3)
#define WAKE_SYNC	(1ULL << 4)
#define TASK_QUEUED	(1U << 0)
/* Numbers of queues are small, and from this on one for each CPU. */
#define DSQ_BOUND	0x10000

enum { DSQS_MAX = 16 };

static const struct ext_ops *ops = &native_ops;
static struct dsq local[SHIM_CPUS_MAX], bound[SHIM_CPUS_MAX], own[DSQS_MAX];
static bool in_dispatch[SHIM_CPUS_MAX], released[SHIM_CPUS_MAX];
static struct task *verdict_on, *forking;
static int this_cpu = -1, dispatch_cpu = -1;

static struct task *task_of(struct task_struct *p)
{
	return container_of(p, struct task, ts);
}

/* The queue that an id means; local ones are fifos. */
static struct dsq *dsq_of(u64 id, s32 *cpu)
{
	*cpu = -1;
	if ((id & DSQ_LOCAL_ON) == DSQ_LOCAL_ON) {
		*cpu = id & 0xffffffff;
		return (u32)*cpu < machine.ncpu ? &local[*cpu] : NULL;
	}
	if (id >= DSQ_BOUND)
		return id - DSQ_BOUND < machine.ncpu ? &bound[id - DSQ_BOUND] : NULL;
	return id && id < DSQS_MAX ? &own[id] : NULL;
}

/* -- what the scheduler calls -------------------------------------------------------- */

s32 scx_bpf_create_dsq(u64 dsq_id, s32 node)
{
	s32 cpu;

	(void)node;
	return dsq_of(dsq_id, &cpu) && cpu < 0 ? 0 : -22;
}

static void insert(struct task_struct *p, bool by_vtime, u64 dsq_id, u64 slice, u64 vtime,
		   u64 flags)
{
	struct task *t = task_of(p);

	if (t != verdict_on || t->ext.given) {
		check_failed("task %u is inserted %s", t->tid,
			     t->ext.given ? "twice" : "where it is not asked for");
		return;
	}
	t->ext = (struct verdict_ext){
		.given = true, .by_vtime = by_vtime, .dsq = dsq_id, .slice = slice,
		.vtime = vtime, .flags = flags,
	};
}

void scx_bpf_dsq_insert(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags)
{
	insert(p, false, dsq_id, slice, 0, enq_flags);
}

void scx_bpf_dsq_insert_vtime(struct task_struct *p, u64 dsq_id, u64 slice, u64 vtime,
			      u64 enq_flags)
{
	insert(p, true, dsq_id, slice, vtime, enq_flags);
}

s32 scx_bpf_dsq_nr_queued(u64 dsq_id)
{
	s32 cpu;
	const struct dsq *q = dsq_of(dsq_id, &cpu);

	return q ? (s32)q->nr : -2;
}

s32 scx_bpf_task_cpu(const struct task_struct *p)
{
	return container_of(p, struct task, ts)->cpu;
}

bool scx_bpf_task_set_slice(struct task_struct *p, u64 slice)
{
	p->scx.slice = slice;
	return true;
}

u32 scx_bpf_nr_cpu_ids(void)
{
	return machine.ncpu;
}

bool bpf_cpumask_test_cpu(u32 cpu, const struct cpumask *mask)
{
	return cpu < machine.ncpu && mask->bits[cpu / 64] >> (cpu % 64) & 1;
}

bool scx_bpf_test_and_clear_cpu_idle(s32 cpu)
{
	return idle_test_and_clear(cpu);
}

s32 ext_select_cpu(struct task_struct *p, const struct cpumask *allowed, s32 prev_cpu,
		   u64 wake_flags)
{
	bool sync = wake_flags & WAKE_SYNC && this_cpu >= 0 && !local[this_cpu].nr;
	s32 cpu = idle_select(task_of(p), allowed, prev_cpu, sync ? this_cpu : -1);

	return cpu >= 0 ? cpu : -16;	/* EBUSY */
}

struct task_struct *scx_bpf_dsq_peek(u64 dsq_id)
{
	s32 cpu;
	const struct dsq *q = dsq_of(dsq_id, &cpu);
	struct task *t = q ? dsq_first(q) : NULL;

	return t ? &t->ts : NULL;
}

struct task_struct *ext_current(void)
{
	return forking ? &forking->ts : NULL;
}

/* -- queueing ------------------------------------------------------------------------- */

/* From now on only this CPU can run it: nobody takes from a local queue. */
static void local_insert(struct task *t, int cpu, u64 flags)
{
	struct cpu *c = &machine.cpu[cpu];

	if (!cpu_allowed(t, cpu))
		check_failed("task %u is put on CPU %d, which it may not use", t->tid, cpu);
	t->cpu = cpu;
	dsq_add(&local[cpu], t, flags & (ENQ_HEAD | ENQ_PREEMPT));
	if (in_dispatch[cpu])
		return;
	if (!c->curr) {
		cpu_resched(cpu, this_cpu);
	} else if (flags & ENQ_PREEMPT && c->curr != t) {
		cpu_charge(c);
		c->curr->ts.scx.slice = 0;
		cpu_resched(cpu, this_cpu);
	}
}

/* What the scheduler said of it is done. */
static void carry_out(struct task *t, u64 flags)
{
	struct verdict_ext v = t->ext;
	struct dsq *q;
	s32 cpu;

	t->ext.given = false;
	q = dsq_of(v.dsq, &cpu);
	if (!v.given || !q) {
		check_failed("task %u is lost: enqueue() put it nowhere", t->tid);
		sim.stop = true;
		return;
	}
	if (v.slice)
		t->ts.scx.slice = v.slice;
	if (v.by_vtime)
		t->ts.scx.dsq_vtime = v.vtime;
	if (cpu >= 0)
		local_insert(t, cpu, v.flags | flags);
	else if (v.by_vtime)
		dsq_add_vtime(q, t, v.vtime);
	else
		dsq_add(q, t, v.flags & (ENQ_HEAD | ENQ_PREEMPT));
}

static void enqueue(struct task *t, u64 flags)
{
	if (!t->ext.given) {
		verdict_on = t;
		ops->enqueue(&t->ts, flags);
		verdict_on = NULL;
	}
	carry_out(t, flags);
}

/* Who may use one CPU alone is not asked about. */
static int select_cpu(struct task *t, u64 wake_flags)
{
	int cpu;

	if (t->ts.nr_cpus_allowed == 1)
		return t->cpu;
	verdict_on = t;
	cpu = ops->select_cpu(&t->ts, t->cpu, wake_flags);
	verdict_on = NULL;
	return cpu;
}

static void ext_wake(struct task *t, int from_cpu, bool sync, bool fork)
{
	u64 flags = fork ? 0 : ENQ_WAKEUP;

	this_cpu = from_cpu;
	t->cpu = select_cpu(t, (fork ? WAKE_FORK : WAKE_TTWU) | (sync ? WAKE_SYNC : 0));
	t->ts.scx.flags |= TASK_QUEUED;
	ops->runnable(&t->ts, flags);
	enqueue(t, flags);
	if (!machine.cpu[t->cpu].curr)
		cpu_resched(t->cpu, this_cpu);
	this_cpu = -1;
}

static void ext_sleep(struct cpu *c, struct task *t)
{
	(void)c;
	ops->stopping(&t->ts, false);
	ops->quiescent(&t->ts, 0);
	t->ts.scx.flags &= ~TASK_QUEUED;
}

static void ext_remove(struct task *t)
{
	dsq_del(t);
	ops->quiescent(&t->ts, 0);
	t->ts.scx.flags &= ~TASK_QUEUED;
}

static int ext_fork(struct task *t, struct task *parent)
{
	int err;

	t->ts.scx.slice = SLICE_DFL;
	forking = parent;
	err = ops->init_task(&t->ts, parent);
	forking = NULL;
	return err;
}

/* -- picking --------------------------------------------------------------------------- */

bool scx_bpf_dsq_move_to_local(u64 dsq_id)
{
	s32 cpu;
	struct dsq *q = dsq_of(dsq_id, &cpu);
	struct task *t = q ? dsq_first_for(q, dispatch_cpu) : NULL;

	if (!t)
		return false;
	dsq_del(t);
	local_insert(t, dispatch_cpu, 0);
	return true;
}

/* -- looking at a queue, outside of dispatch() ----------------------------------------- */

int ext_iter_new(struct ext_iter *it, u64 dsq_id)
{
	s32 cpu;

	*it = (struct ext_iter){ .dsq = dsq_of(dsq_id, &cpu) };
	return it->dsq ? 0 : -2;	/* ENOENT */
}

struct task_struct *ext_iter_next(struct ext_iter *it)
{
	struct task *t;

	if (!it->dsq)
		return NULL;
	t = it->begun ? dsq_next(it->dsq, it->vtime, it->seq) : dsq_first(it->dsq);
	if (!t)
		return NULL;
	it->begun = true;
	it->vtime = t->node.vtime;
	it->seq = t->node.seq;
	return &t->ts;
}

bool ext_move(struct task_struct *p, u64 dsq_id, u64 flags, bool by_vtime, u64 vtime)
{
	struct task *t = task_of(p);
	s32 cpu;
	struct dsq *q = dsq_of(dsq_id, &cpu);

	if (!q || !t->node.dsq)
		return false;
	dsq_del(t);
	if (cpu >= 0)
		local_insert(t, cpu, flags);
	else if (by_vtime)
		dsq_add_vtime(q, t, vtime);
	else
		dsq_add(q, t, false);
	return true;
}

/* -- dispatching ----------------------------------------------------------------------- */

static void dispatch(struct cpu *c, struct task *prev)
{
	dispatch_cpu = c->id;
	in_dispatch[c->id] = true;
	ops->dispatch(c->id, prev ? &prev->ts : NULL);
	in_dispatch[c->id] = false;
	dispatch_cpu = -1;
}

/* Does the old task go on? Else the first of the local queue is next. */
static bool keeps(struct cpu *c, struct task *prev)
{
	bool queued = prev && prev->ts.scx.flags & TASK_QUEUED;

	if (queued && prev->ts.scx.slice)
		return true;
	if (local[c->id].nr)
		return false;
	dispatch(c, prev);
	if (queued && prev->ts.scx.slice)
		return true;
	return false;
}

static struct task *ext_pick(struct cpu *c)
{
	struct task *prev = c->curr, *next;

	this_cpu = c->id;
	if (released[c->id])
		ops->cpu_acquire(c->id, NULL);
	released[c->id] = false;
	if (keeps(c, prev)) {
		this_cpu = -1;
		return prev;
	}
	next = local[c->id].head;
	if (next && !next->ts.scx.slice)
		next->ts.scx.slice = SLICE_DFL;
	if (prev && prev->ts.scx.flags & TASK_QUEUED) {
		ops->stopping(&prev->ts, true);
		enqueue(prev, next ? 0 : ENQ_LAST);
	}
	idle_set(c->id, !next);
	if (next) {
		dsq_del(next);
		next->cpu = c->id;
		ops->running(&next->ts);
	}
	this_cpu = -1;
	return next;
}

static void ext_charge(struct cpu *c, struct task *t, uint64_t ns)
{
	u64 *slice = &t->ts.scx.slice;

	(void)c;
	*slice -= ns < *slice ? ns : *slice;
}

static bool ext_tick(struct cpu *c)
{
	ops->tick(&c->curr->ts);
	return !c->curr->ts.scx.slice;
}

static void ext_yield(struct cpu *c)
{
	ops->yield(&c->curr->ts, NULL);
}

/* All that wait there are taken out first: some may come back. */
u32 scx_bpf_reenqueue_local(void)
{
	struct dsq *q = &local[this_cpu];
	struct task *t, *list = NULL, **end = &list;
	u32 n = 0;

	while ((t = q->head)) {
		dsq_del(t);
		t->node.next = NULL;
		*end = t;
		end = &t->node.next;
	}
	while ((t = list)) {
		list = t->node.next;
		enqueue(t, ENQ_REENQ);
		n++;
	}
	return n;
}

/* Who has slice left waits for it at the head, had nobody else a say in it. */
static void ext_release(struct cpu *c)
{
	unsigned int real_time = 0;	/* struct scx_cpu_release_args: the reason */
	struct task *prev = c->curr;

	this_cpu = c->id;
	idle_set(c->id, false);
	released[c->id] = true;
	if (prev) {
		ops->stopping(&prev->ts, true);
		if (prev->ts.scx.slice)
			dsq_add(&local[c->id], prev, true);
		else
			enqueue(prev, 0);
	}
	ops->cpu_release(c->id, &real_time);
	this_cpu = -1;
}

static void ext_start(void)
{
	int err;

	idle_start();
	for (unsigned int i = 0; i < machine.ncpu; i++) {
		native_online(i);
		native_little(i, !load.topo.cpu[i].big);
	}
	err = ops->init();
	if (err)
		check_failed("the scheduler does not start: error %d", err);
}

const struct sched_model model_starling = {
	.name = "starling",
	.start = ext_start,
	.fork = ext_fork,
	.wake = ext_wake,
	.sleep = ext_sleep,
	.remove = ext_remove,
	.pick = ext_pick,
	.release = ext_release,
	.charge = ext_charge,
	.tick = ext_tick,
	.yield = ext_yield,
};
