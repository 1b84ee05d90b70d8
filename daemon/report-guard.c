// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/report-guard.h"

static void put(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

static json_t *real_if(bool known, double x)
{
	return known ? json_real(x) : json_null();
}

static const char *state(const struct guard *g, const struct policy_settings *set,
			 enum guard_rule rule)
{
	if (!(set->guard_rules & GUARD_BIT(rule)))
		return "unused";	/* by this placer, or nothing is placed */
	if (g->trial.running && g->trial.rule == rule)
		return "trial";
	return g->rule[rule].withdrawn ? "withdrawn" : "kept";
}

static json_t *one_rule(const struct guard *g, const struct policy_settings *set,
			enum guard_rule rule, uint64_t now)
{
	const struct guard_known *k = &g->rule[rule];
	bool known = k->pairs;
	json_t *o = json_object();
	char text[256];

	put(o, "name", json_string(guard_rule_name(rule)));
	put(o, "text", json_string(guard_rule_text(rule)));
	put(o, "improves", json_string(guard_metric_text(rule)));
	put(o, "state", json_string(state(g, set, rule)));
	put(o, "verdict", json_string(guard_verdict_text(k->verdict)));
	put(o, "evidence", known ?
	    json_string(guard_evidence(g, rule, text, sizeof(text))) : json_null());
	put(o, "pairs", json_integer(k->pairs));
	put(o, "cut_short", json_integer(k->cut));
	put(o, "with", real_if(known, k->is.with));
	put(o, "without", real_if(known, k->is.without));
	put(o, "effect", real_if(known, k->is.effect));
	put(o, "effect_low", real_if(known, k->is.low));
	put(o, "effect_high", real_if(known, k->is.high));
	put(o, "tools_with", real_if(known, k->tools_with));
	put(o, "tools_without", real_if(known, k->tools_without));
	put(o, "checked_s_ago", real_if(k->checked_ns, (now - k->checked_ns) / 1e9));
	put(o, "next_in_s", real_if(k->due_ns > now, (k->due_ns - now) / 1e9));
	return o;
}

json_t *report_guard(const struct guard *g, const struct policy_settings *set,
		     unsigned int left_out, uint64_t now)
{
	json_t *o = json_object(), *rules = json_array();
	char text[64];

	for (int r = 0; r < __GUARD_MAX; r++)
		json_array_append_new(rules, one_rule(g, set, r, now));
	put(o, "on", json_boolean(set->guard));
	put(o, "epoch_s", json_real(set->guard_epoch_ns / 1e9));
	put(o, "left_out", json_string(guard_rules_text(left_out, text, sizeof(text))));
	put(o, "pairs_so_far", g->trial.running ? json_integer(g->trial.metric.n) : json_null());
	put(o, "rules", rules);
	return o;
}
