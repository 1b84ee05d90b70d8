/* SPDX-License-Identifier: GPL-2.0-only */
/* gpu.h - a GPU that does one job after the other, and the threads that feed it. */
#ifndef SIM_GPU_H
#define SIM_GPU_H

#include "tools/sim/task.h"

struct feeder {
	struct task *task;
	uint16_t style;			/* enum starling_wait_style */
	double host_ns;			/* median work between two jobs */
	/* ns of the next job; 0: none before *until, or before it is woken */
	uint64_t (*next)(struct feeder *f, uint64_t *until);
	void (*done)(struct feeder *f);
	void *ctx;
	/* the feeder's own */
	struct timer timer;
	uint64_t job_ns, done_ns;
	bool done_flag, at_work;
};

/* Begins by itself; @spec: what it is a thread of. */
void feeder_start(struct feeder *f, struct task_spec spec, struct task *parent);
/* There is something to do: if it sleeps for want of that, it need not any longer. */
void feeder_kick(struct feeder *f, struct task *waker);

uint64_t gpu_busy_ns(void);
/* Since when it has nothing to do; UINT64_MAX: it has. */
uint64_t gpu_idle_since(void);

#endif
