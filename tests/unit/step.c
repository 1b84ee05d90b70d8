// SPDX-License-Identifier: GPL-2.0-only
/*
 * Load steps: feeders come and go, 1 -> 3 -> 1. Cores follow in the time that the
 * design names, and nothing oscillates, at the worst possible rhythm either.
 */
#include "tests/unit/unit.h"
#include "tests/unit/scene.h"

#define TICK	(10 * MS)
#define LEND	(110 * MS)	/* quiet for 100 ms, and a tick */

static struct scene s;
static int size, changes;

/* One decision with the first @n feeders at work; CPUs kept. */
static int step(unsigned int n)
{
	int before = size;

	for (unsigned int i = 0; i < n; i++)
		s.task[i].gpu_last_ns = s.snap.now_ns + TICK;
	scene_step(&s, TICK);
	size = CPU_COUNT(&s.plan.protected_cpus);
	changes += size != before;
	return size;
}

static void run(unsigned int n, uint64_t ns)
{
	for (uint64_t t = 0; t < ns; t += TICK)
		step(n);
}

/* How long until so many CPUs are kept? */
static uint64_t until(unsigned int n, int cpus)
{
	uint64_t from = s.snap.now_ns;

	while (step(n) != cpus)
		assert_true(s.snap.now_ns - from < 60 * S);
	return s.snap.now_ns - from;
}

static void three_feeders(void)
{
	scene_init(&s, 24, 1);
	for (int i = 0; i < 3; i++)
		scene_feeder(&s, 100 + i, 100, STARLING_WAIT_SPIN);
	size = 0;
	run(3, 5 * S);
	run(1, 5 * S);
	assert_int_equal(size, 1);
	changes = 0;
}

static void a_step_is_followed_at_once(void **x)
{
	three_feeders();
	for (int i = 0; i < 20; i++) {
		assert_true(until(3, 3) == TICK);
		run(3, 5 * S);
		assert_int_equal(size, 3);
		assert_true(until(1, 1) <= LEND);
		run(1, 5 * S);
		assert_int_equal(size, 1);
	}
	assert_int_equal(changes, 40);
	(void)x;
}

/* Whatever the gap: soon it is bridged, or long enough to be worth it. */
static void gaps_do_not_flap(void **x)
{
	for (uint64_t gap = 50 * MS; gap <= 950 * MS; gap += 100 * MS) {
		three_feeders();
		for (int i = 0; i < 60; i++) {
			if (i == 10)
				changes = 0;
			run(3, 50 * MS);
			run(1, gap);
		}
		assert_in_range(changes, 0, 1);
		assert_int_equal(size, 3);
	}
	(void)x;
}

/* A minute with an enemy: all come back as soon as cores have been given away. */
static void the_period_of_the_hysteresis(void **x)
{
	uint64_t begin, longest = 0, took;

	three_feeders();
	begin = s.snap.now_ns;
	while (s.snap.now_ns - begin < 60 * S) {
		assert_true(until(3, 3) == TICK);
		took = until(1, 1);
		if (took > longest)
			longest = took;
	}
	assert_in_range(changes, 2, 60);
	assert_true(longest > 3 * S && longest < 4 * S);	/* LINGER_MAX_NS */
	/* a calm time later it is forgotten */
	run(1, 4 * S);
	assert_true(until(3, 3) == TICK);
	assert_true(until(1, 1) <= LEND);
	(void)x;
}

/* The same over a pause of all: what was lent counts, too. */
static void down_to_none_and_back(void **x)
{
	three_feeders();
	for (int i = 0; i < 50; i++) {
		if (i == 10)
			changes = 0;
		run(3, 50 * MS);
		run(1, 150 * MS);
		run(0, 150 * MS);
		run(1, 150 * MS);
	}
	assert_in_range(changes, 0, 1);
	(void)x;
}

/* One core in ten: 20 CPUs have two for three feeders. */
static void up_to_the_ceiling(void **x)
{
	scene_init(&s, 20, 1);
	for (int i = 0; i < 3; i++)
		scene_feeder(&s, 100 + i, 100, STARLING_WAIT_SPIN);
	size = changes = 0;
	for (int i = 0; i < 10; i++) {
		run(3, 5 * S);
		assert_int_equal(size, 2);
		run(1, 5 * S);
		assert_int_equal(size, 1);
	}
	assert_int_equal(changes, 20);
	(void)x;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_step_is_followed_at_once),
		cmocka_unit_test(gaps_do_not_flap),
		cmocka_unit_test(the_period_of_the_hysteresis),
		cmocka_unit_test(down_to_none_and_back),
		cmocka_unit_test(up_to_the_ceiling),
	};

	return unit_run(tests);
}
