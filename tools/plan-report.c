// SPDX-License-Identifier: GPL-2.0-only
/* A dry run as JSON. What is not known, and what is not set, is null. */
#include "daemon/report-plan.h"
#include "daemon/roles.h"
#include "tools/plan.h"

enum { PLAN_VERSION = 1 };

static void put(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

static json_t *cpus_if_any(const cpu_set_t *set)
{
	return CPU_COUNT(set) ? report_cpus(set) : json_null();
}

static json_t *one_cpu(const struct topo_cpu *c, const struct plan *plan)
{
	json_t *o = json_object();

	put(o, "cpu", json_integer(c->id));
	put(o, "core", json_integer(c->core));
	put(o, "cache", json_integer(c->llc));
	put(o, "cache_kib", c->llc_kib ? json_integer(c->llc_kib) : json_null());
	put(o, "node", json_integer(c->node));
	put(o, "capacity", json_integer(c->capacity));
	put(o, "big", json_boolean(c->big));
	put(o, "hot", json_boolean(c->hot));
	put(o, "protected", json_boolean(CPU_ISSET(c->id, &plan->protected_cpus)));
	return o;
}

static json_t *machine(const struct dry_run *run)
{
	json_t *o = json_object(), *list = json_array();
	const struct topology *t = &run->topo;
	unsigned int big = 0;

	for (unsigned int i = 0; i < t->ncpu; i++) {
		big += t->cpu[i].big;
		json_array_append_new(list, one_cpu(&t->cpu[i], &run->plan));
	}
	put(o, "sysroot", run->sysroot ? json_string(run->sysroot) : json_null());
	put(o, "cpus", json_integer(t->ncpu));
	put(o, "big", json_integer(big));
	put(o, "usable", report_cpus(&t->all));
	put(o, "near_gpu", cpus_if_any(&t->near_gpu));
	put(o, "cpu", list);
	return o;
}

static json_t *one_row(const struct dry_run *run, const struct load_row *row)
{
	const struct verdict *v = &run->verdict[row->first];
	const struct role_plan *r = &run->plan.role[v->role];
	const struct snap_task *t = &run->load.task[row->first];
	bool real_time = r->real_time && t->real_time;
	json_t *o = json_object();

	put(o, "name", json_string(row->name));
	put(o, "count", json_integer(row->count));
	put(o, "agent", row->agent[0] ? json_string(row->agent) : json_null());
	put(o, "agents", row->agents ? json_integer(row->agents) : json_null());
	put(o, "weight", row->weight ? json_integer(row->weight) : json_null());
	put(o, "role", json_string(role_name(v->role)));
	put(o, "role_source", json_string(role_source_name(v->role_source)));
	put(o, "why", json_string(policy_reason_text(v->why)));
	put(o, "style", t->gpu_last_ns ? json_string(wait_style_name(t->wait_style)) :
	    json_null());
	put(o, "active", t->gpu_last_ns ? json_boolean(!row->quiet) : json_null());
	put(o, "cpus", r->set_mask ? report_cpus(&r->mask) : json_null());
	put(o, "kept", plan_protects(&run->plan, v->role) ?
	    report_cpus(&run->plan.protected_cpus) : json_null());
	put(o, "prefer", cpus_if_any(&r->prefer));
	put(o, "idle_class", json_boolean(r->idle_class));
	put(o, "real_time", json_boolean(real_time));
	put(o, "nice_delta", json_integer(real_time ? 0 : r->nice_delta));
	return o;
}

json_t *plan_report(const struct dry_run *run)
{
	json_t *o = json_object(), *tasks = json_array();

	for (size_t i = 0; i < run->load.nrow; i++)
		json_array_append_new(tasks, one_row(run, &run->load.row[i]));
	put(o, "version", json_integer(PLAN_VERSION));
	put(o, "starling", json_string(STARLING_VERSION));
	put(o, "machine", machine(run));
	put(o, "plan", report_plan(&run->plan));
	put(o, "tasks", tasks);
	return o;
}
