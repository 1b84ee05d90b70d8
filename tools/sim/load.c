// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads. What a task is called in reports is what it is (enum kind); what the
 * policy takes it for, it has to find out, as on a real machine.
 */
#include "tools/sim/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "tools/sim/cpu.h"
#include "tools/sim/step.h"

enum { FEEDERS_MAX = 64, WEIGHTED = 8 };

struct load load;

static uint64_t last_agent;
static struct feeder feeders[FEEDERS_MAX];
static unsigned int nfeeder;

struct agent *load_agent(uint32_t weight)
{
	struct agent *a = calloc(1, sizeof(*a));

	if (!a) {
		warn("out of memory: ask for fewer agents");
		exit(EXIT_FAIL);
	}
	a->id = ++last_agent;
	a->weight = weight;
	a->class = STARLING_CLASS_NORMAL;
	daemon_agent(a);
	return a;
}

static struct act prog_sleep(struct task *t)
{
	(void)t;
	return (struct act){ ACT_BLOCK, 0 };
}

static struct task *root_start(struct agent *a, step_fn step)
{
	struct task_spec spec = { .kind = KIND_ORCHESTRATOR, .step = step, .agent = a };
	struct task *t = task_new(&spec, NULL);

	daemon_join(t);
	task_wake(t, NULL, false);
	return t;
}

struct task *load_root(struct agent *a)
{
	return root_start(a, prog_sleep);
}

/* -- a feeder alone, as `agentload feed` ------------------------------------------------ */

static uint64_t feed_next(struct feeder *f, uint64_t *until)
{
	uint64_t on = (uintptr_t)f->ctx * MS;

	if (on && sim.now / on % 2) {
		*until = (sim.now / on + 1) * on;
		return 0;
	}
	return load.t1_ms * MS;
}

static void feed_done(struct feeder *f)
{
	(void)f;
	metrics.tokens++;
}

void load_feeder(uint64_t on_ns)
{
	struct feeder *f = &feeders[nfeeder++];

	*f = (struct feeder){
		.style = load.style, .host_ns = load.host_us * US,
		.next = feed_next, .done = feed_done, .ctx = (void *)(uintptr_t)(on_ns / MS),
	};
	feeder_start(f, (struct task_spec){ 0 }, NULL);
}

/* -- loads -------------------------------------------------------------------------------- */

static unsigned int hogs_wanted(void)
{
	return load.hogs ? load.hogs : 2 * machine.ncpu;
}

static void hogs_start(struct agent *a, unsigned int n)
{
	struct task_spec spec = {
		.kind = KIND_TOOL, .step = prog_hog, .agent = a, .execs = true,
	};

	prog_start(spec, n, load_root(a));
}

static int start_hogs(void)
{
	load_feeder(0);
	hogs_start(load_agent(100), hogs_wanted());
	return 0;
}

static int start_hogs_phases(void)
{
	load_feeder(5 * S);
	hogs_start(load_agent(100), hogs_wanted());
	return 0;
}

/* One feeder all the time, and two more in every other step. */
static void steps(uint64_t ns, unsigned int turns)
{
	step_expect(ns, turns);
	load_feeder(0);
	load_feeder(ns);
	load_feeder(ns);
	hogs_start(load_agent(100), hogs_wanted());
}

static int start_step(void)
{
	steps(5 * S, load.end_ns / (5 * S) + 1);
	return 0;
}

/* As long as it takes to see that one is quiet: the worst there is to follow. */
static int start_step_flap(void)
{
	steps(350 * MS, 12);
	return 0;
}

static int start_m9(void)
{
	return agents_start(false, false);
}

static int start_m9_phases(void)
{
	return agents_start(true, false);
}

static int start_m9_churn(void)
{
	return agents_start(false, true);
}

/* Who has which part of the run; read when it is over. */
static struct task *weighted[SHARES_MAX];

static void sum_weighted(void)
{
	struct task **all;
	size_t n;

	all = task_all(&n);
	for (size_t i = 0; i < n; i++)
		if (all[i]->phase == PHASE_RUNNING)
			cpu_charge(&machine.cpu[all[i]->cpu]);
	for (unsigned int s = 0; s < load.nshare; s++)
		for (size_t i = 0; i < n; i++)
			if (all[i] == weighted[s] ||
			    (all[i]->agent && all[i]->agent == weighted[s]->agent))
				load.share[s].got += all[i]->run_ns;
}

static void share_add(struct task *t, uint32_t weight)
{
	weighted[load.nshare] = t;
	load.share[load.nshare++].weight = weight;
}

/* A hog that competes for itself. @pinned: to this CPU less one; 0: to none. */
static void start_weighted(int pinned, uint32_t weight)
{
	struct task_spec spec = {
		.kind = KIND_OTHER, .step = prog_hog, .pinned = pinned, .weight = weight,
	};
	struct task *t = task_new(&spec, NULL);

	share_add(t, weight);
	task_wake(t, NULL, false);
}

static const uint32_t weights[WEIGHTED] = { 50, 75, 100, 100, 125, 150, 200, 300 };

/*
 * Tasks that compete for themselves with weights as from nice values. So many
 * for each CPU that none is owed more than one.
 */
static int start_weights_flat(void)
{
	unsigned int n = 3 * machine.ncpu;

	if (n > SHARES_MAX)
		n = SHARES_MAX;
	if (n < 3 * machine.ncpu) {
		warn("weights-flat: for %u CPUs at most (--cpus)", SHARES_MAX / 3);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < n; i++)
		start_weighted(0, weights[i % WEIGHTED]);
	load.finish = sum_weighted;
	return 0;
}

/*
 * Agents with weights, and with processes in numbers that say nothing of them.
 * Their main loops use all they get, too, and are not let before others for it.
 */
static int start_weights_two_level(void)
{
	for (unsigned int i = 0; i < WEIGHTED; i++) {
		struct agent *a = load_agent(weights[i]);
		struct task_spec spec = {
			.kind = KIND_TOOL, .step = prog_hog, .agent = a, .execs = true,
		};
		struct task *root = root_start(a, prog_hog);

		prog_start(spec, machine.ncpu * (1 + (WEIGHTED - i) % 3), root);
		share_add(root, weights[i]);
	}
	load.finish = sum_weighted;
	return 0;
}

static int start_fork_storm(void)
{
	unsigned int n = load.agents ? load.agents : 9;

	load_feeder(0);
	for (unsigned int i = 0; i < n; i++) {
		struct agent *a = load_agent(100);
		struct task_spec spec = { .kind = KIND_ORCHESTRATOR, .step = prog_storm,
					  .agent = a };
		struct task *t = task_new(&spec, NULL);

		/* 6.1 a second were seen, at times ten times as many */
		t->arg[0] = S / 61;
		daemon_join(t);
		task_wake(t, NULL, false);
	}
	hogs_start(load_agent(100), hogs_wanted());
	return 0;
}

/* A main loop that runs for @on_ns, sleeps for @off_ns and so on. */
static void loop_start(struct agent *a, enum kind kind, uint64_t on_ns, uint64_t off_ns)
{
	struct task_spec spec = { .kind = kind, .step = prog_burn, .agent = a };
	struct task *t = task_new(&spec, NULL);

	t->arg[0] = on_ns;
	t->arg[1] = off_ns;
	daemon_join(t);
	task_wake(t, NULL, false);
}

/* Main loops alone want more than there is. A person waits for one of them. */
static int start_interactive(void)
{
	struct agent *a = load_agent(100);

	load_feeder(0);
	for (unsigned int i = 0; i < 4 * machine.ncpu; i++)
		loop_start(load_agent(100), KIND_ORCHESTRATOR, 3 * MS, 7 * MS + i * 10 * US);
	hogs_start(load_agent(100), hogs_wanted());
	a->class = STARLING_CLASS_INTERACTIVE;
	loop_start(a, KIND_INTERACTIVE, MS / 2, 20 * MS);
	return 0;
}

/* Short ones should not have to wait for the slices of long ones. */
static int start_short_long(void)
{
	struct agent *a = load_agent(100);
	struct task_spec spec = {
		.kind = KIND_TOOL, .step = prog_short, .agent = a, .execs = true,
	};

	load_feeder(0);
	prog_start(spec, machine.ncpu, load_root(a));
	hogs_start(load_agent(100), hogs_wanted());
	return 0;
}

/* One that is late is waited for by all: what preempts one of them costs ncpu. */
static int start_barrier(void)
{
	static struct barrier b;
	struct agent *a = load_agent(100);
	struct task_spec spec = {
		.kind = KIND_TOOL, .step = prog_barrier, .agent = a, .execs = true, .ctx = &b,
	};
	struct task *root = load_root(a);

	load_feeder(0);
	b.n = machine.ncpu;
	b.ns = 2 * MS;
	for (unsigned int i = 0; i < b.n; i++) {
		b.task[i] = task_new(&spec, root);
		spec.tgid = b.task[0]->tgid;
	}
	for (unsigned int i = 0; i < b.n; i++)
		task_wake(b.task[i], NULL, false);
	hogs_start(load_agent(100), hogs_wanted());
	return 0;
}

static struct timer rt;

/* Interrupts' threads and the like: 50 times a second on each CPU. */
static void on_real_time(struct timer *timer)
{
	unsigned int cpu = rng_u64(&load.rng) % machine.ncpu;

	cpu_take(&machine.cpu[cpu], rng_lognormal(&load.rng, 200 * US, 1));
	timer_set(timer, sim.now + (uint64_t)rng_exponential(&load.rng, 20.0 * MS / machine.ncpu));
}

static int start_real_time(void)
{
	load_feeder(0);
	hogs_start(load_agent(100), hogs_wanted());
	rt.fire = on_real_time;
	timer_set(&rt, 1 * S);
	return 0;
}

/* Three for each two CPUs of one half of the machine, while the other one is idle. */
static int start_bound(void)
{
	struct task_spec spec = { .kind = KIND_OTHER, .step = prog_hog, .paired = true };

	load_feeder(0);
	for (unsigned int i = 0; i + 1 < machine.ncpu; i += 4) {
		spec.pinned = i + 1;
		prog_start(spec, 3, NULL);
	}
	return 0;
}

/* Each CPU has two that may run nowhere else, and one may run on any. */
static int start_pinned(void)
{
	if (3 * machine.ncpu > SHARES_MAX) {
		warn("pinned: for %u CPUs at most (--cpus)", SHARES_MAX / 3);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < machine.ncpu; i++) {
		start_weighted(i + 1, 100);
		start_weighted(i + 1, 100);
		start_weighted(0, 100);
	}
	load.finish = sum_weighted;
	return 0;
}

/* Everything that could be forgotten, beside more feeders than cores are kept. */
static int start_starve(void)
{
	unsigned int n = machine.ncpu, feeds = n / 2 + 1;
	struct task_spec spec = { .kind = KIND_OTHER, .step = prog_burn };

	for (unsigned int i = 0; i < feeds && i < FEEDERS_MAX; i++)
		load_feeder(0);
	hogs_start(load_agent(1), 2 * n);
	for (unsigned int i = 0; i < 3; i++)
		hogs_start(load_agent(10000), 2 * n);
	for (unsigned int i = 0; i < n; i++) {
		struct task *t;

		spec.pinned = i + 1;
		spec.step = prog_burn;
		t = task_new(&spec, NULL);
		t->arg[0] = 1 * MS;
		t->arg[1] = 10 * MS;
		task_wake(t, NULL, false);
		spec.step = prog_hog;
		prog_start(spec, 1, NULL);
		spec.paired = true;
		spec.step = prog_rare;
		prog_start(spec, 4, NULL);
		spec.paired = false;
	}
	spec = (struct task_spec){ .kind = KIND_OTHER, .step = prog_hog, .weight = 1 };
	prog_start(spec, 2, NULL);
	spec = (struct task_spec){ .kind = KIND_BACKGROUND, .step = prog_hog,
				   .agent = load_agent(100) };
	for (unsigned int i = 0; i < n; i++) {
		struct task *t = task_new(&spec, NULL);

		t->known.role = STARLING_ROLE_BACKGROUND;
		t->known.source = STARLING_BY_OWNER;
		daemon_join(t);
		task_wake(t, NULL, false);
	}
	return 0;
}

static struct timer late;

/* Two hogs for each CPU, each a hundred times as heavy as any other task. */
static void on_late(struct timer *timer)
{
	(void)timer;
	hogs_start(load_agent(10000), 2 * machine.ncpu);
}

/* Who is light waits already when one that is heavy comes. */
static int start_heavy_late(void)
{
	hogs_start(load_agent(1), hogs_wanted());
	late.fire = on_late;
	timer_set(&late, 5 * S);
	return 0;
}

/* Many that do little: what does it cost to decide? */
static int start_many(void)
{
	unsigned int agents = load.agents ? load.agents : 1000;
	unsigned int tasks = load.tasks ? load.tasks : 100000;

	task_reserve(tasks + agents + 16);
	load_feeder(0);
	for (unsigned int i = 0; i < agents; i++) {
		struct agent *a = load_agent(100);
		struct task_spec spec = {
			.kind = KIND_TOOL, .step = prog_rare, .agent = a, .execs = true,
		};

		prog_start(spec, tasks / agents, load_root(a));
	}
	return 0;
}

const struct load_type load_types[] = {
	{ "hogs", "a feeder beside tools that use all CPU they get", start_hogs },
	{ "hogs-phases", "the same, the feeder for 5 s of every 10", start_hogs_phases },
	{ "step", "the same, one feeder and three in turns of 5 s", start_step },
	{ "step-flap", "the same in turns of 350 ms", start_step_flap },
	{ "m9", "nine agents of a trace, and the server they ask", start_m9 },
	{ "m9-phases", "the same, the model for 5 s of every 10", start_m9_phases },
	{ "m9-churn", "the same for as long as wanted: agents die and are born", start_m9_churn },
	{ "weights-flat", "tasks with weights that compete for themselves", start_weights_flat },
	{ "weights-two-level", "agents with weights and many processes",
	  start_weights_two_level },
	{ "fork-storm", "agents that fork 61 times a second each", start_fork_storm },
	{ "interactive", "one main loop among many, which want all CPUs",
	  start_interactive },
	{ "short-long", "short tools beside long ones", start_short_long },
	{ "barrier", "threads that wait for each other beside tools", start_barrier },
	{ "bound", "tasks that may use two CPUs each, while others are idle", start_bound },
	{ "pinned", "tasks that may run anywhere beside two bound to each CPU", start_pinned },
	{ "real-time", "hogs, and real-time tasks that take CPUs for a moment",
	  start_real_time },
	{ "starve", "all that might be forgotten beside many feeders", start_starve },
	{ "heavy-late", "weight 1 waits when weight 10000 comes", start_heavy_late },
	{ "many", "1000 agents with 100000 tasks that do little", start_many },
	{ 0 },
};

const struct load_type *load_find(const char *name)
{
	const struct load_type *l;

	for (l = load_types; l->name; l++)
		if (!strcmp(l->name, name))
			return l;
	return NULL;
}
