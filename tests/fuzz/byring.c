// SPDX-License-Identifier: GPL-2.0-only
/* Commands by io_uring: one ring a process, of a kind that changes now and then. */
#include <errno.h>
#include <unistd.h>

#include "fuzz.h"
#include "tests/kselftest/ring.h"

#define ENTRIES	32
#define MINE	UINT64_MAX
/* Longer than arguments that were not spoiled ask for; the others are given up. */
#define WAIT_MS	20

static struct ring ring;
static pid_t owner;
static unsigned int flags, in_ring;

static const unsigned int kinds[] = {
	0, 0, 0, IORING_SETUP_COOP_TASKRUN,
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	IORING_SETUP_SQPOLL, IORING_SETUP_IOPOLL,
};

/* A child has no use for its parent's ring. */
bool ring_ready(void)
{
	if (owner == getpid())
		return in_ring < ENTRIES;
	if (owner) {
		ring_close(&ring);
		asked_forget();
	}
	owner = 0;
	in_ring = 0;
	flags = kinds[below(sizeof(kinds) / sizeof(kinds[0]))];
	if (ring_open(&ring, ENTRIES, flags))
		return false;
	owner = getpid();
	return true;
}

void ring_end(void)
{
	if (owner != getpid())
		return;
	ring_close(&ring);
	owner = 0;
	in_ring = 0;
	asked_forget();
}

static void submit(int fd, unsigned int cmd, void *arg, uint64_t data)
{
	struct io_uring_sqe *sqe;

	ring_cmd(&ring, fd, cmd, arg, data, one_in(3) ? IOSQE_ASYNC : 0);
	sqe = ring_last(&ring);
	/* The reserved field, and flags that are none. */
	if (one_in(64))
		((char *)sqe)[offsetof(struct io_uring_sqe, cmd) + 8 + below(8)] = 1;
	if (one_in(64))
		sqe->rw_flags = 1U << below(32);
	in_ring++;
}

/*
 * What no ring but a polled one says; and where the kernel's thread submits, a file of
 * another kind may have the number by the time that it looks.
 */
static int plain(int res)
{
	if (res != -EOPNOTSUPP)
		return res;
	if (flags & IORING_SETUP_IOPOLL)
		return -EINVAL;
	return flags & IORING_SETUP_SQPOLL ? -EBADF : res;
}

bool ring_do(int fd, unsigned int cmd, void *arg, int *ret)
{
	struct io_uring_cqe cqe;

	if (!ring_ready())
		return false;
	submit(fd, cmd, arg, MINE);
	while (ring_wait(&ring, &cqe, WAIT_MS)) {
		in_ring--;
		*ret = plain(cqe.res);
		if (cqe.user_data == MINE)
			return true;
		asked_ended(cqe.user_data, *ret);
	}
	/* It would wait for longer than anybody likes. */
	*ret = -ECANCELED;
	ring_end();
	return true;
}

void ring_ask(int fd, unsigned int cmd, void *arg, uint64_t data)
{
	submit(fd, cmd, arg, data);
	ring_submit(&ring);
}

void ring_look(void)
{
	struct io_uring_cqe cqe;

	if (owner != getpid())
		return;
	while (in_ring && ring_wait(&ring, &cqe, 0)) {
		in_ring--;
		asked_ended(cqe.user_data, plain(cqe.res));
	}
}
