// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timers are members of what they belong to, so nothing is allocated for them;
 * each knows its place in the heap and can be taken out of its middle.
 */
#include "tools/sim/engine.h"

#include <stdio.h>
#include <stdlib.h>

struct sim_clock sim;

/* A binary heap, the earliest first; heap[0] stays empty. */
static struct timer **heap;
static size_t count, room;
static uint64_t order;

static bool is_before(const struct timer *a, const struct timer *b)
{
	return a->when != b->when ? a->when < b->when : a->order < b->order;
}

static void put(struct timer *t, uint32_t place)
{
	heap[place] = t;
	t->place = place;
}

static void sift_up(struct timer *t, uint32_t place)
{
	while (place > 1 && is_before(t, heap[place / 2])) {
		put(heap[place / 2], place);
		place /= 2;
	}
	put(t, place);
}

static void sift_down(struct timer *t, uint32_t place)
{
	uint32_t child;

	while ((child = 2 * place) <= count) {
		if (child < count && is_before(heap[child + 1], heap[child]))
			child++;
		if (!is_before(heap[child], t))
			break;
		put(heap[child], place);
		place = child;
	}
	put(t, place);
}

void engine_reserve(size_t timers)
{
	if (timers + 1 <= room)
		return;
	heap = realloc(heap, (timers + 1) * sizeof(*heap));
	if (!heap) {
		fprintf(stderr, "starling-sim: no memory for %zu timers\n", timers);
		exit(1);
	}
	room = timers + 1;
}

void timer_set(struct timer *t, uint64_t when)
{
	timer_cancel(t);
	if (when < sim.now) {
		fputs("starling-sim: a timer is set to the past; this is a bug\n", stderr);
		abort();
	}
	if (count + 1 >= room)
		engine_reserve(room ? room * 2 : 1024);
	t->when = when;
	t->order = order++;
	sift_up(t, ++count);
}

void timer_cancel(struct timer *t)
{
	uint32_t place = t->place;
	struct timer *last;

	if (!place)
		return;
	t->place = 0;
	last = heap[count--];
	if (last == t)
		return;
	if (place > 1 && is_before(last, heap[place / 2]))
		sift_up(last, place);
	else
		sift_down(last, place);
}

void engine_run(uint64_t end, void (*each)(void))
{
	struct timer *t;

	while (count && !sim.stop && heap[1]->when <= end) {
		t = heap[1];
		timer_cancel(t);
		sim.now = t->when;
		sim.fired++;
		t->fire(t);
		if (each)
			each();
	}
	if (!sim.stop)
		sim.now = end;
}

void engine_free(void)
{
	free(heap);
	heap = NULL;
	count = room = 0;
}
