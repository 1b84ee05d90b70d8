// SPDX-License-Identifier: GPL-2.0-only
/*
 * The plan follows how active feeders wait.
 *
 * One that blocks is helped by classes alone: in a real-time class its wake
 * preempts at once, and no core has to be kept (realtime.c). Nor need tools stand
 * aside for it. The threads around it stay in the fair class, where classes decide
 * only among tasks that share one cgroup or session: beside a tool in another one,
 * a core is kept.
 *
 * One that spins or yields never wakes; since 6.18 (and in stable trees) a
 * yield even forfeits what the feeder is owed, so whoever shares its core
 * runs a full slice. It needs a core without tools: their masks leave one
 * out, the feeder's stays wide.
 *
 * Tools in the idle class starve beside other work of normal class, and none of them
 * preempts another when it wakes: those that meet at a barrier lose a tenth of their
 * work. So they are there only for threads that gain by it; only while a feeder is
 * active, and for a short time after; and, where a core is kept, only while there is no
 * such work (crowd.c).
 *
 * A core is lent as soon as its feeder is quiet and taken back by the next
 * decision that sees it active. When that happens soon after lending, the
 * core is kept longer the next time, twice as long each: moving all tools
 * back and forth costs more than a short gap gives. One core of several that
 * is given away counts like all of them.
 */
#include <stdio.h>
#include <string.h>
#include "daemon/policy/crowd.h"
#include "daemon/policy/inference.h"
#include "daemon/policy/policy.h"
#include "daemon/policy/protect.h"

#define MS 1000000ULL

#define LINGER_FIRST_NS	(100 * MS)
#define LINGER_MAX_NS	(3200 * MS)
#define FLAP_NS		(1000 * MS)	/* taken back sooner: was not worth it */
#define CALM_NS		(3000 * MS)	/* lent longer: lend at once again */
#define WAIT_MAX_NS	(30000 * MS)
#define APART_KEEP_NS	(10000 * MS)	/* tools come and go: do not follow each */

enum {
	FEEDER_NICE = -15,
	SERVICE_NICE = -10,
	TOOL_WEIGHT = 100,
	BACKGROUND_WEIGHT = 10,
	FEEDER_SLICE_NS = 100 * 1000,	/* the shortest there is: on the core soonest */
	SERVICE_SLICE_NS = 500 * 1000,
	CLAMP_FULL = 1024,
	CLAMP_LOW = CLAMP_FULL / 5,
	FEW_WAITS = 10,		/* fewer: too little known to judge */
};

/* The feeders of one snapshot. */
struct tally {
	unsigned int feeders;
	unsigned int active;
	unsigned int spinners;	/* active or not, that never sleep while they wait */
	unsigned int busy;	/* the active ones of those */
	unsigned int needy;	/* active ones that need a core without tools */
	uint32_t group;		/* of an active one */
	bool many_groups;
	unsigned int style[STARLING_WAIT_YIELD + 1];
	uint64_t last_ns;	/* newest wait of any */
};

static uint64_t since(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

/* Records are as old as their last reading; quiet means quiet up to then. */
static uint64_t seen_ns(const struct snapshot *snap)
{
	return snap->read_ns && snap->read_ns < snap->now_ns ? snap->read_ns : snap->now_ns;
}

static bool spins(const struct snap_task *t)
{
	return t->wait_style == STARLING_WAIT_SPIN || t->wait_style == STARLING_WAIT_YIELD;
}

/*
 * Where no probe could tell, a feeder that is runnable half of the time is
 * taken for one that spins; it stays one until it is clearly less.
 */
static bool is_busy(const struct snapshot *snap, const struct snap_task *t, bool was)
{
	uint64_t runnable = t->d_run_ns + t->d_wait_ns;

	if (spins(t))
		return true;
	if (t->wait_style == STARLING_WAIT_BLOCK)
		return false;
	if (t->d_gpu_waits < FEW_WAITS || !snap->window_ns)
		return true;
	return runnable * (was ? 3 : 2) >= snap->window_ns;
}

/*
 * A long wait has one entry, and a prompt takes seconds. One that spins all
 * the while is in it still: to lend its core then would give tools nothing,
 * and delay the first token.
 */
static bool is_active(const struct snapshot *snap, const struct snap_task *t)
{
	uint64_t quiet = since(seen_ns(snap), t->gpu_last_ns);

	if (!t->gpu_last_ns)
		return false;
	if (quiet <= snap->set->feeder_idle_ns)
		return true;
	return quiet < WAIT_MAX_NS && spins(t) && snap->round_ns &&
		t->recent_ns * 10 >= snap->round_ns * 9;
}

bool policy_feeding(const struct snapshot *snap, const struct verdict *v,
		    const struct snap_task *t)
{
	return v->role == STARLING_ROLE_FEEDER && is_active(snap, t);
}

static void count_group(struct tally *n, uint32_t group)
{
	if (n->group && group && group != n->group)
		n->many_groups = true;
	if (group)
		n->group = group;
}

static void count_feeder(const struct snapshot *snap, const struct snap_task *t,
			 bool was, struct tally *n)
{
	bool busy = is_busy(snap, t, was);

	n->feeders++;
	n->spinners += busy;
	if (t->gpu_last_ns > n->last_ns)
		n->last_ns = t->gpu_last_ns;
	if (!is_active(snap, t))
		return;
	n->active++;
	n->busy += busy;
	count_group(n, t->group);
	if (t->wait_style <= STARLING_WAIT_YIELD)
		n->style[t->wait_style]++;
}

static bool stands_aside(uint16_t role)
{
	return role == STARLING_ROLE_TOOL || role == STARLING_ROLE_BACKGROUND;
}

/* Is a tool in another group than a feeder, where no class reaches it? */
static bool is_apart(const struct snapshot *snap, const struct verdict *v,
		     const struct tally *n)
{
	for (size_t i = 0; i < snap->ntask && n->group; i++)
		if (stands_aside(v[i].role) && snap->task[i].group &&
		    (n->many_groups || snap->task[i].group != n->group))
			return true;
	return false;
}

static void count_needy(const struct snapshot *snap, const struct verdict *v,
			struct policy_state *st, struct tally *n)
{
	if (n->active && is_apart(snap, v, n))
		st->apart_ns = snap->now_ns;
	n->needy = n->busy;
	if (st->apart_ns && since(snap->now_ns, st->apart_ns) < APART_KEEP_NS) {
		n->needy = n->active;
		n->spinners = n->feeders;
	}
}

static struct tally count_feeders(const struct snapshot *snap,
				  const struct verdict *v, bool was)
{
	struct tally n = { 0 };

	for (size_t i = 0; i < snap->ntask; i++)
		if (v[i].role == STARLING_ROLE_FEEDER)
			count_feeder(snap, &snap->task[i], was, &n);
	return n;
}

/* -- cores ------------------------------------------------------------------ */

static void give_up(struct policy_state *st)
{
	CPU_ZERO(&st->protected_cpus);
	st->lent_ns = st->away_ns = 0;
}

/* More cores are wanted than are kept: was it too soon to give some away? */
static void take_back(struct policy_state *st, uint64_t now)
{
	uint64_t away;

	if (!st->away_ns)
		return;
	away = since(now, st->away_ns);
	st->away_ns = 0;
	if (away >= CALM_NS)
		st->linger_ns = 0;
	else if (away < FLAP_NS)
		st->linger_ns = st->linger_ns ? st->linger_ns * 2 : LINGER_FIRST_NS;
	if (st->linger_ns > LINGER_MAX_NS)
		st->linger_ns = LINGER_MAX_NS;
}

static unsigned int cores_wanted(const struct snapshot *snap, const struct tally *n)
{
	unsigned int top = protect_ceiling(snap->topo, snap->set->protect_per);

	return n->needy < top ? n->needy : top;
}

/* Grow at once, shrink when fewer were enough for a while. */
static void set_cores(const struct snapshot *snap, const struct tally *n,
		      struct policy_state *st)
{
	unsigned int want = cores_wanted(snap, n);
	unsigned int have = protect_count(snap->topo, &st->protected_cpus);
	unsigned int in_use = st->lent_ns ? 0 : have;
	uint64_t now = snap->now_ns;

	if (want >= in_use)
		st->enough_ns = now;
	else if (since(now, st->enough_ns) < st->linger_ns)
		want = in_use;
	if (want > in_use)
		take_back(st, now);
	else if (want < in_use)
		st->away_ns = now;
	if (!want) {
		if (in_use)
			st->lent_ns = now;
		/* nobody is left who could want them back */
		if (!n->spinners)
			give_up(st);
		return;
	}
	st->lent_ns = 0;
	protect_choose(snap->topo, want, &st->protected_cpus, &st->protected_cpus);
}

/* -- roles ------------------------------------------------------------------ */

static void plan_aside(const struct snapshot *snap, struct role_plan *r,
		       const struct plan *plan, unsigned int weight)
{
	r->idle_class = true;
	r->cpu_weight = weight;
	if (!CPU_COUNT(&plan->protected_cpus))
		return;
	CPU_XOR(&r->mask, &snap->topo->all, &plan->protected_cpus);
	r->set_mask = true;
}

/* Is a tool of its own class in the way of @t? Not of one in a real-time class. */
static bool minds_tools(const struct snapshot *snap, const struct verdict *v,
			const struct snap_task *t)
{
	return v->role == STARLING_ROLE_SERVICE ||
		(policy_feeding(snap, v, t) && !policy_real_time(snap, v, t));
}

/*
 * To change the class of all tools takes its time: not back and forth. But a feeder of
 * which nothing is known yet is soon another case.
 */
static bool set_aside(const struct snapshot *snap, const struct verdict *v,
		      struct policy_state *st, bool kept)
{
	bool needed = kept || st->guard.rule[GUARD_PRIORITY].withdrawn;

	for (size_t i = 0; i < snap->ntask; i++) {
		if (!minds_tools(snap, &v[i], &snap->task[i]))
			continue;
		needed = true;
		if (v[i].role == STARLING_ROLE_SERVICE ||
		    snap->task[i].wait_style != STARLING_WAIT_UNKNOWN)
			st->aside_ns = snap->now_ns;
	}
	return needed || (st->aside_ns &&
			  since(snap->now_ns, st->aside_ns) < snap->set->class_keep_ns);
}

/* Where there are slow cores, tools leave the fast ones to the others. */
static void plan_prefer(const struct topology *topo, struct role_plan *r,
			const struct plan *plan)
{
	for (unsigned int i = 0; topo->asymmetric && i < topo->ncpu; i++)
		if (!topo->cpu[i].big && !CPU_ISSET(topo->cpu[i].id, &plan->protected_cpus))
			CPU_SET(topo->cpu[i].id, &r->prefer);
}

/*
 * Where CPUs differ, the kernel chooses by how busy a task has been: a feeder that
 * sleeps would look like one for a small core. One kind of CPUs needs no such hint.
 */
static void plan_clamps(const struct topology *topo, struct plan *plan)
{
	if (!topo->asymmetric)
		return;
	plan->role[STARLING_ROLE_FEEDER].clamp_min = CLAMP_FULL;
	plan->role[STARLING_ROLE_BACKGROUND].clamp_max = CLAMP_LOW;
}

static void plan_roles(const struct snapshot *snap, struct plan *plan, bool crowded)
{
	plan->role[STARLING_ROLE_FEEDER].nice_delta = FEEDER_NICE;
	plan->role[STARLING_ROLE_FEEDER].real_time = true;
	plan->role[STARLING_ROLE_FEEDER].slice_ns = FEEDER_SLICE_NS;
	plan->role[STARLING_ROLE_SERVICE].nice_delta = SERVICE_NICE;
	plan->role[STARLING_ROLE_SERVICE].slice_ns = SERVICE_SLICE_NS;
	plan_aside(snap, &plan->role[STARLING_ROLE_TOOL], plan, TOOL_WEIGHT);
	plan_aside(snap, &plan->role[STARLING_ROLE_BACKGROUND], plan, BACKGROUND_WEIGHT);
	plan_prefer(snap->topo, &plan->role[STARLING_ROLE_TOOL], plan);
	plan_prefer(snap->topo, &plan->role[STARLING_ROLE_BACKGROUND], plan);
	plan_clamps(snap->topo, plan);
	if (crowded || plan->spared)
		plan->role[STARLING_ROLE_TOOL].idle_class = false;
}

/* -- words ------------------------------------------------------------------ */

static const char *style_text(const struct tally *n)
{
	static const char *const text[] = {
		[STARLING_WAIT_UNKNOWN] = "style not known yet",
		[STARLING_WAIT_BLOCK] = "blocking",
		[STARLING_WAIT_SPIN] = "spinning",
		[STARLING_WAIT_YIELD] = "yielding",
	};

	for (int s = STARLING_WAIT_YIELD; s > STARLING_WAIT_UNKNOWN; s--)
		if (n->style[s])
			return text[s];
	return text[STARLING_WAIT_UNKNOWN];
}

static const char *tool_class(const struct plan *plan)
{
	if (plan->role[STARLING_ROLE_TOOL].idle_class)
		return "idle class";
	return plan->spared || plan->left_out & GUARD_BIT(GUARD_ASIDE) ?
		"normal class" : "normal class: crowded";
}

static void say_active(struct plan *plan, const struct tally *n, const struct snapshot *snap)
{
	char cpus[40];

	cpuset_format(&plan->protected_cpus, cpus, sizeof(cpus));
	if (cpus[0])
		snprintf(plan->why, sizeof(plan->why),
			 "%u of %u feeders active (%s%s): CPU %s free of tools, "
			 "these in %s", n->active, n->feeders, style_text(n),
			 n->needy > n->busy ? ", tools in other groups" : "", cpus,
			 tool_class(plan));
	else
		snprintf(plan->why, sizeof(plan->why),
			 "%u of %u feeders active (%s): tools in the %s on all CPUs%s",
			 n->active, n->feeders, style_text(n), tool_class(plan),
			 n->needy && snap->topo->ncpu == 1 ? ", there is only one" : "");
}

static void say_quiet(struct plan *plan, const struct tally *n, bool classes)
{
	char cpus[40];

	cpuset_format(&plan->reserved_cpus, cpus, sizeof(cpus));
	snprintf(plan->why, sizeof(plan->why), "%u feeders, all quiet: %s%s%s%s", n->feeders,
		 cpus[0] ? "CPU " : "", cpus, cpus[0] ? " lent, " : "",
		 classes ? "roles keep their classes" : "nothing changed");
}

static void say_left_out(struct plan *plan)
{
	size_t at = strlen(plan->why);
	char rules[48];

	snprintf(plan->why + at, sizeof(plan->why) - at, "; left out by the guard: %s",
		 guard_rules_text(plan->left_out, rules, sizeof(rules)));
}

static void explain(struct plan *plan, const struct tally *n,
		    const struct snapshot *snap, bool classes)
{
	if (!n->feeders)
		snprintf(plan->why, sizeof(plan->why),
			 "no thread waits for a GPU: nothing changed");
	else if (n->active || CPU_COUNT(&plan->protected_cpus))
		say_active(plan, n, snap);
	else
		say_quiet(plan, n, classes);
	if (plan->left_out)
		say_left_out(plan);
}

/* -- what changed ------------------------------------------------------------ */

static uint64_t mix(uint64_t h, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len--)
		h = (h ^ *p++) * 0x100000001b3ULL;
	return h;
}

/* Field by field: padding must not count. */
static uint64_t digest(const struct plan *plan)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	h = mix(h, &plan->protected_cpus, sizeof(plan->protected_cpus));
	h = mix(h, &plan->reserved_cpus, sizeof(plan->reserved_cpus));
	for (int i = 0; i < __STARLING_ROLE_MAX; i++) {
		const struct role_plan *r = &plan->role[i];

		h = mix(h, &r->mask, sizeof(r->mask));
		h = mix(h, &r->prefer, sizeof(r->prefer));
		h = mix(h, &r->set_mask, sizeof(r->set_mask));
		h = mix(h, &r->mask_least, sizeof(r->mask_least));
		h = mix(h, &r->idle_class, sizeof(r->idle_class));
		h = mix(h, &r->nice_delta, sizeof(r->nice_delta));
		h = mix(h, &r->cpu_weight, sizeof(r->cpu_weight));
		h = mix(h, &r->real_time, sizeof(r->real_time));
		h = mix(h, &r->slice_ns, sizeof(r->slice_ns));
		h = mix(h, &r->clamp_min, sizeof(r->clamp_min));
		h = mix(h, &r->clamp_max, sizeof(r->clamp_max));
	}
	return h;
}

static bool role_equal(const struct role_plan *a, const struct role_plan *b)
{
	return a->set_mask == b->set_mask && a->mask_least == b->mask_least &&
		a->idle_class == b->idle_class &&
		a->nice_delta == b->nice_delta && a->cpu_weight == b->cpu_weight &&
		a->real_time == b->real_time && a->slice_ns == b->slice_ns &&
		a->clamp_min == b->clamp_min && a->clamp_max == b->clamp_max &&
		CPU_EQUAL(&a->mask, &b->mask) && CPU_EQUAL(&a->prefer, &b->prefer);
}

bool plan_protects(const struct plan *plan, enum starling_role role)
{
	return (role == STARLING_ROLE_FEEDER || role == STARLING_ROLE_SERVICE) &&
		CPU_COUNT(&plan->protected_cpus);
}

bool plan_equal(const struct plan *a, const struct plan *b)
{
	for (int i = 0; i < __STARLING_ROLE_MAX; i++)
		if (!role_equal(&a->role[i], &b->role[i]))
			return false;
	return CPU_EQUAL(&a->protected_cpus, &b->protected_cpus) &&
		CPU_EQUAL(&a->reserved_cpus, &b->reserved_cpus);
}

static void number(struct plan *plan, struct policy_state *st, uint64_t now)
{
	uint64_t d = digest(plan);

	if (d != st->digest || !st->seq) {
		st->digest = d;
		st->last_change_ns = now;
		st->seq++;
	}
	plan->seq = st->seq;
}

/* -- the decision ------------------------------------------------------------ */

/* No feeder: nothing to remember but the number of the last plan. */
static void forget(struct policy_state *st)
{
	*st = (struct policy_state){
		.seq = st->seq, .digest = st->digest, .last_change_ns = st->last_change_ns,
		.measured = st->measured, .guard = st->guard,
		.compute_ns = st->compute_ns, .compute_began_ns = st->compute_began_ns,
		.compute_cpus = st->compute_cpus,
	};
}

static void note_activity(const struct snapshot *snap, const struct tally *n,
			  struct policy_state *st)
{
	if (!n->active) {
		st->active_since_ns = 0;
		return;
	}
	if (!st->active_since_ns)
		st->active_since_ns = snap->now_ns;
	st->last_active_ns = snap->now_ns;
	st->busy_waiter = n->busy;
}

/* Time alone ends activity, lingering and the classes; tell when. */
static uint64_t next_change(const struct snapshot *snap, const struct tally *n,
			    const struct policy_state *st, bool classes)
{
	uint64_t idle = snap->set->feeder_idle_ns;

	if (n->active)
		return (n->last_ns + idle >= snap->now_ns ? n->last_ns : snap->now_ns) + idle + 1;
	if (CPU_COUNT(&st->protected_cpus) && !st->lent_ns)
		return st->enough_ns + st->linger_ns;
	return classes ? st->last_active_ns + snap->set->class_keep_ns : 0;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a && (!b || a < b) ? a : b;
}

/* -- what the guard leaves out ------------------------------------------------- */

/* The rules that the plan will have something of. */
static unsigned int rules_of(const struct plan *plan, const struct policy_state *st,
			     bool classes)
{
	unsigned int kept = CPU_COUNT(&plan->protected_cpus), rules = 0;

	if (kept)
		rules |= GUARD_BIT(GUARD_CORES);
	/* These two are for where cores are kept. */
	if (kept && !st->guard.rule[GUARD_CORES].withdrawn) {
		rules |= GUARD_BIT(GUARD_NOISE);
		if (st->crowd_ns && !st->guard.rule[GUARD_ASIDE].withdrawn)
			rules |= GUARD_BIT(GUARD_CROWD);
	}
	if (kept || classes)
		rules |= GUARD_BIT(GUARD_PRIORITY);
	if ((kept || classes) && !plan->spared)
		rules |= GUARD_BIT(GUARD_ASIDE);
	return rules;
}

static void ask_guard(const struct snapshot *snap, const struct verdict *v,
		      struct policy_state *st, struct plan *plan, bool active, bool classes)
{
	struct measure m;
	struct guard_input in = {
		.now_ns = snap->now_ns, .ncpu = snap->topo->ncpu, .active = active,
		.have = rules_of(plan, st, classes) & snap->set->guard_rules,
	};

	if (measure_take(snap, v, &st->measured, &m))
		in.m = &m;
	plan->left_out = guard_update(&st->guard, snap->set, &in) & snap->set->guard_rules;
	if (plan->left_out & GUARD_BIT(GUARD_CORES)) {
		CPU_ZERO(&plan->protected_cpus);
		CPU_ZERO(&plan->reserved_cpus);
	}
	if (plan->left_out & GUARD_BIT(GUARD_PRIORITY))
		plan->spared = false;
	if (!(plan->left_out & GUARD_BIT(GUARD_NOISE)))
		plan->quiet_cpus = plan->protected_cpus;
}

static void leave_out(struct plan *plan)
{
	static const enum starling_role aside[] = {
		STARLING_ROLE_TOOL, STARLING_ROLE_BACKGROUND,
	};
	struct role_plan *r;

	for (size_t i = 0; plan->left_out & GUARD_BIT(GUARD_ASIDE) && i < 2; i++) {
		r = &plan->role[aside[i]];
		r->idle_class = false;
		r->cpu_weight = 0;
		r->clamp_max = 0;
	}
	if (!(plan->left_out & GUARD_BIT(GUARD_PRIORITY)))
		return;
	plan->role[STARLING_ROLE_FEEDER].nice_delta = 0;
	plan->role[STARLING_ROLE_FEEDER].real_time = false;
	plan->role[STARLING_ROLE_SERVICE].nice_delta = 0;
}

void policy_decide(const struct snapshot *snap, const struct verdict *v,
		   struct policy_state *st, struct plan *plan)
{
	struct tally n = count_feeders(snap, v, st->busy_waiter);
	bool classes, crowded;
	unsigned int kept, wanted;

	memset(plan, 0, sizeof(*plan));
	if (!n.feeders)
		forget(st);
	note_activity(snap, &n, st);
	count_needy(snap, v, st, &n);
	set_cores(snap, &n, st);
	classes = st->last_active_ns &&
		since(snap->now_ns, st->last_active_ns) < snap->set->class_keep_ns;
	if (st->lent_ns)
		plan->reserved_cpus = st->protected_cpus;
	else
		plan->protected_cpus = st->protected_cpus;
	wanted = CPU_COUNT(&plan->protected_cpus);
	plan->spared = !set_aside(snap, v, st, wanted);
	ask_guard(snap, v, st, plan, n.active, classes);
	kept = CPU_COUNT(&plan->protected_cpus);
	crowded = crowd_update(snap, v, st, wanted) &&
		!(plan->left_out & GUARD_BIT(GUARD_CROWD));
	/* In the normal class tools would be in the feeder's way everywhere. */
	if (crowded && wanted && !kept)
		guard_recall(&st->guard, GUARD_CORES, "tools have to leave the idle class");
	if (classes || kept)
		plan_roles(snap, plan, crowded && (kept || !n.active));
	leave_out(plan);
	plan->feeders = n.feeders;
	plan->feeders_active = n.active;
	if (n.feeders)
		plan->recheck_ns = next_change(snap, &n, st, classes);
	explain(plan, &n, snap, classes);
	inference_plan(snap, v, st, plan);
	plan->recheck_ns = sooner(plan->recheck_ns, inference_end(snap, st));
	number(plan, st, snap->now_ns);
}
