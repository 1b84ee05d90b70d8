/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ladder.h - which placer is at work, and the next one when it has ended.
 *
 * What the kernel has put out once is not taken again by itself: whatever the
 * reason was is likely to be there still, and a machine that changes its
 * scheduler every other second is worse off than with either.
 */
#ifndef STARLING_LADDER_H
#define STARLING_LADDER_H

#include <stdbool.h>
#include <stdint.h>

struct daemon;
struct placer_ops;

/*
 * May `--placer auto` take sched_ext, where the kernel has it? It does: it is the rung
 * that shares CPUs out by agents, and a feeder gets no less of one than on the others.
 */
enum sched_ext_use {
	SCHED_EXT_NEVER,	/* nor may anybody ask for it */
	SCHED_EXT_OPT_IN,	/* only `--placer sched_ext` */
	SCHED_EXT_AUTO,
};
#define SCHED_EXT_DEFAULT SCHED_EXT_AUTO

/* The placer that has ended; @from is NULL when none has. */
struct fall {
	const struct placer_ops *from;
	uint64_t ns;
	bool again;		/* somebody asks for it: try it at the next round */
	char why[512];
};

/* "never", "opt-in" or "auto"; -EINVAL. */
int sched_ext_use_parse(const char *word);

/* The placer that was asked for, or the best that works here; or none. */
int ladder_open(struct daemon *d);
/* The placer has lost its means, by @why: go on with the next best. */
void ladder_fall(struct daemon *d, const char *why);
/* The rungs as the options have them, best first; NULL behind the last. */
const struct placer_ops *ladder_rung(const struct daemon *d, int i);
/* Why @ops is not at work, as one line; NULL: it is, or a better one is. */
const char *ladder_why_not(const struct daemon *d, const struct placer_ops *ops);
/*
 * Try the placer again that has ended, if fall.again says so. To load a scheduler
 * takes a while: who asks for it does not wait.
 */
void ladder_climb(struct daemon *d);

#endif
