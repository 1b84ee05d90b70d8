/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rules.h - rules for leases of GPU 0, as people write them: some of
 * "slots=2,memory=16G,limit=500ms,notice=50ms,aging=1s,starve=20s".
 */
#ifndef STARLING_RULES_H
#define STARLING_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/starling.h>

/* Rules that @text does not name stay as they are. -EINVAL: @why is one line. */
int rules_parse(const char *text, struct starling_lease_policy *rules, char *why, size_t len);

/* A time alone, as "500ms" or "10s". False: it is none. */
bool rules_time(const char *text, uint64_t *ns);

#endif
