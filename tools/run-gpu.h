/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * run-gpu.h - "starling run --gpu": what is asked for, and leases for a program that
 * knows nothing of them.
 */
#ifndef TOOLS_RUN_GPU_H
#define TOOLS_RUN_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include "lib/gpu/gpu.h"

struct starling;

struct run_gpu {
	bool lease;		/* asked for: turns */
	bool share;		/* asked for: at the same time as others; run-share.h */
	bool waits;		/* "wait" was given: not by the role */
	bool see_one;		/* the command is to see only the GPU of its lease */
	uint64_t percent;	/* of the GPU's threads; 0: not asked for */
	struct gpu_settings settings;
};

/* An agent as the library makes one where its descriptor does not get to it. */
struct run_gpu_agent {
	int fd;
	const char *name;
	const char *priority;
	unsigned long weight;
	const char *role;
};

/*
 * What the environment has: the command may be started by one that has leases, and
 * then has them too, as the agent that it is.
 */
void run_gpu_init(struct run_gpu *g);
/*
 * "lease,priority=batch,memory=4G" or "share,percent=30"; cuts @arg up. False: @why says
 * what is wrong.
 */
bool run_gpu_parse(struct run_gpu *g, char *arg, char *why, size_t size);
/* Can there be such a lease? Else @why. */
bool run_gpu_check(const struct run_gpu *g, struct starling *s, char *why, size_t size);
/* The environment of the command. False: @why. */
bool run_gpu_environment(struct run_gpu *g, const struct run_gpu_agent *a, char *why,
			 size_t size);

#endif
