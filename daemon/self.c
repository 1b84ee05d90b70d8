// SPDX-License-Identifier: GPL-2.0-only
/*
 * The daemon has to act while tools fill every core, and must not be what a
 * feeder waits for: it runs above both, and never for long.
 *
 * Priority by nice is not enough: a task at nice -11 that wakes among fifteen
 * others was seen to wait up to 270 ms for a core on Linux 6.18, at a low
 * real-time priority 0.5 ms. It works for some 0.3 ms at a time; should it
 * ever run for longer than a round can take, it falls back to normal.
 */
#include "daemon/self.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include "daemon/log.h"

enum {
	OWN_NICE = -11,			/* where real time is not permitted */
	OWN_RTPRIO = 2,			/* above feeders, below what others chose with care */
	RUN_LIMIT_US = 200 * 1000,	/* at a stretch */
};

static const char *volatile class = "normal";

static void be_normal(void)
{
	const struct sched_param normal = { 0 };

	sched_setscheduler(0, SCHED_OTHER, &normal);
	class = "nice";
}

static void on_limit(int signo)
{
	(void)signo;
	be_normal();
}

/* The kernel raises SIGXCPU when we ran for so long without sleeping. */
static int set_limit(void)
{
	struct sigaction act = { .sa_handler = on_limit };
	struct rlimit limit;

	if (getrlimit(RLIMIT_RTTIME, &limit))
		return -errno;
	if (limit.rlim_max < RUN_LIMIT_US)
		return -EPERM;
	limit.rlim_cur = RUN_LIMIT_US;
	if (sigaction(SIGXCPU, &act, NULL) || setrlimit(RLIMIT_RTTIME, &limit))
		return -errno;
	return 0;
}

/* What is started meanwhile, as the reader of GPUs is, has none of it. */
void self_hurry(void)
{
	const struct sched_param normal = { 0 };

	if (!sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &normal) &&
	    !setpriority(PRIO_PROCESS, 0, OWN_NICE))
		class = "nice";
}

void self_raise(void)
{
	const struct sched_param rt = { .sched_priority = OWN_RTPRIO };

	if (!set_limit() && !sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &rt))
		class = "real-time";
	else
		log_debug("own priority: %s, not real-time: %s", class, strerror(errno));
}

bool self_lower(void)
{
	int policy = sched_getscheduler(0);

	if (policy < 0 || (policy & ~SCHED_RESET_ON_FORK) != SCHED_FIFO)
		return false;
	be_normal();
	return true;
}

const char *self_class(void)
{
	return class;
}

void self_avoid(const cpu_set_t *cpus)
{
	static cpu_set_t allowed;
	static bool known;
	cpu_set_t rest;

	if (!known && sched_getaffinity(0, sizeof(allowed), &allowed))
		return;
	known = true;
	CPU_AND(&rest, &allowed, cpus);
	CPU_XOR(&rest, &allowed, &rest);
	if (CPU_COUNT(&rest))
		sched_setaffinity(0, sizeof(rest), &rest);
}
