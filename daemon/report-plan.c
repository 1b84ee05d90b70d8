// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/report-plan.h"

#include "daemon/place/rung.h"
#include "daemon/roles.h"

static void put(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

json_t *report_cpus(const cpu_set_t *set)
{
	char buf[512];

	return json_string(cpuset_format(set, buf, sizeof(buf)));
}

json_t *report_rung(const char *placer)
{
	const char *lack[RUNG_LACKS_MAX];
	json_t *o = json_object(), *list = json_array();
	size_t n = rung_lacks(placer, lack);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(lack[i]));
	put(o, "name", json_string(placer));
	put(o, "cannot", list);
	return o;
}

static json_t *role_plan(const struct role_plan *r)
{
	json_t *o = json_object();

	put(o, "cpus", r->set_mask ? report_cpus(&r->mask) : json_null());
	put(o, "prefer", CPU_COUNT(&r->prefer) ? report_cpus(&r->prefer) : json_null());
	put(o, "idle_class", json_boolean(r->idle_class));
	put(o, "real_time", json_boolean(r->real_time));
	put(o, "nice_delta", json_integer(r->nice_delta));
	put(o, "slice_us", r->slice_ns ? json_integer(r->slice_ns / 1000) : json_null());
	put(o, "clamp_min", r->clamp_min ? json_integer(r->clamp_min) : json_null());
	put(o, "clamp_max", r->clamp_max ? json_integer(r->clamp_max) : json_null());
	put(o, "cpu_weight", r->cpu_weight ? json_integer(r->cpu_weight) : json_null());
	return o;
}

json_t *report_plan(const struct plan *plan)
{
	json_t *o = json_object(), *roles = json_object();

	for (int r = STARLING_ROLE_FEEDER; r < __STARLING_ROLE_MAX; r++)
		put(roles, role_name(r), role_plan(&plan->role[r]));
	put(o, "seq", json_integer(plan->seq));
	put(o, "why", json_string(plan->why));
	put(o, "protected", report_cpus(&plan->protected_cpus));
	put(o, "lent", report_cpus(&plan->reserved_cpus));
	put(o, "feeders", json_integer(plan->feeders));
	put(o, "feeders_active", json_integer(plan->feeders_active));
	put(o, "inference", json_integer(plan->inference));
	put(o, "inference_active", json_boolean(plan->inference_active));
	put(o, "roles", roles);
	return o;
}
