// SPDX-License-Identifier: GPL-2.0-only
/* The placers there are. */
#include "daemon/place/place.h"

const struct placer_ops *const placer_table[] = {
	&placer_sched_ext,
	&placer_cgroup,
	&placer_task,
	NULL,
};
