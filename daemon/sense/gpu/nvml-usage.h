/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvml-usage.h - busy time out of the driver's samples of utilization.
 *
 * The driver samples each process a few times a second into a ring that wraps
 * after some 10 s, and hands out what is newer than a time stamp that it gave
 * before: percent, and when. Older samples than that, more than 100 % and
 * stamps of the future are known to come too; none of these counts.
 */
#ifndef STARLING_GPU_NVML_USAGE_H
#define STARLING_GPU_NVML_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "daemon/sense/gpu/nvml-abi.h"

/* The ring holds no more: what was before is lost, not to be guessed. */
#define NVML_RING_US	10000000ULL

/* How far a device has been read, in us of the wall clock as the driver has it. */
struct nvml_read {
	uint64_t last_us;	/* the newest stamp there was; 0: none yet */
	uint64_t from_us;	/* what comes next is of the time since then */
};

/*
 * Call @fn with the busy time of each process in @u, whose samples are put in
 * order of pid and time; @r goes on to @now_us. False: the clock was set back,
 * and nothing is known of this time; @r begins anew.
 */
bool nvml_usage_busy(struct nvml_usage *u, size_t n, struct nvml_read *r, uint64_t now_us,
		     void (*fn)(void *ctx, unsigned int pid, uint64_t ns), void *ctx);

#endif
