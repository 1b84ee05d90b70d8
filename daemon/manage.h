/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * manage.h - sense, classify, decide, place.
 *
 * The full round reads everything and is run by the clock. Between rounds,
 * events update single tasks; those that cannot wait are placed at once.
 */
#ifndef STARLING_MANAGE_H
#define STARLING_MANAGE_H

#include "daemon/daemon.h"

/* Callback of sense: takes @ev in, never calls back into sense. */
void manage_event(void *ctx, const struct sense_event *ev);
/* After sense has dispatched: decide if an event asked for it. */
void manage_hurry(struct daemon *d);
/* One full round. */
void manage_round(struct daemon *d);
/* Does the placer still have its means? A small part of a round. */
void manage_beat(struct daemon *d);
/* Classify, decide and place what is known now. */
void manage_decide(struct daemon *d);

/* Where @tid is now: known of tasks that the placer was given. */
enum starling_placement manage_placement(void *ctx, uint32_t tid);

/* Note at debug level when @what, begun at @since, held the loop up. */
void manage_slow(const char *what, uint64_t since);

/* Undo all and stop placing; returns tasks restored or -errno. */
int manage_off(struct daemon *d);
void manage_on(struct daemon *d);

#endif
