/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * wait.h - one command that somebody waits for: a thread in ioctl() or a
 * request of io_uring. What it waits for does not know which.
 *
 * A wait is ended by one of many: what it waits for, a timeout, a signal,
 * LEASE_CANCEL. Whoever takes it off its agent's list, by starling_wait_del(),
 * is the one, and has to see to it that @done is called. Until then the
 * structure stays where it is.
 */
#ifndef STARLING_WAIT_H
#define STARLING_WAIT_H

#include <linux/list.h>
#include <linux/types.h>

struct file;
struct starling_agent;

/**
 * struct starling_wait - a command that has not ended
 * @arg:	its argument in kernel memory, written to before @done
 * @cookie, @timeout_ns: as the caller gave them, set by the command's function;
 *		@timeout_ns 0: no limit. The one who waits (ioctl or io_uring)
 *		watches the clock, and calls starling_wait_cancel() with
 *		-ETIMEDOUT
 * @cancel:	set by the command's function before starling_wait_add(): takes
 *		the wait, which is no longer listed, out of what it waits for
 *		and calls @done with @ret. Only starling_wait_cancel() and its
 *		like call it. Any context that may take a spinlock
 * @done:	called once, perhaps with spinlocks held, by who ends the wait; may
 *		free the structure, but not what is queued in @priv before
 * @priv, @queue: the command's own
 * @agent, @link, @listed: see starling_wait_add()
 * @ret:	free for who took it off the list, as is @link then
 */
struct starling_wait {
	void *arg;
	u64 cookie;
	u64 timeout_ns;
	void (*cancel)(struct starling_wait *wait, long ret);
	void (*done)(struct starling_wait *wait, long ret);
	void *priv;
	struct list_head queue;

	struct starling_agent *agent;
	struct list_head link;
	bool listed;
	long ret;
};

/* A command that may wait: >= 0 or -errno at once, or -EIOCBQUEUED. */
typedef long (*starling_start_t)(struct file *file, struct starling_wait *wait);

long starling_wait_ioctl(starling_start_t start, struct file *file, void *arg);

void starling_wait_add(struct starling_agent *agent, struct starling_wait *wait);
bool starling_wait_del(struct starling_wait *wait);
bool starling_wait_cancel(struct starling_wait *wait, long ret);

long starling_lease_cancel(struct file *file, void *arg);

#endif
