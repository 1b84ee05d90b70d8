/* SPDX-License-Identifier: GPL-2.0-only */
/* ring.h - io_uring by its system calls, as little of it as the tests need. */
#ifndef STARLING_TEST_RING_H
#define STARLING_TEST_RING_H

#include <stddef.h>
#include <stdint.h>
#include <linux/io_uring.h>

struct ring {
	int fd;
	struct io_uring_params p;
	unsigned char *rings;
	size_t rings_size;
	struct io_uring_sqe *sqes;
	unsigned int queued;	/* not submitted yet */
};

/* 0 or -errno. */
int ring_open(struct ring *r, unsigned int entries, unsigned int flags);
void ring_close(struct ring *r);

/* The next submission, zeroed; NULL: none is free. */
struct io_uring_sqe *ring_sqe(struct ring *r);

/* The last of those that are queued. */
struct io_uring_sqe *ring_last(struct ring *r);

/* The caller's rights now, to be named in a submission: a number or -errno. */
int ring_register_personality(struct ring *r);

/* Queues a command. */
void ring_cmd(struct ring *r, int fd, unsigned int cmd, void *arg, uint64_t data, int flags);

/* Submits what is queued: how many, or -errno. */
int ring_submit(struct ring *r);

/* The next completion that there is already: 1, or 0. */
int ring_reap(struct ring *r, struct io_uring_cqe *cqe);

/* Submits, and waits for a completion for as long as a test may: 1, or 0 after @ms. */
int ring_wait(struct ring *r, struct io_uring_cqe *cqe, int ms);

/* As call(), by a ring of this process; by_worker: with IOSQE_ASYNC. */
int call_uring(int fd, unsigned int cmd, void *arg);
int call_uring_by_worker(int fd, unsigned int cmd, void *arg);

#endif
