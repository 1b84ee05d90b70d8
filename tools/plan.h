/* SPDX-License-Identifier: GPL-2.0-only */
/* plan.h - a plan that was made for a machine and a load, and ways to show it. */
#ifndef STARLING_PLAN_H
#define STARLING_PLAN_H

#include <jansson.h>
#include "daemon/policy/policy.h"
#include "tools/load.h"

struct dry_run {
	const char *sysroot;	/* NULL: this machine */
	struct topology topo;
	struct load load;
	struct verdict verdict[LOAD_TASKS_MAX];
	struct plan plan;
};

/* As JSON: { machine, plan, tasks }; the plan is that of `starling status`. */
json_t *plan_report(const struct dry_run *run);
/* The machine's CPUs as a picture, by node, cache and kind. */
void plan_draw(const struct dry_run *run);

#endif
