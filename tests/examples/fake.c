// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stand-in for the module below the real libstarling, in place of its
 * device.c: agents are names, a GPU is a lock, and each command is a line in
 * $STARLING_FAKE_LOG. For tests of what is built on the library, on a machine
 * without the module; with it the same is tested in guests.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>

#include "lib/internal.h"

#define NAGENTS	1024	/* by descriptor */
#define NLEASES	4096	/* by number, modulo */

struct waiter {
	LIST_ENTRY(waiter) link;
	int fd;
	uint64_t cookie;
	bool cancelled;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static LIST_HEAD(, waiter) waiters = LIST_HEAD_INITIALIZER(waiters);
static char names[NAGENTS][STARLING_NAME_LEN];
static bool exists[NLEASES];
static uint64_t holder, last;

static int say(int fd, const char *what)
{
	const char *log = getenv("STARLING_FAKE_LOG");
	FILE *f = log ? fopen(log, "a") : NULL;

	if (f) {
		fprintf(f, "%s %s\n", names[fd], what);
		fclose(f);
	}
	return 0;
}

/* Until the GPU is free; where that is not what is waited for, until it is cancelled. */
static int wait_turn(int fd, uint64_t cookie, uint64_t ns, bool for_gpu)
{
	struct waiter w = { .fd = fd, .cookie = cookie };
	struct timespec end;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += (end.tv_nsec + ns) / 1000000000;
	end.tv_nsec = (end.tv_nsec + ns) % 1000000000;
	LIST_INSERT_HEAD(&waiters, &w, link);
	while (!w.cancelled && (holder || !for_gpu) && !err)
		err = ns ? pthread_cond_timedwait(&changed, &lock, &end) :
			   pthread_cond_wait(&changed, &lock);
	LIST_REMOVE(&w, link);
	return w.cancelled ? -ECANCELED : -err;
}

static int get_info(int fd, void *arg)
{
	struct starling_info *info = arg;

	(void)fd;
	info->out_abi_version = STARLING_ABI_VERSION;
	return 0;
}

static int create(int fd, void *arg)
{
	struct starling_agent_create *a = arg;
	int agent = eventfd(0, EFD_CLOEXEC);

	(void)fd;
	if (agent < 0 || agent >= NAGENTS)
		abort();
	strcpy(names[agent], a->name);
	say(agent, "create");
	return agent;
}

static int join(int fd, void *arg)
{
	struct starling_agent_task *a = arg;

	return say(fd, a->flags & STARLING_TASK_THREAD ? "join-thread" : "join-process");
}

static int leave(int fd, void *arg)
{
	(void)arg;
	return say(fd, "leave");
}

static int nothing(int fd, void *arg)
{
	(void)fd;
	(void)arg;
	return 0;
}

/* Nobody's time is over here. */
static uint64_t in_an_hour(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec + 3600) * 1000000000ULL;
}

static int acquire(int fd, void *arg)
{
	struct starling_lease_acquire *a = arg;
	int err = 0;

	if (a->flags & STARLING_LEASE_TRY)
		err = holder ? -EAGAIN : 0;
	else
		err = wait_turn(fd, a->cookie, a->timeout_ns, true);
	if (err)
		return err;
	holder = a->out_lease = ++last;
	exists[holder % NLEASES] = true;
	a->out_expires_ns = in_an_hour();
	return say(fd, "acquire");
}

static int unpark(int fd, void *arg)
{
	struct starling_lease_unpark *a = arg;
	int err;

	if (!exists[a->lease % NLEASES])
		return -ENOENT;
	if (holder == a->lease)
		return -EALREADY;
	err = wait_turn(fd, a->cookie, a->timeout_ns, true);
	if (err)
		return err;
	holder = a->lease;
	a->out_expires_ns = in_an_hour();
	return say(fd, "unpark");
}

static void give(uint64_t lease)
{
	if (holder == lease)
		holder = 0;
	pthread_cond_broadcast(&changed);
}

static int park(int fd, void *arg)
{
	struct starling_lease_id *a = arg;

	if (holder != a->lease)
		return -EALREADY;
	give(a->lease);
	return say(fd, "park");
}

static int release(int fd, void *arg)
{
	struct starling_lease_id *a = arg;
	bool *there = &exists[a->lease % NLEASES];

	if (!*there)
		return -ENOENT;
	*there = false;
	give(a->lease);
	return say(fd, "release");
}

static int cancel(int fd, void *arg)
{
	struct starling_lease_cancel *a = arg;
	struct waiter *w;
	int err = -ENOENT;

	LIST_FOREACH(w, &waiters, link) {
		if (w->fd != fd || w->cookie != a->cookie)
			continue;
		w->cancelled = true;
		err = 0;
	}
	pthread_cond_broadcast(&changed);
	return err;
}

static int event_next(int fd, void *arg)
{
	struct starling_event_next *a = arg;

	if (a->flags & STARLING_EVENT_NOWAIT)
		return -EAGAIN;
	return wait_turn(fd, a->cookie, a->timeout_ns, false);
}

static int gpu_stat(int fd, void *arg)
{
	struct starling_lease_stat *stat = arg;
	struct waiter *w;

	(void)fd;
	LIST_FOREACH(w, &waiters, link)
		stat->out_waiting[0]++;
	stat->out_holders = !!holder;
	return 0;
}

static const struct {
	unsigned long cmd;
	int (*fn)(int fd, void *arg);
} commands[] = {
	{ STARLING_IOC_GET_INFO, get_info },
	{ STARLING_IOC_AGENT_CREATE, create },
	{ STARLING_IOC_AGENT_JOIN, join },
	{ STARLING_IOC_AGENT_LEAVE, leave },
	{ STARLING_IOC_LEASE_ACQUIRE, acquire },
	{ STARLING_IOC_LEASE_UNPARK, unpark },
	{ STARLING_IOC_LEASE_PARK, park },
	{ STARLING_IOC_LEASE_RELEASE, release },
	{ STARLING_IOC_LEASE_CANCEL, cancel },
	{ STARLING_IOC_LEASE_STAT, gpu_stat },
	{ STARLING_IOC_EVENT_MASK, nothing },
	{ STARLING_IOC_EVENT_NEXT, event_next },
};

int starling_call(int fd, unsigned long cmd, void *arg)
{
	int ret = -ENOTTY;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].cmd == cmd)
			ret = commands[i].fn(fd, arg);
	pthread_mutex_unlock(&lock);
	return ret;
}

int starling_call_once(int fd, unsigned long cmd, void *arg)
{
	return starling_call(fd, cmd, arg);
}

ssize_t starling_list(int fd, unsigned long cmd, void *rec, size_t size, size_t n,
		      uint64_t cursor[2])
{
	(void)fd;
	(void)cmd;
	(void)rec;
	(void)size;
	(void)n;
	(void)cursor;
	return 0;
}

STARLING_API int starling_get_info(struct starling *s, struct starling_info *info)
{
	return s ? get_info(s->fd, info) : -ENODEV;
}

STARLING_API int starling_open(struct starling **out)
{
	static struct starling only = { .fd = -1 };
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&changed, &attr);
	*out = &only;
	return 0;
}

STARLING_API void starling_close(struct starling *s)
{
	(void)s;
}
