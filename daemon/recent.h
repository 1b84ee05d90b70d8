/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * recent.h - by how much counters have grown of late: two marks are kept, and
 * the older one is looked back to. So the time looked at is one step to two,
 * or less while there is no older one. Zero it to start.
 */
#ifndef STARLING_RECENT_H
#define STARLING_RECENT_H

#include <stdbool.h>
#include <stdint.h>

enum { RECENT_VALUES = 2 };

struct recent_mark {
	uint64_t ns;		/* 0: none yet */
	double v[RECENT_VALUES];
};

struct recent {
	struct recent_mark old;
	struct recent_mark mark;
};

/* Is it time for the next mark? To read counters more often gains nothing. */
bool recent_due(const struct recent *r, uint64_t now, uint64_t step);
void recent_add(struct recent *r, uint64_t now, const double v[RECENT_VALUES]);
/* Counters go on, but from where they were nobody knows. */
void recent_forget(struct recent *r);
/*
 * What @v has grown by into @grown. Returns in how many ns; 0: not known yet, or a
 * counter went back.
 */
uint64_t recent_grown(const struct recent *r, uint64_t now, const double v[RECENT_VALUES],
		      double grown[RECENT_VALUES]);

#endif
