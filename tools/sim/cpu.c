// SPDX-License-Identifier: GPL-2.0-only
/*
 * A CPU runs one task's act until that is over, the tick ends its slice, or
 * somebody asks it to pick again. Another CPU hears of that a moment later.
 */
#include "tools/sim/cpu.h"

#include "tools/sim/check.h"

#define FOREVER	UINT64_MAX

struct machine machine;

static void act_begin(struct cpu *c);

bool cpu_allowed(const struct task *t, int cpu)
{
	return t->ts.cpus_ptr->bits[cpu / 64] >> (cpu % 64) & 1;
}

void cpu_charge(struct cpu *c)
{
	struct task *t = c->curr;
	uint64_t ns = sim.now - t->since_ns, work = ns, lost;

	if (!ns)
		return;
	t->since_ns = sim.now;
	t->run_ns += ns;
	lost = work < c->overhead_ns ? work : c->overhead_ns;
	c->overhead_ns -= lost;
	work = (work - lost) * c->speed;
	t->left_ns -= work < t->left_ns ? work : t->left_ns;
	machine.model->charge(c, t, ns);
}

/* All CPUs tick at once, and idle ones do not. */
static void tick_arm(struct cpu *c)
{
	if (!c->tick.place)
		timer_set(&c->tick, (sim.now / machine.tick_ns + 1) * machine.tick_ns);
}

/* The next pick follows at once; prev is queued again there, or goes on. */
static void schedule(struct cpu *c)
{
	struct task *prev = c->curr, *next;

	timer_cancel(&c->resched);
	if (c->taken)
		return;
	if (prev && prev->phase == PHASE_RUNNING)
		cpu_charge(c);
	next = machine.model->pick(c);
	if (next != prev || (prev && prev->phase != PHASE_RUNNING)) {
		if (prev && prev->phase == PHASE_RUNNING) {
			timer_cancel(&prev->timer);
			task_is_queued(prev);
		}
		c->curr = next;
		if (next) {
			check_run(c, next);
			task_is_running(next, c->id);
			c->overhead_ns = machine.switch_ns;
		}
	}
	if (!next) {
		timer_cancel(&c->tick);
		return;
	}
	tick_arm(c);
	act_begin(c);
}

/* The scheduler is told while the task is still the CPU's own, as in the kernel. */
static void leave(struct cpu *c, struct task *t)
{
	cpu_charge(c);
	timer_cancel(&t->timer);
	t->nvcsw++;
	machine.model->sleep(c, t);
	task_is_sleeping(t);
}

/* Returns false when the task has left the CPU. */
static bool act_start(struct cpu *c, struct task *t)
{
	t->left_ns = 0;
	switch (t->act.kind) {
	case ACT_RUN:
		t->left_ns = t->act.ns;
		break;
	case ACT_SPIN:
	case ACT_YIELD:
		t->left_ns = FOREVER;
		break;
	case ACT_SLEEP:
		leave(c, t);
		timer_set(&t->timer, t->act.ns > sim.now ? t->act.ns : sim.now);
		return false;
	case ACT_BLOCK:
		if (t->poked)
			break;
		leave(c, t);
		return false;
	case ACT_EXIT:
		leave(c, t);
		task_exit(t);
		return false;
	}
	return true;
}

/* One act after the other, as long as they take no time. */
static void act_next(struct cpu *c)
{
	struct task *t = c->curr;

	t->poked = false;
	t->act = t->step(t);
	if (act_start(c, t))
		act_begin(c);
	else
		schedule(c);
}

/* The switch is paid for by who comes; a poll sees its end a moment later. */
static uint64_t act_lasts(const struct cpu *c, const struct task *t)
{
	uint64_t ns = c->overhead_ns;

	if (t->act.kind == ACT_SPIN && !t->poked)
		return FOREVER;
	if (t->act.kind == ACT_YIELD && !t->poked)
		return ns + machine.yield_ns;
	if (t->poked && t->act.kind != ACT_RUN)
		return ns + 1 * US;
	return ns + (uint64_t)(t->left_ns / c->speed + 0.999);
}

static void act_begin(struct cpu *c)
{
	struct task *t = c->curr;
	uint64_t ns = act_lasts(c, t);

	timer_cancel(&t->timer);
	if (ns != FOREVER)
		timer_set(&t->timer, sim.now + ns);
}

/* The timer of a task: it has slept enough, or what it did is over. */
static void on_timer(struct timer *timer)
{
	struct task *t = container_of(timer, struct task, timer);
	struct cpu *c;

	if (t->phase == PHASE_SLEEPING) {
		task_wake(t, NULL, false);
		return;
	}
	c = &machine.cpu[t->cpu];
	cpu_charge(c);
	if (t->act.kind == ACT_YIELD && !t->poked) {
		machine.model->yield(c);
		schedule(c);
	} else {
		act_next(c);
	}
}

void cpu_task_init(struct task *t)
{
	t->timer.fire = on_timer;
	t->on_cpu = -1;
}

void cpu_task_poked(struct cpu *c)
{
	cpu_charge(c);
	act_begin(c);
}

/* Real ones need a CPU once more to die; that is too short to matter. */
void cpu_task_killed(struct cpu *c)
{
	leave(c, c->curr);
	task_exit(c->curr);
	schedule(c);
}

/* -- ticks and requests ----------------------------------------------------------- */

static void on_tick(struct timer *timer)
{
	struct cpu *c = container_of(timer, struct cpu, tick);

	tick_arm(c);
	cpu_charge(c);
	if (machine.model->tick(c))
		schedule(c);
}

static void on_resched(struct timer *timer)
{
	schedule(container_of(timer, struct cpu, resched));
}

static void on_back(struct timer *timer)
{
	struct cpu *c = container_of(timer, struct cpu, back);

	c->taken = false;
	schedule(c);
}

void cpu_take(struct cpu *c, uint64_t ns)
{
	struct task *prev = c->curr;

	if (c->taken)
		return;
	c->taken = true;
	timer_set(&c->back, sim.now + ns);
	timer_cancel(&c->tick);
	if (prev) {
		cpu_charge(c);
		timer_cancel(&prev->timer);
		task_is_queued(prev);
	}
	machine.model->release(c);
	c->curr = NULL;
}

bool cpu_will_pick(const struct cpu *c)
{
	return c->resched.place;
}

void cpu_resched(int cpu, int this_cpu)
{
	struct cpu *c = &machine.cpu[cpu];
	uint64_t when = sim.now + (cpu == this_cpu ? 0 : machine.ipi_ns);

	if (!c->resched.place || c->resched.when > when)
		timer_set(&c->resched, when);
}

void cpu_start(unsigned int hz)
{
	machine.tick_ns = S / hz;
	for (unsigned int i = 0; i < machine.ncpu; i++) {
		machine.cpu[i].id = i;
		machine.cpu[i].tick.fire = on_tick;
		machine.cpu[i].resched.fire = on_resched;
		machine.cpu[i].back.fire = on_back;
	}
	machine.model->start();
}
