// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "harness.h"
#include "ring.h"
#include "util.h"

static unsigned int *field(struct ring *r, unsigned int offset)
{
	return (unsigned int *)(r->rings + offset);
}

int ring_open(struct ring *r, unsigned int entries, unsigned int flags)
{
	size_t sq, cq;

	memset(r, 0, sizeof(*r));
	r->p.flags = flags;
	r->fd = syscall(SYS_io_uring_setup, entries, &r->p);
	if (r->fd < 0)
		return -errno;
	/* Both queues are in one mapping since 5.4. */
	CHECK(r->p.features & IORING_FEAT_SINGLE_MMAP);
	sq = r->p.sq_off.array + r->p.sq_entries * sizeof(unsigned int);
	cq = r->p.cq_off.cqes + r->p.cq_entries * sizeof(struct io_uring_cqe);
	r->rings_size = sq > cq ? sq : cq;
	r->rings = mmap(NULL, r->rings_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			r->fd, IORING_OFF_SQ_RING);
	CHECK(r->rings != MAP_FAILED);
	r->sqes = mmap(NULL, r->p.sq_entries * sizeof(*r->sqes), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
	CHECK(r->sqes != MAP_FAILED);
	return 0;
}

void ring_close(struct ring *r)
{
	munmap(r->sqes, r->p.sq_entries * sizeof(*r->sqes));
	munmap(r->rings, r->rings_size);
	close(r->fd);
}

struct io_uring_sqe *ring_sqe(struct ring *r)
{
	unsigned int head = __atomic_load_n(field(r, r->p.sq_off.head), __ATOMIC_ACQUIRE);
	unsigned int tail = *field(r, r->p.sq_off.tail) + r->queued;
	unsigned int i = tail & (r->p.sq_entries - 1);

	if (tail - head == r->p.sq_entries)
		return NULL;
	field(r, r->p.sq_off.array)[i] = i;
	r->queued++;
	memset(&r->sqes[i], 0, sizeof(r->sqes[i]));
	return &r->sqes[i];
}

struct io_uring_sqe *ring_last(struct ring *r)
{
	unsigned int tail = *field(r, r->p.sq_off.tail) + r->queued;

	CHECK(r->queued);
	return &r->sqes[(tail - 1) & (r->p.sq_entries - 1)];
}

int ring_register_personality(struct ring *r)
{
	int ret = syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_PERSONALITY, NULL, 0);

	return ret < 0 ? -errno : ret;
}

void ring_cmd(struct ring *r, int fd, unsigned int cmd, void *arg, uint64_t data, int flags)
{
	struct starling_uring uring = { .arg = (uintptr_t)arg };
	struct io_uring_sqe *sqe = ring_sqe(r);

	CHECK(sqe);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->flags = flags;
	sqe->fd = fd;
	sqe->cmd_op = cmd;
	sqe->user_data = data;
	memcpy((char *)sqe + offsetof(struct io_uring_sqe, cmd), &uring, sizeof(uring));
}

static int enter(struct ring *r, unsigned int submit, unsigned int wait, unsigned int flags,
		 int ms)
{
	struct __kernel_timespec ts = { ms / 1000, ms % 1000 * 1000000L };
	struct io_uring_getevents_arg arg = { .ts = (uintptr_t)&ts };
	int ret = syscall(SYS_io_uring_enter, r->fd, submit, wait,
			  flags | IORING_ENTER_EXT_ARG, &arg, sizeof(arg));

	return ret < 0 ? -errno : ret;
}

int ring_submit(struct ring *r)
{
	unsigned int n = r->queued, *tail = field(r, r->p.sq_off.tail), flags = 0;

	__atomic_store_n(tail, *tail + n, __ATOMIC_SEQ_CST);
	r->queued = 0;
	if (r->p.flags & IORING_SETUP_SQPOLL) {
		if (!(__atomic_load_n(field(r, r->p.sq_off.flags), __ATOMIC_SEQ_CST) &
		      IORING_SQ_NEED_WAKEUP))
			return n;
		flags = IORING_ENTER_SQ_WAKEUP;
	}
	return n ? enter(r, n, 0, flags, 0) : 0;
}

int ring_reap(struct ring *r, struct io_uring_cqe *cqe)
{
	unsigned int *head = field(r, r->p.cq_off.head);
	const struct io_uring_cqe *cqes = (void *)(r->rings + r->p.cq_off.cqes);

	if (*head == __atomic_load_n(field(r, r->p.cq_off.tail), __ATOMIC_ACQUIRE))
		return 0;
	*cqe = cqes[*head & (r->p.cq_entries - 1)];
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return 1;
}

int ring_wait(struct ring *r, struct io_uring_cqe *cqe, int ms)
{
	double until = seconds() + ms / 1000.0;
	int err;

	if (r->queued)
		GE(ring_submit(r), 0);
	while (!ring_reap(r, cqe)) {
		err = enter(r, 0, 1, IORING_ENTER_GETEVENTS, ms);
		if (err < 0 && err != -ETIME && err != -EINTR)
			FAIL("io_uring_enter: %s", strerror(-err));
		if (ring_reap(r, cqe))
			return 1;
		if (seconds() >= until)
			return 0;
	}
	return 1;
}

static int call_by(int fd, unsigned int cmd, void *arg, int flags)
{
	static struct ring r;
	static pid_t owner;
	struct io_uring_cqe cqe;

	/* A child's requests would be on its parent's ring. */
	if (owner != getpid()) {
		EQ(ring_open(&r, 4, 0), 0);
		owner = getpid();
	}
	ring_cmd(&r, fd, cmd, arg, 1, flags);
	EQ(ring_wait(&r, &cqe, 10000), 1);
	EQ(cqe.user_data, 1);
	return cqe.res;
}

int call_uring(int fd, unsigned int cmd, void *arg)
{
	return call_by(fd, cmd, arg, 0);
}

int call_uring_by_worker(int fd, unsigned int cmd, void *arg)
{
	return call_by(fd, cmd, arg, IOSQE_ASYNC);
}
