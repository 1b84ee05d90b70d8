// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/account.h"

#include <stdio.h>

#define PUBLISH_STEP_NS	1000000	/* tell sense about each further ms */

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

/* The agent at the other end of @e, if this end is in the server. */
static struct agent *client_of(struct daemon *d, const struct edge *e,
			       uint32_t server_tgid)
{
	const struct task *server = NULL, *client = NULL;

	if (e->waker_tgid == e->wakee_tgid || !e->round)
		return NULL;
	if (e->waker_tgid == server_tgid) {
		server = task_find(&d->tasks, e->key.waker);
		client = task_find(&d->tasks, e->key.wakee);
	} else if (e->wakee_tgid == server_tgid) {
		server = task_find(&d->tasks, e->key.wakee);
		client = task_find(&d->tasks, e->key.waker);
	}
	if (!server || !client || !client->rec.agent_id)
		return NULL;
	if (server->rec.agent_id == client->rec.agent_id)
		return NULL;
	return agent_find(&d->agents, client->rec.agent_id);
}

void account_share(struct daemon *d, uint32_t server_tgid, double gpu_ns)
{
	double total = 0;
	struct agent *a;
	struct edge *e;

	for (a = d->agents.head; a; a = a->hh.next)
		a->wakes = 0;
	for (e = d->edges.head; e; e = e->hh.next) {
		a = client_of(d, e, server_tgid);
		if (!a)
			continue;
		a->wakes += e->round;
		total += e->round;
	}
	if (total <= 0)
		return;
	for (a = d->agents.head; a; a = a->hh.next)
		a->gpu_share_ns += gpu_ns * a->wakes / total;
}

void account_starved(struct daemon *d, struct task *task, double wait_ns)
{
	task->starved_ns += wait_ns;
	if (task->starved_ns - task->published_ns < PUBLISH_STEP_NS)
		return;
	if (!sense_publish(d->sense, task->tid, task->starved_ns,
			   task->rec.wait_style))
		task->published_ns = task->starved_ns;
}
