// SPDX-License-Identifier: GPL-2.0-only
/* Tasks and wakes as a graph, and the memory that it is made in. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include "daemon/policy/graph.h"
#include "daemon/room.h"

enum { TASKS = 3000, EDGES = 9000 };

static struct snap_task task[TASKS];
static struct snap_edge edge[EDGES];

static void room_is_used_again(void **state)
{
	struct room r = { 0 };
	void *first, *p;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_non_null(room_take(&r, 1000, 7));
	room_reset(&r);
	first = room_take(&r, 1, 1);
	for (int round = 0; round < 5; round++) {
		room_reset(&r);
		for (int i = 0; i < 100; i++) {
			p = room_take(&r, 1000, 7);
			assert_non_null(p);
			if (!i)
				assert_ptr_equal(p, first);
			assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
			for (int at = 0; at < 7000; at++)
				assert_int_equal(((char *)p)[at], 0);
			memset(p, 0xa5, 7000);
		}
	}
	assert_null(room_take(&r, SIZE_MAX / 2, 4));
	assert_null(room_take(&r, SIZE_MAX / 2, 1));
	room_free(&r);
}

static uint64_t count_wakes(uint32_t from, uint32_t to)
{
	uint64_t n = 0;

	for (int i = 0; i < EDGES; i++)
		if (edge[i].waker == from && edge[i].wakee == to)
			n += edge[i].count;
	return n;
}

/* Numbers of tasks all over their range, in no order; some edges twice or to nobody. */
static void make_random(struct snapshot *snap)
{
	for (int i = 0; i < TASKS; i++)
		task[i].tid = (uint32_t)(i + 1) * 2654435761u % 4194301 + 1;
	for (int i = 0; i < EDGES; i++)
		edge[i] = (struct snap_edge){
			.waker = i % 50 ? task[rand() % TASKS].tid : 4194302,
			.wakee = i % 3 ? task[rand() % TASKS].tid : task[i % 7].tid,
			.count = rand() % 5,
		};
	*snap = (struct snapshot){
		.task = task, .ntask = TASKS, .edge = edge, .nedge = EDGES, .room = snap->room,
	};
}

static void finds_all(void **state)
{
	struct room r = { 0 };
	struct snapshot snap = { .room = &r };
	struct graph g;
	uint64_t want;

	(void)state;
	srand(1);
	make_random(&snap);
	assert_int_equal(graph_make(&g, &snap), 0);
	for (int i = 0; i < TASKS; i++)
		assert_int_equal(graph_find(&g, task[i].tid), i);
	assert_int_equal(graph_find(&g, 4194302), -1);
	assert_int_equal(graph_find(&g, 0), -1);
	for (int i = 0; i < EDGES; i++) {
		int from = graph_find(&g, edge[i].waker), to = graph_find(&g, edge[i].wakee);

		want = count_wakes(edge[i].waker, edge[i].wakee);
		if (from < 0 || from == to)
			continue;
		assert_int_equal(graph_wakes(&g, from, to), want);
	}
	for (size_t i = 1; i < g.nlink; i++)
		assert_true(g.link[i - 1].key < g.link[i].key);
	room_free(&r);
}

static void empty_is_no_error(void **state)
{
	struct room r = { 0 };
	struct snapshot snap = { .room = &r };
	struct graph g;

	(void)state;
	assert_int_equal(graph_make(&g, &snap), 0);
	assert_int_equal(graph_find(&g, 1), -1);
	assert_int_equal(graph_wakes(&g, 0, 1), 0);
	room_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(room_is_used_again),
		cmocka_unit_test(finds_all),
		cmocka_unit_test(empty_is_no_error),
	};

	return unit_run(tests);
}
