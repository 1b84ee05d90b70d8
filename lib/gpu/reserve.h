/* SPDX-License-Identifier: LGPL-2.1-only */
/* reserve.h - what is left of memory that CPU and GPU share, if nobody said how much. */
#ifndef STARLING_GPU_RESERVE_H
#define STARLING_GPU_RESERVE_H

#include <stdint.h>

/*
 * A twentieth, at which earlyoom stops to ask and kills, and 2 GiB at least: but on a
 * small machine not more than an eighth. In bytes, of MemTotal.
 */
static inline uint64_t gpu_reserve_default(uint64_t total)
{
	uint64_t least = 2ULL << 30;
	uint64_t reserve = total / 20 > least ? total / 20 : least;

	return reserve < total / 8 ? reserve : total / 8;
}

#endif
