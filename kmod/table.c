// SPDX-License-Identifier: GPL-2.0-only
/* The commands; see "Commands" in uapi/linux/starling.h for the rules. */
#include <linux/build_bug.h>
#include <linux/nospec.h>
#include <linux/stddef.h>

#include "agent.h"
#include "command.h"
#include "control.h"
#include "event.h"
#include "lease.h"
#include "list.h"
#include "task.h"
#include "wait.h"

/* @_last: of the first version; @_reserved: where what must be zero begins. */
#define ROW_UP_TO(_name, _on, _struct, _last, _reserved, ...)			\
	[_IOC_NR(STARLING_IOC_##_name)] = {					\
		.cmd = STARLING_IOC_##_name,					\
		.on = STARLING_ON_##_on,					\
		.size = sizeof(struct _struct) +				\
			BUILD_BUG_ON_ZERO(sizeof(struct _struct) > STARLING_ARG_MAX) + \
			BUILD_BUG_ON_ZERO(sizeof(struct _struct) % sizeof(u64)), \
		.min_size = offsetofend(struct _struct, _last),			\
		.reserved = (_reserved) + BUILD_BUG_ON_ZERO((_reserved) % sizeof(u64)), \
		__VA_ARGS__							\
	}

/* What follows are further members. */
#define ROW(_name, _on, _struct, ...)						\
	ROW_UP_TO(_name, _on, _struct, __reserved,				\
		  offsetof(struct _struct, __reserved), __VA_ARGS__)

#define ROW_WITHOUT_RESERVED(_name, _on, _struct, _last, ...)			\
	ROW_UP_TO(_name, _on, _struct, _last, offsetofend(struct _struct, _last), __VA_ARGS__)

#define PAD(_struct)		.pad = offsetof(struct _struct, __pad)
#define OUT_AT(_struct, _field)	.out = true, .out_at = offsetof(struct _struct, _field)

static const struct starling_command commands[] = {
	ROW(GET_INFO, BOTH, starling_info, .fn = starling_get_info, .out = true),
	ROW(AGENT_CREATE, BOTH, starling_agent_create, .fn = starling_agent_create),
	ROW(CONTROL_CLAIM, DEVICE, starling_control, .fn = starling_control_claim),
	ROW(PUBLISH, DEVICE, starling_publish, PAD(starling_publish),
	    .fn = starling_control_publish, .out = true, .slow = true),
	ROW(TASKS, BOTH, starling_list, .fn = starling_list_tasks, .out = true, .slow = true),
	ROW(AGENTS, DEVICE, starling_list, .fn = starling_list_agents, .out = true,
	    .slow = true),
	ROW(AGENT_JOIN, AGENT, starling_agent_task, PAD(starling_agent_task),
	    .flags = STARLING_TASK_THREAD | STARLING_TASK_PIDFD, .fn = starling_agent_join),
	ROW(AGENT_LEAVE, AGENT, starling_agent_task, PAD(starling_agent_task),
	    .flags = STARLING_TASK_THREAD | STARLING_TASK_PIDFD, .fn = starling_agent_leave),
	ROW(AGENT_SET, AGENT, starling_agent_set,
	    .flags = STARLING_SET_WEIGHT | STARLING_SET_NAME | STARLING_SET_CLASS,
	    .fn = starling_agent_set),
	ROW_WITHOUT_RESERVED(AGENT_STAT, AGENT, starling_agent_stat, out_agent,
			     .flags = STARLING_STAT_LIVE | STARLING_STAT_TREE,
			     .fn = starling_agent_stat, .out = true),
	ROW_WITHOUT_RESERVED(TASK_STAT, AGENT, starling_task_stat, out_task,
			     PAD(starling_task_stat), .fn = starling_task_stat, .out = true),
	ROW(TASK_SET_ROLE, AGENT, starling_task_role, .fn = starling_task_set_role),
	ROW(LEASE_ACQUIRE, AGENT, starling_lease_acquire, PAD(starling_lease_acquire),
	    .flags = STARLING_LEASE_TRY, .start = starling_lease_acquire,
	    .undo = starling_lease_acquire_undo, OUT_AT(starling_lease_acquire, out_lease)),
	ROW(LEASE_RELEASE, AGENT, starling_lease_id, .fn = starling_lease_release),
	ROW(LEASE_PARK, AGENT, starling_lease_id, .fn = starling_lease_park),
	ROW(LEASE_UNPARK, AGENT, starling_lease_unpark, .start = starling_lease_unpark,
	    .undo = starling_lease_unpark_undo, OUT_AT(starling_lease_unpark, out_expires_ns)),
	ROW(LEASE_CANCEL, AGENT, starling_lease_cancel, .fn = starling_lease_cancel),
	ROW(LEASE_STAT, BOTH, starling_lease_stat, PAD(starling_lease_stat),
	    .fn = starling_lease_stat, .out = true),
	ROW(LEASES, BOTH, starling_list, .fn = starling_list_leases, .out = true, .slow = true),
	ROW(LEASE_POLICY, DEVICE, starling_lease_policy, .flags = STARLING_POLICY_ALL,
	    .fn = starling_lease_policy),
	ROW(EVENT_MASK, AGENT, starling_event_mask, PAD(starling_event_mask),
	    .fn = starling_event_mask),
	ROW(EVENT_NEXT, AGENT, starling_event_next, .flags = STARLING_EVENT_NOWAIT,
	    .start = starling_event_next, .out = true),
};

/* NULL: there is none on this kind of file. */
const struct starling_command *starling_command_find(const struct file *file, unsigned int cmd)
{
	unsigned int nr = _IOC_NR(cmd), on = STARLING_ON_DEVICE;
	const struct starling_command *c;

	if (nr >= ARRAY_SIZE(commands))
		return NULL;
	if (starling_agent_of(file))
		on = STARLING_ON_AGENT;
	c = &commands[array_index_nospec(nr, ARRAY_SIZE(commands))];
	return c->cmd == cmd && c->on & on ? c : NULL;
}
