// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/place/sattr.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/sched/types.h, which does not go together with every <sched.h>. */
struct sattr {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
	uint32_t util_min;
	uint32_t util_max;
};

enum {
	KEEP_POLICY	= 0x08,
	KEEP_PARAMS	= 0x10,
	CLAMP_MIN	= 0x20,
	CLAMP_MAX	= 0x40,
};

#define PROBE_NS	100000		/* the shortest that the kernel takes */
#define CLAMP_RESET	UINT32_MAX

/* What the kernel gives whoever has none; 0: it takes no slices. */
static uint64_t base_slice_ns;

static int get(uint32_t tid, struct sattr *a)
{
	return syscall(SYS_sched_getattr, tid, a, sizeof(*a), 0) ? -errno : 0;
}

static int set(uint32_t tid, struct sattr *a)
{
	a->size = sizeof(*a);
	return syscall(SYS_sched_setattr, tid, a, 0) ? -errno : 0;
}

static bool takes_slice(const struct sattr *a)
{
	return a->policy == SCHED_OTHER || a->policy == SCHED_BATCH || a->policy == SCHED_EXT;
}

/*
 * To set one parameter of a class is to set them all, so the others are read
 * first; and clamps are left out, lest what was read becomes the task's own wish.
 */
static int set_slice(uint32_t tid, uint64_t ns)
{
	struct sattr a;
	int err = get(tid, &a);

	if (err)
		return err;
	if (!takes_slice(&a))
		return -EAGAIN;
	a.flags &= ~(uint64_t)(CLAMP_MIN | CLAMP_MAX);
	a.runtime = ns;
	return set(tid, &a);
}

static uint64_t try_slice(uint64_t ns)
{
	struct sattr a;

	return set_slice(0, ns) || get(0, &a) ? 0 : a.runtime;
}

bool sattr_has_slice(void)
{
	static bool known;
	struct sattr own;
	uint64_t base;

	if (known)
		return base_slice_ns;
	known = true;
	if (get(0, &own) || !own.runtime || !takes_slice(&own))
		return false;
	base = try_slice(0);
	if (try_slice(PROBE_NS) == PROBE_NS)
		base_slice_ns = base;
	set_slice(0, own.runtime == base ? 0 : own.runtime);
	return base_slice_ns;
}

bool sattr_has_clamp(void)
{
	static int has = -1;
	struct sattr own;

	/* a filter may forbid the call where the kernel has it */
	if (has < 0)
		has = !access("/proc/sys/kernel/sched_util_clamp_min", F_OK) && !get(0, &own);
	return has;
}

int sattr_read_slice(uint32_t tid, uint64_t *ns)
{
	struct sattr a;
	int err;

	*ns = 0;
	if (!sattr_has_slice())
		return 0;
	err = get(tid, &a);
	if (err)
		return err;
	if (!takes_slice(&a) && a.policy != SCHED_IDLE)
		*ns = SATTR_SLICE_UNSEEN;
	else if (a.runtime != base_slice_ns)
		*ns = a.runtime;
	return 0;
}

int sattr_write_slice(uint32_t tid, uint64_t ns)
{
	return set_slice(tid, ns);
}

int sattr_read_clamp(uint32_t tid, struct sattr_clamp *clamp)
{
	struct sattr a = { .util_max = SATTR_CLAMP_FULL };
	int err = sattr_has_clamp() ? get(tid, &a) : 0;

	clamp->min = a.util_min;
	clamp->max = a.util_max;
	return err;
}

/* The kernel's own values are no wish of anybody: not to be pinned as one. */
int sattr_write_clamp(uint32_t tid, struct sattr_clamp clamp)
{
	struct sattr a = {
		.flags = KEEP_POLICY | KEEP_PARAMS | CLAMP_MIN | CLAMP_MAX,
		.util_min = clamp.min ? clamp.min : CLAMP_RESET,
		.util_max = clamp.max < SATTR_CLAMP_FULL ? clamp.max : CLAMP_RESET,
	};

	return set(tid, &a);
}
