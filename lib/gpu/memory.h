/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * memory.h - may a program have the memory that it asks the driver for?
 *
 * Where GPU and CPU share memory the driver takes the last of it, and a machine
 * without any does not kill somebody but hangs. So what would leave less than a
 * reserve waits for a while, and is then refused as the driver would refuse it.
 * Apart from that a process has no more than it asked its lease for.
 */
#ifndef STARLING_GPU_MEMORY_H
#define STARLING_GPU_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/gpu/cuda.h"

/* Of which a request is: that of the device, also by a pool, or of the host. */
enum gpu_memory_kind {
	GPU_MEMORY_DEVICE,
	GPU_MEMORY_POOLED,
	GPU_MEMORY_MANAGED,
	GPU_MEMORY_HOST,
};

struct gpu_settings;

/* In keys: handles are numbers like addresses are, and not the same thing. */
#define GPU_KEY_HANDLE	(1ULL << 63)

/*
 * Before a request for @n bytes, of @pool or with NULL of the device's. False: to be
 * refused; the person has been told. Else gpu_memory_end() follows, with what the
 * driver gave: @key is the address or handle, 0 if it gave nothing.
 */
bool gpu_memory_begin(enum gpu_memory_kind kind, size_t n, CUmemoryPool pool);
void gpu_memory_end(enum gpu_memory_kind kind, size_t n, uint64_t key);

/* After it was had: somebody else has it, too. Then it is freed, and asked for later. */
bool gpu_memory_is_overdrawn(enum gpu_memory_kind kind, size_t n);
void gpu_memory_step_back(int tries);
/* Says why @n bytes are not had after all. */
void gpu_memory_refuse(size_t n);

/*
 * What is the process's own, in own.c. Taken before it is asked for; at the end it
 * has an address or handle @key, or with 0 is given back.
 */
bool gpu_own_take(size_t n, const struct gpu_settings *s);
void gpu_own_end(size_t n, uint64_t key);
/* Before @key is freed, as it may then be another's: how much that is. */
size_t gpu_own_forget(uint64_t key);
/* It is freed; else gpu_own_end() keeps it. */
void gpu_own_free(size_t n);
/* @c has gone, and all that was in it. */
void gpu_own_clear(CUcontext c);

/* May another line be written to stderr? */
bool gpu_memory_may_tell(void);

/* The kernel's text of what there is, as a string; false: it does not say. */
bool gpu_meminfo(char *text, size_t size);

#endif
