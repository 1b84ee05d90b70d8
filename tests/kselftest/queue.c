// SPDX-License-Identifier: GPL-2.0-only
/* libstarling's queues: every case by io_uring and by threads. */
#define GROUP "queue"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <starling.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "harness.h"
#include "util.h"

#define MS	1000000ULL
#define SEC	1000000000ULL
#define ROLE	(1U << STARLING_EVENT_ROLE)

static struct starling *s;
static struct starling_agent *a, *b;

/* What does not end before that never does. */
#define LONG	(60 * SEC)

/* The library, and no limit to holding a lease: the machine may be slow. */
static void setup(void)
{
	struct starling_lease_policy policy = {
		.size = sizeof(policy), .flags = STARLING_POLICY_HOLD, .max_hold_ns = 3600 * SEC,
	};
	int dev = device();

	EQ(claim(dev), 0);
	EQ(call(dev, STARLING_IOC_LEASE_POLICY, &policy), 0);
	EQ(starling_open(&s), 0);
}

static struct starling_queue *queue(int backend, unsigned int entries)
{
	struct starling_queue_opts opts = {
		.size = sizeof(opts), .entries = entries, .backend = backend,
	};
	struct starling_queue *q;
	int err = starling_queue_create(s, &opts, &q);

	if (err == -ENOSYS && backend == STARLING_BACKEND_URING)
		SKIP("the library was built without liburing");
	EQ(err, 0);
	EQ(starling_queue_backend(q), backend);
	return q;
}

/* Runs @fn once with a queue of each kind. */
static void by_both(void (*fn)(struct starling_queue *q), unsigned int entries)
{
	setup();
	for (int backend = STARLING_BACKEND_URING; backend <= STARLING_BACKEND_THREADS; backend++) {
		struct starling_queue *q = queue(backend, entries);

		printf("# %s\n", backend == STARLING_BACKEND_URING ? "io_uring" : "threads");
		fflush(stdout);
		EQ(starling_agent_create(s, "a", NULL, &a), 0);
		EQ(starling_agent_create(s, "b", NULL, &b), 0);
		fn(q);
		starling_queue_destroy(q);
		starling_agent_close(a);
		starling_agent_close(b);
	}
}

#define BOTH_SIZED(_name, _entries)						\
	static void _name##_by(struct starling_queue *q);			\
	TEST_TIMED(_name, 60) { by_both(_name##_by, _entries); }		\
	static void _name##_by(struct starling_queue *q)

#define BOTH(_name)	BOTH_SIZED(_name, 0)

/* The result of the next one, which has to be that of @user_data. */
static int result(struct starling_queue *q, uint64_t user_data, struct starling_lease **lease)
{
	struct starling_completion done;

	EQ(starling_queue_next(q, &done, LONG), 0);
	EQ(done.user_data, user_data);
	if (lease)
		*lease = done.lease;
	else
		CHECK(!done.lease);
	return done.result;
}

/* The lease of a request that gets one. */
static struct starling_lease *got(struct starling_queue *q, uint64_t user_data)
{
	struct starling_lease *lease;

	EQ(result(q, user_data, &lease), 0);
	CHECK(lease);
	NE(starling_lease_id(lease), 0);
	return lease;
}

static void none(struct starling_queue *q)
{
	struct starling_completion done;

	EQ(starling_queue_reap(q, &done, 1), 0);
}

static unsigned int waiting(void)
{
	struct starling_lease_stat stat;

	EQ(starling_gpu_stat(s, 0, &stat), 0);
	return stat.out_waiting[0];
}

/* Threads may have to start first. */
static void until_waiting(unsigned int n)
{
	while (waiting() != n)
		sleep_ms(1);
}

static unsigned int holders(void)
{
	struct starling_lease_stat stat;

	EQ(starling_gpu_stat(s, 0, &stat), 0);
	return stat.out_holders + stat.out_parked;
}

BOTH(in_turn)
{
	struct starling_lease *l;

	EQ(starling_queue_acquire(q, a, NULL, 1), 0);
	l = got(q, 1);
	EQ(starling_queue_acquire(q, b, NULL, 2), 0);
	EQ(starling_queue_submit(q), 0);
	until_waiting(1);
	none(q);
	EQ(starling_queue_release(q, l, 3), 0);
	for (int i = 0, seen = 0; i < 2; i++) {
		struct starling_completion done;

		EQ(starling_queue_next(q, &done, LONG), 0);
		EQ(done.result, 0);
		CHECK((done.user_data == 2) == !!done.lease);
		if (done.lease)
			l = done.lease;
		seen += done.user_data;
		EQ(seen == 5, i == 1);
	}
	GE(starling_lease_expires_ns(l), 1);
	EQ(starling_lease_release(l), 0);
	EQ(holders(), 0);
}

BOTH(parks_and_unparks)
{
	struct starling_lease *l, *other;
	uint64_t expires;

	EQ(starling_queue_acquire(q, a, NULL, 1), 0);
	l = got(q, 1);
	expires = starling_lease_expires_ns(l);
	EQ(starling_queue_park(q, l, 2), 0);
	EQ(result(q, 2, NULL), 0);
	EQ(starling_queue_park(q, l, 3), 0);
	EQ(result(q, 3, NULL), -EALREADY);
	EQ(starling_lease_acquire(b, NULL, &other), 0);
	EQ(starling_queue_unpark(q, l, STARLING_LEASE_TRY, 0, 4), 0);
	EQ(result(q, 4, NULL), -EINVAL);
	EQ(starling_queue_unpark(q, l, 0, 0, 5), 0);
	EQ(starling_queue_submit(q), 0);
	until_waiting(1);
	none(q);
	EQ(starling_lease_release(other), 0);
	EQ(result(q, 5, NULL), 0);
	CHECK(starling_lease_expires_ns(l) > expires);
	EQ(starling_queue_release(q, l, 6), 0);
	EQ(result(q, 6, NULL), 0);
	EQ(holders(), 0);
}

/* What is refused by the kernel completes, what the library can see does not begin. */
BOTH(errors)
{
	struct starling_lease_opts opts = { .size = sizeof(opts), .cookie = 1 };
	struct starling_lease *l;
	struct starling_lease_id id = { .size = sizeof(id) };

	EQ(starling_queue_acquire(q, a, &opts, 1), -EINVAL);
	opts = (struct starling_lease_opts){ .size = 4 };
	EQ(starling_queue_acquire(q, a, &opts, 1), -EINVAL);
	EQ(starling_queue_acquire(q, NULL, NULL, 1), -ENODEV);
	EQ(starling_queue_event(q, NULL, 0, 0, 1), -ENODEV);
	EQ(starling_queue_park(q, NULL, 1), -ENODEV);
	none(q);
	opts = (struct starling_lease_opts){ .size = sizeof(opts), .gpu = 9 };
	EQ(starling_queue_acquire(q, a, &opts, 1), 0);
	EQ(result(q, 1, NULL), -ENODEV);
	opts = (struct starling_lease_opts){ .size = sizeof(opts), .flags = 0x80 };
	EQ(starling_queue_acquire(q, a, &opts, 1), 0);
	EQ(result(q, 1, NULL), -EINVAL);
	opts = (struct starling_lease_opts){ .size = sizeof(opts), .flags = STARLING_LEASE_TRY };
	EQ(starling_lease_acquire(a, NULL, &l), 0);
	EQ(starling_queue_acquire(q, b, &opts, 1), 0);
	EQ(result(q, 1, NULL), -EAGAIN);
	/* Released behind the handle's back. */
	id.lease = starling_lease_id(l);
	EQ(call(starling_agent_fd(a), STARLING_IOC_LEASE_RELEASE, &id), 0);
	EQ(starling_queue_park(q, l, 1), 0);
	EQ(result(q, 1, NULL), -ENOENT);
	EQ(starling_queue_unpark(q, l, 0, 0, 1), 0);
	EQ(result(q, 1, NULL), -ENOENT);
	EQ(starling_queue_release(q, l, 1), 0);
	EQ(result(q, 1, NULL), -ENOENT);
}

BOTH(events)
{
	struct starling_completion done;

	EQ(starling_event_mask(a, ROLE), 0);
	EQ(starling_queue_event(q, a, STARLING_EVENT_NOWAIT, 0, 1), 0);
	EQ(result(q, 1, NULL), -EAGAIN);
	EQ(starling_queue_event(q, a, 0, 0, 2), 0);
	EQ(starling_queue_submit(q), 0);
	none(q);
	EQ(starling_agent_join(a, 0, STARLING_TASK_THREAD), 0);
	EQ(starling_task_set_role(a, 0, STARLING_ROLE_SERVICE), 0);
	EQ(starling_queue_next(q, &done, LONG), 0);
	EQ(done.user_data, 2);
	EQ(done.result, 0);
	EQ(done.event.type, STARLING_EVENT_ROLE);
	EQ(done.event.tid, gettid_());
	EQ(starling_agent_leave(a, 0, STARLING_TASK_THREAD), 0);
	EQ(starling_queue_event(q, a, 0, MS, 3), 0);
	EQ(starling_queue_next(q, &done, LONG), 0);
	EQ(done.result, -ETIMEDOUT);
	EQ(done.event.type, 0);
}

BOTH(timeouts)
{
	struct starling_lease_opts opts = { .size = sizeof(opts), .timeout_ns = 20 * MS };
	struct starling_completion done;
	struct starling_lease *l;
	double start;

	EQ(starling_lease_acquire(a, NULL, &l), 0);
	start = seconds();
	EQ(starling_queue_acquire(q, b, &opts, 1), 0);
	EQ(result(q, 1, NULL), -ETIMEDOUT);
	CHECK(seconds() - start >= 0.02);
	start = seconds();
	EQ(starling_queue_next(q, &done, 20 * MS), -ETIMEDOUT);
	CHECK(seconds() - start >= 0.02);
	EQ(starling_lease_release(l), 0);
}

/* Until a time that no clock can show. */
BOTH(timeouts_without_end)
{
	struct starling_lease_opts opts = { .size = sizeof(opts), .timeout_ns = UINT64_MAX };
	struct starling_completion done;
	struct starling_lease *l;

	EQ(starling_lease_acquire(a, NULL, &l), 0);
	EQ(starling_queue_acquire(q, b, &opts, 1), 0);
	EQ(starling_queue_event(q, a, 0, 50 * MS, 2), 0);
	EQ(starling_queue_next(q, &done, UINT64_MAX), 0);
	EQ(done.user_data, 2);
	EQ(starling_lease_release(l), 0);
	EQ(starling_queue_next(q, &done, UINT64_MAX - 1), 0);
	EQ(done.user_data, 1);
	EQ(done.result, 0);
	EQ(starling_lease_release(done.lease), 0);
}

/* At once, when a thread may not have got to the kernel yet, and later. */
BOTH(cancels)
{
	struct starling_lease *l;

	EQ(starling_lease_acquire(a, NULL, &l), 0);
	for (int i = 0; i < 20; i++) {
		EQ(starling_queue_acquire(q, b, NULL, 1), 0);
		if (i & 1) {
			EQ(starling_queue_submit(q), 0);
			until_waiting(1);
		}
		EQ(starling_queue_cancel(q, 2), -ENOENT);
		EQ(starling_queue_cancel(q, 1), 0);
		EQ(result(q, 1, NULL), -ECANCELED);
		EQ(starling_queue_cancel(q, 1), -ENOENT);
		EQ(waiting(), 0);
	}
	/* All that have it, and no other queue's. */
	EQ(starling_queue_acquire(q, b, NULL, 1), 0);
	EQ(starling_queue_event(q, b, 0, 0, 1), 0);
	EQ(starling_queue_event(q, b, 0, 0, 2), 0);
	EQ(starling_queue_cancel(q, 1), 0);
	EQ(result(q, 1, NULL), -ECANCELED);
	EQ(result(q, 1, NULL), -ECANCELED);
	none(q);
	EQ(starling_lease_release(l), 0);
}

/* A full queue of waits can still give back what they wait for. */
BOTH_SIZED(bounds, 4)
{
	struct starling_lease *held, *l;
	struct starling_completion done[8];
	int n = 0;

	EQ(starling_lease_acquire(a, NULL, &held), 0);
	for (int i = 0; i < 4; i++)
		EQ(starling_queue_acquire(q, b, NULL, i), 0);
	EQ(starling_queue_acquire(q, b, NULL, 4), -EAGAIN);
	EQ(starling_queue_event(q, b, 0, 0, 4), -EAGAIN);
	EQ(starling_queue_submit(q), 0);
	until_waiting(4);
	EQ(starling_queue_release(q, held, 5), 0);
	while (n < 2) {
		ssize_t some = starling_queue_reap(q, done + n, 8 - n);

		GE(some, 0);
		n += some;
		sleep_ms(1);
	}
	EQ(n, 2);
	EQ(done[0].user_data == 5 || done[1].user_data == 5, 1);
	held = done[0].lease ?: done[1].lease;
	EQ(starling_queue_acquire(q, b, NULL, 6), 0);
	EQ(starling_queue_acquire(q, b, NULL, 7), -EAGAIN);
	for (int i = 0; i < 4; i++) {
		EQ(starling_lease_release(held), 0);
		EQ(starling_queue_next(q, done, LONG), 0);
		held = done->lease;
		CHECK(held);
	}
	EQ(starling_lease_release(held), 0);
	none(q);
	for (int i = 0; i < 4; i++)
		EQ(starling_queue_park(q, NULL, 0), -ENODEV);
	EQ(starling_lease_acquire(a, NULL, &l), 0);
	for (int i = 0; i < 4; i++)
		EQ(starling_queue_park(q, l, i), 0);
	EQ(starling_queue_park(q, l, 4), -EAGAIN);
	EQ(starling_queue_reap(q, done, 8), 4);
	EQ(starling_queue_release(q, l, 4), 0);
	EQ(result(q, 4, NULL), 0);
}

/* The descriptor tells exactly when there is something. */
BOTH(descriptor)
{
	struct pollfd p = { .fd = starling_queue_fd(q), .events = POLLIN };
	struct starling_completion done[8];

	for (int i = 0; i < 3; i++) {
		EQ(poll(&p, 1, 0), 0);
		for (int j = 0; j < 8; j++)
			EQ(starling_queue_event(q, a, STARLING_EVENT_NOWAIT, 0, j), 0);
		EQ(starling_queue_submit(q), 0);
		EQ(poll(&p, 1, 10000), 1);
		EQ(starling_queue_reap(q, done, 5), 5);
		EQ(poll(&p, 1, 0), 1);
		EQ(starling_queue_reap(q, done, 8), 3);
		EQ(starling_queue_reap(q, done, 8), 0);
	}
	EQ(poll(&p, 1, 0), 0);
}

/* What nobody took is given back, what waits is ended, and nothing is left. */
TEST_TIMED(destroyed, 60)
{
	setup();
	for (int i = 0; i < 20; i++) {
		struct starling_queue *q = queue(1 + i % 2, 0);
		struct starling_agent_record rec;
		int dev = device();

		EQ(starling_agent_create(s, "a", NULL, &a), 0);
		EQ(starling_agent_stat(a, 0, &rec), 0);
		for (int j = 0; j < 10; j++) {
			EQ(starling_queue_acquire(q, a, NULL, j), 0);
			EQ(starling_queue_event(q, a, 0, 0, j), 0);
		}
		if (i & 2) {
			EQ(starling_queue_submit(q), 0);
			until_waiting(9);
		}
		starling_agent_close(a);
		starling_queue_destroy(q);
		EQ(waiting(), 0);
		EQ(holders(), 0);
		wait_gone(dev, rec.id);
		close(dev);
	}
}

/* One call for all that was collected: none is there before it. */
TEST(batch)
{
	struct starling_completion done;
	struct starling_queue *q;
	struct starling_lease *l;

	setup();
	q = queue(STARLING_BACKEND_URING, 0);
	EQ(starling_agent_create(s, "a", NULL, &a), 0);
	EQ(starling_lease_acquire(a, NULL, &l), 0);
	for (int i = 0; i < 60; i++)
		EQ(starling_queue_acquire(q, a, NULL, i), 0);
	EQ(waiting(), 0);
	EQ(starling_queue_submit(q), 0);
	EQ(waiting(), 60);
	EQ(starling_lease_release(l), 0);
	for (int i = 0; i < 60; i++) {
		EQ(starling_queue_next(q, &done, LONG), 0);
		EQ(done.user_data, i);
		EQ(starling_lease_release(done.lease), 0);
	}
	starling_queue_destroy(q);
}

BOTH(child)
{
	struct starling_completion done;
	struct starling_lease *l, *mine;
	pid_t pid;

	EQ(starling_lease_acquire(a, NULL, &l), 0);
	EQ(starling_queue_acquire(q, b, NULL, 1), 0);
	EQ(starling_queue_submit(q), 0);
	until_waiting(1);
	pid = fork();
	if (!pid) {
		EQ(starling_queue_acquire(q, b, NULL, 2), -ECHILD);
		EQ(starling_queue_submit(q), -ECHILD);
		EQ(starling_queue_cancel(q, 1), -ECHILD);
		EQ(starling_queue_next(q, &done, 0), -ECHILD);
		EQ(starling_queue_reap(q, &done, 1), -ECHILD);
		starling_queue_destroy(q);
		_exit(0);
	}
	EQ(reap(pid), 0);
	EQ(waiting(), 1);
	EQ(starling_lease_release(l), 0);
	mine = got(q, 1);
	EQ(starling_lease_release(mine), 0);
}

/* Threads that submit, take and release what others asked for. */
static struct {
	struct starling_queue *q;
	unsigned int left, taken;
} crowd;

static void *submitter(void *arg)
{
	for (int i = 0; i < 50;) {
		int err = starling_queue_acquire(crowd.q, arg, NULL, i);

		if (!err && ++i)
			continue;
		EQ(err, -EAGAIN);
		EQ(starling_queue_submit(crowd.q), 0);
		sleep_ms(1);
	}
	EQ(starling_queue_submit(crowd.q), 0);
	/* io_uring ends the waits of a thread that goes. */
	while (__atomic_load_n(&crowd.taken, __ATOMIC_SEQ_CST) < 200)
		sleep_ms(1);
	return NULL;
}

static void *taker(void *arg)
{
	struct starling_completion done;

	while (__atomic_load_n(&crowd.taken, __ATOMIC_SEQ_CST) < 200) {
		int err = starling_queue_next(crowd.q, &done, 10 * MS);

		if (err == -ETIMEDOUT)
			continue;
		EQ(err, 0);
		EQ(done.result, 0);
		EQ(starling_lease_release(done.lease), 0);
		__atomic_add_fetch(&crowd.taken, 1, __ATOMIC_SEQ_CST);
	}
	return arg;
}

BOTH_SIZED(threads, 16)
{
	pthread_t t[6];

	crowd.q = q;
	crowd.taken = 0;
	for (int i = 0; i < 6; i++)
		EQ(pthread_create(&t[i], NULL, i < 4 ? submitter : taker, i & 1 ? a : b), 0);
	for (int i = 0; i < 6; i++)
		EQ(pthread_join(t[i], NULL), 0);
	EQ(crowd.taken, 200);
	EQ(holders(), 0);
}

/* A thread of the pool does not keep the agent that its maker is a member of. */
TEST(pool_is_no_member)
{
	struct starling_agent_record rec;
	struct starling_lease *l;
	struct starling_queue *q;

	setup();
	q = queue(STARLING_BACKEND_THREADS, 0);
	EQ(starling_agent_create(s, "a", NULL, &a), 0);
	EQ(starling_agent_join(a, 0, STARLING_TASK_THREAD), 0);
	EQ(starling_queue_acquire(q, a, NULL, 1), 0);
	l = got(q, 1);
	EQ(starling_agent_stat(a, 0, &rec), 0);
	EQ(rec.tasks, 1);
	EQ(starling_lease_release(l), 0);
	starling_queue_destroy(q);
}

/* As a container's seccomp profile has it. */
static void forbid_io_uring(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };

	EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog)) {
		EQ(errno, EINVAL);
		SKIP("this kernel has no seccomp filters");
	}
}

TEST(forbidden)
{
	struct starling_queue_opts opts = { .size = sizeof(opts) };
	struct starling_queue *q;

	setup();
	EQ(starling_agent_create(s, "a", NULL, &a), 0);
	EQ(starling_queue_create(s, NULL, &q), 0);
	if (starling_queue_backend(q) != STARLING_BACKEND_URING)
		SKIP("no io_uring here");
	starling_queue_destroy(q);
	forbid_io_uring();
	opts.backend = STARLING_BACKEND_URING;
	EQ(starling_queue_create(s, &opts, &q), -EPERM);
	CHECK(!q);
	EQ(starling_queue_create(s, NULL, &q), 0);
	EQ(starling_queue_backend(q), STARLING_BACKEND_THREADS);
	EQ(starling_queue_acquire(q, a, NULL, 1), 0);
	EQ(starling_lease_release(got(q, 1)), 0);
	starling_queue_destroy(q);
}

TEST(choice)
{
	struct starling_queue_opts opts = { .size = sizeof(opts), .entries = 4097 };
	struct starling_queue *q;

	setup();
	EQ(setenv("STARLING_QUEUE", "threads", 1), 0);
	EQ(starling_queue_create(s, NULL, &q), 0);
	EQ(starling_queue_backend(q), STARLING_BACKEND_THREADS);
	starling_queue_destroy(q);
	EQ(starling_queue_create(s, &opts, &q), -EINVAL);
	opts.entries = 4096;
	EQ(starling_queue_create(s, &opts, &q), 0);
	starling_queue_destroy(q);
	opts.backend = 3;
	EQ(starling_queue_create(s, &opts, &q), -EINVAL);
	opts = (struct starling_queue_opts){ .size = 8 };
	EQ(starling_queue_create(s, &opts, &q), -EINVAL);
}

/* Where the module limits waits by io_uring, the library's have no limit. */
TEST_TIMED(longer_than_the_limit, 60)
{
	struct starling_completion done;
	struct starling_queue *q;
	struct starling_lease *l;
	struct utsname u;

	EQ(uname(&u), 0);
	if (strncmp(u.release, "6.1.", 4))
		SKIP("waits have no limit here");
	setup();
	q = queue(STARLING_BACKEND_URING, 0);
	EQ(starling_agent_create(s, "a", NULL, &a), 0);
	EQ(starling_lease_acquire(a, NULL, &l), 0);
	EQ(starling_queue_acquire(q, a, NULL, 1), 0);
	EQ(starling_queue_event(q, a, 0, 12 * SEC, 2), 0);
	EQ(starling_queue_next(q, &done, 11 * SEC), -ETIMEDOUT);
	EQ(result(q, 2, NULL), -ETIMEDOUT);
	EQ(waiting(), 1);
	EQ(starling_lease_release(l), 0);
	EQ(starling_lease_release(got(q, 1)), 0);
	starling_queue_destroy(q);
}
