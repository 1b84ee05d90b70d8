// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random machines and snapshots: what must hold whatever happens.
 *
 * The seed is fixed, so a failure is the same one the next time; UNIT_SEED
 * chooses another.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/unit/unit.h"
#include "tests/unit/scene.h"

enum { ROUNDS = 10000, STEPS = 4 };

static struct scene s, again;
static uint64_t seed = 1;

static uint64_t draw(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

static void random_machine(void)
{
	switch (draw(5)) {
	case 0:
		scene_gb10(&s);
		break;
	case 1:
		scene_hybrid(&s);
		break;
	case 2:
		scene_dies(&s, 1 + draw(4), 1 + draw(8));
		break;
	default:
		scene_init(&s, 1 + draw(64), 1 + draw(2));
	}
}

static void random_task(uint32_t tid)
{
	struct snap_task *t = scene_task(&s, tid, draw(3) ? tid : 2 + draw(tid));

	t->ppid = draw(tid);
	t->agent_id = draw(4) ? 0 : 1 + draw(3);
	t->gpu_last_ns = draw(5) ? 0 : s.snap.now_ns - draw(70) * S * draw(2) - draw(200) * MS;
	t->compute_last_ns = draw(5) ? 0 : s.snap.now_ns - draw(70) * S * draw(2);
	t->computing_ns = draw(5) ? 0 : s.snap.now_ns - draw(70) * S * draw(2);
	t->late_ns = draw(3 * S) * draw(2);
	t->d_run_ns = draw(3 * S);
	t->d_wait_ns = draw(3 * S);
	t->recent_ns = draw(300) * MS;
	t->d_gpu_waits = draw(100);
	t->d_nvcsw = draw(1000);
	t->wait_style = draw(STARLING_WAIT_YIELD + 1);
	t->role = draw(__STARLING_ROLE_MAX);
	t->role_source = draw(STARLING_BY_SELF + 1);
	t->group = draw(4);
	t->agent_root = !draw(4);
	t->execed = draw(2);
	t->kthread = !draw(10);
}

static void random_snapshot(void)
{
	size_t n = draw(40);

	s.snap.window_ns = draw(4) * S;
	s.snap.round_ns = draw(2) * 250 * MS;
	s.snap.agents_run_ns += draw(2) * S;
	s.snap.agents_wait_ns += draw(3) * S;
	for (size_t i = 0; i < n; i++)
		random_task(2 + i);
	for (size_t i = draw(200); i; i--)
		s.edge[s.snap.nedge++] = (struct snap_edge){
			draw(45), draw(45), draw(50),
		};
}

static void check_verdicts(void)
{
	for (size_t i = 0; i < s.snap.ntask; i++) {
		const struct snap_task *t = &s.task[i];
		const struct verdict *v = &s.verdict[i];

		assert_int_equal(v->tid, t->tid);
		assert_true(v->role < __STARLING_ROLE_MAX);
		assert_int_equal(!v->role, !v->role_source);
		assert_int_equal(!v->role, v->why == WHY_NONE);
		if (t->kthread)
			assert_int_equal(v->role, STARLING_ROLE_NONE);
		else if (t->role && t->role_source >= STARLING_BY_OWNER)
			assert_int_equal(v->role, t->role);
		if (v->role == STARLING_ROLE_FEEDER && v->role_source < STARLING_BY_OWNER)
			assert_true(t->gpu_last_ns);
		if (v->why == WHY_COMPUTES)
			assert_true(t->compute_last_ns);
	}
}

static void check_plan(void)
{
	const struct role_plan *feeder = &s.plan.role[STARLING_ROLE_FEEDER];
	const struct role_plan *service = &s.plan.role[STARLING_ROLE_SERVICE];
	const struct role_plan *inference = &s.plan.role[STARLING_ROLE_INFERENCE];
	cpu_set_t both;

	CPU_AND(&both, &s.plan.protected_cpus, &s.topo.all);
	assert_true(CPU_EQUAL(&both, &s.plan.protected_cpus));
	assert_true(CPU_COUNT(&both) < (int)s.topo.ncpu);
	assert_false(feeder->set_mask || feeder->idle_class);
	assert_false(service->set_mask || service->idle_class || service->real_time);
	assert_true(s.plan.role[STARLING_ROLE_NONE].nice_delta == 0);
	assert_false(inference->real_time || inference->idle_class);
	assert_int_equal(inference->nice_delta, s.plan.inference_active ? -10 : 0);
	assert_true(s.plan.inference_active <= s.plan.inference);
	assert_int_equal(!inference->mask_least, !inference->set_mask);
	assert_true(inference->mask_least <= (unsigned int)CPU_COUNT(&inference->mask));
	for (int r = 0; r < __STARLING_ROLE_MAX; r++) {
		const struct role_plan *p = &s.plan.role[r];

		CPU_AND(&both, &p->prefer, &s.plan.protected_cpus);
		assert_int_equal(CPU_COUNT(&both), 0);
		CPU_AND(&both, &p->prefer, &s.topo.all);
		assert_true(CPU_EQUAL(&both, &p->prefer));
		if (!p->set_mask)
			continue;
		assert_true(CPU_COUNT(&p->mask) > 0);
		CPU_AND(&both, &p->mask, &s.plan.protected_cpus);
		assert_int_equal(CPU_COUNT(&both), 0);
		CPU_AND(&both, &p->mask, &s.topo.all);
		assert_true(CPU_EQUAL(&both, &p->mask));
	}
	assert_true(s.plan.feeders_active <= s.plan.feeders);
	assert_true(strlen(s.plan.why) > 0);
	if (!s.plan.feeders)
		assert_false(s.plan.role[STARLING_ROLE_TOOL].idle_class);
}

static void rebase(struct scene *c)
{
	c->topo.cpu = c->cpu;
	c->snap.topo = &c->topo;
	c->snap.task = c->task;
	c->snap.edge = c->edge;
	c->snap.set = &c->set;
}

static void step_twice(uint64_t ns)
{
	memcpy(&again, &s, sizeof(s));
	rebase(&again);
	scene_step(&s, ns);
	scene_step(&again, ns);
	assert_memory_equal(s.verdict, again.verdict, s.snap.ntask * sizeof(s.verdict[0]));
	assert_memory_equal(&s.plan, &again.plan, sizeof(s.plan));
}

static void invariants(void **x)
{
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t at = seed;

		random_machine();
		for (int step = 0; step < STEPS; step++) {
			s.snap.ntask = s.snap.nedge = 0;
			random_snapshot();
			step_twice(draw(500) * MS);
			check_verdicts();
			check_plan();
		}
		if (!i)
			print_message("# first seed %llu\n", (unsigned long long)at);
	}
	(void)x;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(invariants) };
	const char *env = getenv("UNIT_SEED");

	if (env)
		seed = strtoull(env, NULL, 0) | 1;
	return unit_run(tests);
}
