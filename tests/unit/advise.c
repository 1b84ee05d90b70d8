// SPDX-License-Identifier: GPL-2.0-only
/* Where inference should run, how long a lease takes, and what grew of late. */
#include <string.h>
#include "daemon/machine.h"
#include "daemon/policy/advise.h"
#include "daemon/recent.h"
#include "lib/gpu/reserve.h"
#include "tests/unit/unit.h"

#define GIB ((double)(1ULL << 30))
#define NOW (1000 * S)

/* -- the answer ---------------------------------------------------------------- */

#define KNOWN(_n)	{ .known = true, .n = (_n) }
#define GUESS(_n)	{ .known = true, .estimated = true, .n = (_n) }

/* A machine with much to spare; what comes behind it in an initializer replaces it. */
#pragma GCC diagnostic ignored "-Woverride-init"
#define SPARE	.class = STARLING_CLASS_NORMAL, .gpu = true, .cpus = 20, \
		.busy = KNOWN(0.5), .idle_cpus = KNOWN(12), .cpu_pressure = KNOWN(1), \
		.memory_pressure = KNOWN(0), .gpu_total = KNOWN(100 * GIB), \
		.gpu_free = KNOWN(60 * GIB), .available = KNOWN(60 * GIB)
/* Leases are in use; one is expected in so long. */
#define QUEUE(_wait, _most)	.queue = true, .queue_used = true, .queue_full = true, \
		.waiting = 1, .turn = { .wait_known = true, .wait_ns = (_wait), \
					.most_known = true, .most_ns = (_most) }

static const struct {
	const char *name;
	struct advise_in in;
	enum advise_where where;
	enum advise_sure sure;
	enum advise_bottleneck neck;
	const char *why;
} cases[] = {
	{ "room on all", { SPARE }, ADVISE_GPU, ADVISE_MEASURED, ADVISE_NECK_NO, "50 %" },
	{ "by estimate", { SPARE, .busy = GUESS(0.05) },
	  ADVISE_GPU, ADVISE_ESTIMATED, ADVISE_NECK_IDLE, "5 %" },
	{ "busy", { SPARE, .busy = KNOWN(0.95) },
	  ADVISE_CPU, ADVISE_ESTIMATED, ADVISE_NECK_YES, "12.0 of 20 cores" },
	{ "just under", { SPARE, .busy = KNOWN(0.89) },
	  ADVISE_GPU, ADVISE_MEASURED, ADVISE_NECK_NO, "89 %" },
	{ "busy, and no core", { SPARE, .busy = KNOWN(0.95), .idle_cpus = KNOWN(3.9) },
	  ADVISE_ELSEWHERE, ADVISE_MEASURED, ADVISE_NECK_YES, "3.9 of 20" },
	{ "busy, and cores contended", { SPARE, .busy = KNOWN(1), .cpu_pressure = KNOWN(40) },
	  ADVISE_ELSEWHERE, ADVISE_MEASURED, ADVISE_NECK_YES, "waited for a core" },
	{ "a small machine", { SPARE, .busy = KNOWN(1), .cpus = 4, .idle_cpus = KNOWN(2) },
	  ADVISE_CPU, ADVISE_ESTIMATED, ADVISE_NECK_YES, "2.0 of 4" },
	{ "busy is not known", { SPARE, .busy = { 0 } },
	  ADVISE_GPU, ADVISE_UNKNOWN, ADVISE_NECK_UNKNOWN, "not known" },
	{ "idle cores are not known", { SPARE, .busy = KNOWN(1), .idle_cpus = { 0 } },
	  ADVISE_ELSEWHERE, ADVISE_UNKNOWN, ADVISE_NECK_YES, "cores are idle is not known" },
	{ "pressure is not known", { SPARE, .busy = KNOWN(1), .cpu_pressure = { 0 } },
	  ADVISE_CPU, ADVISE_ESTIMATED, ADVISE_NECK_YES, "12.0" },
	{ "no GPU", { SPARE, .gpu = false, .busy = { 0 } },
	  ADVISE_CPU, ADVISE_UNKNOWN, ADVISE_NECK_UNKNOWN, "no GPU" },
	{ "nothing known", { .class = STARLING_CLASS_BATCH },
	  ADVISE_ELSEWHERE, ADVISE_UNKNOWN, ADVISE_NECK_UNKNOWN, "no GPU" },
	{ "never fits", { SPARE, .memory = 120 * GIB, .available = KNOWN(200 * GIB) },
	  ADVISE_CPU, ADVISE_ESTIMATED, ADVISE_NECK_NO, "never fit" },
	{ "does not fit now", { SPARE, .memory = 80 * GIB },
	  ADVISE_ELSEWHERE, ADVISE_MEASURED, ADVISE_NECK_NO, "60.0 GiB of the GPU's" },
	{ "all but the reserve", { SPARE, .memory = 55 * GIB, .gpu_reserve = 5 * GIB },
	  ADVISE_GPU, ADVISE_MEASURED, ADVISE_NECK_NO, "50 %" },
	{ "not the reserve", { SPARE, .memory = 56 * GIB, .gpu_reserve = 5 * GIB },
	  ADVISE_CPU, ADVISE_ESTIMATED, ADVISE_NECK_NO, "55.0 GiB of the GPU's" },
	{ "never the reserve", { SPARE, .memory = 96 * GIB, .gpu_reserve = 5 * GIB },
	  ADVISE_ELSEWHERE, ADVISE_MEASURED, ADVISE_NECK_NO, "which has 95.0 GiB" },
	{ "leases keep the memory", { SPARE, .memory = 20 * GIB, .room = KNOWN(10 * GIB) },
	  ADVISE_CPU, ADVISE_ESTIMATED, ADVISE_NECK_NO, "10.0 GiB of the GPU's" },
	{ "memory is not known", { SPARE, .memory = 80 * GIB, .gpu_free = { 0 },
				   .gpu_total = { 0 } },
	  ADVISE_GPU, ADVISE_UNKNOWN, ADVISE_NECK_NO, "memory is free is not known" },
	{ "memory is an estimate", { SPARE, .memory = 20 * GIB, .gpu_free = GUESS(60 * GIB) },
	  ADVISE_GPU, ADVISE_ESTIMATED, ADVISE_NECK_NO, "50 %" },
	{ "memory is not asked for", { SPARE, .gpu_free = { 0 } },
	  ADVISE_GPU, ADVISE_MEASURED, ADVISE_NECK_NO, "50 %" },
	{ "nor is the CPU's known", { SPARE, .memory = 20 * GIB, .busy = KNOWN(0.95),
				      .available = { 0 } },
	  ADVISE_CPU, ADVISE_UNKNOWN, ADVISE_NECK_YES, "memory is free is not known" },
	{ "memory is scarce", { SPARE, .memory_pressure = KNOWN(25) },
	  ADVISE_ELSEWHERE, ADVISE_MEASURED, ADVISE_NECK_NO, "memory is scarce" },
	{ "a short wait", { SPARE, .busy = KNOWN(0.99), QUEUE(3 * S, 30 * S) },
	  ADVISE_GPU, ADVISE_ESTIMATED, ADVISE_NECK_YES, "in 3.00 s" },
	{ "too long", { SPARE, QUEUE(11 * S, 30 * S) },
	  ADVISE_CPU, ADVISE_ESTIMATED, ADVISE_NECK_YES, "more than the 10 s" },
	{ "too long for a person", { SPARE, .class = STARLING_CLASS_INTERACTIVE,
				     QUEUE(3 * S, 30 * S) },
	  ADVISE_CPU, ADVISE_ESTIMATED, ADVISE_NECK_YES, "more than the 1 s" },
	{ "not for nobody", { SPARE, .class = STARLING_CLASS_BATCH, QUEUE(11 * S, 30 * S) },
	  ADVISE_GPU, ADVISE_ESTIMATED, ADVISE_NECK_YES, "within the 60 s" },
	{ "only the limit is known", { SPARE, .queue = true, .queue_used = true,
				       .turn = { .most_known = true, .most_ns = 2 * S } },
	  ADVISE_GPU, ADVISE_ESTIMATED, ADVISE_NECK_NO, "within 2.0 s" },
	{ "and is too late", { SPARE, .queue = true, .queue_used = true,
			       .turn = { .most_known = true, .most_ns = 20 * S } },
	  ADVISE_CPU, ADVISE_UNKNOWN, ADVISE_NECK_NO, "nobody knows when" },
	{ "who waits is not to be seen", { SPARE, .queue = true, .queue_used = true },
	  ADVISE_GPU, ADVISE_UNKNOWN, ADVISE_NECK_NO, "who waits" },
	{ "nor when one is free", { SPARE, .queue = true, .queue_used = true,
				    .queue_full = true },
	  ADVISE_CPU, ADVISE_UNKNOWN, ADVISE_NECK_NO, "all leases of the GPU are held" },
	{ "others keep it busy", { SPARE, .busy = KNOWN(0.97), .queue = true,
				   .turn = { .at_once = true, .wait_known = true } },
	  ADVISE_CPU, ADVISE_ESTIMATED, ADVISE_NECK_YES, "without leases" },
	{ "and a lease comes soon", { SPARE, .busy = KNOWN(0.97), QUEUE(S / 10, S),
				      .held = GUESS(0.1) },
	  ADVISE_CPU, ADVISE_ESTIMATED, ADVISE_NECK_YES, "without leases" },
	{ "with a holder", { SPARE, .busy = KNOWN(0.97), QUEUE(S / 10, S), .held = GUESS(0.1),
			     .holders = 1 },
	  ADVISE_CPU, ADVISE_ESTIMATED, ADVISE_NECK_YES, "by leases for the least part" },
	{ "with one that nobody sees", { SPARE, .busy = KNOWN(0.97), .queue = true,
					 .queue_used = true, .holders = 1,
					 .turn = { .at_once = true, .wait_known = true } },
	  ADVISE_CPU, ADVISE_ESTIMATED, ADVISE_NECK_YES, "nobody knows by whom" },
	{ "leases keep it busy", { SPARE, .busy = KNOWN(1), QUEUE(S / 10, S), .held = GUESS(1),
				   .holders = 1 },
	  ADVISE_GPU, ADVISE_ESTIMATED, ADVISE_NECK_YES, "in 0.10 s" },
	{ "busy by turns, free now", { SPARE, .busy = KNOWN(0.97), .queue = true,
				       .queue_used = true, .held = GUESS(0.9),
				       .turn = { .at_once = true, .wait_known = true } },
	  ADVISE_GPU, ADVISE_MEASURED, ADVISE_NECK_YES, "a lease is free" },
};

static void test_cases(void **state)
{
	struct advice a;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&a, 0xff, sizeof(a));
		advise(&cases[i].in, &a);
		if (a.where == cases[i].where && a.sure == cases[i].sure &&
		    a.bottleneck == cases[i].neck && strstr(a.why, cases[i].why))
			continue;
		fail_msg("%s: %s, %s, bottleneck %s: %s", cases[i].name,
			 advise_where_text(a.where), advise_sure_text(a.sure),
			 advise_bottleneck_text(a.bottleneck), a.why);
	}
}

static void test_reserve(void **state)
{
	(void)state;
	assert_true(gpu_reserve_default(8 * GIB) == GIB);
	assert_true(gpu_reserve_default(32 * GIB) == 2 * GIB);
	assert_true(gpu_reserve_default(120 * GIB) == 6 * GIB);
}

/* -- the wait ------------------------------------------------------------------ */

enum { LEASES_MAX = 300 };

struct scene {
	struct starling_lease_stat stat;
	struct starling_lease_record lease[LEASES_MAX];
	struct turn_queue q;
};

/* One slot, 100 ms a lease, and the module's own rules. */
static void scene_init(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	s->stat = (struct starling_lease_stat){
		.out_slots = 1, .out_max_hold_ns = S, .out_notice_ns = 100 * MS,
		.out_aging_ns = 500 * MS, .out_starve_ns = 10 * S,
	};
	s->q = (struct turn_queue){
		.now_ns = NOW, .mean_hold_ns = 100 * MS, .class = STARLING_CLASS_NORMAL,
		.stat = &s->stat, .lease = s->lease,
	};
}

/* Agents are numbered from 1 as they come, unless @agent says which. */
static void hold(struct scene *s, uint64_t agent, uint64_t ago_ns)
{
	s->stat.out_holders++;
	s->lease[s->q.nlease++] = (struct starling_lease_record){
		.state = STARLING_LEASE_HELD, .agent_id = agent, .class = STARLING_CLASS_NORMAL,
		.since_ns = NOW - ago_ns, .expires_ns = NOW - ago_ns + s->stat.out_max_hold_ns,
	};
}

static void want(struct scene *s, uint64_t agent, enum starling_class class, uint64_t ago_ns)
{
	s->stat.out_waiting[0]++;
	s->stat.out_waiting[class]++;
	s->lease[s->q.nlease++] = (struct starling_lease_record){
		.state = STARLING_LEASE_WAITING, .agent_id = agent, .class = class,
		.effective_class = class, .since_ns = NOW - ago_ns,
	};
}

static uint64_t wait_ms(const struct scene *s)
{
	struct turn t;

	turn_wait(&s->q, &t);
	assert_true(t.wait_known && t.most_known);
	assert_true(t.least_ns <= t.wait_ns && t.wait_ns <= t.most_ns);
	assert_true(t.rest_ns <= t.wait_ns);
	return t.wait_ns / MS;
}

static void test_at_once(void **state)
{
	struct scene s;
	struct turn t;

	(void)state;
	scene_init(&s);
	s.q.mean_hold_ns = 0;
	s.q.lease = NULL;
	turn_wait(&s.q, &t);
	assert_true(t.at_once && t.wait_known && !t.wait_ns && !t.most_ns);
}

static void test_unknown(void **state)
{
	struct scene s;
	struct turn t;

	(void)state;
	scene_init(&s);
	hold(&s, 1, 0);
	s.q.mean_hold_ns = 0;
	turn_wait(&s.q, &t);
	assert_true(!t.wait_known && t.most_known && !t.at_once);
	assert_int_equal(t.most_ns, S);
	s.q.lease = NULL;
	turn_wait(&s.q, &t);
	assert_true(!t.wait_known && !t.most_known);
}

static void test_holder(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	hold(&s, 1, 30 * MS);
	assert_int_equal(wait_ms(&s), 70);
	/* longer than most: as long again, but not beyond its limit */
	s.lease[0].since_ns = NOW - 400 * MS;
	assert_int_equal(wait_ms(&s), 100);
	s.lease[0].since_ns = NOW - 950 * MS;
	s.lease[0].expires_ns = NOW + 50 * MS;
	s.lease[0].asked = 1;
	assert_int_equal(wait_ms(&s), 50);
	/* another GPU's */
	s.lease[0].gpu = 1;
	assert_int_equal(wait_ms(&s), 0);
}

static void test_queue(void **state)
{
	struct scene s;
	uint64_t before;

	(void)state;
	scene_init(&s);
	hold(&s, 1, 50 * MS);
	for (int i = 0; i < 5; i++) {
		before = wait_ms(&s);
		want(&s, 2 + i, STARLING_CLASS_NORMAL, 10 * MS * (5 - i));
		assert_int_equal(wait_ms(&s), before + 100);
	}
	/* two at a time: 50, 150 and so on with one, 0, 50, 100, 150 with two */
	s.stat.out_slots = 2;
	assert_int_equal(wait_ms(&s), 250);
}

static void test_classes(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	hold(&s, 1, 0);
	want(&s, 2, STARLING_CLASS_INTERACTIVE, MS);
	want(&s, 3, STARLING_CLASS_BATCH, MS);
	assert_int_equal(wait_ms(&s), 200);
	s.q.class = STARLING_CLASS_INTERACTIVE;
	assert_int_equal(wait_ms(&s), 200);
	s.q.class = STARLING_CLASS_BATCH;
	assert_int_equal(wait_ms(&s), 300);
	/* one that has waited for a class's time is as good as the next better one */
	s.q.class = STARLING_CLASS_NORMAL;
	s.lease[2].since_ns = NOW - 500 * MS;
	assert_int_equal(wait_ms(&s), 300);
	/* and after the longest it goes before all */
	s.q.class = STARLING_CLASS_INTERACTIVE;
	s.lease[2].since_ns = NOW - 11 * S;
	assert_int_equal(wait_ms(&s), 300);
}

/* One agent with many requests does not keep another from its turn. */
static void test_agents(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	hold(&s, 1, 0);
	for (int i = 0; i < 10; i++)
		want(&s, 2, STARLING_CLASS_NORMAL, (20 - i) * MS);
	assert_int_equal(wait_ms(&s), 200);
	s.q.agent_id = 2;
	assert_int_equal(wait_ms(&s), 1100);
	/* who holds it has had a turn: the others have one each, and one came before us */
	s.q.agent_id = 1;
	want(&s, 3, STARLING_CLASS_NORMAL, 0);
	assert_int_equal(wait_ms(&s), 400);
}

/* Leases that go on count as far as they are of late. */
static void test_held(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	assert_int_equal(turn_held_ns(&s.q, 10 * S), 0);
	hold(&s, 1, 500 * S);
	assert_int_equal(turn_held_ns(&s.q, 10 * S), 10 * S);
	hold(&s, 2, 3 * S);
	want(&s, 3, STARLING_CLASS_NORMAL, 9 * S);
	assert_int_equal(turn_held_ns(&s.q, 10 * S), 13 * S);
	/* another GPU's */
	s.lease[0].gpu = 1;
	assert_int_equal(turn_held_ns(&s.q, 10 * S), 3 * S);
}

/* Who has had less goes first, and a new one has had as little as the least. */
static void test_had(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	hold(&s, 1, 50 * MS);
	want(&s, 2, STARLING_CLASS_NORMAL, 20 * MS);
	want(&s, 3, STARLING_CLASS_NORMAL, 10 * MS);
	s.lease[0].had_ns = 750 * MS;
	s.lease[1].had_ns = 700 * MS;
	s.lease[2].had_ns = 600 * MS;
	assert_int_equal(wait_ms(&s), 150);
	/* it has as much as 2 when it comes again, and is later */
	s.q.agent_id = 3;
	assert_int_equal(wait_ms(&s), 250);
	/* of one that waits for any GPU nothing is told: the least that others have had */
	s.q.agent_id = 0;
	s.lease[2].gpu = STARLING_GPU_ANY;
	s.lease[2].had_ns = 0;
	assert_int_equal(wait_ms(&s), 250);
}

/* One that waits with a parked lease is in the count, not in the list. */
static void test_parked(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	hold(&s, 1, 0);
	s.stat.out_waiting[0] = s.stat.out_waiting[STARLING_CLASS_NORMAL] = 2;
	assert_int_equal(wait_ms(&s), 300);
}

static void test_many(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	hold(&s, 1, 0);
	for (int i = 0; i < 299; i++)
		want(&s, 2 + i, STARLING_CLASS_NORMAL, S);
	assert_int_equal(wait_ms(&s), 30000);
	/* what the numbers say is not looked at twice */
	s.stat.out_waiting[STARLING_CLASS_NORMAL] = 4000000000U;
	s.stat.out_waiting[0] = 4000000000U;
	assert_true(wait_ms(&s) > 30000);
	s.stat.out_slots = 0;
	turn_wait(&s.q, &(struct turn){ 0 });
}

/* -- of late ------------------------------------------------------------------- */

static void test_recent(void **state)
{
	struct recent r = { 0 };
	double grown[RECENT_VALUES];

	(void)state;
	assert_int_equal(recent_grown(&r, NOW, (double[]){ 1, 1 }, grown), 0);
	assert_true(recent_due(&r, NOW, 10 * S));
	recent_add(&r, NOW, (double[]){ 5, 7 });
	assert_false(recent_due(&r, NOW + 9 * S, 10 * S));
	/* too short for a rate */
	assert_int_equal(recent_grown(&r, NOW + S / 2, (double[]){ 6, 7 }, grown), 0);
	assert_int_equal(recent_grown(&r, NOW + 2 * S, (double[]){ 6, 7 }, grown), 2 * S);
	assert_true(grown[0] == 1 && grown[1] == 0);
	recent_add(&r, NOW + 10 * S, (double[]){ 10, 7 });
	recent_add(&r, NOW + 20 * S, (double[]){ 20, 7 });
	/* the first one is forgotten */
	assert_int_equal(recent_grown(&r, NOW + 25 * S, (double[]){ 30, 9 }, grown), 15 * S);
	assert_true(grown[0] == 20 && grown[1] == 2);
	/* it went back: it is another counter */
	assert_int_equal(recent_grown(&r, NOW + 25 * S, (double[]){ 30, 6 }, grown), 0);
	recent_forget(&r);
	assert_int_equal(recent_grown(&r, NOW + 30 * S, (double[]){ 30, 9 }, grown), 0);
}

static void test_idle(void **state)
{
	double idle;

	(void)state;
	assert_true(machine_idle_parse("cpu  10 20 30 400 50 6 7 8 9 0\ncpu0 1", &idle));
	assert_true(idle == 450);
	assert_false(machine_idle_parse("cpu0 10 20 30 400 50", &idle));
	assert_false(machine_idle_parse("cpu 10 20", &idle));
	assert_false(machine_idle_parse("", &idle));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_reserve),
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_holder),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_agents),
		cmocka_unit_test(test_had),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_parked),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_recent),
		cmocka_unit_test(test_idle),
	};

	return unit_run(tests);
}
