// SPDX-License-Identifier: GPL-2.0-only
/*
 * What python/starling.py looks up and the examples do not call. Apart from
 * fake.c, since these have not the types that starling.h gives them.
 */
#include <errno.h>

#define UNUSED(_name)							\
	__attribute__((visibility("default"))) int _name(void);		\
	int _name(void)							\
	{								\
		return -ENOSYS;						\
	}

UNUSED(starling_gpu_stat)
UNUSED(starling_agent_from_fd)
UNUSED(starling_agent_fd)
UNUSED(starling_agent_set)
UNUSED(starling_agent_stat)
UNUSED(starling_agent_tasks)
UNUSED(starling_task_stat)
UNUSED(starling_task_set_role)
UNUSED(starling_lease_id)
UNUSED(starling_lease_gpu)
UNUSED(starling_lease_expires_ns)
UNUSED(starling_cancel)
UNUSED(starling_event_mask)
UNUSED(starling_event_next)
