// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting: who waits is in its agent's list, so that LEASE_CANCEL finds it by
 * its cookie, and a thread in ioctl() sleeps here. See wait.h for who ends a
 * wait.
 *
 * Lock order: the lock of what is waited for, agent->wait_lock, nothing.
 */
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/wait.h>

#include "agent.h"
#include "wait.h"

/* A thread that sleeps in ioctl(), on its stack. */
struct sleeper {
	struct starling_wait wait;
	wait_queue_head_t queue;	/* its lock guards the rest */
	bool ended;
	long ret;
};

/*
 * From here on @wait may be ended by anyone, even before this returns: call it
 * with the lock held that @cancel takes.
 */
void starling_wait_add(struct starling_agent *agent, struct starling_wait *wait)
{
	wait->agent = agent;
	wait->listed = true;
	spin_lock(&agent->wait_lock);
	list_add_tail(&wait->link, &agent->waits);
	spin_unlock(&agent->wait_lock);
}

/* True: the caller is the one who ends it. False: another one does. */
bool starling_wait_del(struct starling_wait *wait)
{
	struct starling_agent *agent = wait->agent;
	bool mine;

	spin_lock(&agent->wait_lock);
	mine = wait->listed;
	if (mine) {
		wait->listed = false;
		list_del(&wait->link);
	}
	spin_unlock(&agent->wait_lock);
	return mine;
}

/* The caller knows that @wait is still there. False: another one ends it. */
bool starling_wait_cancel(struct starling_wait *wait, long ret)
{
	if (!starling_wait_del(wait))
		return false;
	wait->cancel(wait, ret);
	return true;
}

/* All of them at once: one that is added meanwhile is not meant. */
static void take_by_cookie(struct starling_agent *agent, u64 cookie, struct list_head *found)
{
	struct starling_wait *wait, *next;

	spin_lock(&agent->wait_lock);
	list_for_each_entry_safe(wait, next, &agent->waits, link)
		if (wait->cookie == cookie) {
			wait->listed = false;
			list_move_tail(&wait->link, found);
		}
	spin_unlock(&agent->wait_lock);
}

long starling_lease_cancel(struct file *file, void *arg)
{
	struct starling_lease_cancel *cancel = arg;
	struct starling_wait *wait, *next;
	LIST_HEAD(found);

	take_by_cookie(file->private_data, cancel->cookie, &found);
	if (list_empty(&found))
		return -ENOENT;
	list_for_each_entry_safe(wait, next, &found, link)
		wait->cancel(wait, -ECANCELED);
	return 0;
}

static void sleeper_done(struct starling_wait *wait, long ret)
{
	struct sleeper *s = container_of(wait, struct sleeper, wait);
	unsigned long flags;

	spin_lock_irqsave(&s->queue.lock, flags);
	s->ended = true;
	s->ret = ret;
	wake_up_locked(&s->queue);
	spin_unlock_irqrestore(&s->queue.lock, flags);
}

/* 0, or why the wait is to end. */
static long sleep_interruptible(struct sleeper *s)
{
	u64 ns = s->wait.timeout_ns;
	ktime_t timeout = ns ? (ktime_t)min_t(u64, ns, KTIME_MAX) : KTIME_MAX;
	long err = wait_event_interruptible_hrtimeout(s->queue, READ_ONCE(s->ended), timeout);

	if (err == -ETIME)
		return -ETIMEDOUT;
	/* A call that is restarted would wait for all of its time again. */
	if (err == -ERESTARTSYS && ns)
		return -EINTR;
	return err;
}

long starling_wait_ioctl(starling_start_t start, struct file *file, void *arg)
{
	/* What waits sets the rest of it. */
	struct sleeper s __uninitialized;
	long ret;

	s.wait.arg = arg;
	s.wait.done = sleeper_done;
	s.ended = false;
	init_waitqueue_head(&s.queue);
	ret = start(file, &s.wait);
	if (ret != -EIOCBQUEUED)
		return ret;
	ret = sleep_interruptible(&s);
	if (ret) {
		starling_wait_cancel(&s.wait, ret);
		wait_event(s.queue, READ_ONCE(s.ended));
	}
	/* Who woke us may still hold the lock. */
	spin_lock_irq(&s.queue.lock);
	ret = s.ret;
	spin_unlock_irq(&s.queue.lock);
	return ret;
}
