/* SPDX-License-Identifier: GPL-2.0-only */
/* procs.h - which process a pid is. */
#ifndef STARLING_GPU_PROCS_H
#define STARLING_GPU_PROCS_H

#include <stdbool.h>
#include <stdint.h>

/* Start in clock ticks since boot, with @pid an identity; 0: there is none. */
uint64_t procs_start(const char *root, uint32_t pid);

/* Resident memory and CPU time of a process. False: it is gone. */
bool procs_cost(uint32_t pid, uint64_t *rss_kib, double *cpu_s);

#endif
