/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * gpu.h - libstarling-gpu.so, which takes leases for programs that know nothing of
 * them. It is preloaded by "starling run --gpu=lease" and stands between a program
 * and libcuda: a launch waits for the lease, and once all that was launched is
 * done, others may have the GPU. Whatever goes wrong, the program's call is made.
 *
 *	hook.c		finds the driver's functions and hands out ours instead
 *	calls.c		ours
 *	busy.c		streams with work that may not be done
 *	alloc.c		ours for memory
 *	memory.c	whether there is enough, own.c: and what is the process's own
 *	hold.c		the lease
 *	priority.c	of streams
 *	settings.c	what "starling run" was asked for
 */
#ifndef STARLING_GPU_H
#define STARLING_GPU_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/gpu/cuda.h"

#define GPU_SETTINGS "STARLING_GPU"	/* the environment's name for them */
#define GPU_SETTINGS_MAX 512

/* By the class: who waits for the next token is not to wait for others' turns. */
#define GPU_LINGER_DEFAULT UINT64_MAX
/* By the machine's memory, and only where that is the GPU's too. */
#define GPU_RESERVE_DEFAULT UINT64_MAX

/**
 * struct gpu_settings - what "starling run" was asked for
 * @agent_fd:	descriptor of the agent, inherited; -1: none
 * @name, @weight, @priority: of an agent of its own where that is not there
 * @gpu:	whose lease
 * @class:	of leases; 0: the agent's
 * @turn_ns:	so long nobody is asked whether others wait
 * @linger_ns:	so long after all is done the GPU is kept
 * @memory_bytes: for the lease, and no more than that is had
 * @reserve_bytes: of the machine's memory no request is to touch; 0: none
 * @patience_ns: so long such a request waits
 * @block:	waits of this process shall sleep
 */
struct gpu_settings {
	int64_t agent_fd;
	uint64_t weight;
	uint64_t priority;
	uint64_t gpu;
	uint64_t class;
	uint64_t turn_ns;
	uint64_t linger_ns;
	uint64_t memory_bytes;
	uint64_t reserve_bytes;
	uint64_t patience_ns;
	uint64_t block;
	char name[32];
};

/* From the environment. False: not asked for, and @s is the default. */
bool gpu_settings_read(struct gpu_settings *s);
/* For it. */
void gpu_settings_write(const struct gpu_settings *s, char text[GPU_SETTINGS_MAX]);

enum gpu_call {
#define X(name) CALL_##name,
	GPU_CALLS(X)
	GPU_USED(X)
#undef X
	GPU_NCALLS
};

/* Names, and what stands in for the replaced ones; in calls.c. */
struct gpu_entry {
	const char *name;
	void *ours;
};

extern const struct gpu_entry gpu_entries[GPU_NCALLS];

/* The driver's own function; NULL: it has none, or there is none in this process. */
void *gpu_real(enum gpu_call call);
/* Ours, if @real is the driver's function that it replaces; else NULL. */
void *gpu_ours(const void *real);

/*
 * A stream as what work was given to. With a per-thread default stream it is the
 * thread; such names are odd numbers, which no handle is but these.
 */
typedef uintptr_t gpu_stream;
#define GPU_NO_STREAM	((gpu_stream)0)
#define GPU_ALL_STREAMS	((gpu_stream)-1)
gpu_stream gpu_stream_of(CUstream s, bool per_thread);

void gpu_busy_note(gpu_stream s);
/* All that @s was given is done. */
void gpu_busy_done(gpu_stream s);
/* @s is about to be no stream any more; what it does may go on. */
void gpu_busy_drop(gpu_stream s);
/* By asking the driver. False, too, where it must not be asked or does not know. */
bool gpu_busy_is_done(void);
/* In between nobody asks: a stream is about to be captured. */
void gpu_busy_lock(void);
void gpu_busy_unlock(void);
void gpu_busy_in_child(void);

/* What a stream gets that is asked for with @asked; 0: without any. */
int gpu_priority(int asked);

/* Around each launch. */
void gpu_hold_begin(void);
void gpu_hold_end(gpu_stream s, CUresult res);
/* How many there were. */
unsigned int gpu_hold_launches(void);
/*
 * Something that was waited for is done: if all is, others may have the GPU. If
 * there were @launches before the wait began and are no more now, @s is done.
 */
void gpu_hold_offer(gpu_stream s, unsigned int launches);

#endif
