// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that compute a model on CPUs meet after each operation of its graph, some
 * hundred times a token: what one of them loses to a tool all of them lose. Beside as
 * many tools as there are CPUs each has half of a CPU on average, and a token takes
 * longer than twice as long, as it is never all of them that run.
 *
 * They get weight, not precedence. They want all the CPU time there is for as long as
 * an answer takes, and a class above others would leave the tools nothing: by weight
 * these have about a tenth.
 *
 * On a slow core one is late at every meeting, so where CPUs differ they get fast
 * ones, one hardware thread of a core. They get those of one cache if that holds all
 * of them, and is one of two: where there are more, as on servers made of many small
 * dies, each has but a small part of the bandwidth to memory, which is what such
 * threads wait for.
 */
#include "daemon/policy/inference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/room.h"

#define MS 1000000ULL

enum {
	INFERENCE_NICE = -10,	/* as much as nine others weigh */
	STEP_PART = 4,		/* runs at least a quarter of what the other one does ... */
	STAY_PART = 8,		/* ... or half of that, if it did so before */
	BUSY_PART = 4,		/* of a round: wants a CPU as one that computes does */
	CACHES_MAX = 2,		/* more: each has too small a part of the memory's bandwidth */
};

/* Ran less: how long others ran beside it says nothing. */
#define STEP_MIN_NS	(10 * MS)

/* So long after a pause all of them count, as nobody has run of late yet. */
#define SETTLE_NS	(1000 * MS)

/*
 * No graph takes longer: that of 512 tokens in a model of 30e9 parameters takes so long at
 * 100 GFLOPS. Who is busy for longer after its last one does something else.
 */
#define GRAPH_MAX_NS	(300 * 1000 * MS)

/* -- who keeps step ------------------------------------------------------------ */

/* The busiest thread of a process that computes. */
struct engine {
	uint32_t tgid;
	uint32_t tid;
	uint64_t late_ns;
};

static int by_process(const void *a, const void *b)
{
	const struct engine *x = a, *y = b;

	return (x->tgid > y->tgid) - (x->tgid < y->tgid);
}

static int busiest_first(const void *a, const void *b)
{
	const struct engine *x = a, *y = b;
	int order = by_process(a, b);

	if (order)
		return order;
	order = (x->late_ns < y->late_ns) - (x->late_ns > y->late_ns);
	return order ? order : (x->tid > y->tid) - (x->tid < y->tid);
}

static size_t list_engines(const struct snapshot *snap, const struct verdict *v,
			   struct engine *list)
{
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < snap->ntask; i++)
		if (v[i].why == WHY_COMPUTES)
			list[n++] = (struct engine){
				snap->task[i].tgid, snap->task[i].tid, snap->task[i].late_ns };
	qsort(list, n, sizeof(*list), busiest_first);
	for (size_t i = 0; i < n; i++)
		if (!kept || list[kept - 1].tgid != list[i].tgid)
			list[kept++] = list[i];
	return kept;
}

/* Not by waiting for a CPU: on a busy machine any thread that wakes now and then does that. */
static bool keeps_step(const struct snap_task *t, const struct engine *e)
{
	bool was = t->role == STARLING_ROLE_INFERENCE &&
		t->role_source == STARLING_BY_DETECTION;

	if (e->late_ns < STEP_MIN_NS)
		return was;
	return t->late_ns * (was ? STAY_PART : STEP_PART) >= e->late_ns;
}

void inference_find(const struct snapshot *snap, struct verdict *out)
{
	struct engine *list = room_take(snap->room, snap->ntask + 1, sizeof(*list)), *e;
	size_t n = list ? list_engines(snap, out, list) : 0;

	for (size_t i = 0; n && i < snap->ntask; i++) {
		struct engine key = { .tgid = snap->task[i].tgid };

		if (out[i].role_source >= STARLING_BY_DETECTION || snap->task[i].kthread ||
		    snap->task[i].tid <= 1)
			continue;
		e = bsearch(&key, list, n, sizeof(*list), by_process);
		if (!e || !keeps_step(&snap->task[i], e))
			continue;
		out[i].role = STARLING_ROLE_INFERENCE;
		out[i].role_source = STARLING_BY_DETECTION;
		out[i].why = WHY_COMPUTES_WITH;
		out[i].why_tid = e->tid;
	}
}

/* -- do they compute ------------------------------------------------------------ */

static uint64_t since(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

static bool is_busy(const struct snapshot *snap, const struct snap_task *t)
{
	return snap->round_ns && t->recent_ns * BUSY_PART >= snap->round_ns;
}

static uint64_t last_found(const struct snap_task *t)
{
	return t->compute_last_ns && t->computing_ns > t->compute_last_ns ? t->computing_ns :
		t->compute_last_ns;
}

/*
 * A graph is seen when it begins, and that of a prompt takes many seconds: who has gone on
 * wanting a CPU since is in it still. After a pause only the next one tells.
 */
bool policy_computing(const struct snapshot *snap, const struct snap_task *t)
{
	return t->compute_last_ns && is_busy(snap, t) &&
		since(snap->now_ns, t->compute_last_ns) < GRAPH_MAX_NS &&
		since(snap->now_ns, last_found(t)) < snap->set->class_keep_ns;
}

uint64_t inference_last_ns(const struct snapshot *snap, const struct snap_task *t)
{
	uint64_t last = last_found(t);

	return last < snap->now_ns && policy_computing(snap, t) ? snap->now_ns : last;
}

/*
 * @awake:	of @threads, those that run; one at least
 * @said:	of these, who may get no more than they could take themselves
 * @shared:	of these, who has a part of what the placer gives their agent
 * @apart:	tools in other groups, which no nice value reaches
 */
struct tally {
	unsigned int threads;
	unsigned int awake;
	unsigned int said;
	unsigned int shared;
	uint64_t last_ns;
	uint32_t group;
	bool apart;
};

/* Of one that was only said to compute no graph is seen: it does while it runs. */
static uint64_t last_ns(const struct snapshot *snap, const struct verdict *v,
			const struct snap_task *t)
{
	if (v->role_source == STARLING_BY_DETECTION)
		return inference_last_ns(snap, t);
	return is_busy(snap, t) ? snap->now_ns : 0;
}

/* Those of an engine that rests, and those of a server that wait for requests. */
static bool is_asleep(const struct snapshot *snap, const struct snap_task *t)
{
	return t->late_ns < STEP_MIN_NS && !is_busy(snap, t);
}

static void count(const struct snapshot *snap, const struct verdict *v,
		  const struct snap_task *t, bool settled, struct tally *n)
{
	uint64_t last = last_ns(snap, v, t);

	n->threads++;
	if (last > n->last_ns)
		n->last_ns = last;
	if (settled && is_asleep(snap, t))
		return;
	n->awake++;
	n->said += v->role_source != STARLING_BY_DETECTION;
	n->shared += t->agent_id && snap->set->shares != POLICY_SHARES_NONE;
	if (t->group)
		n->group = t->group;
}

static struct tally count_all(const struct snapshot *snap, const struct verdict *v,
			      const struct policy_state *st)
{
	bool settled = st->compute_began_ns &&
		since(snap->now_ns, st->compute_began_ns) >= SETTLE_NS;
	struct tally n = { 0 };

	for (size_t i = 0; i < snap->ntask; i++)
		if (v[i].role == STARLING_ROLE_INFERENCE)
			count(snap, &v[i], &snap->task[i], settled, &n);
	n.awake += !n.awake;
	for (size_t i = 0; i < snap->ntask && n.group; i++)
		n.apart |= (v[i].role == STARLING_ROLE_TOOL ||
			    v[i].role == STARLING_ROLE_BACKGROUND) &&
			snap->task[i].group && snap->task[i].group != n.group;
	return n;
}

uint64_t inference_end(const struct snapshot *snap, const struct policy_state *st)
{
	uint64_t end = st->compute_ns + snap->set->class_keep_ns;

	return st->compute_ns && end > snap->now_ns ? end : 0;
}

/* -- where ------------------------------------------------------------------------ */

/* Of each fast core that has one, the first CPU that is not kept for feeders. */
static void find_fast(const struct topology *topo, const cpu_set_t *kept, cpu_set_t *out)
{
	cpu_set_t cores;

	CPU_ZERO(&cores);
	CPU_ZERO(out);
	for (unsigned int i = 0; i < topo->ncpu; i++) {
		const struct topo_cpu *c = &topo->cpu[i];

		if (!c->big || CPU_ISSET(c->id, kept) || CPU_ISSET(c->core, &cores))
			continue;
		CPU_SET(c->core, &cores);
		CPU_SET(c->id, out);
	}
}

struct cache {
	const struct topo_cpu *first;
	cpu_set_t cpus;
	uint16_t least;		/* capacity of the slowest of these */
};

/* @fast by cache; returns how many caches there are, 0 where one cannot be chosen. */
static unsigned int list_caches(const struct topology *topo, const cpu_set_t *fast,
				struct cache *list)
{
	unsigned int n = 0, k;

	for (unsigned int i = 0; i < topo->ncpu; i++) {
		const struct topo_cpu *c = &topo->cpu[i];

		if (!CPU_ISSET(c->id, fast))
			continue;
		/* In which node its memory is nobody knows here. */
		if (n && c->node != list[0].first->node)
			return 0;
		for (k = 0; k < n && list[k].first->llc != c->llc; k++)
			;
		if (k == CACHES_MAX)
			return 0;
		if (k == n)
			list[n++] = (struct cache){ .first = c, .least = UINT16_MAX };
		CPU_SET(c->id, &list[k].cpus);
		if (c->capacity < list[k].least)
			list[k].least = c->capacity;
	}
	return n;
}

static bool meets(const cpu_set_t *a, const cpu_set_t *b)
{
	cpu_set_t both;

	CPU_AND(&both, a, b);
	return CPU_COUNT(&both);
}

/*
 * Where they are already is better than as good. All are of the fast kind: then memory
 * counts for more than clocks, and of these the slowest, for which the others wait.
 */
static bool is_better(const struct cache *a, const struct cache *b, const cpu_set_t *old)
{
	if (meets(&a->cpus, old) != meets(&b->cpus, old))
		return meets(&a->cpus, old);
	if (a->first->llc_kib != b->first->llc_kib)
		return a->first->llc_kib > b->first->llc_kib;
	return a->least >= b->least;
}

static const struct cache *best_cache(const struct cache *list, unsigned int n,
				      unsigned int threads, const cpu_set_t *old)
{
	const struct cache *best = NULL;

	for (unsigned int k = 0; k < n; k++)
		if ((unsigned int)CPU_COUNT(&list[k].cpus) >= threads &&
		    (!best || is_better(&list[k], best, old)))
			best = &list[k];
	return best;
}

/* One cache if it holds all; else all fast cores, where there are others to avoid. */
static void choose_cpus(const struct topology *topo, const cpu_set_t *kept,
			unsigned int threads, struct policy_state *st, struct role_plan *r)
{
	struct cache list[CACHES_MAX];
	const struct cache *best = NULL;
	cpu_set_t fast;
	unsigned int n;

	find_fast(topo, kept, &fast);
	n = list_caches(topo, &fast, list);
	if (n > 1 || topo->asymmetric)
		best = best_cache(list, n, threads, &st->compute_cpus);
	if (best)
		r->mask = best->cpus;
	else if (topo->asymmetric && (unsigned int)CPU_COUNT(&fast) >= threads)
		r->mask = fast;
	st->compute_cpus = r->mask;
	r->set_mask = CPU_COUNT(&r->mask);
	if (r->set_mask)
		r->mask_least = threads;
}

/* -- the plan ----------------------------------------------------------------------- */

static void say_attributes(const struct tally *n, const struct role_plan *r,
			   char *buf, size_t len)
{
	char cpus[40];

	snprintf(buf, len, "nice %d%s%s%s%s", r->nice_delta,
		 n->said ? " as far as their limits allow" : "",
		 r->set_mask ? ", CPU " : "",
		 r->set_mask ? cpuset_format(&r->mask, cpus, sizeof(cpus)) : "",
		 n->apart ? ", no help against tools in other groups" : "");
}

static void explain(const struct snapshot *snap, const struct tally *n, struct plan *plan)
{
	const struct role_plan *r = &plan->role[STARLING_ROLE_INFERENCE];
	char own[128] = "nine times a task's share";
	size_t at = plan->feeders ? strlen(plan->why) : 0;

	if (n->shared == n->awake)
		own[0] = '\0';
	else if (snap->set->shares != POLICY_SHARES_ALL)
		say_attributes(n, r, own, sizeof(own));
	snprintf(plan->why + at, sizeof(plan->why) - at, "%s; %u thread%s a model: %s%s%s",
		 plan->feeders ? "" : "no thread waits for a GPU", n->awake,
		 n->awake == 1 ? " computes" : "s compute", own,
		 n->shared && own[0] ? "; in agents " : "",
		 n->shared ? "their agent's share" : "");
}

void inference_plan(const struct snapshot *snap, const struct verdict *v,
		    struct policy_state *st, struct plan *plan)
{
	struct role_plan *r = &plan->role[STARLING_ROLE_INFERENCE];
	struct tally n = count_all(snap, v, st);

	if (n.last_ns > st->compute_ns)
		st->compute_ns = n.last_ns;
	plan->inference = n.threads;
	if (!n.threads || !st->compute_ns ||
	    since(snap->now_ns, st->compute_ns) >= snap->set->class_keep_ns) {
		st->compute_ns = st->compute_began_ns = 0;
		CPU_ZERO(&st->compute_cpus);
		return;
	}
	if (!st->compute_began_ns)
		st->compute_began_ns = snap->now_ns;
	plan->inference_active = true;
	r->nice_delta = INFERENCE_NICE;
	choose_cpus(snap->topo, &plan->protected_cpus, n.awake, st, r);
	explain(snap, &n, plan);
}
