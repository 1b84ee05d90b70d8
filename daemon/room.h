/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * room.h - memory that is used again each round: what a round takes is gone at the
 * next room_reset(), and a round that needs no more than those before it asks the
 * system for nothing. Zero it to start.
 */
#ifndef STARLING_ROOM_H
#define STARLING_ROOM_H

#include <stddef.h>

struct room_part;

struct room {
	struct room_part *part;		/* the one in use first; more when it was too small */
	size_t used;			/* of that one */
	size_t taken;			/* in all, since the last reset */
};

/* @n times @size bytes, zeroed, aligned for anything; NULL: out of memory. */
void *room_take(struct room *r, size_t n, size_t size);
void room_reset(struct room *r);
void room_free(struct room *r);

#endif
