// SPDX-License-Identifier: GPL-2.0-only
/* Rules and what was found of them, in words. */
#include <stdio.h>
#include "daemon/policy/guard.h"

static const char feeders_wait[] = "feeders' wait for a CPU, of the time that they need one";
static const char path_waits[] =
	"feeders' or services' wait for a CPU, of the time that they need one";

static const struct {
	const char *name, *text, *metric;
	const char *short_metric;
} words[__GUARD_MAX] = {
	[GUARD_CORES] = { "cores", "CPUs are kept free of tools", feeders_wait, "feeders wait" },
	[GUARD_ASIDE] = { "aside", "tools and background work are in the idle class", path_waits,
			  "feeders or services wait" },
	[GUARD_PRIORITY] = { "priority", "feeders and services go before others", path_waits,
			     "feeders or services wait" },
	[GUARD_CROWD] = { "crowd", "tools are in the normal class beside other work",
			  "CPU time that tools get, of what they want", "tools get" },
	[GUARD_NOISE] = { "noise", "interrupts and kernel threads are kept off protected CPUs",
			  feeders_wait, "feeders wait" },
};

const char *guard_rule_name(enum guard_rule rule)
{
	return rule < __GUARD_MAX ? words[rule].name : "unknown";
}

const char *guard_rule_text(enum guard_rule rule)
{
	return rule < __GUARD_MAX ? words[rule].text : "unknown";
}

const char *guard_metric_text(enum guard_rule rule)
{
	return rule < __GUARD_MAX ? words[rule].metric : "unknown";
}

const char *guard_verdict_text(enum guard_verdict verdict)
{
	static const char *const text[__GUARD_VERDICTS] = {
		[GUARD_UNTRIED] = "not tried yet",
		[GUARD_HELPS] = "helps",
		[GUARD_UNCLEAR] = "not clear",
		[GUARD_NO_EFFECT] = "no effect",
		[GUARD_HARMS] = "harms",
	};

	return verdict < __GUARD_VERDICTS ? text[verdict] : "unknown";
}

char *guard_rules_text(unsigned int rules, char *buf, size_t len)
{
	size_t at = 0;

	buf[0] = '\0';
	for (int r = 0; r < __GUARD_MAX && at < len; r++)
		if (rules & GUARD_BIT(r))
			at += snprintf(buf + at, len - at, "%s%s", at ? ", " : "",
				       words[r].name);
	return buf;
}

char *guard_evidence(const struct guard *g, enum guard_rule rule, char *buf, size_t len)
{
	const struct guard_known *k = &g->rule[rule];
	int n;

	buf[0] = '\0';
	if (!k->pairs)
		return buf;
	n = snprintf(buf, len, "%s %.1f %% with it, %.1f %% without (%+.1f, %+.1f to %+.1f in "
		     "%u pairs", words[rule].short_metric, k->is.with * 100, k->is.without * 100,
		     k->is.effect * 100, k->is.low * 100, k->is.high * 100, k->pairs);
	if (k->cut && n > 0 && (size_t)n < len)
		n += snprintf(buf + n, len - n, ", %u cut short", k->cut);
	if (n > 0 && (size_t)n < len)
		snprintf(buf + n, len - n, rule == GUARD_CROWD ? ")" :
			 "); tools get %.1f %%, %.1f %% without",
			 k->tools_with * 100, k->tools_without * 100);
	return buf;
}
