/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * edge.h - who wakes whom, over a window that fades.
 *
 * Each round adds its wakes and lets older ones fade with a time constant of
 * two seconds; the window's length fades alike, so count / window stays a
 * rate. The window only moves while a feeder is active: the request path is
 * what happens around its work, and must be there at once when it resumes.
 */
#ifndef STARLING_EDGE_H
#define STARLING_EDGE_H

#include <stdint.h>
#include <stddef.h>
#include <uthash.h>
#include "daemon/sense/sense.h"

enum { EDGE_TABLE_MAX = 16384 };

struct edge_key {
	uint32_t waker;
	uint32_t wakee;
};

struct edge {
	struct edge_key key;
	uint32_t waker_tgid;
	uint32_t wakee_tgid;
	double count;
	double round;		/* wakes of the last round alone */
	UT_hash_handle hh;
};

struct edge_table {
	struct edge *head;
	double window_ns;
	uint64_t overflow;
};

/* Let the window move on by @elapsed_ns; returns what is left of the past. */
double edge_fade(struct edge_table *t, uint64_t elapsed_ns);
void edge_add(struct edge_table *t, const struct sense_edge *e, size_t n);
void edge_table_free(struct edge_table *t);

#endif
