/* SPDX-License-Identifier: GPL-2.0-only */
/* sattr.h - what only sched_getattr() and sched_setattr() can reach. */
#ifndef STARLING_PLACE_SATTR_H
#define STARLING_PLACE_SATTR_H

#include <stdbool.h>
#include <stdint.h>

#ifndef SCHED_EXT
#define SCHED_EXT 7
#endif

/* A real-time class hides the slice that the fair class will go on with. */
#define SATTR_SLICE_UNSEEN UINT64_MAX

enum { SATTR_CLAMP_FULL = 1024 };	/* of the biggest CPU; the kernel's own unit */

/* Bounds for the utilization that CPUs and clocks are chosen by. */
struct sattr_clamp {
	uint16_t min;
	uint16_t max;
};

/*
 * Does the kernel take a slice for a task (6.12 and later), or clamps? Ask for the
 * first time in the fair class: it is tried on the calling thread.
 */
bool sattr_has_slice(void);
bool sattr_has_clamp(void);

/* 0 or -errno; a slice of 0 is the kernel's own, and so are clamps of 0 to FULL. */
int sattr_read_slice(uint32_t tid, uint64_t *ns);
int sattr_read_clamp(uint32_t tid, struct sattr_clamp *clamp);
/* -EAGAIN: not while the task is in the class that it is in. */
int sattr_write_slice(uint32_t tid, uint64_t ns);
int sattr_write_clamp(uint32_t tid, struct sattr_clamp clamp);

#endif
