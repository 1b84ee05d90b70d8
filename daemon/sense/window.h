/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * window.h - probes that are only there for a moment.
 *
 * Putting probes in waits for grace periods, taking each out for longer ones:
 * up to a tenth of a second in which events would lie unread. So a thread does
 * it. That works on copies, makes system calls only, and touches nothing else
 * but the flags it is given.
 */
#ifndef STARLING_SENSE_WINDOW_H
#define STARLING_SENSE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum { WINDOW_LINKS_MAX = 128, WINDOW_FUNCTIONS_MAX = 16, WINDOW_RETIRE_MAX = 64 };

/* One program at some functions of one file. */
struct window_link {
	uint64_t key;		/* the same while a window is open: the same link */
	int prog;
	int file;		/* duplicated by window_want() */
	bool returns;
	unsigned int n;
	uint64_t offset[WINDOW_FUNCTIONS_MAX];
	uint64_t cookie[WINDOW_FUNCTIONS_MAX];
};

/* What a window consists of: taken out in the reverse order. */
struct window_plan {
	unsigned int n;
	struct window_link link[WINDOW_LINKS_MAX];
};

/* Fixed for all windows. */
struct window_setup {
	int syscalls;		/* program for system calls, or -1 */
	volatile bool *yields_on;	/* true while that one is attached */
	volatile bool *launches_on;	/* true while all links are there */
};

struct window;

int window_new(struct window **out, const struct window_setup *setup);
/* Closes it and waits for that. */
void window_free(struct window *w);

/* Open, or keep open, until @until_ns (CLOCK_MONOTONIC) at least. */
void window_want(struct window *w, const struct window_plan *plan, uint64_t until_ns);
/* Close @link, a link like those, there and not here. */
void window_retire(struct window *w, int link);

#endif
