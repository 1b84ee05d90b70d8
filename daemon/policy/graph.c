// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/policy/graph.h"

#include <errno.h>
#include <string.h>
#include "daemon/room.h"

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

static bool is_sorted(const struct keyed *k, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (k[i - 1].key > k[i].key)
			return false;
	return true;
}

/* By the digit at @shift, those that are equal in it as they were. */
static void sort_digit(struct keyed *to, const struct keyed *from, size_t n, unsigned int shift)
{
	size_t at[DIGITS] = { 0 }, sum = 0, count;

	for (size_t i = 0; i < n; i++)
		at[from[i].key >> shift & (DIGITS - 1)]++;
	for (size_t d = 0; d < DIGITS; d++) {
		count = at[d];
		at[d] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[at[from[i].key >> shift & (DIGITS - 1)]++] = from[i];
}

/*
 * By key, with @spare of the same size: returns the one of both that has the result.
 * Digit by digit, as qsort() may ask for memory; those that all have in common are
 * passed over.
 */
static struct keyed *sort(struct keyed *k, struct keyed *spare, size_t n)
{
	uint64_t differ = 0;
	struct keyed *other;

	if (is_sorted(k, n))
		return k;
	for (size_t i = 1; i < n; i++)
		differ |= k[i].key ^ k[0].key;
	for (unsigned int shift = 0; shift < 64; shift += DIGIT_BITS) {
		if (!(differ >> shift & (DIGITS - 1)))
			continue;
		sort_digit(spare, k, n, shift);
		other = k;
		k = spare;
		spare = other;
	}
	return k;
}

/* The place of @key; NULL: it is not there. */
static const struct keyed *find(const struct keyed *k, size_t n, uint64_t key)
{
	size_t low = 0, high = n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (k[mid].key < key)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n && k[low].key == key ? &k[low] : NULL;
}

int graph_find(const struct graph *g, uint32_t tid)
{
	const struct keyed *k = find(g->by_tid, g->snap->ntask, tid);

	return k ? (int)k->value : -1;
}

static uint64_t link_key(uint32_t from, uint32_t to)
{
	return (uint64_t)from << 32 | to;
}

uint64_t graph_wakes(const struct graph *g, uint32_t from, uint32_t to)
{
	const struct keyed *k = find(g->link, g->nlink, link_key(from, to));

	return k ? k->value : 0;
}

static void merge_doubles(struct graph *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->nlink; i++) {
		if (n && g->link[n - 1].key == g->link[i].key)
			g->link[n - 1].value += g->link[i].value;
		else
			g->link[n++] = g->link[i];
	}
	g->nlink = n;
}

static void add_links(struct graph *g, struct keyed *spare)
{
	const struct snap_edge *e = g->snap->edge;
	int from, to;

	for (size_t i = 0; i < g->snap->nedge; i++) {
		from = graph_find(g, e[i].waker);
		to = graph_find(g, e[i].wakee);
		if (from >= 0 && to >= 0 && from != to && e[i].count)
			g->link[g->nlink++] = (struct keyed){ link_key(from, to), e[i].count };
	}
	g->link = sort(g->link, spare, g->nlink);
	merge_doubles(g);
}

int graph_make(struct graph *g, const struct snapshot *snap)
{
	size_t most = snap->ntask > snap->nedge ? snap->ntask : snap->nedge;
	struct keyed *all = room_take(snap->room, most + 1, sizeof(*all));
	struct keyed *link = room_take(snap->room, most + 1, sizeof(*link));
	struct keyed *spare = room_take(snap->room, most + 1, sizeof(*spare));

	if (!all || !link || !spare)
		return -ENOMEM;
	*g = (struct graph){ .snap = snap, .link = link };
	for (size_t i = 0; i < snap->ntask; i++)
		all[i] = (struct keyed){ snap->task[i].tid, i };
	g->by_tid = sort(all, spare, snap->ntask);
	/* What it does not use is free again. */
	if (g->by_tid == spare)
		spare = all;
	add_links(g, spare);
	return 0;
}
