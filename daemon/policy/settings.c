// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/policy/policy.h"

#define MS 1000000ULL
#define S (1000 * MS)

void policy_settings_default(struct policy_settings *s)
{
	*s = (struct policy_settings){
		.protect_per = 10,
		.feeder_idle_ns = 100 * MS,
		.feeder_forget_ns = 60 * S,
		.path_hops = 2,
		.path_wakes_per_s = 2,
		.class_keep_ns = 3 * S,
		/* short beside most tool calls' phases, long beside a round of 250 ms */
		.guard = true,
		.guard_epoch_ns = 2 * S,
		.guard_rules = GUARD_ALL,
	};
}

const char *policy_reason_text(enum policy_reason why)
{
	static const char *const text[__WHY_MAX] = {
		[WHY_NONE] = "no part of the request path, of no agent",
		[WHY_GPU_WAIT] = "waits for the GPU",
		[WHY_WAKES_FEEDER] = "exchanges wakes with a feeder",
		[WHY_WAKES_SERVICE] = "exchanges wakes with the feeder's service",
		[WHY_CLIENT] = "another process that talks to the request path",
		[WHY_COMPUTES] = "computes a model on CPUs",
		[WHY_COMPUTES_WITH] = "keeps step with a thread that computes a model",
		[WHY_LINEAGE_EXEC] = "program started by an agent",
		[WHY_LINEAGE] = "thread or fork of an agent's first process",
		[WHY_SET_BY_OWNER] = "set by the agent's owner",
		[WHY_SET_BY_SELF] = "set by the task itself",
	};

	return why < __WHY_MAX ? text[why] : "unknown";
}
