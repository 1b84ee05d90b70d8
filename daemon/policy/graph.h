/* SPDX-License-Identifier: GPL-2.0-only */
/* graph.h - tasks of a snapshot by tid, and wakes between them by index. */
#ifndef STARLING_POLICY_GRAPH_H
#define STARLING_POLICY_GRAPH_H

#include "daemon/policy/policy.h"

/* Wakes between two tasks of the snapshot, both indices of snap->task. */
struct link {
	uint32_t from;
	uint32_t to;
	uint64_t count;
};

struct graph {
	const struct snapshot *snap;
	uint32_t *by_tid;	/* indices of tasks, sorted by tid */
	struct link *link;	/* sorted by from, then to */
	size_t nlink;
};

/* Returns 0 or -ENOMEM; graph_free() in either case. */
int graph_make(struct graph *g, const struct snapshot *snap);
void graph_free(struct graph *g);

/* Index of task @tid, or -1. */
int graph_find(const struct graph *g, uint32_t tid);
/* Wakes of @to by @from. */
uint64_t graph_wakes(const struct graph *g, uint32_t from, uint32_t to);

#endif
