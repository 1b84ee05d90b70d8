// SPDX-License-Identifier: GPL-2.0-only
/*
 * What daemon/manage.c does around the policy, over tasks that are simulated:
 * its window, its verdicts, its rounds, and daemon/place/sched-ext.c's effects.
 */
#include "tools/sim/daemon.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "bpf/sched.h"
#include "daemon/edge.h"
#include "daemon/policy/policy.h"
#include "daemon/report-guard.h"
#include "daemon/room.h"
#include "tools/sim/alloc.h"
#include "tools/sim/cpu.h"
#include "tools/sim/load.h"
#include "tools/sim/native.h"
#include "tools/sim/step.h"

#define TICK_ACTIVE	(250 * MS)
#define TICK_QUIET	(1000 * MS)
#define TICK_SOON	(50 * MS)
#define HURRY		(500 * US)
#define ACTIVE_KEEP	(1 * S)
#define GPU_RESUME	(100 * MS)
#define GRANT		(1 * S)

enum { APPLY_ROUNDS = 8, DENIED_PART = 4, PLACE_MAX = 8192 };

static struct {
	bool on, changed, moved;
	uint64_t delay_ns, decided_ns, round_ns, elapsed_ns, round, gpu_last_ns;
	struct timer tick, hurry, apply, place;
	struct policy_settings set;
	struct policy_state state;
	struct plan plan, applied;
	struct edge_table edges;
	struct agent *agents;
	struct snap_task *snap;
	struct task **known;
	struct verdict *verdict;
	struct snap_edge *edge;
	size_t room, edge_room;
	struct room memory;		/* of one decision */
	struct { struct task *t; uint32_t tid; } placing[PLACE_MAX];
	unsigned int nplacing;
	struct daemon_cost cost;
} d;

/* -- telling the scheduler ------------------------------------------------------------- */

static void tell(struct task *t)
{
	struct known *k = &t->known;
	uint64_t agent = k->role && t->agent ? t->agent->id : 0;
	bool rises = sched_goes_first(k->role) && !(k->told && sched_goes_first(k->told_role));

	if (!k->role && !k->told)
		return;
	if (k->told && k->told_role == k->role && k->told_agent == agent &&
	    k->told_feeding == k->feeding)
		return;
	native_tell(&t->ts, agent, k->role, k->feeding ? sim.now + GRANT : 0);
	if (rises)
		native_promote(&t->ts);
	k->told = k->role;
	k->told_role = k->role;
	k->told_agent = agent;
	k->told_feeding = k->feeding;
}

static void on_apply(struct timer *timer)
{
	bool protected[SHIM_CPUS_MAX];
	struct task **all;
	size_t n;

	(void)timer;
	for (unsigned int i = 0; i < machine.ncpu; i++)
		protected[i] = CPU_ISSET(i, &d.applied.protected_cpus) ||
			       CPU_ISSET(i, &d.applied.reserved_cpus);
	native_protect(protected, machine.ncpu);
	step_size(CPU_COUNT(&d.applied.protected_cpus));
	all = task_all(&n);
	for (size_t i = 0; i < n; i++)
		if (all[i]->known.member)
			tell(all[i]);
}

/* One that has just executed a program is told of before the next round. */
static void on_place(struct timer *timer)
{
	(void)timer;
	for (unsigned int i = 0; i < d.nplacing; i++)
		if (d.placing[i].t->tid == d.placing[i].tid)
			tell(d.placing[i].t);
	d.nplacing = 0;
}

static void place_soon(struct task *t)
{
	if (d.nplacing == PLACE_MAX) {
		d.changed = true;
		return;
	}
	d.placing[d.nplacing].t = t;
	d.placing[d.nplacing++].tid = t->tid;
	if (!d.place.place)
		timer_set(&d.place, sim.now + d.delay_ns);
}

/* -- events ------------------------------------------------------------------------------ */

void daemon_agent(struct agent *a)
{
	a->next = d.agents;
	d.agents = a;
}

void daemon_agent_gone(struct agent *a)
{
	struct agent **at = &d.agents;

	while (*at && *at != a)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = a->next;
	native_agent_gone(a->id);
	free(a);
}

/*
 * What the kernel's part says of a new task: its agent, and that what an agent
 * executes is a tool. Threads beside a feeder are watched for their wakes.
 */
void daemon_fork(struct task *t, const struct task *parent, bool execs)
{
	struct known *k = &t->known;

	k->member = t->agent || (parent && parent->known.member && parent->tgid == t->tgid);
	if (!t->agent || !parent || parent->agent != t->agent)
		return;
	k->execed = execs;
	if (parent->known.source == STARLING_BY_LINEAGE &&
	    (parent->known.role == STARLING_ROLE_TOOL ||
	     parent->known.role == STARLING_ROLE_BACKGROUND)) {
		k->role = parent->known.role;
		k->source = STARLING_BY_LINEAGE;
	} else if (execs) {
		k->role = STARLING_ROLE_TOOL;
		k->source = STARLING_BY_LINEAGE;
	}
	if (execs && d.on)
		place_soon(t);
}

void daemon_exit(struct task *t)
{
	if (!t->agent)
		return;
	t->agent->past_run_ns += t->run_ns;
	t->agent->past_wait_ns += t->wait_ns;
}

void daemon_join(struct task *t)
{
	t->known.member = true;
	t->known.root = t->agent;
	d.changed = true;
	if (d.on && !d.hurry.place)
		timer_set(&d.hurry, sim.now + HURRY);
}

/* Wakes count while a feeder is active only: the window stands still otherwise. */
void daemon_edge(const struct task *waker, const struct task *wakee)
{
	struct sense_edge e = {
		.waker = waker->tid, .waker_tgid = waker->tgid,
		.wakee = wakee->tid, .wakee_tgid = wakee->tgid, .count = 1,
	};

	if (d.on && waker->known.member && wakee->known.member &&
	    sim.now - d.gpu_last_ns < TICK_QUIET)
		edge_add(&d.edges, &e, 1);
}

void daemon_gpu_wait(struct task *t)
{
	bool news = !t->gpu_last_ns || sim.now - t->gpu_last_ns >= GPU_RESUME;

	t->gpu_last_ns = d.gpu_last_ns = sim.now;
	t->gpu_waits++;
	t->known.member = true;
	if (news && d.on && !d.hurry.place)
		timer_set(&d.hurry, sim.now + HURRY);
}

/* -- the window ---------------------------------------------------------------------------- */

static void window_update(struct task *t)
{
	struct window *w = &t->known.win;
	uint64_t run = t->run_ns - w->old_run_ns, wait = t->wait_ns - w->old_wait_ns;

	w->recent_ns = run + wait;
	w->recent_wait_ns = wait;
	w->run_ns += run;
	w->wait_ns += wait;
	w->nvcsw += t->nvcsw - w->old_nvcsw;
	w->gpu_waits += t->gpu_waits - w->old_gpu_waits;
	w->old_run_ns = t->run_ns;
	w->old_wait_ns = t->wait_ns;
	w->old_nvcsw = t->nvcsw;
	w->old_gpu_waits = t->gpu_waits;
	if (t->gpu_last_ns && t->gpu_last_ns + ACTIVE_KEEP > sim.now &&
	    wait * DENIED_PART > d.elapsed_ns)
		t->known.denied_ns = sim.now;
}

static void window_fade(struct task *t, double left)
{
	t->known.win.run_ns *= left;
	t->known.win.wait_ns *= left;
	t->known.win.gpu_waits *= left;
	t->known.win.nvcsw *= left;
}

/* What is being used now is read as if it had been counted. */
static void time_up_to_now(struct task *t)
{
	if (t->phase == PHASE_RUNNING) {
		cpu_charge(&machine.cpu[t->cpu]);
	} else if (t->phase == PHASE_QUEUED) {
		t->wait_ns += sim.now - t->since_ns;
		t->since_ns = sim.now;
	}
}

static void look(void)
{
	struct task **all;
	double left;
	size_t n;

	d.round++;
	d.elapsed_ns = sim.now - d.round_ns;
	d.moved = d.gpu_last_ns > d.round_ns;
	d.round_ns = sim.now;
	left = d.moved ? edge_fade(&d.edges, d.elapsed_ns) : 1;
	all = task_all(&n);
	for (size_t i = 0; i < n; i++) {
		if (!all[i]->known.member)
			continue;
		time_up_to_now(all[i]);
		if (d.moved)
			window_fade(all[i], left);
		window_update(all[i]);
	}
}

/* -- decisions ------------------------------------------------------------------------------ */

static struct snap_task snap_of(const struct task *t)
{
	const struct known *k = &t->known;

	return (struct snap_task){
		.tid = t->tid, .tgid = t->tgid, .ppid = t->ppid,
		.agent_id = t->agent ? t->agent->id : 0,
		.gpu_last_ns = t->gpu_last_ns && k->denied_ns > t->gpu_last_ns ?
			k->denied_ns : t->gpu_last_ns,
		.d_run_ns = k->win.run_ns, .d_wait_ns = k->win.wait_ns,
		.recent_ns = k->win.recent_ns, .recent_wait_ns = k->win.recent_wait_ns,
		.d_gpu_waits = k->win.gpu_waits + 0.5, .d_nvcsw = k->win.nvcsw,
		.wait_style = t->wait_style,
		.role = k->role, .role_source = k->source,
		.agent_root = k->root, .execed = k->execed,
	};
}

static void *grow(void *p, size_t n, size_t size)
{
	p = realloc(p, n * size);
	if (!p) {
		fputs("starling-sim: out of memory: ask for fewer tasks\n", stderr);
		exit(1);
	}
	return p;
}

/* By more than is needed, so that a steady state asks for nothing. */
static void make_room(size_t tasks, size_t edges)
{
	if (tasks > d.room) {
		d.room = tasks * 2;
		d.snap = grow(d.snap, d.room, sizeof(*d.snap));
		d.known = grow(d.known, d.room, sizeof(struct task *));
		d.verdict = grow(d.verdict, d.room, sizeof(*d.verdict));
	}
	if (edges > d.edge_room) {
		d.edge_room = edges * 2;
		d.edge = grow(d.edge, d.edge_room, sizeof(*d.edge));
	}
}

static void sum_agents(struct snapshot *snap, size_t n)
{
	for (struct agent *a = d.agents; a; a = a->next) {
		snap->agents_run_ns += a->past_run_ns;
		snap->agents_wait_ns += a->past_wait_ns;
	}
	for (size_t i = 0; i < n; i++) {
		if (!d.known[i]->agent)
			continue;
		snap->agents_run_ns += d.known[i]->run_ns;
		snap->agents_wait_ns += d.known[i]->wait_ns;
	}
}

static struct snapshot picture_take(void)
{
	struct snapshot snap = {
		.now_ns = sim.now, .read_ns = d.round_ns, .window_ns = d.edges.window_ns,
		.round_ns = d.elapsed_ns, .topo = &load.topo, .set = &d.set, .room = &d.memory,
	};
	struct task **all;
	struct edge *e;
	size_t n;

	all = task_all(&n);
	make_room(n, HASH_COUNT(d.edges.head));
	for (size_t i = 0; i < n; i++) {
		if (!all[i]->known.member)
			continue;
		d.known[snap.ntask] = all[i];
		d.snap[snap.ntask++] = snap_of(all[i]);
	}
	for (e = d.edges.head; e; e = e->hh.next)
		d.edge[snap.nedge++] = (struct snap_edge){
			e->key.waker, e->key.wakee, e->count + 0.5 };
	snap.task = d.snap;
	snap.edge = d.edge;
	sum_agents(&snap, snap.ntask);
	return snap;
}

static void take_verdicts(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct known *k = &d.known[i]->known;

		if (d.verdict[i].role != k->role)
			d.changed = true;
		k->role = d.verdict[i].role;
		k->source = d.verdict[i].role_source;
	}
}

static uint64_t host_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * S + ts.tv_nsec;
}

static void note_cost(uint64_t began, uint64_t allocs, size_t tasks)
{
	uint64_t took = host_ns() - began;

	d.cost.decisions++;
	d.cost.sum_ns += took;
	if (took > d.cost.max_ns)
		d.cost.max_ns = took;
	allocs = alloc_count() - allocs;
	if (allocs > d.cost.allocs_max)
		d.cost.allocs_max = allocs;
	if (tasks > d.cost.tasks_max)
		d.cost.tasks_max = tasks;
}

/* Each feeder is told at once when it begins and ceases to use a GPU. */
static void note_feeding(const struct snapshot *snap)
{
	for (size_t i = 0; i < snap->ntask; i++) {
		struct known *k = &d.known[i]->known;
		bool feeds = policy_feeding(snap, &d.verdict[i], &d.snap[i]);

		if (feeds == k->feeding)
			continue;
		k->feeding = feeds;
		if (k->told)
			tell(d.known[i]);
	}
}

static void note_left_out(void)
{
	if (d.plan.left_out)
		metrics.left_out_ns += sim.now - d.decided_ns;
	d.decided_ns = sim.now;
}

/* The plan is applied when it changed, or a role did, or it is time again. */
static void decide(void)
{
	struct snapshot snap = picture_take();
	uint64_t began = host_ns(), allocs = alloc_count(), seq = d.plan.seq;

	note_left_out();
	room_reset(&d.memory);
	policy_classify(&snap, d.verdict);
	policy_decide(&snap, d.verdict, &d.state, &d.plan);
	note_cost(began, allocs, snap.ntask);
	take_verdicts(snap.ntask);
	note_feeding(&snap);
	if (!d.changed && d.plan.seq == seq &&
	    !(d.plan.feeders_active && d.round % APPLY_ROUNDS == 0))
		return;
	d.changed = false;
	d.applied = d.plan;
	timer_set(&d.apply, sim.now + d.delay_ns);
}

static uint64_t next_tick(void)
{
	uint64_t ns = TICK_QUIET, at = d.plan.recheck_ns;

	if (d.plan.feeders_active || d.moved)
		return TICK_ACTIVE;
	if (at && at < sim.now + ns)
		ns = at > sim.now ? at - sim.now : 0;
	return ns > TICK_SOON ? ns : TICK_SOON;
}

static void tell_agents(void)
{
	for (struct agent *a = d.agents; a; a = a->next) {
		if (a->told_weight == a->weight)
			continue;
		native_agent(a->id, 0, a->weight, a->class);
		a->told_weight = a->weight;
	}
}

static void renew_grants(void)
{
	struct task **all;
	size_t n;

	all = task_all(&n);
	for (size_t i = 0; i < n; i++) {
		struct known *k = &all[i]->known;

		if (k->told && k->told_feeding)
			native_tell(&all[i]->ts, k->told_agent, k->told_role, sim.now + GRANT);
	}
}

static void on_tick(struct timer *timer)
{
	look();
	tell_agents();
	decide();
	renew_grants();
	timer_set(timer, sim.now + next_tick());
}

static void on_hurry(struct timer *timer)
{
	(void)timer;
	decide();
	timer_set(&d.tick, sim.now + TICK_SOON);
}

void daemon_start(uint64_t delay_ns, uint64_t guard_ns)
{
	d.on = true;
	d.delay_ns = delay_ns;
	d.tick.fire = on_tick;
	d.hurry.fire = on_hurry;
	d.apply.fire = on_apply;
	d.place.fire = on_place;
	policy_settings_default(&d.set);
	d.set.guard = guard_ns;
	d.set.guard_epoch_ns = guard_ns;
	d.set.guard_rules = GUARD_BIT(GUARD_CORES);	/* the scheduler follows roles */
	timer_set(&d.tick, sim.now + TICK_QUIET);
}

void daemon_stop(void)
{
	while (d.agents)
		daemon_agent_gone(d.agents);
	edge_table_free(&d.edges);
	free(d.snap);
	free(d.known);
	free(d.verdict);
	free(d.edge);
	room_free(&d.memory);
	native_stop();
	memset(&d, 0, sizeof(d));
}

const struct daemon_cost *daemon_get_cost(void)
{
	return &d.cost;
}

json_t *daemon_guard(void)
{
	return report_guard(&d.state.guard, &d.set, d.plan.left_out, sim.now);
}
