/* SPDX-License-Identifier: GPL-2.0-only */
/* event.h - what happened to an agent, for those who wait for it. */
#ifndef STARLING_EVENT_H
#define STARLING_EVENT_H

#include <linux/list.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <uapi/linux/starling.h>

struct file;
struct starling_agent;
struct starling_wait;

/* EVENT_NEXT that may wait at once, of one agent. */
#define STARLING_EVENT_WAITS_MAX	1024

/**
 * struct starling_events - the events of one agent
 * @lock:	guards all below; in process context only. What is taken inside
 *		are the locks of wait queues and agent->wait_lock
 * @mask:	types that are kept; looked at without the lock, too
 * @put, @taken: events there ever were and that are gone, modulo 2^32
 * @ring:	NULL while @mask is 0
 * @lost:	dropped since the last that fitted
 * @readers:	read() and poll
 * @waits:	EVENT_NEXT that waits, the first one first; then @ring is empty
 * @nwaits:	how many
 */
struct starling_events {
	spinlock_t lock;
	u32 mask;
	u32 put;
	u32 taken;
	struct starling_event *ring;
	u64 lost;
	wait_queue_head_t readers;
	struct list_head waits;
	u32 nwaits;
};

void starling_events_init(struct starling_events *events);
void starling_events_free(struct starling_events *events);

/*
 * Process context; may be called with spinlocks held, agent->lock too: nothing
 * of the module's but agent->wait_lock is taken inside.
 */
void starling_event_push(struct starling_agent *agent, u32 type, u32 tid,
			 u64 v0, u64 v1, u64 v2, u64 v3);

long starling_event_mask(struct file *file, void *arg);
long starling_event_next(struct file *file, struct starling_wait *wait);
ssize_t starling_event_read(struct file *file, char __user *to, size_t size, loff_t *pos);
__poll_t starling_event_poll(struct file *file, poll_table *table);

#endif
