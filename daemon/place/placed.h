/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * placed.h - the tasks a placer has in hand: what they were, what they are.
 *
 * A child is born with what its parent was given. Such values are not its
 * own: what to put back is found at its thread group, its parents or, for an
 * orphan, its agent.
 */
#ifndef STARLING_PLACE_PLACED_H
#define STARLING_PLACE_PLACED_H

#include <uthash.h>
#include "daemon/place/attr.h"
#include "daemon/place/ident.h"
#include "daemon/place/place.h"

/* What a task was and is; also what the children of an agent were born with. */
struct change {
	struct attrs orig;
	struct attrs set;
	struct attrs prev;	/* set before: a child may be born in between */
};

struct placed {
	uint32_t tid;		/* key */
	struct identity id;
	uint64_t start_ns;	/* as the caller has it */
	uint64_t agent_id;
	uint16_t role;
	struct change c;
	unsigned int differ;	/* ATTR_BITs where set is not orig */
	unsigned int foreign;	/* changed by somebody else: left alone */
	unsigned int denied;	/* EPERM */
	bool fixed;		/* real-time and the like: never touched */
	bool real_time;		/* may have such a class from us */
	bool ext;		/* goes under SCHED_EXT */
	bool said;		/* gets no nice value that it could not take itself */
	bool limited;		/* so it has less than the plan says */
	bool no_room;		/* its own mask has too few of the plan's CPUs */
	uint32_t round;
	struct attrs want;
	unsigned int todo;
	struct placed *next;	/* of those with something to do */
	UT_hash_handle hh;
};

struct agent_birth {
	uint64_t agent_id;	/* key */
	struct change c;
	UT_hash_handle hh;
};

struct placed_table {
	struct placed *head;
	struct agent_birth *birth;
	uint32_t cgroup_ppid;	/* siblings share a cgroup: read it once for them */
	uint32_t cgroup;
};

struct placed *placed_find(const struct placed_table *t, uint32_t tid);
/*
 * Find or learn a task: read what it is and what of that it inherited.
 * Returns 0, -ESRCH when it is gone, -ENOMEM.
 */
int placed_get(struct placed_table *t, const struct place_task *in, struct placed **out);
void placed_drop(struct placed_table *t, struct placed *p);
void placed_clear(struct placed_table *t);
/* @p got new values: children without parents will be known by them. */
void placed_birth(struct placed_table *t, const struct placed *p);

#endif
