// SPDX-License-Identifier: GPL-2.0-only
/* Threads that compute a model on CPUs: who they are, and what they get. */
#include <string.h>
#include "tests/unit/unit.h"
#include "tests/unit/scene.h"

enum { ENGINE = 500 };

static struct scene s;

static uint16_t role(uint32_t tid)
{
	return scene_verdict(&s, tid)->role;
}

static char *cpus(const cpu_set_t *set)
{
	static char buf[256];

	return cpuset_format(set, buf, sizeof(buf));
}

/* -- who ------------------------------------------------------------------------ */

/* Two that compute together, one that runs a little, one that sleeps. */
static void engine(void)
{
	scene_init(&s, 4, 1);
	scene_engine(&s, ENGINE, 2);
	scene_task(&s, ENGINE + 2, ENGINE)->late_ns = s.snap.window_ns / 5;
	scene_task(&s, ENGINE + 3, ENGINE);
	scene_task(&s, 600, 600)->late_ns = s.snap.window_ns;	/* as busy, elsewhere */
}

static void who_computes_and_who_keeps_step(void **x)
{
	engine();
	scene_classify(&s);
	assert_int_equal(role(ENGINE), STARLING_ROLE_INFERENCE);
	assert_int_equal(scene_verdict(&s, ENGINE)->role_source, STARLING_BY_DETECTION);
	assert_int_equal(scene_verdict(&s, ENGINE)->why, WHY_COMPUTES);
	assert_int_equal(role(ENGINE + 1), STARLING_ROLE_INFERENCE);
	assert_int_equal(scene_verdict(&s, ENGINE + 1)->why, WHY_COMPUTES_WITH);
	assert_int_equal(scene_verdict(&s, ENGINE + 1)->why_tid, ENGINE);
	assert_int_equal(role(ENGINE + 2), STARLING_ROLE_NONE);
	assert_int_equal(role(ENGINE + 3), STARLING_ROLE_NONE);
	assert_int_equal(role(600), STARLING_ROLE_NONE);
	(void)x;
}

static void to_keep_step_takes_less_than_to_begin(void **x)
{
	engine();
	s.task[2].role = STARLING_ROLE_INFERENCE;
	s.task[2].role_source = STARLING_BY_DETECTION;
	scene_classify(&s);
	assert_int_equal(role(ENGINE + 2), STARLING_ROLE_INFERENCE);
	s.task[2].late_ns = s.snap.window_ns / 9;
	scene_classify(&s);
	assert_int_equal(role(ENGINE + 2), STARLING_ROLE_NONE);
	(void)x;
}

/* All have faded: nobody comes, nobody goes, until the engine is forgotten. */
static void a_quiet_engine_keeps_its_threads(void **x)
{
	engine();
	scene_classify(&s);
	for (size_t i = 0; i < s.snap.ntask; i++) {
		s.task[i].role = s.verdict[i].role;
		s.task[i].role_source = s.verdict[i].role_source;
		s.task[i].late_ns /= 1000;
	}
	s.task[3].late_ns = MS;
	s.snap.now_ns += s.set.feeder_forget_ns;
	scene_classify(&s);
	assert_int_equal(role(ENGINE), STARLING_ROLE_INFERENCE);
	assert_int_equal(role(ENGINE + 1), STARLING_ROLE_INFERENCE);
	assert_int_equal(role(ENGINE + 3), STARLING_ROLE_NONE);
	s.snap.now_ns += 1;
	scene_classify(&s);
	assert_int_equal(role(ENGINE), STARLING_ROLE_NONE);
	assert_int_equal(role(ENGINE + 1), STARLING_ROLE_NONE);
	(void)x;
}

static void who_feeds_or_was_said_to_serve_does_not_compute(void **x)
{
	engine();
	s.task[0].gpu_last_ns = s.snap.now_ns;
	scene_classify(&s);
	assert_int_equal(role(ENGINE), STARLING_ROLE_FEEDER);
	assert_int_equal(role(ENGINE + 1), STARLING_ROLE_NONE);
	engine();
	s.task[0].role = STARLING_ROLE_SERVICE;
	s.task[0].role_source = STARLING_BY_OWNER;
	s.task[1].role = STARLING_ROLE_TOOL;
	s.task[1].role_source = STARLING_BY_SELF;
	scene_classify(&s);
	assert_int_equal(role(ENGINE), STARLING_ROLE_SERVICE);
	assert_int_equal(role(ENGINE + 1), STARLING_ROLE_TOOL);
	(void)x;
}

/* What an agent started, or is itself: descent gives way, as it does for feeders. */
static void descent_gives_way_to_computing(void **x)
{
	for (int root = 0; root < 2; root++) {
		engine();
		for (int i = 0; i < 4; i++) {
			s.task[i].agent_id = 7;
			s.task[i].agent_root = root;
			s.task[i].execed = !root;
		}
		scene_classify(&s);
		assert_int_equal(role(ENGINE), STARLING_ROLE_INFERENCE);
		assert_int_equal(role(ENGINE + 1), STARLING_ROLE_INFERENCE);
		assert_int_equal(role(ENGINE + 3),
				 root ? STARLING_ROLE_ORCHESTRATOR : STARLING_ROLE_NONE);
	}
	(void)x;
}

/* The threads of a pool are like the one that made them after it had said so. */
static void a_pool_inherits_what_was_said(void **x)
{
	scene_init(&s, 4, 1);
	for (int i = 0; i < 2; i++) {
		struct snap_task *t = scene_task(&s, ENGINE + i, ENGINE);

		t->agent_id = 7;
		t->agent_root = true;
		t->role = STARLING_ROLE_INFERENCE;
		t->role_source = i ? STARLING_BY_LINEAGE : STARLING_BY_SELF;
	}
	scene_classify(&s);
	assert_int_equal(role(ENGINE), STARLING_ROLE_INFERENCE);
	assert_int_equal(role(ENGINE + 1), STARLING_ROLE_INFERENCE);
	assert_int_equal(scene_verdict(&s, ENGINE + 1)->role_source, STARLING_BY_LINEAGE);
	(void)x;
}

static void an_engine_is_no_client(void **x)
{
	scene_init(&s, 4, 1);
	scene_feeder(&s, 100, 100, STARLING_WAIT_SPIN);
	scene_engine(&s, ENGINE, 1);
	scene_talk(&s, 100, ENGINE, 30);
	scene_classify(&s);
	assert_int_equal(role(ENGINE), STARLING_ROLE_INFERENCE);
	(void)x;
}

/* -- what ----------------------------------------------------------------------- */

static const struct role_plan *inference(void)
{
	return &s.plan.role[STARLING_ROLE_INFERENCE];
}

/* Its CPUs beside nothing else; "": all. */
static const char *engine_of(unsigned int threads)
{
	scene_engine(&s, 500, threads);
	scene_step(&s, MS);
	assert_int_equal(s.plan.inference, threads);
	assert_true(s.plan.inference_active);
	assert_int_equal(inference()->nice_delta, -10);
	assert_int_equal(inference()->mask_least, inference()->set_mask ? threads : 0);
	return cpus(&inference()->mask);
}

/* Weight, no precedence; nobody else is touched. */
static void a_model_is_computed(void **x)
{
	scene_init(&s, 4, 1);
	assert_string_equal(engine_of(4), "");
	for (int r = 0; r < __STARLING_ROLE_MAX; r++)
		if (r != STARLING_ROLE_INFERENCE)
			assert_false(s.plan.role[r].nice_delta || s.plan.role[r].idle_class ||
				     s.plan.role[r].set_mask);
	assert_false(inference()->real_time || inference()->idle_class || inference()->slice_ns);
	assert_non_null(strstr(s.plan.why, "4 threads compute a model: nice -10"));
	assert_false(plan_protects(&s.plan, STARLING_ROLE_INFERENCE));
	(void)x;
}

static void a_quiet_engine_gets_nothing(void **x)
{
	uint64_t seq;

	scene_gb10(&s);
	engine_of(4);
	seq = s.plan.seq;
	assert_true(s.plan.recheck_ns > s.snap.now_ns);
	scene_step(&s, s.plan.recheck_ns - s.snap.now_ns - 1);
	assert_int_equal(s.plan.seq, seq);
	scene_step(&s, 1);
	assert_int_equal(s.plan.seq, seq + 1);
	assert_int_equal(s.plan.inference, 4);
	assert_false(s.plan.inference_active || inference()->nice_delta || inference()->set_mask);
	assert_int_equal(s.plan.recheck_ns, 0);
	assert_non_null(strstr(s.plan.why, "nothing changed"));
	(void)x;
}

/* Rounds of the daemon: what was found in one is known in the next. */
static void rounds(uint64_t ns, uint64_t recent_ns)
{
	s.snap.round_ns = 250 * MS;
	for (uint64_t done = 0; done < ns; done += s.snap.round_ns) {
		for (size_t i = 0; i < s.snap.ntask; i++)
			s.task[i].recent_ns = recent_ns;
		scene_step(&s, s.snap.round_ns);
		for (size_t i = 0; i < s.snap.ntask; i++)
			if (policy_computing(&s.snap, &s.task[i]))
				s.task[i].computing_ns = s.snap.now_ns;
	}
}

/* Of a prompt's graph only the beginning is seen. */
static void a_prompt_takes_long(void **x)
{
	uint64_t seq;

	scene_gb10(&s);
	engine_of(4);
	seq = s.plan.seq;
	rounds(290 * S, 70 * MS);
	assert_true(s.plan.inference_active);
	assert_int_equal(s.plan.seq, seq);
	assert_int_equal(role(ENGINE), STARLING_ROLE_INFERENCE);
	assert_int_equal(scene_verdict(&s, ENGINE)->why, WHY_COMPUTES);
	assert_int_equal(role(ENGINE + 1), STARLING_ROLE_INFERENCE);
	/* and no graph takes as long as that */
	rounds(15 * S, 250 * MS);
	assert_false(s.plan.inference_active);
	rounds(60 * S, 250 * MS);
	assert_int_equal(role(ENGINE), STARLING_ROLE_NONE);
	(void)x;
}

static void after_a_pause_only_a_graph_tells(void **x)
{
	scene_init(&s, 4, 1);
	engine_of(2);
	rounds(5 * S, 200 * MS);
	assert_true(s.plan.inference_active);
	rounds(2 * S, 60 * MS);
	assert_true(s.plan.inference_active);
	rounds(2 * S, 0);
	assert_false(s.plan.inference_active);
	rounds(5 * S, 250 * MS);
	assert_false(s.plan.inference_active);
	s.task[0].compute_last_ns = s.snap.now_ns;
	rounds(5 * S, 250 * MS);
	assert_true(s.plan.inference_active);
	(void)x;
}

/* The fast cores of one cache if they do, else all fast ones, else no mask. */
static void gb10_engines(void **x)
{
	for (unsigned int threads = 1; threads <= 20; threads++) {
		scene_gb10(&s);
		assert_string_equal(engine_of(threads), threads <= 5 ? "15-19" :
				    threads <= 10 ? "5-9,15-19" : "");
	}
	(void)x;
}

/* Another model's threads, which rest, and those of a server take no room. */
static void who_sleeps_takes_no_room(void **x)
{
	scene_gb10(&s);
	engine_of(4);
	scene_engine(&s, 600, 8);
	for (int i = 4; i < 12; i++) {
		s.task[i].late_ns = 0;
		s.task[i].role = STARLING_ROLE_INFERENCE;
		s.task[i].role_source = STARLING_BY_DETECTION;
	}
	rounds(2 * S, 0);
	assert_int_equal(s.plan.inference, 12);
	assert_string_equal(cpus(&inference()->mask), "15-19");
	assert_int_equal(inference()->mask_least, 4);
	assert_non_null(strstr(s.plan.why, "4 threads compute a model"));
	for (int i = 4; i < 12; i++)
		s.task[i].late_ns = 10 * MS;
	scene_step(&s, MS);
	assert_false(inference()->set_mask);
	(void)x;
}

/* After a pause nobody has run of late: all are expected, as they were before. */
static void who_has_slept_is_expected(void **x)
{
	scene_gb10(&s);
	engine_of(7);
	for (int i = 0; i < 7; i++) {
		s.task[i].role = STARLING_ROLE_INFERENCE;
		s.task[i].role_source = STARLING_BY_DETECTION;
		s.task[i].late_ns = 0;
	}
	rounds(20 * S, 0);
	assert_false(s.plan.inference_active);
	s.task[0].compute_last_ns = s.snap.now_ns;
	scene_step(&s, MS);
	assert_string_equal(cpus(&inference()->mask), "5-9,15-19");
	assert_int_equal(inference()->mask_least, 7);
	(void)x;
}

static void caches_of_equal_cores(void **x)
{
	scene_dies(&s, 2, 8);
	assert_string_equal(engine_of(8), "16,18,20,22,24,26,28,30");
	scene_dies(&s, 2, 8);
	s.cpu[0].llc_kib = 96 << 10;
	assert_string_equal(engine_of(4), "0,2,4,6,8,10,12,14");
	scene_dies(&s, 2, 8);
	assert_string_equal(engine_of(9), "");
	/* small dies have small parts of the way to memory */
	scene_dies(&s, 4, 8);
	assert_string_equal(engine_of(4), "");
	/* and of two nodes one would be the wrong one */
	scene_dies(&s, 2, 8);
	for (int i = 16; i < 32; i++)
		s.cpu[i].node = 1;
	assert_string_equal(engine_of(4), "");
	scene_init(&s, 16, 2);
	assert_string_equal(engine_of(4), "");
	scene_hybrid(&s);
	assert_string_equal(engine_of(8), "0,2,4,6,8,10,12,14");
	scene_hybrid(&s);
	assert_string_equal(engine_of(9), "");
	(void)x;
}

/* A feeder's core is not for it, and who is placed stays there. */
static void an_engine_beside_a_feeder(void **x)
{
	scene_gb10(&s);
	scene_feeder(&s, 100, 100, STARLING_WAIT_SPIN);
	scene_busy(&s, MS);
	assert_string_equal(cpus(&s.plan.protected_cpus), "19");
	assert_string_equal(engine_of(4), "15-18");
	assert_non_null(strstr(s.plan.why, "feeders active"));
	assert_non_null(strstr(s.plan.why, "4 threads compute a model"));
	assert_true(s.plan.role[STARLING_ROLE_TOOL].idle_class);
	s.task[1].compute_last_ns = s.snap.now_ns + S;
	scene_engine(&s, 600, 1);
	scene_busy(&s, S);
	assert_string_equal(cpus(&inference()->mask), "5-9");
	s.snap.ntask--;
	s.task[1].compute_last_ns = s.snap.now_ns + S;
	scene_busy(&s, S);
	assert_string_equal(cpus(&inference()->mask), "5-9");
	(void)x;
}

static void said_to_compute(void **x)
{
	struct snap_task *t;

	scene_init(&s, 4, 1);
	s.snap.round_ns = 250 * MS;
	t = scene_task(&s, 500, 500);
	t->role = STARLING_ROLE_INFERENCE;
	t->role_source = STARLING_BY_OWNER;
	scene_step(&s, MS);
	assert_false(s.plan.inference_active);
	t->recent_ns = 100 * MS;
	scene_step(&s, MS);
	assert_true(s.plan.inference_active);
	assert_non_null(strstr(s.plan.why, "nice -10 as far as their limits allow"));
	t->recent_ns = 0;
	scene_step(&s, 4 * S);
	assert_false(s.plan.inference_active);
	(void)x;
}

static void an_engine_beside_tools_elsewhere(void **x)
{
	struct snap_task *t;

	scene_init(&s, 4, 1);
	t = scene_task(&s, 200, 200);
	t->agent_id = 3;
	t->execed = true;
	t->group = 11;
	engine_of(2);
	assert_null(strstr(s.plan.why, "other groups"));
	s.task[1].group = 12;
	scene_step(&s, MS);
	assert_non_null(strstr(s.plan.why, "other groups"));
	(void)x;
}

/* What the placer does not do is not said. */
static void an_engine_where_shares_count(void **x)
{
	scene_gb10(&s);
	s.set.shares = POLICY_SHARES_ALL;
	engine_of(4);
	assert_non_null(strstr(s.plan.why, "4 threads compute a model: nine times a task's share"));
	assert_null(strstr(s.plan.why, "nice"));
	for (int i = 0; i < 4; i++)
		s.task[i].agent_id = 7;
	scene_step(&s, MS);
	assert_non_null(strstr(s.plan.why, "4 threads compute a model: their agent's share"));
	assert_null(strstr(s.plan.why, "CPU"));
	s.set.shares = POLICY_SHARES_AGENTS;
	scene_step(&s, MS);
	assert_non_null(strstr(s.plan.why, "model: their agent's share"));
	s.task[0].agent_id = 0;
	scene_step(&s, MS);
	assert_non_null(strstr(s.plan.why, "nice -10, CPU 15-19; in agents their agent's share"));
	s.set.shares = POLICY_SHARES_NONE;
	scene_step(&s, MS);
	assert_null(strstr(s.plan.why, "share"));
	(void)x;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_computes_and_who_keeps_step),
		cmocka_unit_test(to_keep_step_takes_less_than_to_begin),
		cmocka_unit_test(a_quiet_engine_keeps_its_threads),
		cmocka_unit_test(who_feeds_or_was_said_to_serve_does_not_compute),
		cmocka_unit_test(descent_gives_way_to_computing),
		cmocka_unit_test(a_pool_inherits_what_was_said),
		cmocka_unit_test(an_engine_is_no_client),
		cmocka_unit_test(a_model_is_computed),
		cmocka_unit_test(a_quiet_engine_gets_nothing),
		cmocka_unit_test(a_prompt_takes_long),
		cmocka_unit_test(after_a_pause_only_a_graph_tells),
		cmocka_unit_test(gb10_engines),
		cmocka_unit_test(who_sleeps_takes_no_room),
		cmocka_unit_test(who_has_slept_is_expected),
		cmocka_unit_test(caches_of_equal_cores),
		cmocka_unit_test(an_engine_beside_a_feeder),
		cmocka_unit_test(said_to_compute),
		cmocka_unit_test(an_engine_beside_tools_elsewhere),
		cmocka_unit_test(an_engine_where_shares_count),
	};

	return unit_run(tests);
}
