// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/rules.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "daemon/quantity.h"

#define MS 1000000ULL
#define S (1000 * MS)

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
	{ _name, quantity_time, MS, 3600 * S, a_time, STARLING_POLICY_##_flag, \
	  offsetof(struct starling_lease_policy, _field) }
	{ "slots", quantity_number, 1, 64, "a number from 1 to 64", STARLING_POLICY_SLOTS, 0 },
	{ "memory", quantity_bytes, 0, 1ULL << 50, "bytes, as 16G, at most 1024T; 0: no limit",
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

bool rules_time(const char *text, uint64_t *ns)
{
	return quantity_parse(text, text + strlen(text), quantity_time, MS, 3600 * S, ns);
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
	if (!is || !quantity_parse(is + 1, end, r->unit, r->min, r->max, &value)) {
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
