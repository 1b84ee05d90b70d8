// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stand-in for libstarling that works without the module: agents are names,
 * a GPU is a lock, and each call is a line in $STARLING_FAKE_LOG. For tests of
 * what is built on python/starling.py; the real library is tested in guests.
 */
#include <errno.h>
#include <pthread.h>
#include <starling.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAKE	__attribute__((visibility("default")))

struct starling_agent {
	char name[STARLING_NAME_LEN];
};

struct starling_lease {
	const struct starling_agent *agent;
	int held;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t freed = PTHREAD_COND_INITIALIZER;
static const struct starling_lease *holder;

static void say(const char *what, const char *name)
{
	FILE *f = fopen(getenv("STARLING_FAKE_LOG"), "a");

	if (!f)
		abort();
	fprintf(f, "%s %s\n", name, what);
	fclose(f);
}

static void take(struct starling_lease *l, const char *what)
{
	pthread_mutex_lock(&lock);
	while (holder)
		pthread_cond_wait(&freed, &lock);
	holder = l;
	say(what, l->agent->name);
	pthread_mutex_unlock(&lock);
}

static int drop(struct starling_lease *l, const char *what)
{
	int was;

	pthread_mutex_lock(&lock);
	was = holder == l;
	if (was)
		holder = NULL;
	say(what, l->agent->name);
	pthread_cond_broadcast(&freed);
	pthread_mutex_unlock(&lock);
	return was;
}

FAKE int starling_open(struct starling **out)
{
	*out = (void *)&lock;
	return 0;
}

FAKE int starling_agent_create(struct starling *s, const char *name,
			       const struct starling_agent_opts *opts, struct starling_agent **out)
{
	(void)s;
	(void)opts;
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	strncpy((*out)->name, name, sizeof((*out)->name) - 1);
	say("create", name);
	return 0;
}

FAKE void starling_agent_close(struct starling_agent *a)
{
	say("close", a->name);
	free(a);
}

FAKE int starling_agent_join(struct starling_agent *a, pid_t task, uint32_t flags)
{
	(void)task;
	say(flags & STARLING_TASK_THREAD ? "join-thread" : "join-process", a->name);
	return 0;
}

FAKE int starling_agent_leave(struct starling_agent *a, pid_t task, uint32_t flags)
{
	(void)task;
	(void)flags;
	say("leave", a->name);
	return 0;
}

FAKE int starling_lease_acquire(struct starling_agent *a, const struct starling_lease_opts *opts,
				struct starling_lease **out)
{
	(void)opts;
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->agent = a;
	take(*out, "acquire");
	return 0;
}

FAKE int starling_lease_park(struct starling_lease *l)
{
	return drop(l, "park") ? 0 : -EALREADY;
}

FAKE int starling_lease_unpark(struct starling_lease *l, uint32_t flags, uint64_t timeout_ns,
			       uint64_t cookie)
{
	(void)flags;
	(void)timeout_ns;
	(void)cookie;
	take(l, "unpark");
	return 0;
}

FAKE int starling_lease_release(struct starling_lease *l)
{
	drop(l, "release");
	free(l);
	return 0;
}
