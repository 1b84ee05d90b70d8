/* SPDX-License-Identifier: GPL-2.0-only */
/* inference.h - threads that compute a model on CPUs, in step with each other. */
#ifndef STARLING_POLICY_INFERENCE_H
#define STARLING_POLICY_INFERENCE_H

#include "daemon/policy/policy.h"

/*
 * The threads beside those that compute: WHY_COMPUTES is in @out already. Only what
 * descent alone gave, or nothing, gives way.
 */
void inference_find(const struct snapshot *snap, struct verdict *out);

/* Last time that @t was at a graph, as far as is known; 0: never. */
uint64_t inference_last_ns(const struct snapshot *snap, const struct snap_task *t);

/* Adds to @plan what these threads get, if they compute now, and says so in its line. */
void inference_plan(const struct snapshot *snap, const struct verdict *v,
		    struct policy_state *st, struct plan *plan);

/* When that ends by itself; 0: it does not, or there is nothing to end. */
uint64_t inference_end(const struct snapshot *snap, const struct policy_state *st);

#endif
