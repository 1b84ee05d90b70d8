/* SPDX-License-Identifier: GPL-2.0-only */
/* run-see.h - "starling run --gpu": which GPUs the command's CUDA sees. */
#ifndef TOOLS_RUN_SEE_H
#define TOOLS_RUN_SEE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Only GPU @gpu, by CUDA_VISIBLE_DEVICES: as @uuid, "" where nobody tells that, or
 * else as its number in the order of PCI addresses. What the environment says
 * already is narrowed and never widened. False: it leaves this GPU out, is left as it
 * was, and @why says so.
 */
bool run_see(unsigned int gpu, const char *uuid, char *why, size_t size);

/* The same, but that nothing is changed: CUDA shows the command all that it may. */
bool run_sees(unsigned int gpu, const char *uuid, char *why, size_t size);

#endif
