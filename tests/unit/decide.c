// SPDX-License-Identifier: GPL-2.0-only
/* What a plan holds, and when it changes. */
#include <string.h>
#include "tests/unit/unit.h"
#include "tests/unit/scene.h"

static struct scene s;

static const struct role_plan *tool(void)
{
	return &s.plan.role[STARLING_ROLE_TOOL];
}

static char *cpus(const cpu_set_t *set)
{
	static char buf[256];

	return cpuset_format(set, buf, sizeof(buf));
}

static void two_cpus(uint16_t style)
{
	scene_init(&s, 2, 1);
	scene_feeder(&s, 100, 100, style);
	scene_busy(&s, MS);
}

static void blocking_needs_no_core(void **x)
{
	two_cpus(STARLING_WAIT_BLOCK);
	assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), 0);
	assert_false(tool()->set_mask || tool()->idle_class);
	assert_true(s.plan.role[STARLING_ROLE_BACKGROUND].idle_class);
	assert_non_null(strstr(s.plan.why, "tools in the normal class on all CPUs"));
	assert_int_equal(s.plan.role[STARLING_ROLE_FEEDER].nice_delta, -15);
	assert_int_equal(s.plan.role[STARLING_ROLE_SERVICE].nice_delta, -10);
	(void)x;
}

/* Real time goes before all tools; whoever gains by their class is in the normal one. */
static void tools_stand_aside_for_the_fair_class(void **x)
{
	two_cpus(STARLING_WAIT_BLOCK);
	scene_task(&s, 101, 100);
	scene_wakes(&s, 100, 101, 50);
	scene_busy(&s, MS);
	assert_int_equal(scene_verdict(&s, 101)->role, STARLING_ROLE_SERVICE);
	assert_true(tool()->idle_class);
	two_cpus(STARLING_WAIT_BLOCK);
	s.task[0].d_run_ns = s.snap.window_ns / 2;	/* too much for real time */
	scene_busy(&s, MS);
	assert_true(tool()->idle_class);
	s.task[0].d_run_ns = 0;
	scene_busy(&s, 2900 * MS);
	assert_true(tool()->idle_class);		/* not back and forth */
	scene_busy(&s, 200 * MS);
	assert_false(tool()->idle_class);
	s.task[0].no_real_time = true;			/* it cannot be had */
	scene_busy(&s, MS);
	assert_true(tool()->idle_class);
	two_cpus(STARLING_WAIT_BLOCK);			/* or the guard does */
	assert_false(tool()->idle_class);
	s.state.guard.rule[GUARD_PRIORITY].withdrawn = true;
	scene_busy(&s, MS);
	assert_true(tool()->idle_class);
	(void)x;
}

/* Let in at a quarter of the time at most, out at half, or when it spins. */
static void real_time_is_for_sleepers(void **x)
{
	struct snap_task *t = &s.task[0];
	const struct verdict *v = &s.verdict[0];

	two_cpus(STARLING_WAIT_BLOCK);
	s.snap.round_ns = 250 * MS;
	assert_true(s.plan.role[STARLING_ROLE_FEEDER].real_time);
	assert_true(policy_real_time(&s.snap, v, t));
	t->d_run_ns = s.snap.window_ns / 3;
	assert_false(policy_real_time(&s.snap, v, t));
	t->real_time = true;
	assert_true(policy_real_time(&s.snap, v, t));
	t->d_run_ns = s.snap.window_ns / 2;
	assert_false(policy_real_time(&s.snap, v, t));
	t->d_run_ns = 0;
	t->recent_ns = 125 * MS;	/* one round is enough */
	assert_false(policy_real_time(&s.snap, v, t));
	t->recent_ns = 0;
	t->no_real_time = true;		/* whatever it had */
	assert_false(policy_real_time(&s.snap, v, t));
	t->no_real_time = false;
	assert_true(policy_real_time(&s.snap, v, t));
	t->wait_style = STARLING_WAIT_YIELD;
	assert_false(policy_real_time(&s.snap, v, t));
	(void)x;
}

static void real_time_is_for_feeders(void **x)
{
	struct snap_task *t;

	two_cpus(STARLING_WAIT_BLOCK);
	t = scene_task(&s, 200, 200);
	t->wait_style = STARLING_WAIT_BLOCK;
	scene_busy(&s, MS);
	assert_false(policy_real_time(&s.snap, scene_verdict(&s, 200), t));
	assert_false(s.plan.role[STARLING_ROLE_SERVICE].real_time);
	assert_false(s.plan.role[STARLING_ROLE_TOOL].real_time);
	(void)x;
}

static void spinning_and_yielding_get_a_core(void **x)
{
	static const uint16_t style[] = { STARLING_WAIT_SPIN, STARLING_WAIT_YIELD };

	for (int i = 0; i < 2; i++) {
		two_cpus(style[i]);
		assert_string_equal(cpus(&s.plan.protected_cpus), "1");
		assert_true(tool()->set_mask);
		assert_string_equal(cpus(&tool()->mask), "0");
		assert_true(tool()->idle_class);
		assert_false(s.plan.role[STARLING_ROLE_FEEDER].set_mask);
		assert_false(s.plan.role[STARLING_ROLE_SERVICE].set_mask);
		for (int r = 0; r < __STARLING_ROLE_MAX; r++)
			assert_int_equal(plan_protects(&s.plan, r), r == STARLING_ROLE_FEEDER ||
					 r == STARLING_ROLE_SERVICE);
	}
	two_cpus(STARLING_WAIT_BLOCK);
	assert_false(plan_protects(&s.plan, STARLING_ROLE_FEEDER));
	(void)x;
}

static void orchestrators_are_left_alone(void **x)
{
	const struct role_plan *r = &s.plan.role[STARLING_ROLE_ORCHESTRATOR];

	two_cpus(STARLING_WAIT_YIELD);
	assert_false(r->set_mask || r->idle_class || r->nice_delta || r->cpu_weight);
	(void)x;
}

static void one_cpu_has_none_to_spare(void **x)
{
	scene_init(&s, 1, 1);
	scene_feeder(&s, 100, 100, STARLING_WAIT_YIELD);
	scene_busy(&s, MS);
	assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), 0);
	assert_false(tool()->set_mask);
	assert_true(tool()->idle_class);
	assert_non_null(strstr(s.plan.why, "only one"));
	(void)x;
}

static void no_feeder_no_change(void **x)
{
	scene_init(&s, 16, 1);
	scene_task(&s, 100, 100)->d_run_ns = 2 * S;
	scene_step(&s, S);
	for (int r = 0; r < __STARLING_ROLE_MAX; r++) {
		assert_false(s.plan.role[r].set_mask);
		assert_false(s.plan.role[r].idle_class);
		assert_int_equal(s.plan.role[r].nice_delta, 0);
	}
	(void)x;
}

static void ceiling(void **x)
{
	static const struct { unsigned int ncpu, smt, feeders; int protect; } row[] = {
		{ 2, 1, 4, 1 }, { 4, 1, 1, 1 }, { 4, 1, 3, 1 }, { 16, 1, 1, 1 },
		{ 16, 1, 2, 2 }, { 16, 1, 9, 2 }, { 64, 1, 5, 5 }, { 64, 1, 20, 7 },
		{ 16, 2, 1, 2 }, { 2, 2, 1, 1 },
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		scene_init(&s, row[i].ncpu, row[i].smt);
		for (unsigned int f = 0; f < row[i].feeders; f++)
			scene_feeder(&s, 100 + f, 100, STARLING_WAIT_SPIN);
		scene_busy(&s, MS);
		assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), row[i].protect);
	}
	(void)x;
}

/* The fast kind, the larger half of the caches' CPUs; never CPU 0. */
static void gb10(void **x)
{
	scene_gb10(&s);
	scene_feeder(&s, 100, 100, STARLING_WAIT_SPIN);
	scene_busy(&s, MS);
	assert_string_equal(cpus(&s.plan.protected_cpus), "19");
	assert_string_equal(cpus(&tool()->mask), "0-18");
	scene_feeder(&s, 101, 100, STARLING_WAIT_YIELD);
	scene_feeder(&s, 102, 100, STARLING_WAIT_YIELD);
	scene_busy(&s, MS);
	assert_string_equal(cpus(&s.plan.protected_cpus), "18-19");
	(void)x;
}

/* A preference is no mask: tools keep every core that is not protected. */
static void tools_prefer_slow_cores(void **x)
{
	scene_gb10(&s);
	scene_feeder(&s, 100, 100, STARLING_WAIT_SPIN);
	scene_busy(&s, MS);
	assert_string_equal(cpus(&tool()->prefer), "0-4,10-14");
	assert_string_equal(cpus(&tool()->mask), "0-18");
	assert_string_equal(cpus(&s.plan.role[STARLING_ROLE_BACKGROUND].prefer), "0-4,10-14");
	assert_int_equal(CPU_COUNT(&s.plan.role[STARLING_ROLE_FEEDER].prefer), 0);
	assert_int_equal(CPU_COUNT(&s.plan.role[STARLING_ROLE_ORCHESTRATOR].prefer), 0);
	scene_init(&s, 16, 1);
	scene_feeder(&s, 100, 100, STARLING_WAIT_SPIN);
	scene_busy(&s, MS);
	assert_int_equal(CPU_COUNT(&tool()->prefer), 0);
	(void)x;
}

/* A hot core is left, also by one who was there; fast and hot beats slow. */
static void heat_moves_feeders(void **x)
{
	scene_gb10(&s);
	scene_feeder(&s, 100, 100, STARLING_WAIT_SPIN);
	scene_busy(&s, MS);
	assert_string_equal(cpus(&s.plan.protected_cpus), "19");
	s.cpu[19].hot = true;
	scene_busy(&s, S);
	assert_string_equal(cpus(&s.plan.protected_cpus), "18");
	for (int i = 15; i < 20; i++)
		s.cpu[i].hot = true;
	scene_busy(&s, S);
	assert_string_equal(cpus(&s.plan.protected_cpus), "9");
	for (int i = 0; i < 20; i++)
		s.cpu[i].hot = s.cpu[i].big;
	scene_busy(&s, S);
	assert_string_equal(cpus(&s.plan.protected_cpus), "9");
	(void)x;
}

static void smt_cores_are_kept_whole(void **x)
{
	scene_hybrid(&s);
	scene_feeder(&s, 100, 100, STARLING_WAIT_SPIN);
	scene_busy(&s, MS);
	assert_string_equal(cpus(&s.plan.protected_cpus), "14-15");
	scene_feeder(&s, 101, 101, STARLING_WAIT_SPIN);
	scene_busy(&s, MS);
	assert_string_equal(cpus(&s.plan.protected_cpus), "12-15");
	(void)x;
}

static void mixed_styles(void **x)
{
	scene_init(&s, 16, 1);
	scene_feeder(&s, 100, 100, STARLING_WAIT_BLOCK);
	scene_feeder(&s, 101, 101, STARLING_WAIT_YIELD);
	scene_busy(&s, MS);
	assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), 1);
	assert_int_equal(s.plan.feeders_active, 2);
	(void)x;
}

/* At first a core is kept, until it is known that none is needed. */
static void the_style_becomes_known(void **x)
{
	two_cpus(STARLING_WAIT_UNKNOWN);
	assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), 1);
	s.task[0].wait_style = STARLING_WAIT_BLOCK;
	scene_busy(&s, 200 * MS);
	assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), 0);
	assert_int_equal(CPU_COUNT(&s.plan.reserved_cpus), 0);
	assert_false(tool()->set_mask);
	assert_true(tool()->idle_class);	/* it ran all the time until now */
	two_cpus(STARLING_WAIT_UNKNOWN);
	assert_true(tool()->idle_class);
	s.task[0].wait_style = STARLING_WAIT_BLOCK;
	s.task[0].d_run_ns = 0;
	scene_busy(&s, 200 * MS);
	assert_false(tool()->idle_class);
	(void)x;
}

/* A blocking feeder beside a spinning one that is quiet. */
static void one_is_quiet(void **x)
{
	struct snap_task *spinner;

	two_cpus(STARLING_WAIT_BLOCK);
	spinner = scene_feeder(&s, 101, 101, STARLING_WAIT_SPIN);
	scene_busy(&s, MS);
	assert_string_equal(cpus(&s.plan.protected_cpus), "1");
	for (int i = 0; i < 4; i++) {
		s.snap.now_ns += 250 * MS;
		s.task[0].gpu_last_ns = s.snap.now_ns;
		scene_step(&s, 0);
	}
	assert_true(spinner->gpu_last_ns < s.snap.now_ns);
	assert_string_equal(cpus(&s.plan.reserved_cpus), "1");
	assert_true(tool()->idle_class);
	(void)x;
}

/* Between sessions or cgroups no class counts. */
static void tools_out_of_reach(void **x)
{
	struct snap_task *feeder, *tool;

	two_cpus(STARLING_WAIT_BLOCK);
	feeder = &s.task[0];
	tool = scene_task(&s, 200, 200);
	tool->agent_id = 3;
	tool->execed = true;
	tool->group = 11;
	scene_busy(&s, MS);
	assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), 0);	/* feeder's unknown */
	feeder->group = 11;
	scene_busy(&s, MS);
	assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), 0);
	feeder->group = 12;
	scene_busy(&s, MS);
	assert_string_equal(cpus(&s.plan.protected_cpus), "1");
	assert_non_null(strstr(s.plan.why, "other groups"));
	/* it ended, but the next is likely to come */
	tool->group = 0;
	scene_busy(&s, S);
	assert_string_equal(cpus(&s.plan.protected_cpus), "1");
	scene_busy(&s, 10 * S);
	assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), 0);
	(void)x;
}

/* @run and @wait: cores' worth that agents get and wait for. */
static void let_agents_use(double run, double wait, int seconds)
{
	for (int i = 0; i < seconds * 4; i++) {
		s.snap.agents_run_ns += run * 250 * MS;
		s.snap.agents_wait_ns += wait * 250 * MS;
		scene_busy(&s, 250 * MS);
	}
}

static void other_work_crowds_tools_out(void **x)
{
	two_cpus(STARLING_WAIT_SPIN);
	s.snap.agents_run_ns = S;
	let_agents_use(0.95, 7, 10);
	assert_true(tool()->idle_class);
	let_agents_use(0.05, 7, 5);
	assert_false(tool()->idle_class);
	assert_true(tool()->set_mask);
	assert_true(s.plan.role[STARLING_ROLE_BACKGROUND].idle_class);
	assert_non_null(strstr(s.plan.why, "crowded"));
	/* a fair share of a core that others use as well */
	let_agents_use(0.5, 7, 60);
	assert_false(tool()->idle_class);
	let_agents_use(0.95, 7, 5);
	assert_true(tool()->idle_class);
	/* few tools that do not wait are not crowded */
	let_agents_use(0.05, 0.1, 10);
	assert_true(tool()->idle_class);
	(void)x;
}

/* The server's own threads are not other work. */
static void the_server_does_not_crowd(void **x)
{
	two_cpus(STARLING_WAIT_SPIN);
	s.snap.agents_run_ns = S;
	scene_task(&s, 101, 100)->d_run_ns = s.snap.window_ns * 9 / 10;
	scene_wakes(&s, 100, 101, 50);
	let_agents_use(0.05, 7, 10);
	assert_true(tool()->idle_class);
	(void)x;
}

static void crowds_do_not_flap(void **x)
{
	int changes = 0;
	uint64_t seq;

	two_cpus(STARLING_WAIT_SPIN);
	s.snap.agents_run_ns = S;
	for (int i = 0; i < 300; i++) {		/* as bad as it can be: 20 minutes */
		seq = s.plan.seq;
		if (tool()->idle_class)
			let_agents_use(0.01, 7, 4);
		else
			let_agents_use(0.95, 7, 4);
		changes += s.plan.seq != seq;
	}
	assert_in_range(changes, 2, 30);
	(void)x;
}

static void unknown_style_goes_by_running(void **x)
{
	struct snap_task *t;

	two_cpus(STARLING_WAIT_UNKNOWN);	/* runs all the time */
	assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), 1);
	scene_init(&s, 2, 1);
	t = scene_feeder(&s, 100, 100, STARLING_WAIT_UNKNOWN);
	t->d_run_ns = s.snap.window_ns / 20;
	scene_busy(&s, MS);
	assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), 0);
	/* kept from running counts as running */
	t->d_wait_ns = s.snap.window_ns;
	scene_busy(&s, MS);
	assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), 1);
	/* a new one is protected until something is known */
	scene_init(&s, 2, 1);
	t = scene_feeder(&s, 100, 100, STARLING_WAIT_UNKNOWN);
	t->d_run_ns = 0;
	t->d_gpu_waits = 1;
	scene_busy(&s, MS);
	assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), 1);
	(void)x;
}

static void lending(void **x)
{
	uint64_t seq;

	two_cpus(STARLING_WAIT_YIELD);
	seq = s.plan.seq;
	scene_step(&s, 99 * MS);
	assert_int_equal(s.plan.seq, seq);
	scene_step(&s, 2 * MS);
	assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), 0);
	assert_string_equal(cpus(&s.plan.reserved_cpus), "1");
	assert_false(tool()->set_mask);
	assert_true(tool()->idle_class);
	assert_int_equal(s.plan.seq, seq + 1);
	scene_busy(&s, 400 * MS);
	assert_string_equal(cpus(&s.plan.protected_cpus), "1");
	assert_int_equal(s.plan.seq, seq + 2);
	(void)x;
}

/* A prompt of seconds: one entry, and the feeder spins until it is done. */
static void a_long_wait_is_no_quiet(void **x)
{
	two_cpus(STARLING_WAIT_YIELD);
	s.snap.round_ns = 250 * MS;
	s.task[0].recent_ns = 249 * MS;
	for (int i = 0; i < 20; i++)
		scene_step(&s, 250 * MS);
	assert_string_equal(cpus(&s.plan.protected_cpus), "1");
	assert_true(s.plan.recheck_ns > s.snap.now_ns);
	s.task[0].recent_ns = 200 * MS;		/* it stopped within the round */
	scene_step(&s, 250 * MS);
	assert_string_equal(cpus(&s.plan.reserved_cpus), "1");
	/* one that polls for ever for something else has stopped as well */
	s.task[0].recent_ns = 250 * MS;
	scene_step(&s, 30 * S);
	assert_string_equal(cpus(&s.plan.reserved_cpus), "1");
	(void)x;
}

static void classes_are_withdrawn(void **x)
{
	two_cpus(STARLING_WAIT_BLOCK);
	scene_step(&s, 2900 * MS);
	assert_int_equal(s.plan.role[STARLING_ROLE_FEEDER].nice_delta, -15);
	assert_true(s.plan.role[STARLING_ROLE_BACKGROUND].idle_class);
	scene_step(&s, 200 * MS);
	assert_false(s.plan.role[STARLING_ROLE_BACKGROUND].idle_class);
	assert_int_equal(s.plan.role[STARLING_ROLE_FEEDER].nice_delta, 0);
	assert_int_equal(s.plan.feeders, 1);
	assert_non_null(strstr(s.plan.why, "nothing changed"));
	assert_int_equal(s.plan.recheck_ns, 0);
	(void)x;
}

/* The time of the next change is told, and holds. */
static void recheck(void **x)
{
	uint64_t seq, last;

	two_cpus(STARLING_WAIT_SPIN);
	for (int i = 0; i < 2; i++) {	/* lent, then classes back */
		seq = s.plan.seq;
		last = s.snap.now_ns;
		assert_true(s.plan.recheck_ns > last);
		scene_step(&s, s.plan.recheck_ns - last - 1);
		assert_int_equal(s.plan.seq, seq);
		scene_step(&s, 1);
		assert_int_equal(s.plan.seq, seq + 1);
	}
	(void)x;
}

static void old_records_are_not_quiet_ones(void **x)
{
	two_cpus(STARLING_WAIT_YIELD);
	s.snap.read_ns = s.snap.now_ns;
	scene_step(&s, 240 * MS);
	assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), 1);
	s.snap.read_ns = s.snap.now_ns + 10 * MS;
	scene_step(&s, 10 * MS);
	assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), 0);
	(void)x;
}

/* Phases of 5 s: each is followed at once, for ever. */
static void long_phases_are_followed(void **x)
{
	uint64_t lent = 0, start;

	two_cpus(STARLING_WAIT_SPIN);
	for (int phase = 0; phase < 20; phase++) {
		for (int i = 0; i < 50; i++)
			scene_busy(&s, 100 * MS);
		assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), 1);
		start = s.snap.now_ns;
		while (!CPU_COUNT(&s.plan.reserved_cpus))
			scene_step(&s, 10 * MS);
		lent = s.snap.now_ns - start;
		assert_true(lent <= 110 * MS);
		scene_step(&s, 5 * S - lent);
	}
	(void)x;
}

/* Gaps of 150 ms: what would flap is soon kept. */
static void short_gaps_do_not_flap(void **x)
{
	uint64_t seq, first;

	two_cpus(STARLING_WAIT_SPIN);
	first = s.plan.seq;
	for (int i = 0; i < 200; i++) {
		if (i == 20)
			first = s.plan.seq;
		scene_busy(&s, 10 * MS);
		for (int k = 0; k < 15; k++)
			scene_step(&s, 10 * MS);
	}
	seq = s.plan.seq;
	assert_true(seq - first <= 2);
	/* and a long pause is still lent */
	scene_step(&s, 4 * S);
	assert_string_equal(cpus(&s.plan.reserved_cpus), "1");
	(void)x;
}

static void a_step_of_load_changes_the_plan_once(void **x)
{
	uint64_t seq;

	scene_init(&s, 16, 1);
	scene_feeder(&s, 100, 100, STARLING_WAIT_YIELD);
	scene_busy(&s, MS);
	seq = s.plan.seq;
	for (int i = 0; i < 100; i++) {		/* tools come and work */
		struct snap_task *t = scene_task(&s, 1000 + i, 1000 + i);

		t->agent_id = 3;
		t->execed = true;
		t->d_run_ns = s.snap.window_ns;
		scene_busy(&s, 250 * MS);
		assert_int_equal(s.plan.seq, seq);
	}
	scene_feeder(&s, 101, 100, STARLING_WAIT_YIELD);
	for (int i = 0; i < 20; i++)
		scene_busy(&s, 250 * MS);
	assert_int_equal(s.plan.seq, seq + 1);
	(void)x;
}

/* One of two feeders ends: the core that stays is one of the old ones. */
static void cores_stay_where_they_are(void **x)
{
	cpu_set_t two, left;

	scene_gb10(&s);
	scene_feeder(&s, 100, 100, STARLING_WAIT_SPIN);
	scene_feeder(&s, 101, 100, STARLING_WAIT_SPIN);
	scene_busy(&s, MS);
	two = s.plan.protected_cpus;
	assert_int_equal(CPU_COUNT(&two), 2);
	s.snap.ntask = 1;
	scene_busy(&s, MS);
	assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), 1);
	CPU_AND(&left, &two, &s.plan.protected_cpus);
	assert_int_equal(CPU_COUNT(&left), 1);
	(void)x;
}

/* A better core that comes is no reason to leave one. */
static void a_core_that_returns_moves_nobody(void **x)
{
	two_cpus(STARLING_WAIT_SPIN);
	assert_string_equal(cpus(&s.plan.protected_cpus), "1");
	s.cpu[0].capacity = 900;
	s.cpu[1] = s.cpu[0];
	s.cpu[1].id = s.cpu[1].core = 1;
	s.cpu[2] = s.cpu[1];
	s.cpu[2].id = s.cpu[2].core = 2;
	s.cpu[2].capacity = 1024;
	s.topo.ncpu = 3;
	CPU_SET(2, &s.topo.all);
	scene_busy(&s, MS);
	assert_string_equal(cpus(&s.plan.protected_cpus), "1");
	(void)x;
}

static void a_feeder_that_ends_is_forgotten(void **x)
{
	two_cpus(STARLING_WAIT_SPIN);
	s.snap.ntask = 0;
	scene_step(&s, MS);
	assert_int_equal(s.plan.feeders, 0);
	assert_int_equal(CPU_COUNT(&s.plan.protected_cpus), 0);
	assert_int_equal(CPU_COUNT(&s.plan.reserved_cpus), 0);
	assert_false(tool()->idle_class);
	(void)x;
}

static void a_cpu_goes_offline(void **x)
{
	scene_init(&s, 4, 1);
	scene_feeder(&s, 100, 100, STARLING_WAIT_SPIN);
	scene_busy(&s, MS);
	assert_string_equal(cpus(&s.plan.protected_cpus), "3");
	s.topo.ncpu = 3;
	CPU_CLR(3, &s.topo.all);
	scene_busy(&s, MS);
	assert_string_equal(cpus(&s.plan.protected_cpus), "2");
	assert_string_equal(cpus(&tool()->mask), "0-1");
	(void)x;
}

static void equal_plans(void **x)
{
	struct plan other;

	two_cpus(STARLING_WAIT_SPIN);
	other = s.plan;
	assert_true(plan_equal(&other, &s.plan));
	strcpy(other.why, "words do not count");
	assert_true(plan_equal(&other, &s.plan));
	other.role[STARLING_ROLE_TOOL].idle_class = false;
	assert_false(plan_equal(&other, &s.plan));
	(void)x;
}

/* Where CPUs differ, feeders are to start on big ones, the background on others. */
static void clamps_are_for_machines_of_two_kinds(void **x)
{
	const struct role_plan *r = s.plan.role;

	two_cpus(STARLING_WAIT_SPIN);
	assert_int_equal(r[STARLING_ROLE_FEEDER].clamp_min, 0);
	assert_int_equal(r[STARLING_ROLE_BACKGROUND].clamp_max, 0);
	scene_gb10(&s);
	scene_feeder(&s, 100, 100, STARLING_WAIT_BLOCK);
	scene_busy(&s, MS);
	assert_int_equal(r[STARLING_ROLE_FEEDER].clamp_min, 1024);
	assert_int_equal(r[STARLING_ROLE_FEEDER].clamp_max, 0);
	assert_in_range(r[STARLING_ROLE_BACKGROUND].clamp_max, 1, 1024 / 4);
	assert_int_equal(r[STARLING_ROLE_TOOL].clamp_max, 0);
	assert_int_equal(r[STARLING_ROLE_ORCHESTRATOR].clamp_max, 0);
	scene_step(&s, 60 * S);
	assert_int_equal(r[STARLING_ROLE_FEEDER].clamp_min, 0);
	assert_int_equal(r[STARLING_ROLE_BACKGROUND].clamp_max, 0);
	(void)x;
}

static void slices_are_for_the_request_path(void **x)
{
	two_cpus(STARLING_WAIT_YIELD);
	for (int r = 0; r < __STARLING_ROLE_MAX; r++)
		if (r == STARLING_ROLE_FEEDER || r == STARLING_ROLE_SERVICE)
			assert_in_range(s.plan.role[r].slice_ns, 100000, MS);
		else
			assert_int_equal(s.plan.role[r].slice_ns, 0);
	(void)x;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocking_needs_no_core),
		cmocka_unit_test(tools_stand_aside_for_the_fair_class),
		cmocka_unit_test(real_time_is_for_sleepers),
		cmocka_unit_test(real_time_is_for_feeders),
		cmocka_unit_test(spinning_and_yielding_get_a_core),
		cmocka_unit_test(orchestrators_are_left_alone),
		cmocka_unit_test(one_cpu_has_none_to_spare),
		cmocka_unit_test(no_feeder_no_change),
		cmocka_unit_test(ceiling),
		cmocka_unit_test(gb10),
		cmocka_unit_test(tools_prefer_slow_cores),
		cmocka_unit_test(clamps_are_for_machines_of_two_kinds),
		cmocka_unit_test(slices_are_for_the_request_path),
		cmocka_unit_test(heat_moves_feeders),
		cmocka_unit_test(smt_cores_are_kept_whole),
		cmocka_unit_test(mixed_styles),
		cmocka_unit_test(the_style_becomes_known),
		cmocka_unit_test(one_is_quiet),
		cmocka_unit_test(tools_out_of_reach),
		cmocka_unit_test(other_work_crowds_tools_out),
		cmocka_unit_test(the_server_does_not_crowd),
		cmocka_unit_test(crowds_do_not_flap),
		cmocka_unit_test(unknown_style_goes_by_running),
		cmocka_unit_test(lending),
		cmocka_unit_test(a_long_wait_is_no_quiet),
		cmocka_unit_test(classes_are_withdrawn),
		cmocka_unit_test(recheck),
		cmocka_unit_test(old_records_are_not_quiet_ones),
		cmocka_unit_test(long_phases_are_followed),
		cmocka_unit_test(short_gaps_do_not_flap),
		cmocka_unit_test(a_step_of_load_changes_the_plan_once),
		cmocka_unit_test(cores_stay_where_they_are),
		cmocka_unit_test(a_core_that_returns_moves_nobody),
		cmocka_unit_test(a_feeder_that_ends_is_forgotten),
		cmocka_unit_test(a_cpu_goes_offline),
		cmocka_unit_test(equal_plans),
	};

	return unit_run(tests);
}
