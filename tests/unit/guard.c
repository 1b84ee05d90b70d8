// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guard over made-up series: what it finds, how long it takes, and what it
 * costs the feeder to know.
 */
#include <math.h>
#include <string.h>
#include "tests/unit/unit.h"
#include "tests/unit/scene.h"

#define MIN	(60 * S)
#define HOUR	(60 * MIN)
#define ROUND	(250 * MS)

enum { NCPU = 8 };

/* A load in which one feeder spins. Shares of 1. */
struct world {
	double with, without;	/* the feeder's wait, of its need */
	double noise;		/* +- so much of either */
	double drift;		/* more wait with each second */
	double tools_with, tools_without;	/* what tools get, of what they want */
	double demand;		/* of all, in CPUs */
	bool active;
	unsigned int ncpu, have;
};

static struct world w;
static struct guard g;
static struct policy_settings set;
static uint64_t now, seed, began;
static unsigned int out;
static struct {
	uint64_t odd_ns;	/* without the rule on trial */
	uint64_t total_ns;
	unsigned int epochs;	/* without it */
	double wait_ns, worst_ns;	/* feeder's wait in such an epoch; the longest */
	unsigned int trials;
} seen;

static double draw(void)	/* -1 to 1 */
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed % 2000001) / 1e6 - 1;
}

static void start(enum guard_rule rule)
{
	memset(&g, 0, sizeof(g));
	memset(&seen, 0, sizeof(seen));
	policy_settings_default(&set);
	now = began = 1000 * S;
	seed = 1;
	out = 0;
	w = (struct world){ .tools_with = 0.5, .tools_without = 0.5, .demand = 2 * NCPU,
			    .active = true, .ncpu = NCPU, .have = GUARD_BIT(rule) };
}

static struct measure round_of(enum guard_rule rule)
{
	bool left_out = out & GUARD_BIT(rule);
	double wait = (left_out ? w.without : w.with) + w.noise * draw() +
		w.drift * (now - began) / 1e9;
	double got = left_out ? w.tools_without : w.tools_with;
	double tools = (w.demand - 1) * ROUND;

	wait = wait < 0 ? 0 : wait > 1 ? 1 : wait;
	got += w.noise * draw();
	return (struct measure){
		.ns = ROUND,
		.feeder = { ROUND * (1 - wait), ROUND * wait },
		.tool = { tools * got, tools * (1 - got) },
		.worst_ns = ROUND * wait,
	};
}

static void note(enum guard_rule rule, const struct measure *m, bool was_out, bool was_tried)
{
	const struct guard_known *k = &g.rule[rule];
	bool is_out = out & GUARD_BIT(rule);

	seen.total_ns += ROUND;
	seen.trials += g.trial.running && !was_tried;
	if (was_out && was_tried && !k->withdrawn) {
		seen.odd_ns += ROUND;
		seen.wait_ns += m->worst_ns;
		if (seen.wait_ns > seen.worst_ns)
			seen.worst_ns = seen.wait_ns;
	}
	if (is_out && !was_out) {
		seen.epochs++;
		seen.wait_ns = 0;
	}
}

static void one_round(enum guard_rule rule)
{
	bool was_out = out & GUARD_BIT(rule), was_tried = g.trial.running;
	struct measure m = round_of(rule);
	struct guard_input in = {
		.now_ns = now += ROUND, .ncpu = w.ncpu, .have = w.have, .active = w.active,
		.m = &m,
	};

	out = guard_update(&g, &set, &in);
	note(rule, &m, was_out, was_tried);
}

static void let(enum guard_rule rule, uint64_t ns)
{
	for (uint64_t end = now + ns; now < end;)
		one_round(rule);
}

/* Until there is a verdict, or @ns is over. */
static enum guard_verdict verdict(enum guard_rule rule, uint64_t ns)
{
	uint64_t before = g.seq;

	for (uint64_t end = now + ns; now < end && g.seq == before;)
		one_round(rule);
	return g.rule[rule].verdict;
}

static const struct guard_known *known(enum guard_rule rule)
{
	return &g.rule[rule];
}

/* -- what is found ------------------------------------------------------------ */

static void helps(void **x)
{
	char buf[256];

	start(GUARD_CORES);
	w.with = 0.002;
	w.without = 0.4;
	w.noise = 0.002;
	assert_int_equal(verdict(GUARD_CORES, HOUR), GUARD_HELPS);
	assert_int_equal(out, 0);
	assert_false(known(GUARD_CORES)->withdrawn);
	/* so much that the feeder need not suffer for long */
	assert_int_equal(known(GUARD_CORES)->pairs, 4);
	assert_int_equal(known(GUARD_CORES)->cut, 4);
	assert_true(known(GUARD_CORES)->is.effect < -0.25);
	assert_true(seen.odd_ns <= 4 * 2 * ROUND);
	assert_non_null(strstr(g.said, "rule cores kept: helps; feeders wait 0."));
	assert_non_null(strstr(guard_evidence(&g, GUARD_CORES, buf, sizeof(buf)), "in 4 pairs"));
	(void)x;
}

/* By little, but each time: no epoch needs to be cut for that. */
static void helps_a_little(void **x)
{
	start(GUARD_ASIDE);
	w.with = 0.005;
	w.without = 0.03;
	w.noise = 0.01;
	assert_int_equal(verdict(GUARD_ASIDE, HOUR), GUARD_HELPS);
	assert_int_equal(known(GUARD_ASIDE)->pairs, 8);
	assert_int_equal(known(GUARD_ASIDE)->cut, 0);
	(void)x;
}

static void no_effect(void **x)
{
	start(GUARD_CORES);
	w.with = w.without = 0.01;
	w.noise = 0.001;
	w.tools_without = 0.6;
	assert_int_equal(verdict(GUARD_CORES, HOUR), GUARD_NO_EFFECT);
	assert_int_equal(out, GUARD_BIT(GUARD_CORES));
	assert_true(fabs(known(GUARD_CORES)->tools_without - 0.6) < 0.01);
	assert_non_null(strstr(g.said, "rule cores withdrawn: no effect"));
	(void)x;
}

/* Nothing for feeders, but tools would have less: nobody gains by its end. */
static void no_effect_but_for_tools(void **x)
{
	start(GUARD_CORES);
	w.tools_without = 0.1;
	assert_int_equal(verdict(GUARD_CORES, HOUR), GUARD_NO_EFFECT);
	assert_false(known(GUARD_CORES)->withdrawn);
	assert_non_null(strstr(g.said, "rule cores kept: no effect"));
	(void)x;
}

static void harms(void **x)
{
	start(GUARD_PRIORITY);
	w.with = 0.1;
	w.without = 0.02;
	w.noise = 0.01;
	assert_int_equal(verdict(GUARD_PRIORITY, HOUR), GUARD_HARMS);
	assert_int_equal(out, GUARD_BIT(GUARD_PRIORITY));
	(void)x;
}

static void too_noisy_to_tell(void **x)
{
	start(GUARD_CORES);
	w.with = w.without = 0.35;
	w.noise = 0.35;
	verdict(GUARD_CORES, 2 * HOUR);
	assert_int_equal(known(GUARD_CORES)->verdict, GUARD_UNCLEAR);
	assert_int_equal(known(GUARD_CORES)->pairs, PAIRED_MAX);
	assert_int_equal(out, 0);
	(void)x;
}

/* What interrupts take is not seen as waiting, so no effect proves nothing. */
static void noise_stays_without_effect(void **x)
{
	start(GUARD_NOISE);
	w.with = w.without = 0.01;
	assert_int_equal(verdict(GUARD_NOISE, HOUR), GUARD_NO_EFFECT);
	assert_int_equal(out, 0);
	w.with = 0.1;
	assert_int_equal(verdict(GUARD_NOISE, 6 * HOUR), GUARD_HARMS);
	assert_int_equal(out, GUARD_BIT(GUARD_NOISE));
	(void)x;
}

/* For this one more is better: the rule is there for tools. */
static void more_can_be_better(void **x)
{
	start(GUARD_CROWD);
	w.tools_with = 0.5;
	w.tools_without = 0.1;
	w.noise = 0.02;
	assert_int_equal(verdict(GUARD_CROWD, HOUR), GUARD_HELPS);
	start(GUARD_CROWD);
	w.tools_with = 0.1;
	assert_int_equal(verdict(GUARD_CROWD, HOUR), GUARD_HARMS);
	(void)x;
}

/* A load that grows all the while is no rule's merit: A B B A. */
static void drift_is_no_effect(void **x)
{
	start(GUARD_CORES);
	w.with = w.without = 0.001;
	w.drift = 0.00005;	/* 0.2 % more each minute */
	assert_int_equal(verdict(GUARD_CORES, HOUR), GUARD_NO_EFFECT);
	(void)x;
}

/* Of series without any effect, few are taken for one. */
static void chance_is_seldom_taken_for_an_effect(void **x)
{
	unsigned int wrong = 0, n = 2000;

	for (unsigned int i = 0; i < n; i++) {
		start(GUARD_CORES);
		seed = i * 7919 + 1;
		w.with = w.without = 0.3;
		w.noise = 0.3;
		verdict(GUARD_CORES, HOUR);
		wrong += known(GUARD_CORES)->verdict == GUARD_HELPS ||
			known(GUARD_CORES)->verdict == GUARD_HARMS;
	}
	/* 2.2 % are to be expected, and 3 % are not seen by chance (p < 0.01) */
	assert_in_range(wrong, 0, n * 3 / 100);
	(void)x;
}

/* One epoch that something else has spoilt is one place of twelve. */
static void one_outlier_proves_nothing(void **x)
{
	struct paired p = { 0 };
	struct paired_result r;

	for (int i = 1; i <= PAIRED_MAX; i++) {
		paired_add(&p, 0.01, i == 5 ? 0.001 : 0.04);
		assert_int_equal(paired_due(&p), i == 8 || i == 12 || i == 16 || i == 20);
		paired_result(&p, &r);
		assert_int_equal(r.high < 0, i < 5 || i >= 12);
		assert_true(fabs(r.effect + 0.03) < 1e-9);
	}
	paired_add(&p, 1, 0);	/* there is no room for more */
	assert_int_equal(p.n, PAIRED_MAX);
	(void)x;
}

/* -- what it costs --------------------------------------------------------------- */

/* A day in which the rule helps, so that each moment without it is a loss. */
static void little_time_without_a_rule(void **x)
{
	start(GUARD_CORES);
	w.without = 0.03;
	w.noise = 0.005;
	let(GUARD_CORES, 24 * HOUR);
	assert_true(seen.trials >= 5);
	assert_true(seen.odd_ns * 1000 < seen.total_ns * 5);
	start(GUARD_CORES);
	w.without = 0.5;
	let(GUARD_CORES, 24 * HOUR);
	assert_true(seen.odd_ns * 10000 < seen.total_ns * 5);
	(void)x;
}

/* All rules are on trial in turn, and as soon as may be. */
static void little_time_without_any(void **x)
{
	uint64_t odd = 0;

	start(GUARD_CORES);
	w.have = GUARD_ALL;
	w.without = w.with = 0.35;
	w.noise = 0.35;		/* never clear: the longest trials */
	for (uint64_t end = now + 4 * HOUR; now < end;) {
		one_round(GUARD_CORES);
		assert_true(!(out & (out - 1)));
		odd += out ? ROUND : 0;
	}
	for (int r = 0; r < __GUARD_MAX; r++)
		assert_int_equal(known(r)->verdict, r == GUARD_CROWD ? known(r)->verdict :
				 GUARD_UNCLEAR);
	assert_true(odd * 100 < 5 * (now - began));
	(void)x;
}

/* Whatever the rule is worth: the feeder waits for a twentieth of an epoch, and a round. */
static void starving_ends_the_epoch(void **x)
{
	for (double without = 0.05; without <= 1; without += 0.05) {
		start(GUARD_CORES);
		w.without = without;
		verdict(GUARD_CORES, HOUR);
		assert_int_equal(known(GUARD_CORES)->verdict, GUARD_HELPS);
		assert_true(seen.worst_ns <= set.guard_epoch_ns / 20 + ROUND * without);
	}
	(void)x;
}

static void the_epoch_is_a_setting(void **x)
{
	uint64_t longest = 0, since = 0;

	start(GUARD_CORES);
	w.with = w.without = 0.01;
	set.guard_epoch_ns = 10 * S;
	while (!g.seq) {
		one_round(GUARD_CORES);
		since = out ? since ? since : now : 0;
		if (since && now - since > longest)
			longest = now - since;
	}
	/* B B: two epochs, each with its two rounds to settle */
	assert_in_range(longest, 20 * S, 22 * S);
	(void)x;
}

static void off_is_off(void **x)
{
	start(GUARD_CORES);
	w.with = 0.5;
	set.guard = false;
	let(GUARD_CORES, HOUR);
	assert_int_equal(seen.trials, 0);
	assert_int_equal(g.seq, 0);
	/* in the middle of it, too */
	set.guard = true;
	while (!out)
		one_round(GUARD_CORES);
	set.guard = false;
	one_round(GUARD_CORES);
	assert_int_equal(out, 0);
	(void)x;
}

/* -- when nothing can be measured --------------------------------------------------- */

static void no_trial_without_competition(void **x)
{
	start(GUARD_CORES);
	w.demand = NCPU - 1;
	let(GUARD_CORES, HOUR);
	assert_int_equal(seen.trials, 0);
	w.demand = NCPU + 1;
	w.active = false;
	let(GUARD_CORES, HOUR);
	assert_int_equal(seen.trials, 0);
	w.active = true;
	w.have = GUARD_BIT(GUARD_ASIDE);	/* nothing of it in the plan: no trial of it */
	let(GUARD_CORES, HOUR);
	assert_int_equal(known(GUARD_CORES)->checked_ns, 0);
	(void)x;
}

static void the_feeder_vanishes_midway(void **x)
{
	uint64_t checked;

	start(GUARD_CORES);
	w.with = w.without = 0.01;
	while (!out || g.trial.metric.n < 3)
		one_round(GUARD_CORES);
	w.active = false;
	one_round(GUARD_CORES);
	assert_int_equal(out, 0);	/* nobody would measure it */
	let(GUARD_CORES, 4 * MIN);
	assert_int_equal(out, 0);
	assert_true(g.trial.running);	/* pairs are kept for a while */
	let(GUARD_CORES, 2 * MIN);
	assert_false(g.trial.running);
	checked = known(GUARD_CORES)->checked_ns;
	assert_int_equal(checked, 0);
	assert_int_equal(g.seq, 0);
	w.active = true;
	assert_int_equal(verdict(GUARD_CORES, HOUR), GUARD_NO_EFFECT);
	(void)x;
}

static void what_leaves_the_plan_is_not_left_out(void **x)
{
	start(GUARD_CORES);
	w.with = w.without = 0.01;
	while (!out)
		one_round(GUARD_CORES);
	w.have = 0;
	one_round(GUARD_CORES);
	assert_int_equal(out, 0);
	(void)x;
}

/* Phases of 5 s leave time for pairs; what falls into a gap is not counted. */
static void phases(void **x)
{
	start(GUARD_ASIDE);
	w.without = 0.03;
	for (int i = 0; i < 400 && !g.seq; i++) {
		w.active = i % 2;
		let(GUARD_ASIDE, 6 * S);
		if (!w.active)
			assert_int_equal(out, 0);
	}
	assert_int_equal(known(GUARD_ASIDE)->verdict, GUARD_HELPS);
	(void)x;
}

/* -- what changes --------------------------------------------------------------------- */

static void what_is_withdrawn_comes_back_when_it_is_missed(void **x)
{
	uint64_t from;

	start(GUARD_CORES);
	w.with = w.without = 0.005;
	assert_int_equal(verdict(GUARD_CORES, HOUR), GUARD_NO_EFFECT);
	let(GUARD_CORES, MIN);
	assert_int_equal(out, GUARD_BIT(GUARD_CORES));
	w.without = 0.5;	/* the load is another one now */
	from = now;
	while (out)
		one_round(GUARD_CORES);
	assert_true(now - from <= 2 * set.guard_epoch_ns);
	assert_non_null(strstr(g.said, "rule cores is back: 50.0 %"));
	assert_true(known(GUARD_CORES)->deaf_ns > 0);
	assert_int_equal(verdict(GUARD_CORES, HOUR), GUARD_HELPS);
	assert_int_equal(out, 0);
	assert_int_equal(known(GUARD_CORES)->deaf_ns, 0);	/* it was right */
	(void)x;
}

/* While another rule is on trial, too. */
static void it_comes_back_in_a_trial(void **x)
{
	uint64_t from;

	start(GUARD_CORES);
	w.with = w.without = 0.005;
	assert_int_equal(verdict(GUARD_CORES, HOUR), GUARD_NO_EFFECT);
	w.have |= GUARD_BIT(GUARD_NOISE);
	w.without = 0.02;
	while (!g.trial.running)
		one_round(GUARD_CORES);
	assert_int_equal(g.trial.rule, GUARD_NOISE);
	w.without = 0.5;
	from = now;
	while (out & GUARD_BIT(GUARD_CORES))
		one_round(GUARD_CORES);
	assert_true(now - from <= 4 * S);
	assert_false(g.trial.running);
	assert_non_null(strstr(g.said, "rule cores is back"));
	(void)x;
}

/* It waited as much when it was withdrawn: no news until it is twice as much. */
static void what_was_known_is_no_alarm(void **x)
{
	start(GUARD_PRIORITY);
	w.with = 0.4;
	w.without = 0.1;
	assert_int_equal(verdict(GUARD_PRIORITY, HOUR), GUARD_HARMS);
	w.without = 0.19;
	let(GUARD_PRIORITY, MIN);
	assert_int_equal(out, GUARD_BIT(GUARD_PRIORITY));
	w.without = 0.3;
	let(GUARD_PRIORITY, 2 * set.guard_epoch_ns + ROUND);
	assert_int_equal(out, 0);
	(void)x;
}

/* What harms does not come back because of what it did. */
static void back_off_grows(void **x)
{
	unsigned int before = 0;
	uint64_t in_ns = 0;

	start(GUARD_CORES);
	w.with = 0.3;
	w.without = 0.04;
	w.noise = 0.01;
	assert_int_equal(verdict(GUARD_CORES, HOUR), GUARD_HARMS);
	for (int hour = 0; hour < 24; hour++) {
		for (uint64_t end = now + HOUR; now < end;) {
			one_round(GUARD_CORES);
			in_ns += out ? 0 : ROUND;
		}
		if (hour == 3)
			before = seen.trials;
	}
	assert_true(known(GUARD_CORES)->withdrawn);
	assert_in_range(before, 4, 8);
	assert_in_range(seen.trials - before, 3, 7);
	assert_true(in_ns * 100 < 24 * HOUR);	/* in force for less than 1 % */
	(void)x;
}

/* A feeder that waits with the rule and without it: alarms that help nobody end. */
static void false_alarms_get_rare(void **x)
{
	unsigned int alarms = 0;
	uint64_t seq = 0;

	start(GUARD_CORES);
	for (int i = 0; i < 24 * 60; i++) {
		w.with = w.without = i % 10 < 5 ? 0.005 : 0.2;
		let(GUARD_CORES, MIN);
		alarms += g.seq != seq && strstr(g.said, "is back");
		seq = g.seq;
	}
	assert_in_range(alarms, 1, 12);
	(void)x;
}

static void no_longer_of_use(void **x)
{
	start(GUARD_CORES);
	w.without = 0.5;
	assert_int_equal(verdict(GUARD_CORES, HOUR), GUARD_HELPS);
	w.without = 0;
	assert_int_equal(verdict(GUARD_CORES, 2 * HOUR), GUARD_NO_EFFECT);
	assert_int_equal(out, GUARD_BIT(GUARD_CORES));
	(void)x;
}

static void cpus_come_and_go(void **x)
{
	start(GUARD_CORES);
	w.with = w.without = 0.005;
	assert_int_equal(verdict(GUARD_CORES, HOUR), GUARD_NO_EFFECT);
	w.ncpu = 6;
	one_round(GUARD_CORES);
	assert_int_equal(out, 0);
	assert_non_null(strstr(g.said, "all rules are back: there are 6 CPUs now"));
	assert_int_equal(known(GUARD_CORES)->pairs, 0);
	while (!out)
		one_round(GUARD_CORES);
	w.ncpu = 8;		/* in an epoch without it */
	one_round(GUARD_CORES);
	assert_int_equal(out, 0);
	assert_false(g.trial.running);
	(void)x;
}

/* Rules that depend on each other: one goes, the other one is needed then. */
static void one_of_two_is_enough(void **x)
{
	start(GUARD_CORES);
	w.have = GUARD_BIT(GUARD_CORES) | GUARD_BIT(GUARD_ASIDE);
	for (uint64_t end = now + 3 * HOUR; now < end;) {
		bool both_out = out == w.have;

		w.with = w.without = both_out ? 0.5 : 0.002;
		/* as round_of() asks for the one that is out */
		one_round(GUARD_CORES);
	}
	assert_true(known(GUARD_CORES)->withdrawn);
	assert_false(known(GUARD_ASIDE)->withdrawn);
	assert_int_equal(known(GUARD_ASIDE)->verdict, GUARD_HELPS);
	(void)x;
}

/* -- in a plan -------------------------------------------------------------------------- */

static struct scene s;

static const struct plan *leave_out(unsigned int rules)
{
	scene_init(&s, 20, 1);
	scene_feeder(&s, 100, 100, STARLING_WAIT_SPIN);
	scene_busy(&s, MS);
	assert_int_equal(s.plan.left_out, 0);
	for (int r = 0; r < __GUARD_MAX; r++)
		s.state.guard.rule[r].withdrawn = rules & GUARD_BIT(r);
	return scene_busy(&s, MS);
}

static void what_is_left_out_is_not_in_the_plan(void **x)
{
	const struct role_plan *tool = &s.plan.role[STARLING_ROLE_TOOL];
	const struct role_plan *feeder = &s.plan.role[STARLING_ROLE_FEEDER];
	const struct plan *p = leave_out(0);

	assert_int_equal(CPU_COUNT(&p->protected_cpus), 1);
	assert_true(CPU_EQUAL(&p->quiet_cpus, &p->protected_cpus));
	assert_true(tool->set_mask && tool->idle_class && feeder->real_time);
	p = leave_out(GUARD_BIT(GUARD_CORES));
	assert_int_equal(CPU_COUNT(&p->protected_cpus) + CPU_COUNT(&p->quiet_cpus), 0);
	assert_true(!tool->set_mask && tool->idle_class && feeder->real_time);
	assert_non_null(strstr(p->why, "; left out by the guard: cores"));
	p = leave_out(GUARD_BIT(GUARD_ASIDE));
	assert_true(tool->set_mask && !tool->idle_class && !tool->cpu_weight);
	assert_false(p->role[STARLING_ROLE_BACKGROUND].idle_class);
	p = leave_out(GUARD_BIT(GUARD_PRIORITY));
	assert_true(tool->idle_class && !feeder->real_time && !feeder->nice_delta);
	p = leave_out(GUARD_BIT(GUARD_NOISE));
	assert_int_equal(CPU_COUNT(&p->protected_cpus), 1);
	assert_int_equal(CPU_COUNT(&p->quiet_cpus), 0);
	(void)x;
}

/* While all is quiet a core would be lent: there is none to lend. */
static void no_core_is_lent_that_is_not_kept(void **x)
{
	leave_out(GUARD_BIT(GUARD_CORES));
	scene_step(&s, 200 * MS);
	assert_int_equal(CPU_COUNT(&s.plan.reserved_cpus), 0);
	leave_out(0);
	scene_step(&s, 200 * MS);
	assert_int_equal(CPU_COUNT(&s.plan.reserved_cpus), 1);
	(void)x;
}

static void crowded_tools_without_that_rule(void **x)
{
	leave_out(0);
	s.state.crowd_ns = s.snap.now_ns;
	scene_busy(&s, MS);
	assert_false(s.plan.role[STARLING_ROLE_TOOL].idle_class);
	s.state.guard.rule[GUARD_CROWD].withdrawn = true;
	scene_busy(&s, MS);
	assert_true(s.plan.role[STARLING_ROLE_TOOL].idle_class);
	(void)x;
}

/* The next feeder is another one on the same machine. */
static void what_was_found_outlives_the_feeder(void **x)
{
	leave_out(GUARD_BIT(GUARD_ASIDE));
	s.snap.ntask = 0;
	scene_step(&s, S);
	assert_int_equal(s.plan.feeders, 0);
	scene_feeder(&s, 101, 101, STARLING_WAIT_SPIN);
	scene_busy(&s, MS);
	assert_int_equal(s.plan.left_out, GUARD_BIT(GUARD_ASIDE));
	(void)x;
}

/* A feeder and its service in agent 3, which has a tool as well. */
static void a_round(uint64_t run, uint64_t wait)
{
	s.snap.now_ns += ROUND;
	s.snap.read_ns = s.snap.now_ns;
	s.snap.agents_run_ns += run;
	s.snap.agents_wait_ns += wait;
}

static void what_a_round_shows(void **x)
{
	struct measure_base base = { 0 };
	struct snap_task *f, *v, *t;
	struct measure m;

	scene_init(&s, 2, 1);
	f = scene_feeder(&s, 100, 100, STARLING_WAIT_SPIN);
	v = scene_task(&s, 101, 100);
	t = scene_task(&s, 200, 200);
	f->agent_id = v->agent_id = t->agent_id = 3;
	scene_talk(&s, 100, 101, 100);
	scene_classify(&s);
	assert_int_equal(scene_verdict(&s, 101)->role, STARLING_ROLE_SERVICE);
	f->recent_ns = 100 * MS;
	f->recent_wait_ns = 10 * MS;
	v->recent_ns = 10 * MS;
	v->recent_wait_ns = 4 * MS;
	a_round(S, S);
	assert_false(measure_take(&s.snap, s.verdict, &base, &m));	/* no round yet */
	s.snap.round_ns = ROUND;
	assert_false(measure_take(&s.snap, s.verdict, &base, &m));
	a_round(196 * MS, 64 * MS);
	assert_true(measure_take(&s.snap, s.verdict, &base, &m));
	assert_true(m.ns == ROUND && m.worst_ns == 10 * MS);
	assert_true(m.feeder.run == 90 * MS && m.service.run == 6 * MS);
	/* neither of them is a tool, whosever agent they are in */
	assert_true(m.tool.run == 100 * MS && m.tool.wait == 50 * MS);
	assert_true(fabs(measure_feeder(&m) - 0.1) < 1e-9);
	assert_true(fabs(measure_path(&m) - 0.4) < 1e-9);
	assert_true(fabs(measure_tools(&m) - 100.0 / 150) < 1e-9);
	assert_true(fabs(measure_demand(&m) - 260.0 / 250) < 1e-9);
	/* nothing new has been read; an agent is forgotten with its sums */
	assert_false(measure_take(&s.snap, s.verdict, &base, &m));
	a_round(-S, 0);
	assert_false(measure_take(&s.snap, s.verdict, &base, &m));
	a_round(0, 0);
	assert_true(measure_take(&s.snap, s.verdict, &base, &m));
	assert_true(m.tool.run == 0);
	(void)x;
}

/* From records to a verdict: what tools and feeders have had in each round. */
static void a_snapshot_is_measured(void **x)
{
	struct snap_task *f, *t;

	scene_init(&s, 2, 1);
	f = scene_feeder(&s, 100, 100, STARLING_WAIT_SPIN);
	t = scene_task(&s, 200, 200);
	t->agent_id = 3;
	s.snap.round_ns = ROUND;
	s.snap.agents_run_ns = s.snap.agents_wait_ns = S;
	for (int i = 0; i < 4 * 60 * 30 && !s.state.guard.seq; i++) {
		bool shares = s.plan.left_out & GUARD_BIT(GUARD_CORES);

		f->recent_ns = ROUND;
		f->recent_wait_ns = shares ? ROUND / 2 : 0;
		s.snap.agents_run_ns += shares ? ROUND * 3 / 2 : ROUND;
		s.snap.agents_wait_ns += ROUND;
		scene_busy(&s, ROUND);
		/* a decision between rounds has nothing new to tell */
		if (i % 3 == 0)
			s.snap.read_ns = s.snap.now_ns, scene_busy(&s, MS);
		s.snap.read_ns = 0;
	}
	assert_int_equal(s.state.guard.rule[GUARD_CORES].verdict, GUARD_HELPS);
	assert_int_equal(s.plan.left_out, 0);
	(void)x;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(helps),
		cmocka_unit_test(helps_a_little),
		cmocka_unit_test(no_effect),
		cmocka_unit_test(no_effect_but_for_tools),
		cmocka_unit_test(harms),
		cmocka_unit_test(too_noisy_to_tell),
		cmocka_unit_test(noise_stays_without_effect),
		cmocka_unit_test(more_can_be_better),
		cmocka_unit_test(drift_is_no_effect),
		cmocka_unit_test(chance_is_seldom_taken_for_an_effect),
		cmocka_unit_test(one_outlier_proves_nothing),
		cmocka_unit_test(little_time_without_a_rule),
		cmocka_unit_test(little_time_without_any),
		cmocka_unit_test(starving_ends_the_epoch),
		cmocka_unit_test(the_epoch_is_a_setting),
		cmocka_unit_test(off_is_off),
		cmocka_unit_test(no_trial_without_competition),
		cmocka_unit_test(the_feeder_vanishes_midway),
		cmocka_unit_test(what_leaves_the_plan_is_not_left_out),
		cmocka_unit_test(phases),
		cmocka_unit_test(what_is_withdrawn_comes_back_when_it_is_missed),
		cmocka_unit_test(it_comes_back_in_a_trial),
		cmocka_unit_test(what_was_known_is_no_alarm),
		cmocka_unit_test(back_off_grows),
		cmocka_unit_test(false_alarms_get_rare),
		cmocka_unit_test(no_longer_of_use),
		cmocka_unit_test(cpus_come_and_go),
		cmocka_unit_test(one_of_two_is_enough),
		cmocka_unit_test(what_is_left_out_is_not_in_the_plan),
		cmocka_unit_test(no_core_is_lent_that_is_not_kept),
		cmocka_unit_test(crowded_tools_without_that_rule),
		cmocka_unit_test(what_was_found_outlives_the_feeder),
		cmocka_unit_test(what_a_round_shows),
		cmocka_unit_test(a_snapshot_is_measured),
	};

	return unit_run(tests);
}
