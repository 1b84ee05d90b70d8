// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/place/right.h"

#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* RLIMIT_NICE counts from the highest nice value to the lowest, as rlimits are positive. */
enum { LOWEST = -20, LIMIT_OF_0 = 20, LIMIT_MAX = LIMIT_OF_0 - LOWEST };

static bool has_capability(uint32_t tid)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3, .pid = tid,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return !syscall(SYS_capget, &head, data) &&
		(data[CAP_TO_INDEX(CAP_SYS_NICE)].effective & CAP_TO_MASK(CAP_SYS_NICE));
}

/* Anybody can make a namespace in which he has all capabilities. */
static bool has_our_users(uint32_t tid)
{
	struct stat ours, its;
	char path[32];

	if (stat("/proc/self/ns/user", &ours))
		return true;	/* this kernel has no such namespaces */
	snprintf(path, sizeof(path), "/proc/%u/ns/user", tid);
	return !stat(path, &its) && its.st_dev == ours.st_dev && its.st_ino == ours.st_ino;
}

int right_nice(uint32_t tid)
{
	struct rlimit limit;

	if (has_capability(tid) && has_our_users(tid))
		return LOWEST;
	if (prlimit(tid, RLIMIT_NICE, NULL, &limit))
		return LIMIT_OF_0;
	return limit.rlim_cur < LIMIT_MAX ? LIMIT_OF_0 - (int)limit.rlim_cur : LOWEST;
}
