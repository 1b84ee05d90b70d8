/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * engine.h - simulated time: what is to happen, in the order of its time. What
 * falls on the same nanosecond happens in the order in which it was asked for,
 * so a run depends on its seed alone.
 */
#ifndef SIM_ENGINE_H
#define SIM_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include "tools/sim/shim/vmlinux.h"

#define US	1000ULL
#define MS	(1000 * US)
#define S	(1000 * MS)

struct timer {
	uint64_t when;
	uint64_t order;
	uint32_t place;		/* in the heap, from 1; 0: not waiting */
	void (*fire)(struct timer *t);
};

struct sim_clock {
	u64 now;
	u64 fired;
	bool stop;
};
extern struct sim_clock sim;

/* Sets @t, which may be waiting already. */
void timer_set(struct timer *t, uint64_t when);
void timer_cancel(struct timer *t);
/* Room for as many timers in one piece, so that none is made on the way. */
void engine_reserve(size_t timers);
/* Until @end or until sim.stop is set; @each is called after every event. */
void engine_run(uint64_t end, void (*each)(void));
void engine_free(void);

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

#endif
