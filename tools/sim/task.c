// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tasks are numbered by birth and never moved: others may keep a pointer, and
 * see by the number whether it is still the same one.
 */
#include "tools/sim/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/sim/check.h"
#include "tools/sim/cpu.h"
#include "tools/sim/daemon.h"
#include "tools/sim/metric.h"

enum { CHUNK = 256 };

/* Tasks come in chunks that stay, and are used again. */
static struct task **all, **chunks;
static size_t nall, room, nchunks;
static struct task *unused;
static uint32_t last_tid = 100;

static struct cpumask mask_all, mask_one[SHIM_CPUS_MAX], mask_two[SHIM_CPUS_MAX];

/* Those that wait for a CPU, in the order in which they began to. */
static struct task *wait_head, *wait_tail;

static void *must(void *p)
{
	if (!p) {
		fputs("starling-sim: out of memory: ask for fewer tasks\n", stderr);
		exit(1);
	}
	return p;
}

static void mask_add(struct cpumask *mask, unsigned int cpu)
{
	mask->bits[cpu / 64] |= 1ULL << (cpu % 64);
}

static void masks_make(void)
{
	if (mask_all.bits[0])
		return;
	for (unsigned int i = 0; i < machine.ncpu; i++) {
		mask_add(&mask_all, i);
		mask_add(&mask_one[i], i);
		mask_add(&mask_two[i], i);
		mask_add(&mask_two[i], (i + 1) % machine.ncpu);
	}
}

static void pin(struct task *t, const struct task_spec *spec)
{
	int cpu = spec->pinned - 1;

	t->ts.cpus_ptr = &mask_all;
	t->ts.nr_cpus_allowed = machine.ncpu;
	if (cpu < 0)
		return;
	t->cpu = cpu;
	t->ts.cpus_ptr = spec->paired ? &mask_two[cpu] : &mask_one[cpu];
	t->ts.nr_cpus_allowed = spec->paired && machine.ncpu > 1 ? 2 : 1;
}

static void chunk_add(void)
{
	struct task *t = must(calloc(CHUNK, sizeof(*t)));

	chunks = must(realloc(chunks, (nchunks + 1) * sizeof(*chunks)));
	chunks[nchunks++] = t;
	room += CHUNK;
	all = must(realloc(all, room * sizeof(*all)));
	for (int i = 0; i < CHUNK; i++) {
		t[i].wait_next = unused;
		unused = &t[i];
	}
}

void task_reserve(size_t n)
{
	while (room < n)
		chunk_add();
	engine_reserve(n + 4 * machine.ncpu);
}

size_t task_room(void)
{
	return room;
}

/* All of it is zero, as the kernel's storage of a new task is. */
static struct task *task_take(void)
{
	struct task *t;

	if (!unused)
		chunk_add();
	t = unused;
	unused = t->wait_next;
	memset(t, 0, sizeof(*t));
	t->index = nall;
	all[nall++] = t;
	return t;
}

struct task *task_new(const struct task_spec *spec, struct task *parent)
{
	struct task *t = task_take();

	masks_make();
	cpu_task_init(t);
	t->tid = ++last_tid;
	t->ts.pid = t->tid;
	t->tgid = spec->tgid ? spec->tgid : t->tid;
	t->ppid = parent ? parent->tgid : 1;
	t->kind = spec->kind;
	t->step = spec->step;
	t->ctx = spec->ctx;
	t->agent = spec->agent;
	t->ts.scx.weight = spec->weight ? spec->weight : 100;
	t->cpu = parent ? parent->cpu : 0;
	pin(t, spec);
	t->phase = PHASE_SLEEPING;
	t->poked = true;	/* the first wake is the fork's */
	machine.model->fork(t, parent);
	daemon_fork(t, parent, spec->execs);
	return t;
}

void task_wake(struct task *t, struct task *waker, bool sync)
{
	bool fork = t->poked;

	if (waker)
		daemon_edge(waker, t);
	if (t->phase != PHASE_SLEEPING) {
		t->poked = true;
		return;
	}
	timer_cancel(&t->timer);
	t->poked = false;
	task_is_queued(t);
	machine.model->wake(t, waker ? waker->cpu : t->cpu, sync, fork);
}

/* One that spins sees it when it has a CPU, one that sleeps has to be woken. */
void task_poke(struct task *t)
{
	if (t->phase == PHASE_SLEEPING) {
		task_wake(t, NULL, false);
		return;
	}
	t->poked = true;
	if (t->phase == PHASE_RUNNING && (t->act.kind == ACT_SPIN || t->act.kind == ACT_YIELD))
		cpu_task_poked(&machine.cpu[t->cpu]);
}

/* -- who waits --------------------------------------------------------------------- */

void task_is_queued(struct task *t)
{
	t->phase = PHASE_QUEUED;
	t->on_cpu = -1;
	t->since_ns = t->queued_ns = sim.now;
	t->wait_prev = wait_tail;
	t->wait_next = NULL;
	*(wait_tail ? &wait_tail->wait_next : &wait_head) = t;
	wait_tail = t;
}

static void wait_ends(struct task *t)
{
	*(t->wait_prev ? &t->wait_prev->wait_next : &wait_head) = t->wait_next;
	*(t->wait_next ? &t->wait_next->wait_prev : &wait_tail) = t->wait_prev;
	t->wait_ns += sim.now - t->since_ns;
	metric_wait(t, sim.now - t->queued_ns);
}

void task_is_running(struct task *t, int cpu)
{
	wait_ends(t);
	t->phase = PHASE_RUNNING;
	t->cpu = t->on_cpu = cpu;
	t->since_ns = sim.now;
}

void task_is_sleeping(struct task *t)
{
	t->phase = PHASE_SLEEPING;
	t->on_cpu = -1;
}

struct task *task_waiting_first(void)
{
	return wait_head;
}

/* -- the end ------------------------------------------------------------------------- */

/* Its memory may be another's as soon as the next one is born. */
void task_exit(struct task *t)
{
	struct task *parent = t->parent;

	timer_cancel(&t->timer);
	daemon_exit(t);
	t->phase = PHASE_NONE;
	if (t->on_exit)
		t->on_exit(t);
	if (parent)
		task_wake(parent, t, false);
	all[t->index] = all[--nall];
	all[t->index]->index = t->index;
	t->wait_next = unused;
	unused = t;
}

void task_kill(struct task *t)
{
	t->parent = NULL;
	t->on_exit = NULL;
	t->killed = true;
	if (t->phase == PHASE_RUNNING) {
		cpu_task_killed(&machine.cpu[t->cpu]);
		return;
	}
	if (t->phase == PHASE_QUEUED) {
		machine.model->remove(t);
		wait_ends(t);
	}
	task_exit(t);
}

struct task **task_all(size_t *n)
{
	*n = nall;
	return all;
}

void task_free_all(void)
{
	for (size_t i = 0; i < nchunks; i++)
		free(chunks[i]);
	free(chunks);
	free(all);
	chunks = all = NULL;
	nchunks = nall = room = 0;
}
