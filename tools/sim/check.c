// SPDX-License-Identifier: GPL-2.0-only
/*
 * Invariants. Work conservation has a grace: who queues up while a CPU goes
 * idle is seen by the next pick at the latest.
 */
#include "tools/sim/check.h"

#include <stdarg.h>
#include <stdio.h>
#include "tools/sim/native.h"

#define GRACE_NS	(50 * US)

enum { TOLD_MAX = 10 };

bool check_on;
static unsigned long failures;

void check_failed(const char *fmt, ...)
{
	char line[256];
	va_list ap;

	if (++failures > TOLD_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "starling-sim: at %.6f s: %s\n", sim.now / 1e9, line);
}

unsigned long check_failures(void)
{
	return failures;
}

void check_run(const struct cpu *c, const struct task *t)
{
	if (t->on_cpu >= 0)
		check_failed("task %u runs on CPU %d and on %d", t->tid, t->on_cpu, c->id);
	if (t->phase != PHASE_QUEUED)
		check_failed("task %u runs on CPU %d and was not queued", t->tid, c->id);
	if (!cpu_allowed(t, c->id))
		check_failed("task %u may not run on CPU %d", t->tid, c->id);
}

/* A free CPU that nobody has asked to look. */
static const struct cpu *free_cpu(const struct task *t)
{
	for (unsigned int i = 0; i < machine.ncpu; i++) {
		const struct cpu *c = &machine.cpu[i];

		if (!c->curr && !c->taken && !cpu_will_pick(c) && cpu_allowed(t, i))
			return c;
	}
	return NULL;
}

static bool any_free(void)
{
	for (unsigned int i = 0; i < machine.ncpu; i++)
		if (!machine.cpu[i].curr && !machine.cpu[i].taken &&
		    !cpu_will_pick(&machine.cpu[i]))
			return true;
	return false;
}

static void check_idle(void)
{
	struct task *t = task_waiting_first();
	const struct cpu *c;

	if (!t || sim.now - t->queued_ns < GRACE_NS || !any_free())
		return;
	for (; t && sim.now - t->queued_ns >= GRACE_NS; t = t->wait_next) {
		c = free_cpu(t);
		if (!c)
			continue;
		check_failed("CPU %d is idle, task %u (kind %d) waits since %llu us", c->id,
			     t->tid, t->kind, (unsigned long long)(sim.now - t->queued_ns) / US);
		return;
	}
}

void check_step(void)
{
	const struct task *t = task_waiting_first();

	if (t && sim.now - t->queued_ns > native_stall_ns()) {
		check_failed("task %u (kind %d) has no CPU for %llu s: the kernel ends the "
			     "scheduler", t->tid, t->kind,
			     (unsigned long long)(native_stall_ns() / S));
		sim.stop = true;
	}
	if (check_on)
		check_idle();
}
