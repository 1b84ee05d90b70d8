// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/place/rung.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "daemon/place/attr.h"
#include "daemon/place/cgfs.h"

enum {
	CAN_WEIGH	= 1 << 0,	/* agents by weight, some of their tasks */
	CAN_WEIGH_ALL	= 1 << 1,	/* all of them */
	CAN_HOLD	= 1 << 2,	/* a feeder keeps its core against everybody */
	CAN_WALL	= 1 << 3,	/* a tool cannot bind itself to a protected CPU */
	CAN_HURRY	= 1 << 4,	/* agents' main loops before tools */
	CAN_FOLLOW	= 1 << 5,	/* all that cgroups can ask for */
	CAN_CLASS	= 1 << 6,	/* classes and nice values */
	CAN_SESSION	= 1 << 7,	/* ... count between sessions */
	CAN_SLEEPER	= 1 << 8,	/* a feeder that sleeps is back at once */
	CAN_SLICE	= 1 << 9,	/* a slice of its own */
	CAN_CLAMP	= 1 << 10,	/* big CPUs at full clock without a run-up */
	CAN_RIVAL	= 1 << 11,	/* agents' tasks beside others as these beside them */
};

static bool may_class(void)
{
	return attr_may_return(ATTR_POLICY);
}

static bool sysctl_is(const char *name, const char *value)
{
	char word[32];

	return !cgfs_read("/proc/sys/kernel", name, word, sizeof(word)) && !strcmp(word, value);
}

static bool no_autogroup(void)
{
	return !sysctl_is("sched_autogroup_enabled", "1");
}

static bool has_real_time(void)
{
	return !sysctl_is("sched_rt_runtime_us", "0");
}

static bool has_slice(void)
{
	return attr_exists(ATTR_SLICE);
}

/* Where all CPUs are of one kind nothing is clamped, and nothing is lacking. */
static bool has_clamp(void)
{
	char first[16], word[16], dir[64];

	if (attr_exists(ATTR_CLAMP))
		return true;
	for (int cpu = 0; ; cpu++) {
		snprintf(dir, sizeof(dir), "/sys/devices/system/cpu/cpu%d", cpu);
		if (cgfs_read(dir, "cpu_capacity", word, sizeof(word)))
			return true;
		if (!cpu)
			memcpy(first, word, sizeof(first));
		if (strcmp(first, word))
			return false;
	}
}

static const struct ability {
	unsigned int bit;
	bool (*here)(void);	/* NULL: the same on every machine */
	unsigned int part_of;	/* goes without saying where that is lacking */
	const char *lack;
} abilities[] = {
	{ CAN_WEIGH, NULL, 0, "agents' weights have no effect" },
	{ CAN_WEIGH_ALL, NULL, CAN_WEIGH,
	  "agents' weights count for tools in Starling's own cgroups only" },
	{ CAN_HOLD, NULL, 0,
	  "a feeder that yields can lose its core to work that is no agent's" },
	{ CAN_WALL, NULL, 0, "a tool that binds itself to a protected CPU runs there" },
	{ CAN_HURRY, NULL, 0, "agents' main loops have no precedence over their tools" },
	{ CAN_RIVAL, NULL, 0, "agents' tools and main loops have the CPUs that nobody else "
	  "wants, and a small part of others" },
	{ CAN_FOLLOW, NULL, 0, "cpu.idle of cgroups and bursts of cpu.max are not followed" },
	{ CAN_CLASS, may_class, 0,
	  "classes and nice values stay as they are: CAP_SYS_NICE is missing" },
	{ CAN_SESSION, no_autogroup, CAN_CLASS, "between sessions in the root cgroup no class "
	  "counts: kernel.sched_autogroup_enabled is 1" },
	{ CAN_SLEEPER, has_real_time, CAN_CLASS, "a feeder that blocks may wait for the next "
	  "tick: kernel.sched_rt_runtime_us is 0" },
	{ CAN_SLICE, has_slice, CAN_CLASS,
	  "feeders have everybody's slice: this kernel takes none of a task's own" },
	{ CAN_CLAMP, has_clamp, CAN_CLASS,
	  "a feeder may start on a small CPU, or slowly: this kernel has no uclamp" },
};

/* @can: wherever it works at all; @may: if the machine has it. */
static const struct rung {
	const char *name;
	unsigned int can;
	unsigned int may;
} rungs[] = {
	{ "sched_ext", CAN_RIVAL | CAN_WEIGH | CAN_WEIGH_ALL | CAN_HOLD | CAN_HURRY | CAN_CLASS |
	  CAN_SESSION | CAN_SLEEPER | CAN_SLICE | CAN_CLAMP, 0 },
	{ "sched_ext_partial", CAN_WEIGH | CAN_WEIGH_ALL | CAN_HURRY,
	  CAN_CLASS | CAN_SESSION | CAN_SLEEPER | CAN_SLICE | CAN_CLAMP },
	{ "cgroup", CAN_RIVAL | CAN_WEIGH | CAN_WALL | CAN_FOLLOW,
	  CAN_CLASS | CAN_SESSION | CAN_SLEEPER | CAN_SLICE | CAN_CLAMP },
	{ "task", CAN_RIVAL | CAN_FOLLOW,
	  CAN_CLASS | CAN_SESSION | CAN_SLEEPER | CAN_SLICE | CAN_CLAMP },
};

const char *const rung_names[] = { "sched_ext", "sched_ext_partial", "cgroup", "task", NULL };

static const struct rung *find(const char *name)
{
	for (size_t i = 0; i < sizeof(rungs) / sizeof(rungs[0]); i++)
		if (!strcmp(rungs[i].name, name))
			return &rungs[i];
	return NULL;
}

static unsigned int bits_here(const struct rung *r)
{
	unsigned int bits = r->can;

	for (size_t i = 0; i < sizeof(abilities) / sizeof(abilities[0]); i++)
		if ((r->may & abilities[i].bit) && (!abilities[i].here || abilities[i].here()))
			bits |= abilities[i].bit;
	return bits;
}

size_t rung_lacks(const char *name, const char *out[RUNG_LACKS_MAX])
{
	const struct rung *r = find(name);
	unsigned int bits;
	size_t n = 0;

	_Static_assert(sizeof(abilities) / sizeof(abilities[0]) <= RUNG_LACKS_MAX, "too many");
	if (!r)
		return 0;
	bits = bits_here(r);
	for (size_t i = 0; i < sizeof(abilities) / sizeof(abilities[0]); i++)
		if (!(bits & abilities[i].bit) &&
		    (bits & abilities[i].part_of) == abilities[i].part_of)
			out[n++] = abilities[i].lack;
	return n;
}
