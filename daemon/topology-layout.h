/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * topology-layout.h - which CPUs share a core and a cache; nodes; clocks.
 *
 * Both sources of the layout fill the same keys: for core and last-level cache
 * the lowest CPU number that shares it. topology.c makes indices of them.
 */
#ifndef STARLING_TOPOLOGY_LAYOUT_H
#define STARLING_TOPOLOGY_LAYOUT_H

#include <stddef.h>
#include "daemon/topology.h"

/* Read a text file made of @root and @fmt; 0 or -errno. Never overflows. */
int sys_read(const char *root, char *buf, size_t len, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int sys_read_ulong(const char *root, unsigned long *out, int base,
		   const char *fmt, ...) __attribute__((format(printf, 4, 5)));
int sys_read_cpus(const char *root, cpu_set_t *out, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

int layout_from_hwloc(struct topology *topo);
int layout_from_files(struct topology *topo, const char *root);

/* NUMA nodes that have CPUs, and which of them have a GPU. */
void topology_read_nodes(struct topology *topo, const char *root);
/* Which CPUs are hot now. Returns whether that changed. */
bool topology_read_heat(struct topology *topo, const char *root);

#endif
