// SPDX-License-Identifier: GPL-2.0-only
/*
 * Roles from what tasks do: never from names, never from load.
 *
 * A feeder waits for a GPU. The request path is what exchanges wakes with it,
 * one or two hops away: other threads of its process, or a process that is
 * its parent or child and no agent's. Any other process that talks to the
 * path is a client, so an agent's main loop.
 *
 * A thread that computes a model's graph on CPUs is one of inference, and so are those
 * of its process that keep step with it (inference.c).
 *
 * A wake that an interrupt makes is counted for whichever task happened to
 * run, so one direction proves nothing outside of the feeder's process: there
 * the path must wake the task often, and the task must have woken the path.
 * For a tool to be taken for a client, the path must also be what it mostly
 * waits for; else a busy neighbour of a spinning feeder would get in.
 */
#include <stdlib.h>
#include <string.h>
#include "daemon/policy/graph.h"
#include "daemon/policy/inference.h"
#include "daemon/policy/policy.h"
#include "daemon/room.h"

#define WINDOW_MIN_NS 500000000ULL	/* shorter: a rate is mostly chance */

enum { CLIENT_SWITCH_PART = 4 };

static bool is_path(uint16_t role)
{
	return role == STARLING_ROLE_FEEDER || role == STARLING_ROLE_SERVICE;
}

static bool untouchable(const struct snap_task *t)
{
	return t->kthread || t->tgid <= 1 || t->tid <= 1;
}

static bool was_detected(const struct snap_task *t, uint16_t role)
{
	return t->role == role && t->role_source == STARLING_BY_DETECTION;
}

/* Not so long ago that it would be forgotten. */
static bool of_late(const struct snapshot *snap, uint64_t last_ns)
{
	return last_ns && (last_ns >= snap->now_ns ||
			   snap->now_ns - last_ns <= snap->set->feeder_forget_ns);
}

static void say(struct verdict *v, uint16_t role, uint16_t source, uint16_t why,
		uint32_t why_tid)
{
	v->role = role;
	v->role_source = source;
	v->why = why;
	v->why_tid = why_tid;
}

/* What an agent's task is by descent alone. */
static void by_lineage(const struct snap_task *t, struct verdict *v)
{
	bool inherited = t->role_source == STARLING_BY_LINEAGE &&
		(t->role == STARLING_ROLE_TOOL || t->role == STARLING_ROLE_BACKGROUND);

	if (!t->agent_id)
		return;
	/* what one said of itself holds for the threads that it made then */
	if (t->role == STARLING_ROLE_INFERENCE && t->role_source == STARLING_BY_LINEAGE)
		say(v, t->role, t->role_source, WHY_COMPUTES_WITH, 0);
	/* a client stays one while it waits for its tools; exec ends it */
	else if (was_detected(t, STARLING_ROLE_ORCHESTRATOR))
		say(v, t->role, t->role_source, WHY_CLIENT, 0);
	else if (inherited && !t->agent_root)
		say(v, t->role, STARLING_BY_LINEAGE, WHY_LINEAGE_EXEC, 0);
	else if (t->execed && !t->agent_root)
		say(v, STARLING_ROLE_TOOL, STARLING_BY_LINEAGE, WHY_LINEAGE_EXEC, 0);
	else
		say(v, STARLING_ROLE_ORCHESTRATOR, STARLING_BY_LINEAGE, WHY_LINEAGE, 0);
}

static void by_itself(const struct snapshot *snap, const struct snap_task *t,
		      struct verdict *v)
{
	*v = (struct verdict){ .tid = t->tid };
	if (untouchable(t))
		return;
	if (t->role && t->role_source >= STARLING_BY_OWNER)
		say(v, t->role, t->role_source,
		    t->role_source == STARLING_BY_SELF ? WHY_SET_BY_SELF : WHY_SET_BY_OWNER, 0);
	else if (of_late(snap, t->gpu_last_ns))
		say(v, STARLING_ROLE_FEEDER, STARLING_BY_DETECTION, WHY_GPU_WAIT, 0);
	else if (of_late(snap, inference_last_ns(snap, t)))
		say(v, STARLING_ROLE_INFERENCE, STARLING_BY_DETECTION, WHY_COMPUTES, 0);
	else
		by_lineage(t, v);
}

/* -- the request path ----------------------------------------------------- */

static bool often(const struct snapshot *snap, uint64_t count, bool was)
{
	uint64_t window = snap->window_ns > WINDOW_MIN_NS ? snap->window_ns : WINDOW_MIN_NS;
	double need = snap->set->path_wakes_per_s * (window / 1e9);

	/* to stay on the path takes less than to get there */
	if (was)
		need /= 2;
	return count >= need && count >= (was ? 1 : 2);
}

/* One process, or parent and child of which neither is an agent's. */
static bool same_family(const struct snap_task *a, const struct snap_task *b)
{
	if (a->tgid == b->tgid)
		return true;
	return !a->agent_id && !b->agent_id && (a->ppid == b->tgid || b->ppid == a->tgid);
}

struct pair {
	uint64_t from_path;
	uint64_t to_path;
};

static struct pair wakes_of(const struct graph *g, uint32_t path, uint32_t task)
{
	return (struct pair){
		.from_path = graph_wakes(g, path, task),
		.to_path = graph_wakes(g, task, path),
	};
}

static bool on_path(const struct graph *g, uint32_t path, uint32_t task)
{
	const struct snap_task *p = &g->snap->task[path], *t = &g->snap->task[task];
	bool was = was_detected(t, STARLING_ROLE_SERVICE);
	struct pair w = wakes_of(g, path, task);

	if (!same_family(p, t))
		return false;
	if (p->tgid == t->tgid)
		return often(g->snap, w.from_path, was) || often(g->snap, w.to_path, was);
	return often(g->snap, w.from_path, was) && often(g->snap, w.to_path, was);
}

/* May @v become SERVICE? Only detection and lineage give way. */
static bool may_serve(const struct snap_task *t, const struct verdict *v)
{
	return !untouchable(t) && v->role_source < STARLING_BY_OWNER && !is_path(v->role);
}

/* The tasks next to those of the last hop; returns false when there are none. */
static bool next_hop(const struct graph *g, struct verdict *out, uint8_t *hop, uint8_t at)
{
	bool found = false;

	for (size_t i = 0; i < g->nlink; i++) {
		for (int turn = 0; turn < 2; turn++) {
			uint32_t path = turn ? link_to(&g->link[i]) : link_from(&g->link[i]);
			uint32_t task = turn ? link_from(&g->link[i]) : link_to(&g->link[i]);

			if (hop[path] != at || hop[task] ||
			    !may_serve(&g->snap->task[task], &out[task]) ||
			    !on_path(g, path, task))
				continue;
			hop[task] = at + 1;
			say(&out[task], STARLING_ROLE_SERVICE, STARLING_BY_DETECTION,
			    out[path].role == STARLING_ROLE_FEEDER ?
				WHY_WAKES_FEEDER : WHY_WAKES_SERVICE,
			    out[path].tid);
			found = true;
		}
	}
	return found;
}

static void find_path(const struct graph *g, struct verdict *out, uint8_t *hop)
{
	unsigned int hops = g->snap->set->path_hops;

	for (size_t i = 0; i < g->snap->ntask; i++)
		hop[i] = out[i].role == STARLING_ROLE_FEEDER;
	for (unsigned int at = 1; at <= hops && at < UINT8_MAX; at++)
		if (!next_hop(g, out, hop, at))
			break;
}

/* -- clients --------------------------------------------------------------- */

static bool is_client(const struct graph *g, uint32_t path, uint32_t task)
{
	const struct snap_task *t = &g->snap->task[task];
	struct pair w = wakes_of(g, path, task);

	if (!w.to_path || !often(g->snap, w.from_path, false))
		return false;
	return !t->agent_id || w.from_path * CLIENT_SWITCH_PART >= t->d_nvcsw;
}

static bool may_be_client(const struct snap_task *t, const struct verdict *v)
{
	return !untouchable(t) && v->role_source < STARLING_BY_OWNER &&
		v->role != STARLING_ROLE_FEEDER && v->role != STARLING_ROLE_SERVICE &&
		v->role != STARLING_ROLE_INFERENCE && v->role != STARLING_ROLE_ORCHESTRATOR;
}

static void find_clients(const struct graph *g, struct verdict *out)
{
	const struct snap_task *task = g->snap->task;

	for (size_t i = 0; i < g->nlink; i++) {
		uint32_t path = link_from(&g->link[i]), t = link_to(&g->link[i]);

		if (!is_path(out[path].role) || task[path].tgid == task[t].tgid ||
		    !may_be_client(&task[t], &out[t]) || !is_client(g, path, t))
			continue;
		say(&out[t], STARLING_ROLE_ORCHESTRATOR, STARLING_BY_DETECTION,
		    WHY_CLIENT, out[path].tid);
	}
}

/* -- threads beside those that serve ----------------------------------------- */

static int cmp_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool makes_a_server(const struct verdict *v)
{
	return v->role == STARLING_ROLE_FEEDER || v->why == WHY_COMPUTES;
}

/*
 * A tool that turns out to feed the GPU, or to compute a model, is a server: descent
 * no longer holds for its other threads. What they do is not known, so they are left
 * alone.
 */
static void spare_siblings(const struct snapshot *snap, struct verdict *out, uint32_t *tgid)
{
	size_t n = 0;

	for (size_t i = 0; i < snap->ntask; i++)
		if (makes_a_server(&out[i]))
			tgid[n++] = snap->task[i].tgid;
	if (!n)
		return;
	qsort(tgid, n, sizeof(*tgid), cmp_u32);
	for (size_t i = 0; i < snap->ntask; i++)
		if (out[i].role_source == STARLING_BY_LINEAGE &&
		    out[i].role != STARLING_ROLE_ORCHESTRATOR &&
		    bsearch(&snap->task[i].tgid, tgid, n, sizeof(*tgid), cmp_u32))
			say(&out[i], STARLING_ROLE_NONE, STARLING_BY_NONE, WHY_NONE, 0);
}

void policy_classify(const struct snapshot *snap, struct verdict *out)
{
	uint32_t *scratch = room_take(snap->room, snap->ntask + 1, sizeof(*scratch));
	struct graph g;

	for (size_t i = 0; i < snap->ntask; i++)
		by_itself(snap, &snap->task[i], &out[i]);
	inference_find(snap, out);
	/* short of memory: roles without the request path are still right */
	if (scratch && !graph_make(&g, snap)) {
		spare_siblings(snap, out, scratch);
		memset(scratch, 0, (snap->ntask + 1) * sizeof(*scratch));
		find_path(&g, out, (uint8_t *)scratch);
		find_clients(&g, out);
	}
}
