// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may run in a real-time class: a feeder that sleeps while it waits, and
 * runs for a small part of the time.
 *
 * Below real time a wake is no promise. The fair class picks among those that
 * are owed time, and a feeder that has just run may owe some: then the tool
 * goes on, whatever its nice value or class, until the next tick. On Linux
 * 6.18 with 250 ticks a second that made one wake in some hundred 4 ms late.
 *
 * What can keep a core from all others must be held on a short leash: the
 * first round in which it runs for half of the time ends it, and to be let in
 * again takes a whole window with a quarter at most.
 *
 * Whoever cannot have the class, as one with a nice value of its own, which the reset
 * at fork would take from its children, is in the way of tools like any other.
 */
#include "daemon/policy/policy.h"

enum { ENTER_PART = 4, LEAVE_PART = 2 };

static bool is_below(uint64_t run_ns, uint64_t of_ns, unsigned int part)
{
	return !of_ns || run_ns * part < of_ns;
}

bool policy_real_time(const struct snapshot *snap, const struct verdict *v,
		      const struct snap_task *t)
{
	unsigned int part = t->real_time ? LEAVE_PART : ENTER_PART;

	return !t->no_real_time && v->role == STARLING_ROLE_FEEDER &&
		t->wait_style == STARLING_WAIT_BLOCK &&
		is_below(t->recent_ns, snap->round_ns, LEAVE_PART) &&
		is_below(t->d_run_ns, snap->window_ns, part);
}
