// SPDX-License-Identifier: LGPL-2.1-only
/*
 * ring.c - a queue's requests by io_uring. The module does them when they are
 * submitted and completes those that have to wait later; see "io_uring" in
 * <linux/starling.h>.
 */
#include <errno.h>

#include "queue.h"

#ifdef HAVE_LIBURING
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

/* Requests that are collected at most; one more submits them. */
#define BATCH_MAX	256

static void ring_prep(struct io_uring_sqe *sqe, int fd, unsigned int cmd, void *arg, void *data)
{
	struct starling_uring uring = { .arg = (uintptr_t)arg };

	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, NULL, 0, 0);
	sqe->cmd_op = cmd;
	memcpy(sqe->cmd, &uring, sizeof(uring));
	io_uring_sqe_set_data(sqe, data);
}

static int ring_flush(struct starling_queue *q)
{
	struct io_uring *ring = q->own;
	int n;

	while (io_uring_sq_ready(ring)) {
		n = io_uring_submit(ring);
		if (n < 0 && n != -EINTR)
			return n;
	}
	return 0;
}

static int ring_start(struct starling_queue *q, struct queue_op *op)
{
	struct io_uring *ring = q->own;
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	int err;

	if (!sqe) {
		err = ring_flush(q);
		if (err)
			return err;
		sqe = io_uring_get_sqe(ring);
	}
	if (!sqe)
		return -EAGAIN;
	ring_prep(sqe, op->agent->fd, starling_op_cmd(op), &op->arg, op);
	return 0;
}

/*
 * Before Linux 6.7 the module ends each wait after a while, since it would not
 * be told of the ring's end. Those whose time is not over begin anew.
 */
static bool ring_again(struct starling_queue *q, struct queue_op *op)
{
	return op->result == -ETIMEDOUT && starling_op_again(op) && !ring_start(q, op);
}

static struct queue_op *ring_take(struct starling_queue *q)
{
	struct io_uring *ring = q->own;
	struct io_uring_cqe *cqe;
	struct queue_op *op;

	while (!io_uring_peek_cqe(ring, &cqe)) {
		op = io_uring_cqe_get_data(cqe);
		op->result = cqe->res;
		io_uring_cqe_seen(ring, cqe);
		if (ring_again(q, op)) {
			ring_flush(q);
			continue;
		}
		op->over = true;
		return op;
	}
	return NULL;
}

/* Setting up may work where commands do not: there may be no module that takes them. */
static int ring_try(struct io_uring *ring, int device)
{
	struct starling_info info = { .size = sizeof(info) };
	struct io_uring_cqe *cqe;
	int err;

	ring_prep(io_uring_get_sqe(ring), device, STARLING_IOC_GET_INFO, &info, NULL);
	err = io_uring_submit(ring);
	if (err < 0)
		return err;
	do {
		err = io_uring_wait_cqe(ring, &cqe);
	} while (err == -EINTR);
	if (err)
		return err;
	err = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	if (!err && !(info.out_features & STARLING_FEATURE_URING))
		err = -EOPNOTSUPP;
	return err;
}

static int ring_open(struct starling_queue *q, int device)
{
	/* Each request has a place in the completion queue. */
	struct io_uring_params p = {
		.flags = IORING_SETUP_CQSIZE, .cq_entries = 2 * q->entries,
	};
	struct io_uring *ring = malloc(sizeof(*ring));
	unsigned int batch = q->entries < BATCH_MAX ? q->entries : BATCH_MAX;
	int err;

	if (!ring)
		return -ENOMEM;
	err = io_uring_queue_init_params(batch, ring, &p);
	if (err)
		goto out_free;
	err = ring_try(ring, device);
	if (err)
		goto out_exit;
	q->own = ring;
	q->fd = ring->ring_fd;
	return 0;

out_exit:
	io_uring_queue_exit(ring);
out_free:
	free(ring);
	return err;
}

/* In a child this ends its copies of mapping and descriptor, and no more. */
static void ring_close(struct starling_queue *q)
{
	io_uring_queue_exit(q->own);
	free(q->own);
}

const struct queue_backend starling_ring = {
	.open = ring_open,
	.close = ring_close,
	.forget = ring_close,
	.start = ring_start,
	.flush = ring_flush,
	.take = ring_take,
};

#else

static int ring_open(struct starling_queue *q, int device)
{
	(void)q;
	(void)device;
	return -ENOSYS;
}

const struct queue_backend starling_ring = { .open = ring_open };

#endif
