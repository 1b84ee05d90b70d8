/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * memory.h - memory of a GPU that has none of its own: the machine's, as far as
 * it is to be had. Drivers do not tell it (GB10: "not supported").
 */
#ifndef STARLING_GPU_MEMORY_H
#define STARLING_GPU_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

struct gpu_device;

/*
 * @text: /proc/meminfo. What is there and what is in use, in bytes. Huge pages
 * set aside are not in MemAvailable, yet a GPU may have them: what is free of
 * them counts where it is more. False: the text does not say.
 */
bool memory_parse(const char *text, uint64_t *total, uint64_t *used);
/* @text: /proc/pressure/memory. Time somebody waited, of the last 10 s, 1/100 %. */
bool memory_pressure_parse(const char *text, uint64_t *out);

/* Tell @dev's memory from @root's files. False: they do not say. */
bool memory_tell(struct gpu_device *dev, const char *root);

#endif
