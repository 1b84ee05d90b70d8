/* SPDX-License-Identifier: GPL-2.0-only */
/* graph.h - tasks of a snapshot by tid, and wakes between them by index. */
#ifndef STARLING_POLICY_GRAPH_H
#define STARLING_POLICY_GRAPH_H

#include "daemon/policy/policy.h"

/* A number to sort by, and what belongs to it. */
struct keyed {
	uint64_t key;
	uint64_t value;
};

/* Memory is that of the snapshot's room. */
struct graph {
	const struct snapshot *snap;
	struct keyed *by_tid;	/* key: tid, value: index in snap->task */
	struct keyed *link;	/* key: see link_from() and link_to(), value: wakes */
	size_t nlink;
};

/* Wakes are between two tasks of the snapshot, both indices of snap->task. */
static inline uint32_t link_from(const struct keyed *link)
{
	return link->key >> 32;
}

static inline uint32_t link_to(const struct keyed *link)
{
	return link->key;
}

/* Returns 0 or -ENOMEM. */
int graph_make(struct graph *g, const struct snapshot *snap);

/* Index of task @tid, or -1. */
int graph_find(const struct graph *g, uint32_t tid);
/* Wakes of @to by @from. */
uint64_t graph_wakes(const struct graph *g, uint32_t from, uint32_t to);

#endif
