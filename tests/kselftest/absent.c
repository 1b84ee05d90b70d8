// SPDX-License-Identifier: GPL-2.0-only
/* libstarling, as linked by a program, on a machine without the module. */
#define GROUP "absent"
#include <errno.h>
#include <fcntl.h>
#include <starling.h>
#include <string.h>
#include <time.h>

#include "harness.h"

static struct starling *absent(void)
{
	struct starling *s = (void *)1;
	int err = starling_open(&s);

	if (!err)
		SKIP("the module is loaded");
	EQ(err, -ENODEV);
	CHECK(!s);
	return s;
}

TEST(every_call)
{
	struct starling_agent *a = (void *)1;
	struct starling_telemetry *t = (void *)1;
	struct starling_lease *l = (void *)1;
	struct starling_lease_stat stat;
	struct starling_event event;
	struct starling_info info;
	struct starling_agent_record sum;
	struct starling_task_record rec;
	struct starling_queue *q = (void *)1;
	struct starling_completion done;
	struct starling *s = absent();

	errno = 0;
	EQ(starling_get_info(s, &info), -ENODEV);
	EQ(starling_agent_create(s, "x", NULL, &a), -ENODEV);
	CHECK(!a);
	a = (void *)1;
	EQ(starling_agent_create_sub(NULL, "x", NULL, &a), -ENODEV);
	CHECK(!a);
	EQ(starling_agent_fd(a), -ENODEV);
	EQ(starling_agent_join(a, 0, 0), -ENODEV);
	EQ(starling_agent_leave(a, 0, 0), -ENODEV);
	EQ(starling_agent_set(a, "y", 1), -ENODEV);
	EQ(starling_agent_set_priority(a, STARLING_CLASS_BATCH), -ENODEV);
	EQ(starling_agent_stat(a, 0, &sum), -ENODEV);
	EQ(starling_agent_tasks(a, &rec, 1, NULL), -ENODEV);
	EQ(starling_task_stat(a, 0, &rec), -ENODEV);
	EQ(starling_task_set_role(a, 0, STARLING_ROLE_TOOL), -ENODEV);
	EQ(starling_telemetry_open(a, &t), -ENODEV);
	CHECK(!t);
	EQ(starling_telemetry_agent(t, &sum), -ENODEV);
	EQ(starling_telemetry_task(t, 0, &rec), -ENODEV);
	EQ(starling_telemetry_slot(t, 0), -ENODEV);
	EQ(starling_telemetry_cpu(t, 0, 0, NULL), -ENODEV);
	EQ(starling_telemetry_tasks(t, &rec, 1), -ENODEV);
	starling_telemetry_close(t);
	EQ(starling_lease_acquire(a, NULL, &l), -ENODEV);
	CHECK(!l);
	EQ(starling_lease_park(l), -ENODEV);
	EQ(starling_lease_unpark(l, 0, 0, 0), -ENODEV);
	EQ(starling_lease_release(l), -ENODEV);
	EQ(starling_lease_id(l) | starling_lease_expires_ns(l), 0);
	EQ(starling_lease_gpu(l), STARLING_GPU_ANY);
	EQ(starling_cancel(a, 1), -ENODEV);
	EQ(starling_gpu_stat(s, 0, &stat), -ENODEV);
	EQ(starling_leases(s, NULL, 0, NULL), -ENODEV);
	EQ(starling_agent_leases(a, NULL, 0, NULL), -ENODEV);
	EQ(starling_event_mask(a, 2), -ENODEV);
	EQ(starling_event_next(a, 0, 0, 0, &event), -ENODEV);
	EQ(starling_queue_create(s, NULL, &q), -ENODEV);
	CHECK(!q);
	EQ(starling_queue_fd(q), -ENODEV);
	EQ(starling_queue_backend(q), -ENODEV);
	EQ(starling_queue_acquire(q, a, NULL, 1), -ENODEV);
	EQ(starling_queue_unpark(q, l, 0, 0, 1), -ENODEV);
	EQ(starling_queue_park(q, l, 1), -ENODEV);
	EQ(starling_queue_release(q, l, 1), -ENODEV);
	EQ(starling_queue_event(q, a, 0, 0, 1), -ENODEV);
	EQ(starling_queue_cancel(q, 1), -ENODEV);
	EQ(starling_queue_submit(q), -ENODEV);
	EQ(starling_queue_next(q, &done, 0), -ENODEV);
	EQ(starling_queue_reap(q, &done, 1), -ENODEV);
	starling_queue_destroy(q);
	starling_agent_close(a);
	starling_close(s);
	EQ(errno, 0);
}

static void join_none(void)
{
	EQ(starling_agent_join(NULL, 0, 0), -ENODEV);
}

static void acquire_none(void)
{
	EQ(starling_queue_acquire(NULL, NULL, NULL, 1), -ENODEV);
}

static void take_none(void)
{
	struct starling_completion done;

	EQ(starling_queue_next(NULL, &done, 1), -ENODEV);
}

static double best_ns(void (*fn)(void))
{
	struct timespec from, to;
	double best = 1e9, ns;

	for (int round = 0; round < 20; round++) {
		clock_gettime(CLOCK_MONOTONIC, &from);
		for (int i = 0; i < 10000; i++)
			fn();
		clock_gettime(CLOCK_MONOTONIC, &to);
		ns = ((to.tv_sec - from.tv_sec) * 1e9 + to.tv_nsec - from.tv_nsec) / 10000;
		best = ns < best ? ns : best;
	}
	return best;
}

TEST(costs_nothing)
{
	void (*const calls[])(void) = { join_none, acquire_none, take_none };

	for (int i = 0; i < 3; i++) {
		double ns = best_ns(calls[i]);

		printf("# %.1f ns a call without a handle\n", ns);
		CHECK(ns < 100);
	}
}

TEST(role_names)
{
	for (int role = 0; role < __STARLING_ROLE_MAX; role++) {
		CHECK(starling_role_name(role));
		EQ(starling_role_from_name(starling_role_name(role)), role);
	}
	CHECK(!starling_role_name(__STARLING_ROLE_MAX));
	CHECK(!starling_role_name(-1));
	EQ(starling_role_from_name("nonsense"), -EINVAL);
}

TEST(priority_names)
{
	for (int c = 0; c < __STARLING_CLASS_MAX; c++)
		EQ(starling_priority_from_name(starling_priority_name(c)), c);
	CHECK(!starling_priority_name(__STARLING_CLASS_MAX));
	EQ(starling_priority_from_name("nonsense"), -EINVAL);
}

TEST(no_agent_behind_the_descriptor)
{
	struct starling_agent *a = (void *)1;
	int fd = open("/dev/null", O_RDWR);

	EQ(starling_agent_from_fd(fd, &a), -EINVAL);
	CHECK(!a);
	EQ(starling_agent_from_fd(-1, &a), -EBADF);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
