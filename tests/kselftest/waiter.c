// SPDX-License-Identifier: GPL-2.0-only
#include <time.h>

#include "harness.h"
#include "util.h"
#include "waiter.h"

uint32_t waiting(int fd, uint32_t gpu)
{
	struct starling_lease_stat stat;

	stat_gpu(fd, gpu, &stat);
	return stat.out_waiting[0];
}

static void *waiter_run(void *arg)
{
	struct waiter *w = arg;

	if (w->parked) {
		struct starling_lease_unpark u = {
			.size = sizeof(u), .lease = w->parked, .cookie = w->a.cookie,
			.timeout_ns = w->a.timeout_ns,
		};

		w->ret = call(w->fd, STARLING_IOC_LEASE_UNPARK, &u);
		w->a.out_lease = w->parked;
	} else {
		w->ret = acquire(w->fd, &w->a);
	}
	__atomic_store_n(&w->done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

void wait_start(struct waiter *w)
{
	uint32_t gpu = w->a.gpu == STARLING_GPU_ANY ? 0 : w->a.gpu, before = waiting(w->fd, gpu);

	w->done = 0;
	w->seen = false;
	EQ(pthread_create(&w->thread, NULL, waiter_run, w), 0);
	for (int i = 0; waiting(w->fd, gpu) == before; i++) {
		CHECK(i < 5000);
		CHECK(!w->done);
		sleep_ms(1);
	}
}

int wait_end(struct waiter *w)
{
	pthread_join(w->thread, NULL);
	return w->ret;
}

bool is_done(struct waiter *w)
{
	return __atomic_load_n(&w->done, __ATOMIC_SEQ_CST);
}

int next_done(struct waiter *w, int n)
{
	int found = -1;

	for (int i = 0; found < 0; i++) {
		CHECK(i < 10000);
		for (int k = 0; k < n; k++)
			if (!w[k].seen && is_done(&w[k]))
				found = k;
		if (found < 0)
			sleep_ms(1);
	}
	w[found].seen = true;
	EQ(wait_end(&w[found]), 0);
	return found;
}

void expect_order(struct waiter *w, int n, const int *order)
{
	for (int i = 0; i < n; i++) {
		int k = next_done(w, n);

		EQ(k, order[i]);
		EQ(release(w[k].fd, w[k].a.out_lease), 0);
	}
}

uint64_t take(int fd)
{
	uint64_t lease;

	EQ(try_lease(fd, &lease), 0);
	return lease;
}

int set_policy(int dev, struct starling_lease_policy p)
{
	p.size = sizeof(p);
	return call(dev, STARLING_IOC_LEASE_POLICY, &p);
}

int controller(void)
{
	int dev = device();

	EQ(claim(dev), 0);
	return dev;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SEC + ts.tv_nsec;
}

uint32_t list_leases(int fd, struct starling_lease_record *rec, uint32_t n)
{
	uint64_t cursor[2] = { 0 };

	EQ(list(fd, STARLING_IOC_LEASES, rec, sizeof(*rec), &n, cursor), 0);
	return n;
}

int weighted(const char *name, uint32_t weight)
{
	struct starling_agent_set set = {
		.size = sizeof(set), .flags = STARLING_SET_WEIGHT, .weight = weight,
	};
	int fd = agent(name);

	EQ(call(fd, STARLING_IOC_AGENT_SET, &set), 0);
	return fd;
}

void no_aging(int dev)
{
	EQ(set_policy(dev, (struct starling_lease_policy) {
		.flags = STARLING_POLICY_HOLD | STARLING_POLICY_AGING | STARLING_POLICY_STARVE,
		.max_hold_ns = 600 * SEC, .aging_ns = 600 * SEC, .starve_ns = 1200 * SEC,
	}), 0);
}
