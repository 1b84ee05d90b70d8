// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/edge.h"

#include <math.h>
#include <stdlib.h>

#define FADE_NS		2e9
#define EDGE_GONE	0.5	/* wakes; less than one is none */

static void edge_drop(struct edge_table *t, struct edge *e)
{
	HASH_DELETE(hh, t->head, e);
	free(e);
}

double edge_fade(struct edge_table *t, uint64_t elapsed_ns)
{
	double left = exp(-(double)elapsed_ns / FADE_NS);
	struct edge *e, *next;

	t->window_ns = t->window_ns * left + elapsed_ns;
	HASH_ITER(hh, t->head, e, next) {
		e->round = 0;
		e->count *= left;
		if (e->count < EDGE_GONE)
			edge_drop(t, e);
	}
	return left;
}

static struct edge *edge_get(struct edge_table *t, const struct sense_edge *in)
{
	struct edge_key key = { .waker = in->waker, .wakee = in->wakee };
	struct edge *e;

	HASH_FIND(hh, t->head, &key, sizeof(key), e);
	if (e)
		return e;
	e = HASH_COUNT(t->head) < EDGE_TABLE_MAX ? calloc(1, sizeof(*e)) : NULL;
	if (!e) {
		t->overflow++;
		return NULL;
	}
	e->key = key;
	e->waker_tgid = in->waker_tgid;
	e->wakee_tgid = in->wakee_tgid;
	HASH_ADD(hh, t->head, key, sizeof(e->key), e);
	return e;
}

void edge_add(struct edge_table *t, const struct sense_edge *in, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct edge *e = edge_get(t, &in[i]);

		if (!e)
			continue;
		e->count += in[i].count;
		e->round += in[i].count;
	}
}

void edge_table_free(struct edge_table *t)
{
	struct edge *e, *next;

	HASH_ITER(hh, t->head, e, next)
		edge_drop(t, e);
}
