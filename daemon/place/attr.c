// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/place/attr.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "daemon/topology.h"

static const char *const attr_names[__ATTR_MAX] = {
	[ATTR_MASK] = "mask",
	[ATTR_POLICY] = "policy",
	[ATTR_NICE] = "nice",
	[ATTR_SLICE] = "slice",
	[ATTR_CLAMP] = "clamp",
};

const char *attr_name(enum attr a)
{
	return attr_names[a];
}

bool attr_exists(enum attr a)
{
	return a == ATTR_SLICE ? sattr_has_slice() : a == ATTR_CLAMP ? sattr_has_clamp() : true;
}

int attr_read(uint32_t tid, enum attr a, struct attrs *into)
{
	switch (a) {
	case ATTR_MASK:
		return sched_getaffinity(tid, sizeof(into->mask), &into->mask) ? -errno : 0;
	case ATTR_POLICY:
		into->policy = sched_getscheduler(tid);
		return into->policy < 0 ? -errno : 0;
	case ATTR_SLICE:
		return sattr_read_slice(tid, &into->slice_ns);
	case ATTR_CLAMP:
		return sattr_read_clamp(tid, &into->clamp);
	default:
		errno = 0;
		into->nice = getpriority(PRIO_PROCESS, tid);
		return into->nice == -1 ? -errno : 0;
	}
}

int attr_read_all(uint32_t tid, struct attrs *into)
{
	int err = 0;

	for (int a = 0; a < __ATTR_MAX && !err; a++)
		err = attr_read(tid, a, into);
	return err;
}

static bool read_online(cpu_set_t *out)
{
	char buf[4096];
	FILE *f = fopen("/sys/devices/system/cpu/online", "re");
	bool ok = f && fgets(buf, sizeof(buf), f) && !cpuset_parse(buf, out);

	if (f)
		fclose(f);
	return ok;
}

/* Read once a second: a search through all tasks asks thousands of times. */
static bool online_cpus(cpu_set_t *out)
{
	static cpu_set_t online;
	static time_t read_at = -1;
	static bool known;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_sec != read_at)
		known = read_online(&online);
	read_at = now.tv_sec;
	*out = online;
	return known;
}

static bool is_subset(const cpu_set_t *inner, const cpu_set_t *outer)
{
	cpu_set_t both;

	CPU_AND(&both, inner, outer);
	return CPU_EQUAL(&both, inner);
}

/*
 * A mask of every CPU there is was most likely nobody's wish. Written with
 * all bits it follows when a CPU comes online or a cpuset grows; the kernel
 * drops the bits that the task's cpuset does not allow.
 */
static int write_mask(uint32_t tid, const cpu_set_t *mask)
{
	cpu_set_t online, all;

	memset(&all, 0xff, sizeof(all));
	if (online_cpus(&online) && is_subset(&online, mask))
		mask = &all;
	if (!sched_setaffinity(tid, sizeof(*mask), mask))
		return 0;
	/* none of its CPUs is left: anywhere is better than where it is */
	if (errno == EINVAL && mask != &all && !sched_setaffinity(tid, sizeof(all), &all))
		return 0;
	return -errno;
}

bool attr_is_real_time(const struct attrs *x)
{
	int base = x->policy & ~SCHED_RESET_ON_FORK;

	return base == SCHED_FIFO || base == SCHED_RR;
}

int attr_write(uint32_t tid, enum attr a, const struct attrs *from)
{
	/* keeps nice and a slice of the task's own, unlike sched_setattr() */
	struct sched_param param = { .sched_priority = attr_is_real_time(from) };

	switch (a) {
	case ATTR_MASK:
		return write_mask(tid, &from->mask);
	case ATTR_POLICY:
		return sched_setscheduler(tid, from->policy, &param) ? -errno : 0;
	case ATTR_SLICE:
		return sattr_write_slice(tid, from->slice_ns);
	case ATTR_CLAMP:
		return sattr_write_clamp(tid, from->clamp);
	default:
		return setpriority(PRIO_PROCESS, tid, from->nice) ? -errno : 0;
	}
}

static bool mask_equal(const cpu_set_t *x, const cpu_set_t *y)
{
	cpu_set_t online, differ;

	if (CPU_EQUAL(x, y))
		return true;
	CPU_XOR(&differ, x, y);
	if (!online_cpus(&online))
		return false;
	CPU_AND(&differ, &differ, &online);
	return !CPU_COUNT(&differ);
}

bool attr_seen(enum attr a, const struct attrs *x)
{
	return a != ATTR_SLICE || x->slice_ns != SATTR_SLICE_UNSEEN;
}

bool attr_equal(enum attr a, const struct attrs *x, const struct attrs *y)
{
	if (!attr_seen(a, x) || !attr_seen(a, y))
		return true;
	switch (a) {
	case ATTR_MASK:
		return mask_equal(&x->mask, &y->mask);
	case ATTR_POLICY:
		return x->policy == y->policy;
	case ATTR_SLICE:
		return x->slice_ns == y->slice_ns;
	case ATTR_CLAMP:
		return x->clamp.min == y->clamp.min && x->clamp.max == y->clamp.max;
	default:
		return x->nice == y->nice;
	}
}

bool attr_may_return(enum attr a)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (a == ATTR_MASK)
		return true;
	return !syscall(SYS_capget, &head, data) &&
		(data[CAP_TO_INDEX(CAP_SYS_NICE)].effective & CAP_TO_MASK(CAP_SYS_NICE));
}

void attr_copy(enum attr a, struct attrs *to, const struct attrs *from)
{
	static const struct {
		size_t at;
		size_t len;
	} field[__ATTR_MAX] = {
		[ATTR_MASK] = { offsetof(struct attrs, mask), sizeof(to->mask) },
		[ATTR_POLICY] = { offsetof(struct attrs, policy), sizeof(to->policy) },
		[ATTR_NICE] = { offsetof(struct attrs, nice), sizeof(to->nice) },
		[ATTR_SLICE] = { offsetof(struct attrs, slice_ns), sizeof(to->slice_ns) },
		[ATTR_CLAMP] = { offsetof(struct attrs, clamp), sizeof(to->clamp) },
	};

	memcpy((char *)to + field[a].at, (const char *)from + field[a].at, field[a].len);
}

char *attr_format(enum attr a, const struct attrs *x, char *buf, size_t len)
{
	if (a == ATTR_MASK)
		return cpuset_format(&x->mask, buf, len);
	if (a == ATTR_SLICE)
		snprintf(buf, len, "%llu", (unsigned long long)x->slice_ns);
	else if (a == ATTR_CLAMP)
		snprintf(buf, len, "%u:%u", x->clamp.min, x->clamp.max);
	else
		snprintf(buf, len, "%d", a == ATTR_POLICY ? x->policy : x->nice);
	return buf;
}

static int parse_clamp(const char *word, struct sattr_clamp *out)
{
	unsigned int min, max;
	char more;

	if (sscanf(word, "%u:%u%c", &min, &max, &more) != 2 || max > SATTR_CLAMP_FULL ||
	    min > max)
		return -EINVAL;
	*out = (struct sattr_clamp){ min, max };
	return 0;
}

int attr_parse(enum attr a, const char *word, struct attrs *x)
{
	char *end;
	long long v;

	if (a == ATTR_MASK)
		return cpuset_parse(word, &x->mask);
	if (a == ATTR_CLAMP)
		return parse_clamp(word, &x->clamp);
	errno = 0;
	v = strtoll(word, &end, 10);
	if (errno || end == word || *end)
		return -EINVAL;
	if (a == ATTR_POLICY)
		x->policy = v;
	else if (a == ATTR_SLICE)
		x->slice_ns = v;
	else
		x->nice = v;
	return 0;
}
