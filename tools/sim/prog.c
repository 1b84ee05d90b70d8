// SPDX-License-Identifier: GPL-2.0-only
/* What tasks do that need little to say it. */
#include "tools/sim/cpu.h"
#include "tools/sim/load.h"

#define HOUR	(3600 * S)

static struct act run(double ns)
{
	return (struct act){ ACT_RUN, ns < 1 ? 1 : ns };
}

static struct act sleep_for(double ns)
{
	return (struct act){ ACT_SLEEP, sim.now + (uint64_t)ns };
}

struct act prog_hog(struct task *t)
{
	(void)t;
	return run(HOUR);
}

struct act prog_once(struct task *t)
{
	if (t->state++)
		return (struct act){ ACT_EXIT, 0 };
	return run(t->arg[0]);
}

struct act prog_short(struct task *t)
{
	if (t->state++ % 2) {
		metrics.calls++;
		hist_add(&metrics.tool, sim.now - t->arg[0]);
		return sleep_for(rng_exponential(&load.rng, 20 * MS));
	}
	t->arg[0] = sim.now;
	return run(rng_lognormal(&load.rng, 2 * MS, 0.5));
}

struct act prog_rare(struct task *t)
{
	if (t->state++ % 2)
		return run(1 * MS);
	return sleep_for(rng_exponential(&load.rng, 10 * S));
}

struct act prog_burn(struct task *t)
{
	return t->state++ % 2 ? sleep_for(t->arg[1]) : run(t->arg[0]);
}

static void count_exit(struct task *t)
{
	metrics.calls++;
	hist_add(&metrics.tool, sim.now - t->arg[1]);
	metrics.work_s += t->arg[0] / 1e9;
}

/* Half of all processes live for less than 2 ms, one in twenty for a second. */
static uint64_t short_life(void)
{
	double u = rng_uniform(&load.rng);

	if (u < 0.95)
		return rng_lognormal(&load.rng, 2 * MS, 1.5);
	return 100 * MS + rng_exponential(&load.rng, 900 * MS);
}

struct act prog_storm(struct task *t)
{
	struct task_spec spec = {
		.kind = KIND_TOOL, .step = prog_once, .agent = t->agent, .execs = true,
	};
	struct task *child;

	if (t->state++ % 2 == 0)
		return sleep_for(rng_exponential(&load.rng, t->arg[0]));
	child = task_new(&spec, t);
	child->arg[0] = short_life();
	child->arg[1] = sim.now;
	child->on_exit = count_exit;
	metrics.forks++;
	task_wake(child, t, false);
	return run(300 * US);
}

/* All go on when the last has come, as threads of OpenMP do. */
struct act prog_barrier(struct task *t)
{
	struct barrier *b = t->ctx;

	if (t->state == 0) {
		t->state = 1;
		return run(b->ns * (0.9 + 0.2 * rng_uniform(&load.rng)));
	}
	if (t->state == 1) {
		t->state = 2;
		if (++b->arrived < b->n)
			return (struct act){ ACT_BLOCK, 0 };
		hist_add(&metrics.barrier, sim.now - b->began_ns);
		b->began_ns = sim.now;
		b->arrived = 0;
		for (unsigned int i = 0; i < b->n; i++)
			b->task[i]->state = 0;
		for (unsigned int i = 0; i < b->n; i++)
			if (b->task[i] != t)
				task_wake(b->task[i], t, false);
		return prog_barrier(t);
	}
	return (struct act){ ACT_BLOCK, 0 };
}

void prog_start(struct task_spec spec, unsigned int n, struct task *parent)
{
	for (unsigned int i = 0; i < n; i++)
		task_wake(task_new(&spec, parent), NULL, false);
}
