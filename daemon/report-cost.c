// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/report-cost.h"

#include "daemon/daemon.h"
#include "daemon/report-gpu.h"

static void put(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

static json_t *real_if(bool known, double x)
{
	return known ? json_real(x) : json_null();
}

static void put_ratio(json_t *o, const struct cost_ratio *r)
{
	put(o, "cpu_gpu", real_if(r->ever > 0, r->ever));
	put(o, "cpu_gpu_recent", real_if(r->recent > 0, r->recent));
	put(o, "recent_s", real_if(r->recent_ns, r->recent_ns / 1e9));
}

void report_cost_agent(json_t *o, const struct agent *a, uint64_t now)
{
	struct cost_ratio r = cost_of_agent(a, now);
	struct gpu_value gpu = agent_gpu(a);
	double wait = (double)a->past_gpu_ns + a->gpu_ns;

	put(o, "gpu_s", real_if(gpu.known, gpu.n / 1e9));
	put(o, "gpu_source", gpu.known ? report_sources(gpu.source) : json_null());
	put(o, "gpu_estimated", json_boolean(gpu.known && gpu.estimated));
	put(o, "gpu_for_others_s", real_if(a->cost.for_others_ns > 0,
					   a->cost.for_others_ns / 1e9));
	put(o, "gpu_wait_s", real_if(wait > 0 || a->gpu_waits, wait / 1e9));
	put_ratio(o, &r);
	put(o, "gpu_energy_j", report_value(&a->cost.energy, 1e6));
	put(o, "cpu_energy_j", report_value(&a->cost.cpu_energy, 1e6));
}

json_t *report_ratio(const struct daemon *d)
{
	struct cost_ratio r = cost_of_machine(d, now_ns());
	struct gpu_value gpu = cost_gpu(d);
	unsigned int per = d->settings.protect_per;
	json_t *o = json_object();

	put(o, "agents_cpu_s", json_real(d->cost.cpu_ns / 1e9));
	put(o, "gpu_s", report_value(&gpu, 1e9));
	put_ratio(o, &r);
	put(o, "protected_one_in", json_integer(per));
	/* so many cores for agents beside each that is kept for what feeds the GPU */
	put(o, "reckoned", json_real(per - 1.0));
	put(o, "of_reckoned", real_if(r.ever > 0, (r.recent > 0 ? r.recent : r.ever) /
				      (per - 1.0)));
	put(o, "protected_cpus", json_integer(CPU_COUNT(&d->plan.protected_cpus)));
	put(o, "other_cpus", json_integer(d->topo.ncpu - CPU_COUNT(&d->plan.protected_cpus)));
	return o;
}
