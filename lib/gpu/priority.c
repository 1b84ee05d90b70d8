// SPDX-License-Identifier: LGPL-2.1-only
/*
 * Priorities of streams, by the class. They count between the streams of a process
 * and, under MPS, between processes. What a program asks for is counted from its
 * class's on, so that its own streams keep their order; one more urgent step is left
 * above, as most that ask for any ask for that. Nothing is ever made less urgent than
 * it was asked for, and the driver's default is the least urgent there is: only
 * interactive agents are changed.
 */
#include <pthread.h>
#include <linux/starling.h>

#include "lib/gpu/gpu.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool interactive;

static void find_class(void)
{
	struct gpu_settings s;

	if (gpu_settings_read(&s))
		interactive = (s.class ? s.class : s.priority) == STARLING_CLASS_INTERACTIVE;
}

int gpu_priority(int asked)
{
	cu_range_fn *range = gpu_real(CALL_cuCtxGetStreamPriorityRange);
	int least, greatest, ours;

	pthread_once(&once, find_class);
	/* Numbers fall as urgency grows: 0 down to -5, say. One level is no range. */
	if (!interactive || !range || range(&least, &greatest) != CUDA_SUCCESS ||
	    greatest >= least || asked > least)
		return asked;
	ours = asked + (least - greatest > 1 ? greatest + 1 - least : greatest - least);
	return ours < greatest ? greatest : ours;
}
