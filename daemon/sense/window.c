// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/window.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "daemon/sense/uprobe.h"

enum { STACK_BYTES = 64 * 1024 };

struct window {
	pthread_t thread;
	struct window_setup setup;
	int news;		/* eventfd: something below has changed */

	pthread_mutex_t lock;	/* protects from here ... */
	struct window_plan plan;
	uint64_t until;
	bool fresh;		/* plan was not taken yet; its files are open */
	unsigned int nretire;
	int retire[WINDOW_RETIRE_MAX];
	bool quit;		/* ... to here */

	/* the thread's own: */
	struct window_plan taken;
	uint64_t end;
	int syscalls;		/* link, or -1 */
	unsigned int n;
	struct {
		uint64_t key;
		int fd;
	} link[WINDOW_LINKS_MAX];
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* -- in the thread ------------------------------------------------------------ */

static bool has_news(struct window *w, int timeout_ms)
{
	struct pollfd pfd = { .fd = w->news, .events = POLLIN };

	return poll(&pfd, 1, timeout_ms) > 0;
}

static void close_files(struct window_plan *plan)
{
	for (unsigned int i = 0; i < plan->n; i++)
		close(plan->link[i].file);
}

/* Returns false when it is time to end. */
static bool take(struct window *w, bool *fresh)
{
	eventfd_t count;
	bool quit;

	eventfd_read(w->news, &count);
	pthread_mutex_lock(&w->lock);
	*fresh = w->fresh;
	if (w->fresh)
		w->taken = w->plan;
	w->fresh = false;
	w->end = w->until;
	quit = w->quit;
	pthread_mutex_unlock(&w->lock);
	return !quit;
}

static bool attached(const struct window *w, uint64_t key)
{
	for (unsigned int i = 0; i < w->n; i++)
		if (w->link[i].key == key)
			return true;
	return false;
}

static void attach(struct window *w)
{
	if (w->syscalls < 0 && w->setup.syscalls >= 0)
		w->syscalls = bpf_raw_tracepoint_open(NULL, w->setup.syscalls);
	*w->setup.yields_on = w->syscalls >= 0;
	for (unsigned int i = 0; i < w->taken.n; i++) {
		const struct window_link *l = &w->taken.link[i];
		int fd;

		if (w->n >= WINDOW_LINKS_MAX || attached(w, l->key))
			continue;
		fd = uprobe_link(l->prog, l->file, l->offset, l->cookie, l->n,
				 l->returns);
		if (fd < 0)
			continue;
		w->link[w->n].key = l->key;
		w->link[w->n++].fd = fd;
	}
	close_files(&w->taken);
	*w->setup.launches_on = true;
}

/* Stops where a new window is wanted: what is still there need not come again. */
static void detach(struct window *w, bool all)
{
	*w->setup.launches_on = false;
	while (w->n && (all || !has_news(w, 0)))
		close(w->link[--w->n].fd);
	if (w->n)
		return;
	*w->setup.yields_on = false;
	if (w->syscalls >= 0)
		close(w->syscalls);
	w->syscalls = -1;
}

/* One of those that were handed over; false when there is none. */
static bool retire_one(struct window *w)
{
	int fd = -1;

	pthread_mutex_lock(&w->lock);
	if (w->nretire)
		fd = w->retire[--w->nretire];
	pthread_mutex_unlock(&w->lock);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int wait_ms(const struct window *w)
{
	uint64_t now = clock_ns();

	if (!w->n && w->syscalls < 0)
		return -1;
	return now < w->end ? (w->end - now) / 1000000 + 1 : 0;
}

static void *run(void *arg)
{
	struct window *w = arg;
	bool fresh;

	for (;;) {
		/* what cannot wait first */
		if (!has_news(w, 0) && retire_one(w))
			continue;
		if (has_news(w, wait_ms(w))) {
			if (!take(w, &fresh))
				break;
			if (fresh)
				attach(w);
		}
		if (clock_ns() >= w->end)
			detach(w, false);
	}
	if (fresh)
		close_files(&w->taken);
	detach(w, true);
	while (retire_one(w))
		;
	return NULL;
}

/* -- for the loop's thread ------------------------------------------------------ */

/* Signals are for that one, too. */
static int start(struct window *w)
{
	size_t stack = STACK_BYTES < PTHREAD_STACK_MIN ? PTHREAD_STACK_MIN : STACK_BYTES;
	pthread_attr_t attr;
	sigset_t all, old;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, stack);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = pthread_create(&w->thread, &attr, run, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

int window_new(struct window **out, const struct window_setup *setup)
{
	struct window *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->setup = *setup;
	w->syscalls = -1;
	pthread_mutex_init(&w->lock, NULL);
	w->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = w->news < 0 ? -errno : start(w);
	if (err) {
		if (w->news >= 0)
			close(w->news);
		free(w);
		return err;
	}
	*out = w;
	return 0;
}

void window_free(struct window *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->quit = true;
	pthread_mutex_unlock(&w->lock);
	eventfd_write(w->news, 1);
	pthread_join(w->thread, NULL);
	close(w->news);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void window_want(struct window *w, const struct window_plan *plan, uint64_t until_ns)
{
	pthread_mutex_lock(&w->lock);
	if (w->fresh)
		close_files(&w->plan);
	w->plan = *plan;
	for (unsigned int i = 0; i < plan->n; i++)
		w->plan.link[i].file = fcntl(plan->link[i].file, F_DUPFD_CLOEXEC, 0);
	w->fresh = true;
	if (until_ns > w->until)
		w->until = until_ns;
	pthread_mutex_unlock(&w->lock);
	eventfd_write(w->news, 1);
}

void window_retire(struct window *w, int link)
{
	bool room;

	pthread_mutex_lock(&w->lock);
	room = w->nretire < WINDOW_RETIRE_MAX;
	if (room)
		w->retire[w->nretire++] = link;
	pthread_mutex_unlock(&w->lock);
	if (room)
		eventfd_write(w->news, 1);
	else
		close(link);
}
