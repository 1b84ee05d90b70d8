// SPDX-License-Identifier: LGPL-2.1-only
/* event.c - what happens to an agent, as it happens. */
#include <errno.h>

#include "internal.h"

STARLING_API int starling_event_mask(struct starling_agent *a, uint32_t mask)
{
	struct starling_event_mask arg = { .size = sizeof(arg), .mask = mask };

	return a ? starling_call(a->fd, STARLING_IOC_EVENT_MASK, &arg) : -ENODEV;
}

STARLING_API int starling_event_next(struct starling_agent *a, uint32_t flags,
				     uint64_t timeout_ns, uint64_t cookie,
				     struct starling_event *event)
{
	struct starling_event_next arg = {
		.size = sizeof(arg), .flags = flags, .timeout_ns = timeout_ns, .cookie = cookie,
	};
	int err;

	if (!a)
		return -ENODEV;
	err = starling_call_once(a->fd, STARLING_IOC_EVENT_NEXT, &arg);
	if (!err)
		*event = arg.out_event;
	return err;
}
