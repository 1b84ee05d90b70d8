/* SPDX-License-Identifier: LGPL-2.1-only */
/* queue.h - what a queue and its two backends have in common. */
#ifndef STARLING_LIB_QUEUE_H
#define STARLING_LIB_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "internal.h"

struct queue_kind;

/*
 * A request, from its submission until its completion is taken.
 *
 * @of:		among all of its queue
 * @next:	the backend's
 * @agent:	kept, as its descriptor is in use
 * @lease:	acquire: the handle to be; else the caller's, or NULL
 * @cookie:	in the kernel; no other wait has it
 * @until_ns:	CLOCK_MONOTONIC end of a wait with a timeout; else 0
 * @blocks:	it may wait
 * @cancelled:	it was asked to end
 * @over:	nobody works on it any more, @result is there
 */
struct queue_op {
	TAILQ_ENTRY(queue_op) of;
	TAILQ_ENTRY(queue_op) next;
	const struct queue_kind *kind;
	struct starling_agent *agent;
	struct starling_lease *lease;
	uint64_t user_data;
	uint64_t cookie;
	uint64_t until_ns;
	int result;
	bool blocks, cancelled, over;
	union {
		struct starling_lease_acquire acquire;
		struct starling_lease_unpark unpark;
		struct starling_lease_id id;
		struct starling_event_next event;
	} arg;
};

TAILQ_HEAD(queue_ops, queue_op);

/*
 * What a backend does; all with the queue's lock held, which @close gives away
 * while it waits for threads. Each sets @fd of the queue when it opens.
 *
 * @start:	begin, at the latest by @flush; -EAGAIN: there is no room
 * @take:	one that is over, or NULL
 * @forget:	close what a child has of it
 */
struct queue_backend {
	int (*open)(struct starling_queue *q, int device);
	void (*close)(struct starling_queue *q);
	void (*forget)(struct starling_queue *q);
	int (*start)(struct starling_queue *q, struct queue_op *op);
	int (*flush)(struct starling_queue *q);
	struct queue_op *(*take)(struct starling_queue *q);
};

/*
 * @ops:	all, oldest first
 * @count:	those that may wait, [1], and those that do not, [0]
 */
struct starling_queue {
	const struct queue_backend *backend;
	void *own;
	pthread_mutex_t lock;
	struct queue_ops ops;
	unsigned int entries;
	unsigned int count[2];
	int kind;
	int fd;
	pid_t owner;
	uint64_t cookie;
};

extern const struct queue_backend starling_ring, starling_pool;

unsigned int starling_op_cmd(const struct queue_op *op);
/*
 * For a wait that ended before its time: false, @result being what it is, or
 * true when it is to begin anew with the time that is left.
 */
bool starling_op_again(struct queue_op *op);

#endif
