/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * turns.h - whose work a GPU did, from when processes waited for it.
 *
 * Where several wait at once the driver either goes from one to the other in
 * slices of time, or does what came first first. In slices each has the same
 * part of the time; in order, all of it since the end of the one before is the
 * one's that ends. Which of the two it is, is seen from whether those who come
 * later end sooner. Work of which nobody waits for the end is not seen. No I/O.
 */
#ifndef STARLING_GPU_TURNS_H
#define STARLING_GPU_TURNS_H

#include <stdbool.h>
#include <stdint.h>

enum { TURNS_PROCS_MAX = 64, TURNS_NOTES_MAX = 4096 };

struct gpu_turn {
	uint32_t pid;		/* 0: free */
	uint32_t in;		/* threads that wait now */
	uint64_t from_ns;	/* since then */
	uint64_t last_ns;	/* last heard of */
	double sliced_ns;	/* not taken into @ns yet, by the one rule ... */
	double ordered_ns;	/* ... and by the other */
	double ns;
	double usual_ns;	/* of one wait, in order */
	uint32_t learned;	/* waits that comes from, at most LEARNED_MAX */
	uint32_t met;		/* ends of others while this waits */
	uint32_t overtaken;	/* of these: others had come later */
};

/* TURN_ENDED: nobody knows when, as the thread had no CPU to see it */
enum turn_what { TURN_BEGINS, TURN_ENDS, TURN_ENDED };

struct turn_note {
	uint64_t ns;
	uint32_t pid;
	enum turn_what what;
};

struct turns {
	struct gpu_turn turn[TURNS_PROCS_MAX];
	unsigned int nnote;
	struct turn_note note[TURNS_NOTES_MAX];	/* not looked at yet */
	uint64_t at_ns;		/* slices are shared out up to here */
	uint64_t end_ns;	/* the last end of one's wait */
	bool end_sure;		/* it was then */
	double met;		/* sums of those, fading */
	double overtaken;
	uint64_t overflow;	/* waits of processes there was no room for */
};

/*
 * A thread of @pid began to wait, or the GPU was done with what it waited for, at
 * @ns. In any order of time until the next turns_settle().
 */
void turns_note(struct turns *t, uint32_t pid, enum turn_what what, uint64_t ns);
/* Share out up to @now_ns. */
void turns_settle(struct turns *t, uint64_t now_ns);
/* Waits may have been missed: nobody is known to wait. */
void turns_forget(struct turns *t);
/* ns of the GPU that @pid has had; false: nothing is known of it. */
bool turns_had(const struct turns *t, uint32_t pid, uint64_t *ns);
/* By slices, not in order. */
bool turns_sliced(const struct turns *t);

#endif
