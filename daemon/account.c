// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/account.h"

#include <stdio.h>

static void take_sense_agent(struct daemon *d, const struct sense_agent *in,
			     uint64_t now)
{
	/* one of our own that was forgotten must not come back without its name */
	struct agent *a = in->id & AGENT_LOCAL_BIT ? agent_find(&d->agents, in->id) :
						     agent_get(&d->agents, in->id, now);

	if (!a)
		return;
	a->past_run_ns = in->run_ns;
	a->past_wait_ns = in->wait_ns;
	a->past_gpu_ns = in->gpu_wait_ns;
	a->forks = in->forks;
	a->exits = in->exits;
	if (in->weight && !(a->id & AGENT_LOCAL_BIT))
		a->weight = in->weight;
	if (in->class && !(a->id & AGENT_LOCAL_BIT))
		a->class = in->class;
	a->parent = in->parent;
	if (in->name[0] && !(a->id & AGENT_LOCAL_BIT))
		snprintf(a->name, sizeof(a->name), "%s", in->name);
}

static void add_task(struct agent *a, const struct task *task, uint64_t now)
{
	a->tasks++;
	a->alive_ns = now;
	a->run_ns += task->rec.run_ns;
	a->wait_ns += task->rec.wait_ns;
	a->gpu_ns += task->rec.gpu_wait_ns;
	a->gpu_waits += task->rec.gpu_waits;
	if (!a->root && task->agent_root)
		a->root = task->tgid;
}

void account_agents(struct daemon *d, const struct sense_view *view, uint64_t now)
{
	struct agent *a;
	struct task *task;

	for (size_t i = 0; i < view->nagent; i++)
		if (view->agent[i].id)
			take_sense_agent(d, &view->agent[i], now);
	for (a = d->agents.head; a; a = a->hh.next) {
		a->run_ns = a->wait_ns = a->gpu_ns = 0;
		a->gpu_waits = 0;
		a->tasks = 0;
	}
	for (task = d->tasks.head; task; task = task->hh.next) {
		if (!task->rec.agent_id)
			continue;
		a = agent_get(&d->agents, task->rec.agent_id, now);
		if (a)
			add_task(a, task, now);
	}
}

static bool uses_gpu(const struct daemon *d, const struct task *task)
{
	const struct task *first = task_find(&d->tasks, task->tgid);

	return task->rec.gpu_waits || (first && task_has(first, STARLING_VAL_GPU_BUSY));
}

/* The task at the other end of @e, if this end is in the server; NULL: not known. */
static const struct task *peer_of(const struct daemon *d, const struct edge *e,
				  uint32_t server_tgid, const struct task **server)
{
	uint32_t here, there;

	if (e->waker_tgid == e->wakee_tgid)
		return NULL;
	if (e->waker_tgid == server_tgid) {
		here = e->key.waker;
		there = e->key.wakee;
	} else if (e->wakee_tgid == server_tgid) {
		here = e->key.wakee;
		there = e->key.waker;
	} else {
		return NULL;
	}
	*server = task_find(&d->tasks, here);
	return *server ? task_find(&d->tasks, there) : NULL;
}

/* Whom it serves by that; NULL: its own agent, or nobody's. */
static struct agent *client_of(struct daemon *d, const struct task *server,
			       const struct task *peer)
{
	if (!peer->rec.agent_id || server->rec.agent_id == peer->rec.agent_id)
		return NULL;
	/* of two agents that use the GPU, who serves whom? So neither does */
	if (server->rec.agent_id && uses_gpu(d, peer))
		return NULL;
	return agent_find(&d->agents, peer->rec.agent_id);
}

struct wakes account_wakes(struct daemon *d, uint32_t server_tgid, bool window)
{
	const struct task *server, *peer;
	struct wakes w = { 0 };
	struct agent *a;
	struct edge *e;
	double count;

	for (a = d->agents.head; a; a = a->hh.next)
		a->wakes = 0;
	for (e = d->edges.head; e; e = e->hh.next) {
		count = window ? e->count : e->round;
		peer = count > 0 ? peer_of(d, e, server_tgid, &server) : NULL;
		if (!peer)
			continue;
		w.all += count;
		a = client_of(d, server, peer);
		if (!a)
			continue;
		a->wakes += count;
		w.served += count;
	}
	return w;
}
