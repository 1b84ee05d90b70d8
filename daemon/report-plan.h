/* SPDX-License-Identifier: GPL-2.0-only */
/* report-plan.h - a plan as JSON: the same of the daemon and of a dry run. */
#ifndef STARLING_REPORT_PLAN_H
#define STARLING_REPORT_PLAN_H

#include <jansson.h>
#include "daemon/policy/policy.h"

json_t *report_plan(const struct plan *plan);
/* What a placer is called and what it cannot do on this machine. */
json_t *report_rung(const char *placer);
json_t *report_cpus(const cpu_set_t *set);	/* as text: "0-3,7" */

#endif
