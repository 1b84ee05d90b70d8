/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reach.h - between which tasks nice values and the idle class count.
 *
 * The kernel shares CPU time out among groups first (cgroups with the cpu
 * controller, else sessions by autogroup), and only inside of one do classes
 * decide. Across groups, a tool of the idle class gets as much as the feeder.
 */
#ifndef STARLING_PLACE_REACH_H
#define STARLING_PLACE_REACH_H

#include <stdint.h>

/*
 * The group that task @tid shares CPU time in, as a number; 0: not known, or
 * one that waits for all others anyway.
 */
uint32_t reach_group(uint32_t tid);
/* The same, asked anew only every few seconds. */
uint32_t reach_group_cached(uint32_t tid);

#endif
