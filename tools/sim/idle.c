// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mark is taken by whoever chooses the CPU, before anything runs there: the
 * next one that looks must not choose the same. The CPU sets it again when it
 * finds nothing to do.
 */
#include "tools/sim/idle.h"

#include <string.h>
#include "tools/sim/cpu.h"
#include "tools/sim/load.h"

static bool idle[SHIM_CPUS_MAX];
static unsigned int nidle, last;

void idle_start(void)
{
	for (unsigned int i = 0; i < machine.ncpu; i++)
		idle_set(i, true);
}

void idle_set(int cpu, bool is)
{
	nidle += is - idle[cpu];
	idle[cpu] = is;
}

bool idle_test_and_clear(int cpu)
{
	bool was = idle[cpu];

	if (was)
		idle_set(cpu, false);
	return was;
}

/* All hardware threads of the core are idle. */
static bool core_idle(unsigned int cpu)
{
	const struct topology *topo = &load.topo;

	for (unsigned int i = 0; i < topo->ncpu; i++)
		if (topo->cpu[i].core == topo->cpu[cpu].core && !idle[i])
			return false;
	return true;
}

struct want {
	const struct task *t;
	const struct cpumask *allowed;
	int llc;		/* -1: any */
	bool core;
};

static bool may_use(const struct task *t, const struct cpumask *allowed, int cpu)
{
	return cpu_allowed(t, cpu) &&
		(!allowed || allowed->bits[cpu / 64] >> (cpu % 64) & 1);
}

/* The kernel hands out CPUs in turn, too. */
static int pick(struct want want)
{
	for (unsigned int n = 0; n < machine.ncpu; n++) {
		unsigned int cpu = (last + 1 + n) % machine.ncpu;

		if (!idle[cpu] || !may_use(want.t, want.allowed, cpu) ||
		    (want.llc >= 0 && load.topo.cpu[cpu].llc != want.llc) ||
		    (want.core && !core_idle(cpu)))
			continue;
		last = cpu;
		idle_test_and_clear(cpu);
		return cpu;
	}
	return -1;
}

int idle_select(const struct task *t, const struct cpumask *allowed, int prev, int sync_cpu)
{
	bool prev_ok = may_use(t, allowed, prev);
	int llc = load.topo.cpu[prev].llc, cpu = -1;

	if (!nidle)
		return -1;
	if (sync_cpu >= 0) {
		if (prev_ok && load.topo.cpu[sync_cpu].llc == llc && idle_test_and_clear(prev))
			return prev;
		if (may_use(t, allowed, sync_cpu)) {
			idle_test_and_clear(sync_cpu);
			return sync_cpu;
		}
	}
	if (load.smt) {
		if (prev_ok && core_idle(prev) && idle_test_and_clear(prev))
			return prev;
		cpu = pick((struct want){ t, allowed, llc, true });
		if (cpu < 0)
			cpu = pick((struct want){ t, allowed, -1, true });
	}
	if (cpu < 0 && prev_ok && idle_test_and_clear(prev))
		return prev;
	if (cpu < 0)
		cpu = pick((struct want){ t, allowed, llc, false });
	return cpu >= 0 ? cpu : pick((struct want){ t, allowed, -1, false });
}
