// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events: a ring for each agent that wants some, read by read(), poll and
 * EVENT_NEXT. A full ring drops the new event, so that those who are slow see
 * what came first and how much they missed.
 *
 * Whoever waits by EVENT_NEXT is given an event that comes before read() sees
 * it: nobody waits so while the ring has one.
 *
 * Lock order: any lock of the module, events->lock, agent->wait_lock.
 */
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "agent.h"
#include "event.h"
#include "wait.h"

/* Numbers of events wrap around. */
static_assert(!(STARLING_EVENTS_MAX & (STARLING_EVENTS_MAX - 1)));

/* Every type there is: bit 0 is none. */
#define EVENTS_KNOWN	(BIT(__STARLING_EVENT_MAX) - BIT(1))

void starling_events_init(struct starling_events *events)
{
	spin_lock_init(&events->lock);
	init_waitqueue_head(&events->readers);
	INIT_LIST_HEAD(&events->waits);
}

/* Nobody has the agent's file any more, thus nobody waits. */
void starling_events_free(struct starling_events *events)
{
	kvfree(events->ring);
}

static bool events_empty(const struct starling_events *events)
{
	return READ_ONCE(events->put) == READ_ONCE(events->taken);
}

static struct starling_event *event_at(struct starling_events *events, u32 nr)
{
	return &events->ring[nr % STARLING_EVENTS_MAX];
}

/* The oldest one and its number. */
static bool event_peek(struct starling_events *events, struct starling_event *event, u32 *nr)
{
	bool found;

	spin_lock(&events->lock);
	found = !events_empty(events);
	if (found) {
		*nr = events->taken;
		*event = *event_at(events, *nr);
	}
	spin_unlock(&events->lock);
	return found;
}

/* False: another reader was faster. */
static bool event_take(struct starling_events *events, u32 nr)
{
	bool mine;

	spin_lock(&events->lock);
	mine = !events_empty(events) && events->taken == nr;
	if (mine)
		WRITE_ONCE(events->taken, nr + 1);
	spin_unlock(&events->lock);
	return mine;
}

static void wait_unqueue(struct starling_events *events, struct starling_wait *wait)
{
	if (list_empty(&wait->queue))
		return;
	list_del_init(&wait->queue);
	events->nwaits--;
}

/* The first who waits and whom nobody else is about to tell that it is over. */
static struct starling_wait *wait_take(struct starling_events *events)
{
	struct starling_wait *wait;

	while ((wait = list_first_entry_or_null(&events->waits, struct starling_wait, queue))) {
		wait_unqueue(events, wait);
		if (starling_wait_del(wait))
			break;
	}
	return wait;
}

static void ring_put(struct starling_events *events, const struct starling_event *event)
{
	if (events->put - events->taken == STARLING_EVENTS_MAX) {
		events->lost++;
		return;
	}
	events->lost = 0;
	*event_at(events, events->put) = *event;
	WRITE_ONCE(events->put, events->put + 1);
	wake_up_interruptible_poll(&events->readers, EPOLLIN | EPOLLRDNORM);
}

/* To who waits, who is then the caller's to tell; else into the ring. */
static struct starling_wait *event_add(struct starling_events *events,
				       struct starling_event *event)
{
	struct starling_event_next *next;
	struct starling_wait *wait;

	event->time_ns = ktime_get_ns();
	event->lost = events->lost;
	wait = wait_take(events);
	if (!wait) {
		ring_put(events, event);
		return NULL;
	}
	events->lost = 0;
	next = wait->arg;
	next->out_event = *event;
	return wait;
}

void starling_event_push(struct starling_agent *agent, u32 type, u32 tid,
			 u64 v0, u64 v1, u64 v2, u64 v3)
{
	struct starling_event event = {
		.type = type, .tid = tid, .agent_id = agent->id, .value = { v0, v1, v2, v3 },
	};
	struct starling_events *events = &agent->events;
	struct starling_wait *wait = NULL;

	if (!(READ_ONCE(events->mask) & BIT(type)))
		return;
	spin_lock(&events->lock);
	if (events->mask & BIT(type))
		wait = event_add(events, &event);
	spin_unlock(&events->lock);
	if (wait)
		wait->done(wait, 0);
}

/* Mask 0 gives the ring back, with what is in it. */
long starling_event_mask(struct file *file, void *arg)
{
	struct starling_agent *agent = file->private_data;
	struct starling_events *events = &agent->events;
	struct starling_event_mask *mask = arg;
	struct starling_event *ring = NULL;

	if (mask->mask & ~EVENTS_KNOWN)
		return -EINVAL;
	if (mask->mask) {
		ring = kvmalloc_array(STARLING_EVENTS_MAX, sizeof(*ring), GFP_KERNEL_ACCOUNT);
		if (!ring)
			return -ENOMEM;
	}
	spin_lock(&events->lock);
	WRITE_ONCE(events->mask, mask->mask);
	if (!mask->mask) {
		WRITE_ONCE(events->taken, events->put);
		events->lost = 0;
	}
	if (!mask->mask || !events->ring)
		swap(events->ring, ring);
	spin_unlock(&events->lock);
	kvfree(ring);
	return 0;
}

static void next_cancel(struct starling_wait *wait, long ret)
{
	struct starling_events *events = wait->priv;

	spin_lock(&events->lock);
	wait_unqueue(events, wait);
	spin_unlock(&events->lock);
	wait->done(wait, ret);
}

static long next_wait(struct starling_agent *agent, struct starling_wait *wait)
{
	struct starling_events *events = &agent->events;

	lockdep_assert_held(&events->lock);
	if (events->nwaits >= STARLING_EVENT_WAITS_MAX)
		return -ENOSPC;
	wait->cancel = next_cancel;
	wait->priv = events;
	list_add_tail(&wait->queue, &events->waits);
	events->nwaits++;
	starling_wait_add(agent, wait);
	return -EIOCBQUEUED;
}

long starling_event_next(struct file *file, struct starling_wait *wait)
{
	struct starling_agent *agent = file->private_data;
	struct starling_events *events = &agent->events;
	struct starling_event_next *next = wait->arg;
	long ret = 0;

	wait->cookie = next->cookie;
	wait->timeout_ns = next->timeout_ns;
	spin_lock(&events->lock);
	if (!events_empty(events)) {
		next->out_event = *event_at(events, events->taken);
		WRITE_ONCE(events->taken, events->taken + 1);
	} else if (next->flags & STARLING_EVENT_NOWAIT) {
		ret = -EAGAIN;
	} else {
		ret = next_wait(agent, wait);
	}
	spin_unlock(&events->lock);
	return ret;
}

/*
 * An event is taken when it has been written, so that none is lost to a bad
 * pointer; a reader that was overtaken meanwhile writes the next one over it.
 */
ssize_t starling_event_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	struct starling_agent *agent = file->private_data;
	struct starling_events *events = &agent->events;
	struct starling_event event;
	size_t done = 0;
	long err;
	u32 nr;

	if (size < sizeof(event))
		return -EINVAL;
	/* With more room a reader that is slower than the writers would never end. */
	size = min(size, STARLING_EVENTS_MAX * sizeof(event));
	while (size - done >= sizeof(event)) {
		if (event_peek(events, &event, &nr)) {
			if (copy_to_user(to + done, &event, sizeof(event)))
				return done ?: -EFAULT;
			if (event_take(events, nr))
				done += sizeof(event);
			continue;
		}
		if (done)
			break;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(events->readers, !events_empty(events));
		if (err)
			return err;
	}
	return done;
}

__poll_t starling_event_poll(struct file *file, poll_table *table)
{
	struct starling_agent *agent = file->private_data;

	poll_wait(file, &agent->events.readers, table);
	return events_empty(&agent->events) ? 0 : EPOLLIN | EPOLLRDNORM;
}
