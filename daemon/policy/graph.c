// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/policy/graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int cmp_tid(const void *a, const void *b, void *ctx)
{
	const struct snap_task *task = ctx;
	uint32_t x = task[*(const uint32_t *)a].tid;
	uint32_t y = task[*(const uint32_t *)b].tid;

	return (x > y) - (x < y);
}

static int cmp_link(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	if (x->from != y->from)
		return (x->from > y->from) - (x->from < y->from);
	return (x->to > y->to) - (x->to < y->to);
}

int graph_find(const struct graph *g, uint32_t tid)
{
	size_t low = 0, high = g->snap->ntask, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (g->snap->task[g->by_tid[mid]].tid < tid)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == g->snap->ntask || g->snap->task[g->by_tid[low]].tid != tid)
		return -1;
	return g->by_tid[low];
}

uint64_t graph_wakes(const struct graph *g, uint32_t from, uint32_t to)
{
	struct link key = { .from = from, .to = to };
	const struct link *l = g->nlink ?
		bsearch(&key, g->link, g->nlink, sizeof(key), cmp_link) : NULL;

	return l ? l->count : 0;
}

static void merge_doubles(struct graph *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->nlink; i++) {
		if (n && !cmp_link(&g->link[n - 1], &g->link[i]))
			g->link[n - 1].count += g->link[i].count;
		else
			g->link[n++] = g->link[i];
	}
	g->nlink = n;
}

static void add_links(struct graph *g)
{
	const struct snap_edge *e = g->snap->edge;
	int from, to;

	for (size_t i = 0; i < g->snap->nedge; i++) {
		from = graph_find(g, e[i].waker);
		to = graph_find(g, e[i].wakee);
		if (from >= 0 && to >= 0 && from != to && e[i].count)
			g->link[g->nlink++] = (struct link){ from, to, e[i].count };
	}
	qsort(g->link, g->nlink, sizeof(*g->link), cmp_link);
	merge_doubles(g);
}

int graph_make(struct graph *g, const struct snapshot *snap)
{
	memset(g, 0, sizeof(*g));
	g->snap = snap;
	g->by_tid = calloc(snap->ntask + 1, sizeof(*g->by_tid));
	g->link = calloc(snap->nedge + 1, sizeof(*g->link));
	if (!g->by_tid || !g->link)
		return -ENOMEM;
	for (size_t i = 0; i < snap->ntask; i++)
		g->by_tid[i] = i;
	qsort_r(g->by_tid, snap->ntask, sizeof(*g->by_tid), cmp_tid,
		(void *)snap->task);
	add_links(g);
	return 0;
}

void graph_free(struct graph *g)
{
	free(g->by_tid);
	free(g->link);
	memset(g, 0, sizeof(*g));
}
