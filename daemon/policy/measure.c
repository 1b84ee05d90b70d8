// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/policy/measure.h"

#include "daemon/policy/policy.h"

/* Who wants less of a CPU is not judged by the moments that he waits. */
#define LITTLE	0.01

static double least_zero(double x)
{
	return x > 0 ? x : 0;
}

static void add(struct use_ns *sum, double run, double wait)
{
	sum->run += least_zero(run);
	sum->wait += least_zero(wait);
}

static void add_task(const struct snap_task *t, uint16_t role, struct measure *m,
		     struct use_ns *not_tools)
{
	double wait = t->recent_wait_ns, run = (double)t->recent_ns - wait;
	bool feeder = role == STARLING_ROLE_FEEDER;

	if (!feeder && role != STARLING_ROLE_SERVICE)
		return;
	add(feeder ? &m->feeder : &m->service, run, wait);
	if (feeder && wait > m->worst_ns)
		m->worst_ns = wait;
	if (t->agent_id)
		add(not_tools, run, wait);
}

bool measure_take(const struct snapshot *snap, const struct verdict *v,
		  struct measure_base *base, struct measure *m)
{
	uint64_t read_ns = snap->read_ns ? snap->read_ns : snap->now_ns;
	struct measure_base old = *base;
	struct use_ns not_tools = { 0 };

	if (!snap->round_ns || read_ns == old.read_ns)
		return false;
	*base = (struct measure_base){ read_ns, snap->agents_run_ns, snap->agents_wait_ns };
	/* the first one, or an agent was forgotten and its sums with it */
	if (!old.read_ns || base->run_ns < old.run_ns || base->wait_ns < old.wait_ns)
		return false;
	*m = (struct measure){ .ns = snap->round_ns };
	for (size_t i = 0; i < snap->ntask; i++)
		add_task(&snap->task[i], v[i].role, m, &not_tools);
	add(&m->tool, (double)(base->run_ns - old.run_ns) - not_tools.run,
	    (double)(base->wait_ns - old.wait_ns) - not_tools.wait);
	return true;
}

void measure_add(struct measure *sum, const struct measure *m)
{
	sum->ns += m->ns;
	add(&sum->feeder, m->feeder.run, m->feeder.wait);
	add(&sum->service, m->service.run, m->service.wait);
	add(&sum->tool, m->tool.run, m->tool.wait);
	sum->worst_ns += m->worst_ns;
}

static double waited(const struct use_ns *use, double least)
{
	double need = use->run + use->wait;

	return need > 0 ? use->wait / (need > least ? need : least) : 0;
}

double measure_feeder(const struct measure *m)
{
	return waited(&m->feeder, LITTLE * m->ns);
}

double measure_path(const struct measure *m)
{
	double feeder = measure_feeder(m), service = waited(&m->service, LITTLE * m->ns);

	return feeder > service ? feeder : service;
}

double measure_tools(const struct measure *m)
{
	return 1 - waited(&m->tool, LITTLE * m->ns);
}

double measure_demand(const struct measure *m)
{
	double sum = m->feeder.run + m->feeder.wait + m->service.run + m->service.wait +
		m->tool.run + m->tool.wait;

	return m->ns ? sum / m->ns : 0;
}
