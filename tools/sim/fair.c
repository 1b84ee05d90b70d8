// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model of the kernel's fair class, to compare with: EEVDF on each CPU, the
 * wake-up's choice of a CPU, and balancing, each in its simplest form. It has no
 * cgroups and no agents. It is a model and no measurement: good for who waits
 * for whom, not for the last microsecond.
 */
#include "tools/sim/cpu.h"
#include "tools/sim/idle.h"

#define SLICE_MAX	2800.0e3	/* of eight CPUs and more */
#define MIN_RUN		(700 * US)	/* who was picked goes on for so long */
#define BALANCE_TICKS	4

struct rq {
	struct task *head;
	unsigned int nr;
	double load;		/* sum of the weights of those that wait */
	double zero;		/* virtual time to continue from when all have gone */
	uint64_t ticks;
};

static struct rq rqs[SHIM_CPUS_MAX];

static double weight_of(const struct task *t)
{
	return task_weight(t) / 100.0;
}

static double slice_of(const struct task *t)
{
	return SLICE_MAX / weight_of(t);
}

static struct task *fair_curr(int cpu)
{
	struct task *t = machine.cpu[cpu].curr;

	return t && t->phase == PHASE_RUNNING ? t : NULL;
}

/* Where all are on average: who is behind that is owed time. */
static double average(int cpu)
{
	const struct task *curr = fair_curr(cpu), *t;
	double sum = 0, weights = 0;

	for (t = rqs[cpu].head; t; t = t->fair.next) {
		sum += t->fair.vruntime * weight_of(t);
		weights += weight_of(t);
	}
	if (curr && !curr->fair.queued) {
		sum += curr->fair.vruntime * weight_of(curr);
		weights += weight_of(curr);
	}
	if (weights > 0)
		rqs[cpu].zero = sum / weights;
	return rqs[cpu].zero;
}

static void rq_add(struct task *t, int cpu)
{
	struct rq *rq = &rqs[cpu];

	t->cpu = cpu;
	t->fair.queued = true;
	t->fair.prev = NULL;
	t->fair.next = rq->head;
	if (rq->head)
		rq->head->fair.prev = t;
	rq->head = t;
	rq->nr++;
	rq->load += weight_of(t);
}

static void rq_del(struct task *t)
{
	struct rq *rq = &rqs[t->cpu];

	*(t->fair.prev ? &t->fair.prev->fair.next : &rq->head) = t->fair.next;
	if (t->fair.next)
		t->fair.next->fair.prev = t->fair.prev;
	t->fair.queued = false;
	rq->nr--;
	rq->load -= weight_of(t);
}

/* Its place among those of a CPU: as far behind or ahead as it was. */
static void place(struct task *t, int cpu)
{
	t->fair.vruntime = average(cpu) - t->fair.lag;
	t->fair.deadline = t->fair.vruntime + slice_of(t);
	rq_add(t, cpu);
}

static void keep_lag(struct task *t, int cpu)
{
	double max = 2 * slice_of(t), lag = average(cpu) - t->fair.vruntime;

	t->fair.lag = lag > max ? max : lag < -max ? -max : lag;
}

static bool is_better(const struct task *a, const struct task *b, double now)
{
	bool owed_a = a->fair.vruntime <= now, owed_b = b->fair.vruntime <= now;

	if (owed_a != owed_b)
		return owed_a;
	return a->fair.deadline < b->fair.deadline;
}

static struct task *best_of(int cpu, struct task *curr)
{
	struct task *best = curr, *t;
	double now = average(cpu);

	for (t = rqs[cpu].head; t; t = t->fair.next)
		if (!best || is_better(t, best, now))
			best = t;
	return best;
}

static double load_of(int cpu)
{
	const struct task *curr = fair_curr(cpu);

	return rqs[cpu].load + (curr ? weight_of(curr) : 0);
}

/* To leave the CPU on which it was has to be worth it. */
static int least_loaded(const struct task *t, int prev)
{
	int best = cpu_allowed(t, prev) ? prev : -1;

	for (unsigned int i = 0; i < machine.ncpu; i++)
		if (cpu_allowed(t, i) && (best < 0 || load_of(i) + 1 < load_of(best)))
			best = i;
	return best;
}

static void fair_wake(struct task *t, int this_cpu, bool sync, bool fork)
{
	int cpu = idle_select(t, NULL, t->cpu, sync ? this_cpu : -1);
	struct task *curr;

	(void)fork;
	if (cpu < 0)
		cpu = least_loaded(t, t->cpu);
	place(t, cpu);
	curr = fair_curr(cpu);
	if (!curr) {
		cpu_resched(cpu, this_cpu);
		return;
	}
	cpu_charge(&machine.cpu[cpu]);
	if (sim.now - curr->fair.picked_ns >= MIN_RUN && best_of(cpu, curr) == t)
		cpu_resched(cpu, this_cpu);
}

static void fair_sleep(struct cpu *c, struct task *t)
{
	keep_lag(t, c->id);
}

static void fair_remove(struct task *t)
{
	rq_del(t);
}

/* One that waits where most do, if to have it here makes the two more alike. */
static struct task *pull(int cpu)
{
	struct task *found = NULL, *t;
	double here = load_of(cpu), most = here;

	for (unsigned int i = 0; i < machine.ncpu; i++) {
		if ((int)i == cpu || load_of(i) <= most)
			continue;
		for (t = rqs[i].head; t; t = t->fair.next)
			if (cpu_allowed(t, cpu) && here + weight_of(t) < load_of(i))
				break;
		if (!t)
			continue;
		found = t;
		most = load_of(i);
	}
	if (found) {
		keep_lag(found, found->cpu);
		rq_del(found);
		place(found, cpu);
	}
	return found;
}

static struct task *fair_pick(struct cpu *c)
{
	struct task *prev = fair_curr(c->id), *next;

	if (!prev && !rqs[c->id].nr)
		pull(c->id);
	next = best_of(c->id, prev);
	idle_set(c->id, !next);
	if (!next || next == prev)
		return next;
	if (prev)
		rq_add(prev, c->id);
	rq_del(next);
	next->fair.picked_ns = sim.now;
	return next;
}

static void fair_release(struct cpu *c)
{
	idle_set(c->id, false);
	if (c->curr)
		rq_add(c->curr, c->id);
}

static void fair_charge(struct cpu *c, struct task *t, uint64_t ns)
{
	(void)c;
	t->fair.vruntime += ns / weight_of(t);
}

static bool fair_tick(struct cpu *c)
{
	struct task *t = c->curr;
	struct rq *rq = &rqs[c->id];

	if (++rq->ticks % BALANCE_TICKS == 0)
		pull(c->id);
	if (t->fair.vruntime < t->fair.deadline)
		return false;
	t->fair.deadline = t->fair.vruntime + slice_of(t);
	return rq->nr;
}

/* As since 6.18: who yields gives up what it is owed. */
static void fair_yield(struct cpu *c)
{
	struct task *t = c->curr;

	if (!rqs[c->id].nr)
		return;
	t->fair.vruntime = t->fair.deadline;
	t->fair.deadline += slice_of(t);
}

static int fair_fork(struct task *t, struct task *parent)
{
	(void)t;
	(void)parent;
	return 0;
}

static void fair_start(void)
{
	idle_start();
}

const struct sched_model model_fair = {
	.name = "fair",
	.start = fair_start,
	.fork = fair_fork,
	.wake = fair_wake,
	.sleep = fair_sleep,
	.remove = fair_remove,
	.pick = fair_pick,
	.release = fair_release,
	.charge = fair_charge,
	.tick = fair_tick,
	.yield = fair_yield,
};
