// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/rules.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ULL
#define S (1000 * MS)

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit no_units[] = { { "", 1 }, { 0 } };
static const struct unit bytes[] = {
	{ "", 1 }, { "K", 1ULL << 10 }, { "M", 1ULL << 20 }, { "G", 1ULL << 30 },
	{ "T", 1ULL << 40 }, { 0 },
};
static const struct unit times[] = { { "ms", MS }, { "s", S }, { 0 } };

static const char a_time[] = "a time from 1ms to 3600s";

/* The module has the same limits. */
static const struct rule {
	const char *name;
	const struct unit *unit;
	uint64_t min, max;
	const char *wants;
	uint32_t flag;
	size_t offset;
} table[] = {
#define TIME(_name, _flag, _field) \
	{ _name, times, MS, 3600 * S, a_time, STARLING_POLICY_##_flag, \
	  offsetof(struct starling_lease_policy, _field) }
	{ "slots", no_units, 1, 64, "a number from 1 to 64", STARLING_POLICY_SLOTS, 0 },
	{ "memory", bytes, 0, 1ULL << 50, "bytes, as 16G, at most 1024T; 0: no limit",
	  STARLING_POLICY_MEMORY, offsetof(struct starling_lease_policy, memory_bytes) },
	TIME("limit", HOLD, max_hold_ns),
	TIME("notice", NOTICE, notice_ns),
	TIME("aging", AGING, aging_ns),
	TIME("starve", STARVE, starve_ns),
#undef TIME
};

static const struct rule *rule_find(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strlen(table[i].name) == len && !memcmp(table[i].name, name, len))
			return &table[i];
	return NULL;
}

/* "16G" up to @end. */
static bool parse_value(const struct rule *r, const char *text, const char *end,
			uint64_t *value)
{
	const struct unit *u;
	char *rest;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*value = strtoull(text, &rest, 10);
	for (u = r->unit; u->name; u++)
		if (strlen(u->name) == (size_t)(end - rest) &&
		    !strncmp(u->name, rest, end - rest))
			break;
	if (errno || !u->name || *value > r->max / u->factor)
		return false;
	*value *= u->factor;
	return *value >= r->min;
}

bool rules_time(const char *text, uint64_t *ns)
{
	static const struct rule a_rule = { .unit = times, .min = MS, .max = 3600 * S };

	return parse_value(&a_rule, text, text + strlen(text), ns);
}

static void rule_set(const struct rule *r, struct starling_lease_policy *rules, uint64_t value)
{
	rules->flags |= r->flag;
	if (r->flag == STARLING_POLICY_SLOTS)
		rules->slots = value;
	else
		*(uint64_t *)((char *)rules + r->offset) = value;
}

/* One "name=value" up to @end. */
static int parse_one(const char *text, const char *end, struct starling_lease_policy *rules,
		     char *why, size_t len)
{
	const char *is = memchr(text, '=', end - text);
	const struct rule *r = rule_find(text, (is ? is : end) - text);
	uint64_t value;

	if (!r) {
		snprintf(why, len, "no lease rule '%.*s': use slots, memory, limit, notice, "
			 "aging or starve", (int)(end - text), text);
		return -EINVAL;
	}
	if (!is || !parse_value(r, is + 1, end, &value)) {
		snprintf(why, len, "lease rule '%.*s': %s has to be %s", (int)(end - text), text,
			 r->name, r->wants);
		return -EINVAL;
	}
	rule_set(r, rules, value);
	return 0;
}

int rules_parse(const char *text, struct starling_lease_policy *rules, char *why, size_t len)
{
	const char *end;
	int err;

	for (;; text = end + 1) {
		end = strchrnul(text, ',');
		err = parse_one(text, end, rules, why, len);
		if (err || !*end)
			return err;
	}
}
