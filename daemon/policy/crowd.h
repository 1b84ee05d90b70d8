/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * crowd.h - is there other work, that keeps tools of the idle class from
 * running at all?
 */
#ifndef STARLING_POLICY_CROWD_H
#define STARLING_POLICY_CROWD_H

#include "daemon/policy/policy.h"

/*
 * Take @snap in, with @kept cores' CPUs kept free of tools at present. Says
 * whether tools are to be of normal class beside them.
 */
bool crowd_update(const struct snapshot *snap, const struct verdict *v,
		  struct policy_state *st, unsigned int kept);

#endif
