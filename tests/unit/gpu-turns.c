// SPDX-License-Identifier: GPL-2.0-only
/* Who had the GPU, found from waits alone, on devices of which it is known. */
#include <math.h>
#include "daemon/sense/gpu/turns.h"
#include "tests/unit/unit.h"

enum { CLIENTS = 4, MS_TICKS = 10, TICKS = 60 * 1000 * MS_TICKS };
#define TICK_NS		(1000000ULL / MS_TICKS)
#define WITHIN		0.01	/* of all time of the device */
#define LATE_WITHIN	0.1	/* what they had is a guess then */

static void turns_begin(struct turns *t, uint32_t pid, uint64_t ns)
{
	turns_note(t, pid, TURN_BEGINS, ns);
}

static void turns_end(struct turns *t, uint32_t pid, uint64_t ns)
{
	turns_note(t, pid, TURN_ENDS, ns);
}

static void turns_ended(struct turns *t, uint32_t pid, uint64_t ns)
{
	turns_note(t, pid, TURN_ENDED, ns);
}

static unsigned int seed;

static unsigned int below(unsigned int n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

/* Asks for work of about @work ticks, about @pause after the last was done. */
struct client {
	unsigned int work, pause;
	/* learns of each end up to so much later, its work is always the same; 0: at once */
	unsigned int late;
	unsigned int left;	/* of its work now */
	unsigned int until;	/* pause, or until it learns of the end */
	unsigned int came;	/* order */
	bool waits;
	double had;
};

static void step_client(struct client *c, int i, struct turns *t, uint64_t ns, unsigned int *n)
{
	if (c->waits && c->left)
		return;
	if (c->until) {
		c->until--;
		return;
	}
	if (c->waits && c->late)
		turns_ended(t, i + 1, ns);
	else if (c->waits)
		turns_end(t, i + 1, ns);
	c->waits = !c->waits;
	if (!c->waits) {
		c->until = c->pause ? below(2 * c->pause) : 0;
		return;
	}
	turns_begin(t, i + 1, ns);
	c->left = c->late ? c->work : c->work / 2 + below(c->work);
	c->came = ++*n;
	/* when it is done, that is known a little later */
	c->until = c->late ? below(c->late) : below(3);
}

static struct client *first(struct client *c, unsigned int n)
{
	struct client *best = NULL;

	for (unsigned int i = 0; i < n; i++)
		if (c[i].left && (!best || c[i].came < best->came))
			best = &c[i];
	return best;
}

/* Slices: one tick each in turn. */
static struct client *next(struct client *c, unsigned int n, unsigned int *at)
{
	for (unsigned int k = 1; k <= n; k++)
		if (c[(*at + k) % n].left)
			return &c[*at = (*at + k) % n];
	return NULL;
}

static void run(struct client *c, unsigned int n, bool sliced, double within)
{
	double had = 0, told = 0;
	struct turns t = { 0 };
	unsigned int came = 0, at = 0;
	uint64_t ns;

	for (uint64_t tick = 1; tick <= TICKS; tick++) {
		struct client *on;

		for (unsigned int i = 0; i < n; i++)
			step_client(&c[i], i, &t, tick * TICK_NS + i, &came);
		on = sliced ? next(c, n, &at) : first(c, n);
		if (on) {
			on->left--;
			on->had++;
			had++;
		}
		if (tick % (1000 * MS_TICKS) == 0)
			turns_settle(&t, tick * TICK_NS);
	}
	for (unsigned int i = 0; i < n; i++) {
		assert_true(turns_had(&t, i + 1, &ns));
		told += ns;
	}
	for (unsigned int i = 0; i < n; i++) {
		turns_had(&t, i + 1, &ns);
		assert_true(fabs(ns / told - c[i].had / had) < within);
	}
}

static void unsure(unsigned int n)
{
	struct client c[] = {
		{ .work = 200, .late = 60 }, { .work = 50 }, { .work = 20, .pause = 100 },
	};

	run(c, n, false, LATE_WITHIN);
}

/* Ends that are not known are no evidence, and charged to nobody else. */
static void test_unsure(void **state)
{
	(void)state;
	for (unsigned int i = 1; i <= 3; i++) {
		seed = i;
		unsure(2);
		unsure(3);
	}
}

static void devices(unsigned int n, bool sliced)
{
	struct client back_to_back[CLIENTS] = {
		{ .work = 50 }, { .work = 500 }, { .work = 100 }, { .work = 200 },
	};
	struct client paused[CLIENTS] = {
		{ .work = 100, .pause = 200 }, { .work = 400, .pause = 200 },
		{ .work = 50, .pause = 100 }, { .work = 1000, .pause = 3000 },
	};

	run(back_to_back, n, sliced, WITHIN);
	run(paused, n, sliced, WITHIN);
}

static void test_devices(void **state)
{
	(void)state;
	for (unsigned int i = 1; i <= 3; i++) {
		seed = i;
		for (unsigned int n = 2; n <= CLIENTS; n++) {
			devices(n, false);
			devices(n, true);
		}
	}
}

static uint64_t had(const struct turns *t, uint32_t pid)
{
	uint64_t ns;

	turns_had(t, pid, &ns);
	return ns;
}

static void test_alone(void **state)
{
	struct turns t = { 0 };

	(void)state;
	turns_begin(&t, 7, 100);
	turns_end(&t, 7, 150);
	turns_begin(&t, 7, 300);
	turns_settle(&t, 310);
	assert_int_equal(had(&t, 7), 50);
	turns_end(&t, 7, 350);
	turns_settle(&t, 400);
	assert_in_range(had(&t, 7), 50, 100);
	assert_false(turns_sliced(&t));
}

/* Two threads of one process that wait are one that does. */
static void test_threads(void **state)
{
	struct turns t = { 0 };

	(void)state;
	turns_begin(&t, 7, 100);
	turns_begin(&t, 7, 120);
	turns_end(&t, 7, 150);
	turns_end(&t, 7, 200);
	turns_end(&t, 7, 900);
	turns_settle(&t, 1000);
	assert_in_range(had(&t, 7), 50, 100);
}

/* Missed ends: nobody waits, and nothing is added for that. */
static void test_forget(void **state)
{
	struct turns t = { 0 };
	uint64_t ns;

	(void)state;
	turns_begin(&t, 7, 100);
	turns_settle(&t, 110);
	turns_forget(&t);
	turns_end(&t, 7, 500);
	turns_settle(&t, 1000);
	assert_int_equal(had(&t, 7), 0);
	turns_begin(&t, 7, 1100);
	turns_forget(&t);
	turns_settle(&t, 1200);
	assert_int_equal(had(&t, 7), 0);
	assert_false(turns_had(&t, 8, &ns));
	assert_int_equal(ns, 0);
}

/* Told late, out of order. */
static void test_late(void **state)
{
	struct turns t = { 0 };

	(void)state;
	turns_begin(&t, 7, 100);
	turns_begin(&t, 8, 110);
	turns_end(&t, 8, 160);
	turns_end(&t, 7, 150);
	turns_settle(&t, 200);
	assert_int_equal(had(&t, 7), 50);
	assert_int_equal(had(&t, 8), 10);
	/* told after it was settled that another has had it until later */
	turns_begin(&t, 7, 210);
	turns_begin(&t, 8, 220);
	turns_end(&t, 8, 300);
	turns_settle(&t, 310);
	turns_end(&t, 7, 250);
	turns_settle(&t, 320);
	/* each as much as usual */
	assert_int_equal(had(&t, 8), 20);
	assert_in_range(had(&t, 7), 50, 100);
}

static void test_full(void **state)
{
	struct turns t = { 0 };
	uint64_t ns;

	(void)state;
	for (uint32_t pid = 1; pid <= TURNS_PROCS_MAX + 1; pid++)
		turns_begin(&t, pid, S);
	turns_settle(&t, S);
	assert_int_equal(t.overflow, 1);
	assert_false(turns_had(&t, TURNS_PROCS_MAX + 1, &ns));
	/* one that waits no more makes room */
	turns_end(&t, 3, 2 * S);
	turns_begin(&t, TURNS_PROCS_MAX + 1, 3 * S);
	turns_settle(&t, 3 * S);
	assert_true(turns_had(&t, TURNS_PROCS_MAX + 1, &ns));
	assert_false(turns_had(&t, 3, &ns));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_unsure),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_full),
	};

	return unit_run(tests);
}
