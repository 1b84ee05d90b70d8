/* SPDX-License-Identifier: GPL-2.0-only */
/* report-guard.h - what the guard has found, as JSON: of daemon and simulator. */
#ifndef STARLING_REPORT_GUARD_H
#define STARLING_REPORT_GUARD_H

#include <jansson.h>
#include "daemon/policy/policy.h"

/* @left_out: by the plan, at present. */
json_t *report_guard(const struct guard *g, const struct policy_settings *set,
		     unsigned int left_out, uint64_t now);

#endif
