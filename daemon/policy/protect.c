// SPDX-License-Identifier: GPL-2.0-only
/*
 * A core is protected whole: a tool on its other hardware thread would take
 * a third of it. Only on a machine with a single core, a thread stands for it.
 */
#include "daemon/policy/protect.h"

#include <stddef.h>

/* Cores are numbered from 0 in order of their first CPU. */
static unsigned int core_count(const struct topology *topo)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < topo->ncpu; i++)
		if (topo->cpu[i].core >= n)
			n = topo->cpu[i].core + 1;
	return n;
}

/* With one core, its hardware threads are what can be given away. */
static bool by_thread(const struct topology *topo)
{
	return core_count(topo) == 1;
}

static void add_core(const struct topology *topo, const struct topo_cpu *cpu, cpu_set_t *set)
{
	for (unsigned int i = 0; i < topo->ncpu; i++)
		if (by_thread(topo) ? &topo->cpu[i] == cpu : topo->cpu[i].core == cpu->core)
			CPU_SET(topo->cpu[i].id, set);
}

unsigned int protect_ceiling(const struct topology *topo, unsigned int protect_per)
{
	unsigned int n = by_thread(topo) ? topo->ncpu : core_count(topo);
	unsigned int top;

	if (n < 2)
		return 0;
	if (!protect_per)
		protect_per = 1;
	top = (n + protect_per - 1) / protect_per;
	return top < n ? top : n - 1;
}

unsigned int protect_count(const struct topology *topo, const cpu_set_t *set)
{
	cpu_set_t seen;
	unsigned int n = 0;

	CPU_ZERO(&seen);
	for (unsigned int i = 0; i < topo->ncpu; i++) {
		const struct topo_cpu *c = &topo->cpu[i];

		if (!CPU_ISSET(c->id, set) || CPU_ISSET(c->id, &seen))
			continue;
		add_core(topo, c, &seen);
		n++;
	}
	return n;
}

static bool in_cache_of(const struct topology *topo, const struct topo_cpu *cpu,
			const cpu_set_t *set)
{
	for (unsigned int i = 0; i < topo->ncpu; i++)
		if (CPU_ISSET(topo->cpu[i].id, set) && topo->cpu[i].llc == cpu->llc)
			return true;
	return false;
}

static bool same_core_as_first(const struct topology *topo, const struct topo_cpu *cpu)
{
	return by_thread(topo) ? cpu == topo->cpu : cpu->core == topo->cpu[0].core;
}

/* What is worth more than speed within a kind, the best last. */
enum {
	WORTH_NOT_FIRST = 43,	/* bits below: size of the cache, capacity */
	WORTH_CACHE,
	WORTH_OLD,
	WORTH_COOL,
	WORTH_NEAR,
	WORTH_BIG,
};

/*
 * The larger the better. Most interrupts go to the first CPU, so its core is
 * the last choice among its kind; then the larger cache, then speed decide.
 */
static uint64_t worth(const struct topology *topo, const struct topo_cpu *cpu,
		      const cpu_set_t *old, const cpu_set_t *chosen)
{
	uint64_t w = (uint64_t)cpu->llc_kib << 11 | cpu->capacity;

	if (cpu->big)
		w |= 1ULL << WORTH_BIG;
	if (CPU_ISSET(cpu->id, &topo->near_gpu))
		w |= 1ULL << WORTH_NEAR;
	if (!cpu->hot)
		w |= 1ULL << WORTH_COOL;
	if (CPU_ISSET(cpu->id, old))
		w |= 1ULL << WORTH_OLD;
	if (in_cache_of(topo, cpu, chosen))
		w |= 1ULL << WORTH_CACHE;
	if (!same_core_as_first(topo, cpu))
		w |= 1ULL << WORTH_NOT_FIRST;
	return w;
}

static const struct topo_cpu *best(const struct topology *topo, const cpu_set_t *old,
				   const cpu_set_t *chosen)
{
	const struct topo_cpu *found = NULL;
	uint64_t w, top = 0;

	for (unsigned int i = 0; i < topo->ncpu; i++) {
		if (CPU_ISSET(topo->cpu[i].id, chosen))
			continue;
		w = worth(topo, &topo->cpu[i], old, chosen);
		if (w >= top) {		/* equal: the higher number */
			top = w;
			found = &topo->cpu[i];
		}
	}
	return found;
}

void protect_choose(const struct topology *topo, unsigned int n,
		    const cpu_set_t *old, cpu_set_t *out)
{
	const struct topo_cpu *cpu;
	cpu_set_t before = *old;	/* may be @out */

	CPU_ZERO(out);
	while (n--) {
		cpu = best(topo, &before, out);
		if (!cpu)
			return;
		add_core(topo, cpu, out);
	}
}
