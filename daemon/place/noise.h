/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * noise.h - keeping the machine's own work off protected CPUs.
 *
 * Interrupts, work queues and kernel threads lose the protected CPUs from their
 * masks while these are protected, and get them back when they are not. What
 * has no other CPU, what the kernel does not let go and what somebody else has
 * changed since is left alone, counted and said.
 */
#ifndef STARLING_PLACE_NOISE_H
#define STARLING_PLACE_NOISE_H

#include <sched.h>
#include <stdint.h>
#include "daemon/place/sysmask.h"

struct journal;
struct noise;

enum noise_state {
	NOISE_HELD,	/* kept off by us */
	NOISE_FIXED,	/* the kernel does not let it move */
	NOISE_NO_ROOM,	/* all of its CPUs are protected ones */
	NOISE_FOREIGN,	/* changed by others since */
	NOISE_FAILED,
	__NOISE_MAX,
};

struct noise_count {
	unsigned int nr[__SYSMASK_MAX][__NOISE_MAX];
};

/* The journal's root says where to look; the journal outlives it. */
struct noise *noise_open(struct journal *j);
/* Undoes nothing: see noise_undo(). */
void noise_close(struct noise *n);

/*
 * Call every round: @cpus are protected now. Acts on what has stayed so for a
 * while, and looks for what is new from time to time. Returns changes made.
 */
int noise_round(struct noise *n, const cpu_set_t *cpus, uint64_t now_ns);
/* All goes back now. Returns changes made, or -errno. */
int noise_undo(struct noise *n);

/* The CPUs that are kept free of noise now; may be none. */
const cpu_set_t *noise_cpus(const struct noise *n);
void noise_count(const struct noise *n, struct noise_count *out);
/* Who else moves interrupts, so that they are left to that; or NULL. */
const char *noise_left_to(const struct noise *n);
/* One line for people. */
char *noise_text(const struct noise *n, char *buf, size_t len);
/* What was done with kernel thread @tid; NULL: nothing. */
const char *noise_explain(const struct noise *n, uint32_t tid);

#endif
