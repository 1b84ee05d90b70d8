/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * turn.h - how long will one wait for a lease of a GPU? Pure functions.
 *
 * The module's queue is played on, by its own rules (<linux/starling.h>, "Leases"),
 * with a mean for what is not known: how long each lease is held. An agent that has
 * nothing there now is taken for a new one, which has had no more than the least of
 * the others; weights are not looked at. Whoever comes later and goes first is not in it.
 */
#ifndef STARLING_POLICY_TURN_H
#define STARLING_POLICY_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/starling.h>

/* Requests that are played with; more than so many are only counted. */
enum { TURN_WAITING_MAX = 256, TURN_SLOTS_MAX = 64 };

struct turn_queue {
	uint64_t now_ns;
	uint64_t mean_hold_ns;	/* 0: no lease has ended yet */
	uint64_t agent_id;	/* who asks; 0: a new one */
	enum starling_class class;
	const struct starling_lease_stat *stat;
	const struct starling_lease_record *lease;	/* NULL: not to be looked at */
	size_t nlease;
};

/* All in ns; @x_known false: nothing is told of it. */
struct turn {
	bool wait_known;
	uint64_t wait_ns;	/* if each lease takes the mean */
	uint64_t least_ns;	/* if all others of its class let it go first */
	bool most_known;
	uint64_t most_ns;	/* if each is held up to its limit */
	unsigned int ahead;	/* who has had a turn by then, without those who hold */
	uint64_t rest_ns;	/* until the first of those who hold is done */
	bool at_once;		/* there is a slot, and nobody waits: that is no estimate */
};

void turn_wait(const struct turn_queue *q, struct turn *out);

/* Of the last @window_ns, what leases that are held now have had, added up. */
uint64_t turn_held_ns(const struct turn_queue *q, uint64_t window_ns);

#endif
