// SPDX-License-Identifier: LGPL-2.1-only
/*
 * pool.c - a queue's requests by ioctl, where io_uring may not be used. What
 * does not wait is done at once, by the caller; what may wait has a thread of
 * its own until it ends. There are as many threads as there were waits at once,
 * and they stay until the queue is destroyed.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "queue.h"

/* They call ioctl() and little else; the program's thread-local data is in it too. */
#define STACK_SIZE	(256 * 1024)

/*
 * @todo:	waits that no thread has taken yet, @todos of them
 * @done:	what is over, until it is taken
 * @idle:	threads that wait for @work
 */
struct pool {
	pthread_cond_t work;
	struct queue_ops todo, done;
	unsigned int todos, idle, nthreads;
	bool stop;
	pthread_t thread[];
};

/* The descriptor is readable while there is something to take. */
static void pool_done(struct starling_queue *q, struct queue_op *op)
{
	struct pool *p = q->own;

	op->over = true;
	if (TAILQ_EMPTY(&p->done))
		eventfd_write(q->fd, 1);
	TAILQ_INSERT_TAIL(&p->done, op, next);
}

static struct queue_op *pool_take(struct starling_queue *q)
{
	struct pool *p = q->own;
	struct queue_op *op = TAILQ_FIRST(&p->done);
	eventfd_t count;

	if (!op)
		return NULL;
	TAILQ_REMOVE(&p->done, op, next);
	if (TAILQ_EMPTY(&p->done))
		eventfd_read(q->fd, &count);
	return op;
}

/* All signals are blocked, but to be stopped and continued is an EINTR too. */
static void pool_call(struct starling_queue *q, struct queue_op *op)
{
	do {
		pthread_mutex_unlock(&q->lock);
		op->result = starling_call_once(op->agent->fd, starling_op_cmd(op), &op->arg);
		pthread_mutex_lock(&q->lock);
	} while (op->result == -EINTR && starling_op_again(op));
	if (op->result == -EINTR)
		op->result = -ETIMEDOUT;
}

/* A thread of a member is one too, and would keep the agent. */
static void leave_agent(const struct queue_op *op)
{
	struct starling_agent_task arg = { .size = sizeof(arg), .flags = STARLING_TASK_THREAD };

	starling_call(op->agent->fd, STARLING_IOC_AGENT_LEAVE, &arg);
}

static void *pool_work(void *arg)
{
	struct starling_queue *q = arg;
	struct queue_op *op, *last = NULL;
	struct pool *p = q->own;

	pthread_mutex_lock(&q->lock);
	while (!p->stop) {
		op = TAILQ_FIRST(&p->todo);
		if (!op) {
			p->idle++;
			pthread_cond_wait(&p->work, &q->lock);
			p->idle--;
			continue;
		}
		TAILQ_REMOVE(&p->todo, op, next);
		p->todos--;
		if (!last)
			leave_agent(op);
		last = op;
		op->result = -ECANCELED;
		if (!op->cancelled)
			pool_call(q, op);
		pool_done(q, op);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

/* Signals are for the program's own threads. */
static int thread_create(struct starling_queue *q, pthread_t *thread)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(thread, &attr, pool_work, q);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

static int pool_start(struct starling_queue *q, struct queue_op *op)
{
	struct pool *p = q->own;

	if (!op->blocks) {
		op->result = starling_call(op->agent->fd, starling_op_cmd(op), &op->arg);
		pool_done(q, op);
		return 0;
	}
	if (p->idle <= p->todos && p->nthreads < q->entries) {
		if (thread_create(q, &p->thread[p->nthreads]))
			return -EAGAIN;
		p->nthreads++;
	}
	TAILQ_INSERT_TAIL(&p->todo, op, next);
	p->todos++;
	pthread_cond_signal(&p->work);
	return 0;
}

static int pool_flush(struct starling_queue *q)
{
	(void)q;
	return 0;
}

static int pool_open(struct starling_queue *q, int device)
{
	struct pool *p = calloc(1, sizeof(*p) + q->entries * sizeof(p->thread[0]));

	(void)device;
	if (!p)
		return -ENOMEM;
	q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->fd < 0) {
		free(p);
		return -errno;
	}
	pthread_cond_init(&p->work, NULL);
	TAILQ_INIT(&p->todo);
	TAILQ_INIT(&p->done);
	q->own = p;
	return 0;
}

static void pool_forget(struct starling_queue *q)
{
	close(q->fd);
	free(q->own);
}

static void pool_close(struct starling_queue *q)
{
	struct pool *p = q->own;

	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&q->lock);
	for (unsigned int i = 0; i < p->nthreads; i++)
		pthread_join(p->thread[i], NULL);
	pthread_mutex_lock(&q->lock);
	pthread_cond_destroy(&p->work);
	pool_forget(q);
}

const struct queue_backend starling_pool = {
	.open = pool_open,
	.close = pool_close,
	.forget = pool_forget,
	.start = pool_start,
	.flush = pool_flush,
	.take = pool_take,
};
