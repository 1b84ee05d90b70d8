// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUs that are held below their clock: by the firmware's or the kernel's
 * answer to heat, which lowers the limit of a CPU's frequency. What the kernel
 * knows as pressure is made of the same figures, and told to nobody.
 *
 * Between the two thresholds a CPU stays what it was: who changes cores with
 * each degree does more harm than the heat.
 */
#include "daemon/topology-layout.h"

#define FREQ "/sys/devices/system/cpu/cpu%u/cpufreq/"

enum { HOT_PERCENT = 75, COOL_PERCENT = 90 };

static bool is_hot(const char *root, const struct topo_cpu *cpu)
{
	unsigned long top, cap;

	if (sys_read_ulong(root, &top, 10, FREQ "cpuinfo_max_freq", cpu->id) ||
	    sys_read_ulong(root, &cap, 10, FREQ "scaling_max_freq", cpu->id))
		return false;
	return cap * 100 < top * (cpu->hot ? COOL_PERCENT : HOT_PERCENT);
}

bool topology_read_heat(struct topology *topo, const char *root)
{
	bool changed = false, hot;

	for (unsigned int i = 0; i < topo->ncpu; i++) {
		hot = is_hot(root, &topo->cpu[i]);
		changed |= hot != topo->cpu[i].hot;
		topo->cpu[i].hot = hot;
	}
	return changed;
}
