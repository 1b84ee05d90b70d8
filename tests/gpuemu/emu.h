/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside the emulated driver: objects, and what the files give each other. */
#ifndef GPUEMU_EMU_H
#define GPUEMU_EMU_H

#include <pthread.h>

#include "cuda_abi.h"
#include "device.h"

#define EXPORT __attribute__((visibility("default")))

enum { EMU_PRIORITY_LEAST = 0, EMU_PRIORITY_GREATEST = -5 };
enum { EMU_MAX_NODES = 4096, EMU_MAX_ENTRIES = 32, EMU_NAME = 64 };

struct cu_ctx {
	unsigned int flags;
	int primary;
	_Atomic uint64_t done_at;	/* end of the last work of any stream */
};

/* kernel launch as recorded in a graph or submitted at once */
struct emu_work {
	uint64_t ns;
	uint64_t *done_at;		/* written with the completion time */
};

struct cu_graph {
	size_t count;
	struct emu_work node[];
};

struct cu_graph_exec {
	uint64_t total_ns;
	size_t count;
	struct emu_work node[];
};

struct cu_stream {
	struct cu_ctx *ctx;
	unsigned int flags;
	int priority;
	int capturing;
	int capture_mode;
	int capture_broken;		/* by a call that is not allowed meanwhile */
	struct cu_graph *graph;		/* while capturing; owned */
	_Atomic uint64_t done_at;
};

struct cu_event {
	unsigned int flags;
	_Atomic int recorded;
	_Atomic uint64_t done_at;
};

struct cu_function {
	char name[EMU_NAME];
};

struct cu_module {
	int count;
	struct cu_function entry[EMU_MAX_ENTRIES];
};

/* client.c: this process as a client of the device */
CUresult emu_client_init(void);
CUresult emu_ready(void);		/* initialised and a context is current */
struct gpuemu_device *emu_device(void);
uint64_t emu_reserve(uint64_t ns, uint64_t launches);
int emu_charge_memory(uint64_t bytes);
void emu_release_memory(uint64_t bytes);
uint64_t emu_memory_used(void);

/*
 * driver.c: devices are names of one, as many as $GPUEMU_DEVICES says; with
 * GPUEMU_INTEGRATED=0 they have memory of their own, or say so.
 */
int emu_device_number(CUdevice dev);	/* without CUDA_VISIBLE_DEVICES; -1: none */

/* ctx.c */
struct cu_ctx *emu_ctx(void);
int emu_active_contexts(void);

/* wait.c: wait style is that of the context, or blocking if the event says so */
void emu_wait_until(uint64_t when, unsigned int sched);

/* stream.c */
struct cu_stream *emu_stream(CUstream s, int per_thread);
/* Asking about work: not allowed while @s is captured, or anything in global mode. */
CUresult emu_may_ask(struct cu_stream *s);
void emu_stream_submit(struct cu_stream *s, uint64_t done_at);

/* mem.c: end of the copy of n bytes put on stream s */
CUresult emu_copy_async(void *dst, const void *src, size_t n, struct cu_stream *s);

#endif
