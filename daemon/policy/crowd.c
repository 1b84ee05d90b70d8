// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tools that leave the feeder a core of its own need not be of the idle class
 * for its sake; they are for the request path's. Where work that nobody told
 * us of wants the other cores, that price is too high: the idle class gets
 * next to nothing beside it. So it is measured what agents get of the cores
 * that are not kept. If that is less than half and they wait for more, they
 * run as normal tasks until they get nearly all, and some time at least;
 * twice as long each time that it turns out to be too soon.
 */
#include "daemon/policy/crowd.h"

#define S 1000000000ULL

#define LOOK_NS		(2 * S)
#define KEEP_FIRST_NS	(10 * S)
#define KEEP_MAX_NS	(160 * S)
#define AGAIN_NS	(30 * S)	/* crowded again so soon: was too soon */

/* Cores' worth of CPU time in one look. */
struct use {
	double agents;
	double waiting;
	double path;
};

static double path_use(const struct snapshot *snap, const struct verdict *v)
{
	double sum = 0;

	for (size_t i = 0; i < snap->ntask; i++)
		if (!snap->task[i].agent_id && (v[i].role == STARLING_ROLE_FEEDER ||
						v[i].role == STARLING_ROLE_SERVICE))
			sum += snap->task[i].d_run_ns;
	return snap->window_ns ? sum / snap->window_ns : 0;
}

/* Sums are as old as their last reading. */
static uint64_t read_ns(const struct snapshot *snap)
{
	return snap->read_ns ? snap->read_ns : snap->now_ns;
}

static void start_look(const struct snapshot *snap, struct policy_state *st)
{
	st->look_ns = read_ns(snap);
	st->look_run_ns = snap->agents_run_ns;
	st->look_wait_ns = snap->agents_wait_ns;
}

/* A look is over: how much was used? False: it is not, or counts for nothing. */
static bool end_look(const struct snapshot *snap, const struct verdict *v,
		     struct policy_state *st, struct use *use)
{
	double ns = (double)read_ns(snap) - st->look_ns;
	bool sane = st->look_ns && ns >= 0 && snap->agents_run_ns >= st->look_run_ns &&
		snap->agents_wait_ns >= st->look_wait_ns;

	if (!sane) {		/* the first one, or an agent was forgotten */
		start_look(snap, st);
		return false;
	}
	if (ns < LOOK_NS)
		return false;
	use->agents = (snap->agents_run_ns - st->look_run_ns) / ns;
	use->waiting = (snap->agents_wait_ns - st->look_wait_ns) / ns;
	use->path = path_use(snap, v);
	start_look(snap, st);
	return true;
}

static void get_crowded(const struct snapshot *snap, struct policy_state *st)
{
	bool again = st->crowd_end_ns && snap->now_ns - st->crowd_end_ns < AGAIN_NS;

	st->crowd_keep_ns = again ? st->crowd_keep_ns * 2 : KEEP_FIRST_NS;
	if (st->crowd_keep_ns > KEEP_MAX_NS)
		st->crowd_keep_ns = KEEP_MAX_NS;
	st->crowd_ns = snap->now_ns;
}

bool crowd_update(const struct snapshot *snap, const struct verdict *v,
		  struct policy_state *st, unsigned int kept)
{
	double left = snap->topo->ncpu - (double)kept, used;
	struct use use;

	if (!kept || !snap->agents_run_ns) {
		st->look_ns = 0;
		return st->crowd_ns;
	}
	if (!end_look(snap, v, st, &use))
		return st->crowd_ns;
	used = use.agents + (use.path > kept ? use.path - kept : 0);
	if (!st->crowd_ns) {
		if (use.waiting >= 0.5 && used < left * 0.5)
			get_crowded(snap, st);
	} else if (snap->now_ns - st->crowd_ns >= st->crowd_keep_ns &&
		   (use.waiting < 0.25 || used >= left * 0.9)) {
		st->crowd_ns = 0;
		st->crowd_end_ns = snap->now_ns;
	}
	return st->crowd_ns;
}
