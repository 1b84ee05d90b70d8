/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * topology.h - the machine's CPUs as the policy needs them (contract).
 *
 * Capacity comes from cpu_capacity, never from CPU numbering; hwloc tells
 * caches, SMT and NUMA. The same structure is filled for a live machine and
 * from a sysfs dump, so that policy code can be tested on machines we lack.
 */
#ifndef STARLING_TOPOLOGY_H
#define STARLING_TOPOLOGY_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#define TOPOLOGY_MAX_CPUS CPU_SETSIZE

struct topo_cpu {
	uint16_t id;		/* kernel CPU number */
	uint16_t core;		/* index of the physical core: SMT siblings share it */
	uint16_t llc;		/* index of the last-level cache */
	uint16_t node;		/* NUMA node */
	uint16_t capacity;	/* 1..1024; 1024 where the kernel gives none */
	bool big;		/* of the fastest kind (within 10 % of the top) */
	bool hot;		/* held well below its clock, for heat or by somebody */
	uint32_t llc_kib;	/* size of that cache; 0: not known */
};

struct topology {
	unsigned int ncpu;	/* entries of cpu[], online and allowed to us */
	struct topo_cpu *cpu;	/* sorted by id */
	cpu_set_t all;		/* the same CPUs as a mask */
	bool asymmetric;	/* more than one kind */
	cpu_set_t near_gpu;	/* in a GPU's node; empty: all are, or not known */
};

/*
 * Fill *@topo from the running machine (@sysroot NULL) or from the dump of
 * /sys and /proc below @sysroot. Returns 0 or -errno; topology_free() releases
 * it.
 */
int topology_load(struct topology *topo, const char *sysroot);
/*
 * Bring *@topo of the running machine up to date: CPUs come and go, a cpuset
 * changes, and with @heat clocks. 1: something changed, 0: nothing, or -errno.
 */
int topology_refresh(struct topology *topo, bool heat);
void topology_free(struct topology *topo);

/* Format @set as "0-3,7" into @buf; always NUL-terminated. Returns @buf. */
char *cpuset_format(const cpu_set_t *set, char *buf, unsigned int len);
/* Parse "0-3,7". Returns 0 or -EINVAL. */
int cpuset_parse(const char *text, cpu_set_t *set);

#endif
