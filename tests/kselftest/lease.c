// SPDX-License-Identifier: GPL-2.0-only
/* Leases as commands: values, errors, waiting, lists, limits. */
#define GROUP "lease"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "harness.h"
#include "util.h"
#include "waiter.h"

TEST(acquire_values)
{
	struct starling_lease_acquire a = { .cookie = 77, .class = STARLING_CLASS_BATCH,
					    .memory_bytes = GB, .max_hold_ns = 300 * MS };
	struct starling_lease_stat stat, before;
	struct starling_lease_record rec[2];
	struct starling_agent_record self;
	int fd = agent("values");
	uint64_t start = now_ns();

	stat_agent(fd, &self);
	stat_gpu(fd, 0, &before);
	EQ(before.out_gpus, 1);
	EQ(before.out_slots, 1);
	EQ(before.out_max_hold_ns, SEC);
	EQ(before.out_notice_ns, 100 * MS);
	EQ(before.out_aging_ns, 500 * MS);
	EQ(before.out_starve_ns, 10 * SEC);
	EQ(before.out_memory_bytes, 0);
	EQ(acquire(fd, &a), 0);
	NE(a.out_lease, 0);
	EQ(a.out_gpu, 0);
	GE(a.out_expires_ns, start + 300 * MS);
	GE(now_ns() + 300 * MS, a.out_expires_ns);
	stat_gpu(fd, 0, &stat);
	EQ(stat.out_holders, 1);
	EQ(stat.out_parked, 0);
	EQ(stat.out_waiting[0], 0);
	EQ(stat.out_memory_used, GB);
	EQ(stat.out_grants, before.out_grants + 1);
	EQ(list_leases(fd, rec, 2), 1);
	EQ(rec[0].lease, a.out_lease);
	EQ(rec[0].agent_id, self.id);
	EQ(rec[0].cookie, 77);
	EQ(rec[0].gpu, 0);
	EQ(rec[0].tgid, getpid());
	EQ(rec[0].state, STARLING_LEASE_HELD);
	EQ(rec[0].class, STARLING_CLASS_BATCH);
	EQ(rec[0].effective_class, STARLING_CLASS_BATCH);
	EQ(rec[0].asked, 0);
	GE(rec[0].since_ns, start);
	EQ(rec[0].expires_ns, a.out_expires_ns);
	EQ(rec[0].memory_bytes, GB);
	GE(now_ns() - start, rec[0].held_ns);
	EQ(rec[0].__reserved, 0);
	EQ(release(fd, a.out_lease), 0);
	EQ(release(fd, a.out_lease), -ENOENT);
	EQ(park(fd, a.out_lease), -ENOENT);
	EQ(unpark(fd, a.out_lease, 0), -ENOENT);
	EQ(list_leases(fd, rec, 2), 0);
	stat_gpu(fd, 0, &stat);
	EQ(stat.out_holders, 0);
	EQ(stat.out_memory_used, 0);
	CHECK(stat.out_hold_ns > before.out_hold_ns);
}

TEST(acquire_refuses)
{
	struct starling_lease_acquire a = { .flags = STARLING_LEASE_TRY };
	struct {
		struct starling_lease_acquire a;
		uint64_t more;
	} big = { .a.flags = STARLING_LEASE_TRY, .a.size = sizeof(big) };
	int fd = agent("refuses"), dev = device();

	a.class = __STARLING_CLASS_MAX;
	EQ(acquire(fd, &a), -EINVAL);
	a.class = 0;
	a.__pad = 1;
	EQ(acquire(fd, &a), -EINVAL);
	a.__pad = 0;
	a.__reserved[2] = 1;
	EQ(acquire(fd, &a), -EINVAL);
	a.__reserved[2] = 0;
	a.memory_bytes = (1ULL << 50) + 1;
	EQ(acquire(fd, &a), -EINVAL);
	a.memory_bytes = 0;
	a.flags |= 2;
	EQ(acquire(fd, &a), -EINVAL);
	a.flags = STARLING_LEASE_TRY;
	a.gpu = 1;
	EQ(acquire(fd, &a), -ENODEV);
	a.gpu = STARLING_GPUS_MAX;
	EQ(acquire(fd, &a), -ENODEV);
	a.gpu = STARLING_GPU_ANY - 1;
	EQ(acquire(fd, &a), -ENODEV);
	a.gpu = 0;
	EQ(acquire(dev, &a), -ENOTTY);
	EQ(call(fd, STARLING_IOC_LEASE_ACQUIRE, (void *)1), -EFAULT);
	a.size = 8;
	EQ(call(fd, STARLING_IOC_LEASE_ACQUIRE, &a), -EINVAL);
	big.more = 1;
	EQ(call(fd, STARLING_IOC_LEASE_ACQUIRE, &big), -E2BIG);
	big.more = 0;
	EQ(call(fd, STARLING_IOC_LEASE_ACQUIRE, &big), 0);
	EQ(big.a.size, sizeof(big));
	EQ(release(fd, big.a.out_lease), 0);
}

/* A lease whose number cannot be handed over is no lease. */
TEST(cannot_be_told)
{
	struct starling_lease_acquire *a = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
						MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct starling_lease_unpark *u = (void *)a;
	struct starling_lease_record rec;
	int fd = agent("untold");
	uint64_t id;

	CHECK(a != MAP_FAILED);
	a->size = sizeof(*a);
	EQ(mprotect(a, 4096, PROT_READ), 0);
	EQ(call(fd, STARLING_IOC_LEASE_ACQUIRE, a), -EFAULT);
	EQ(list_leases(fd, &rec, 1), 0);
	id = take(fd);
	EQ(park(fd, id), 0);
	EQ(mprotect(a, 4096, PROT_READ | PROT_WRITE), 0);
	memset(a, 0, sizeof(*a));
	u->size = sizeof(*u);
	u->lease = id;
	EQ(mprotect(a, 4096, PROT_READ), 0);
	EQ(call(fd, STARLING_IOC_LEASE_UNPARK, u), -EFAULT);
	EQ(list_leases(fd, &rec, 1), 1);
	EQ(rec.state, STARLING_LEASE_PARKED);
	EQ(unpark(fd, id, 0), 0);
}

TEST(others_refuse)
{
	struct starling_lease_id lease = { .size = sizeof(lease), .__reserved[1] = 1 };
	struct starling_lease_unpark up = { .size = sizeof(up), .__reserved[1] = 1 };
	struct starling_lease_cancel can = { .size = sizeof(can), .__reserved[1] = 1 };
	struct starling_lease_stat stat = { .size = sizeof(stat), .__reserved[1] = 1 };
	int fd = agent("refuses"), other = agent("other"), dev = device();
	struct starling_lease_record rec;
	uint64_t id, cursor[2] = { 0 };
	uint32_t n = 1;

	EQ(call(fd, STARLING_IOC_LEASE_RELEASE, &lease), -EINVAL);
	EQ(call(fd, STARLING_IOC_LEASE_PARK, &lease), -EINVAL);
	EQ(call(fd, STARLING_IOC_LEASE_UNPARK, &up), -EINVAL);
	EQ(call(fd, STARLING_IOC_LEASE_CANCEL, &can), -EINVAL);
	EQ(call(fd, STARLING_IOC_LEASE_STAT, &stat), -EINVAL);
	stat.__reserved[1] = 0;
	stat.__pad = 1;
	EQ(call(dev, STARLING_IOC_LEASE_STAT, &stat), -EINVAL);
	stat.__pad = 0;
	stat.gpu = 1;
	EQ(call(dev, STARLING_IOC_LEASE_STAT, &stat), -ENODEV);
	stat.gpu = STARLING_GPU_ANY;
	EQ(call(dev, STARLING_IOC_LEASE_STAT, &stat), -ENODEV);
	EQ(list(fd, STARLING_IOC_LEASES, &rec, 80, &n, cursor), -EINVAL);
	EQ(list(fd, STARLING_IOC_LEASES, &rec, 4097, &n, cursor), -EINVAL);
	EQ(call(dev, STARLING_IOC_LEASE_RELEASE, &lease), -ENOTTY);
	EQ(call(dev, STARLING_IOC_LEASE_CANCEL, &can), -ENOTTY);
	/* Another agent's, and one that never was. */
	id = take(fd);
	EQ(release(other, id), -ENOENT);
	EQ(park(other, id), -ENOENT);
	EQ(unpark(other, id, 0), -ENOENT);
	EQ(release(fd, id + 1), -ENOENT);
	EQ(release(fd, 0), -ENOENT);
	EQ(unpark(fd, id, 0), -EALREADY);
	EQ(cancel_waits(fd, 0), -ENOENT);
	EQ(list(fd, STARLING_IOC_LEASES, (void *)1, sizeof(rec), &n, cursor), -EFAULT);
	EQ(release(fd, id), 0);
}

TEST(policy_refuses)
{
	static const struct starling_lease_policy bad[] = {
		{ .flags = STARLING_POLICY_SLOTS },
		{ .flags = STARLING_POLICY_SLOTS, .slots = 65 },
		{ .slots = 1 },
		{ .memory_bytes = 1 },
		{ .flags = STARLING_POLICY_MEMORY, .memory_bytes = (1ULL << 50) + 1 },
		{ .flags = STARLING_POLICY_HOLD },
		{ .flags = STARLING_POLICY_HOLD, .max_hold_ns = MS - 1 },
		{ .flags = STARLING_POLICY_HOLD, .max_hold_ns = 3600 * SEC + 1 },
		{ .flags = STARLING_POLICY_NOTICE, .notice_ns = MS - 1 },
		{ .flags = STARLING_POLICY_AGING, .aging_ns = MS - 1 },
		{ .flags = STARLING_POLICY_STARVE, .starve_ns = MS - 1 },
		{ .starve_ns = MS },
		{ .flags = 1 << 6 },
		{ .__reserved[0] = 1 },
	};
	struct starling_lease_policy ok = { .flags = STARLING_POLICY_SLOTS, .slots = 1 };
	int dev = device(), other = device(), fd = agent("policy");

	EQ(set_policy(dev, ok), -EPERM);
	EQ(claim(dev), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (set_policy(dev, bad[i]) != -EINVAL)
			FAIL("policy %zu was taken", i);
	EQ(set_policy(other, ok), -EPERM);
	EQ(set_policy(fd, ok), -ENOTTY);
	ok.gpu = 2;
	EQ(set_policy(dev, ok), -ENODEV);
	ok.gpu = STARLING_GPU_ANY;
	EQ(set_policy(dev, ok), -ENODEV);
	for (ok.gpu = 0; ok.gpu < STARLING_GPUS_MAX; ok.gpu++)
		EQ(set_policy(dev, ok), 0);
	EQ(set_policy(dev, ok), -ENODEV);
}

TEST(try_does_not_wait)
{
	int one = agent("one"), two = agent("two");
	struct starling_lease_stat before, after;
	uint64_t id = take(one), other;

	stat_gpu(one, 0, &before);
	EQ(try_lease(one, &other), -EAGAIN);
	EQ(try_lease(two, &other), -EAGAIN);
	stat_gpu(one, 0, &after);
	EQ(memcmp(&before, &after, sizeof(before)), 0);
	EQ(release(one, id), 0);
	EQ(release(two, take(two)), 0);
}

TEST(timeout)
{
	struct starling_lease_acquire a = { .timeout_ns = 50 * MS };
	struct starling_lease_stat before, after;
	int one = agent("one"), two = agent("two");
	uint64_t id = take(one), start = now_ns();

	stat_gpu(one, 0, &before);
	EQ(acquire(two, &a), -ETIMEDOUT);
	GE(now_ns() - start, 50 * MS);
	a.timeout_ns = 1;
	EQ(acquire(two, &a), -ETIMEDOUT);
	stat_gpu(one, 0, &after);
	EQ(after.out_timeouts, before.out_timeouts + 2);
	EQ(after.out_waiting[0], 0);
	EQ(after.out_waiting[STARLING_CLASS_NORMAL], 0);
	EQ(release(one, id), 0);
	/* A limit that is longer than time itself is none. */
	a.timeout_ns = UINT64_MAX;
	EQ(acquire(two, &a), 0);
	EQ(release(two, a.out_lease), 0);
}

static void ignore(int sig __attribute__((unused)))
{
}

static void handle(int flags)
{
	struct sigaction sa = { .sa_handler = ignore, .sa_flags = flags };

	EQ(sigaction(SIGUSR1, &sa, NULL), 0);
}

TEST(signals)
{
	struct waiter w = { .fd = agent("waiter") };
	int one = agent("one");
	uint64_t id = take(one);

	/* Not restarted: by its handler's wish, or for its timeout. */
	handle(0);
	wait_start(&w);
	pthread_kill(w.thread, SIGUSR1);
	EQ(wait_end(&w), -EINTR);
	handle(SA_RESTART);
	w.a.timeout_ns = 15 * SEC;
	wait_start(&w);
	pthread_kill(w.thread, SIGUSR1);
	EQ(wait_end(&w), -EINTR);
	EQ(waiting(one, 0), 0);
	w.a.timeout_ns = 0;
	wait_start(&w);
	for (int i = 0; i < 20; i++) {
		pthread_kill(w.thread, SIGUSR1);
		sleep_ms(2);
	}
	CHECK(!is_done(&w));
	EQ(release(one, id), 0);
	EQ(wait_end(&w), 0);
	EQ(release(w.fd, w.a.out_lease), 0);
	EQ(waiting(one, 0), 0);
}

TEST(cancels_by_cookie)
{
	int fd = agent("cancel"), other = agent("other");
	struct waiter w[4] = {
		{ .fd = fd, .a.cookie = 5 }, { .fd = fd, .a.cookie = 6 },
		{ .fd = fd, .a.cookie = 5 }, { .fd = other, .a.cookie = 5 },
	};
	struct starling_lease_stat before, after;
	uint64_t id = take(fd);

	stat_gpu(fd, 0, &before);
	for (int i = 0; i < 4; i++)
		wait_start(&w[i]);
	EQ(cancel_waits(fd, 7), -ENOENT);
	EQ(cancel_waits(fd, 5), 0);
	EQ(wait_end(&w[0]), -ECANCELED);
	EQ(wait_end(&w[2]), -ECANCELED);
	EQ(cancel_waits(fd, 5), -ENOENT);
	EQ(waiting(fd, 0), 2);
	stat_gpu(fd, 0, &after);
	EQ(after.out_cancels, before.out_cancels + 2);
	EQ(cancel_waits(other, 5), 0);
	EQ(wait_end(&w[3]), -ECANCELED);
	EQ(release(fd, id), 0);
	EQ(wait_end(&w[1]), 0);
	/* It has been granted: there is no wait any more. */
	EQ(cancel_waits(fd, 6), -ENOENT);
	EQ(release(fd, w[1].a.out_lease), 0);
}

TEST(lists)
{
	int dev = controller(), fd[3] = { agent("a"), agent("b"), agent("c") };
	struct starling_lease_record rec[64];
	struct starling_lease_acquire a = { .class = STARLING_CLASS_BATCH };
	struct waiter w = { .fd = fd[2], .a.class = STARLING_CLASS_INTERACTIVE };
	uint64_t cursor[2] = { 0 }, last = 0, id;
	uint32_t n, sum = 0;
	pid_t pid;

	no_aging(dev);
	/* 100 parked ones of two agents, in pieces. */
	for (int i = 0; i < 100; i++) {
		id = take(fd[i % 2]);
		EQ(park(fd[i % 2], id), 0);
	}
	do {
		n = 7;
		EQ(list(dev, STARLING_IOC_LEASES, rec, sizeof(rec[0]), &n, cursor), 0);
		for (uint32_t i = 0; i < n; i++) {
			if (i && rec[i].agent_id == rec[i - 1].agent_id)
				CHECK(rec[i].lease > rec[i - 1].lease);
			EQ(rec[i].state, STARLING_LEASE_PARKED);
			GE(rec[i].agent_id, last);
			last = rec[i].agent_id;
		}
		sum += n;
	} while (n == 7);
	EQ(sum, 100);
	EQ(list_leases(fd[0], rec, 64), 50);
	EQ(list_leases(fd[2], rec, 64), 0);
	/* A better class waits: the holder counts as of it. */
	EQ(acquire(fd[2], &a), 0);
	EQ(list_leases(fd[2], rec, 64), 1);
	EQ(rec[0].effective_class, STARLING_CLASS_BATCH);
	wait_start(&w);
	EQ(list_leases(fd[2], rec, 64), 2);
	EQ(rec[0].effective_class, STARLING_CLASS_INTERACTIVE);
	EQ(rec[1].state, STARLING_LEASE_WAITING);
	EQ(rec[1].lease, 0);
	EQ(rec[1].expires_ns, 0);
	EQ(rec[1].effective_class, STARLING_CLASS_INTERACTIVE);
	/* Not for everybody. */
	pid = fork();
	if (!pid) {
		become_nobody();
		dev = device();
		memset(cursor, 0, sizeof(cursor));
		n = 1;
		EQ(list(dev, STARLING_IOC_LEASES, rec, sizeof(rec[0]), &n, cursor), -EPERM);
		EQ(list(fd[0], STARLING_IOC_LEASES, rec, sizeof(rec[0]), &n, cursor), 0);
		EQ(n, 1);
		_exit(0);
	}
	EQ(reap(pid), 0);
}

static void nobody_takes(unsigned int want)
{
	unsigned int n;
	uint64_t id;
	pid_t pid = fork();
	int fd;

	if (!pid) {
		become_nobody();
		fd = agent("nobody");
		for (n = 0; !try_lease(fd, &id); n++)
			EQ(park(fd, id), 0);
		EQ(try_lease(fd, &id), -ENOSPC);
		EQ(n, want);
		_exit(0);
	}
	EQ(reap(pid), 0);
}

TEST(limits)
{
	unsigned int all = get_param("max_leases"), user = get_param("max_user_leases");
	struct starling_lease_record rec;
	int fd = agent("limits");
	uint64_t id[5];

	EQ(all, 4096);
	EQ(user, 256);
	set_param("max_user_leases", 3);
	nobody_takes(3);
	/* They were given back with their process. */
	nobody_takes(3);
	/* Root may have more, but nobody more than there are. */
	set_param("max_leases", 5);
	for (int i = 0; i < 5; i++) {
		id[i] = take(fd);
		EQ(park(fd, id[i]), 0);
	}
	EQ(try_lease(fd, &id[0]), -ENOSPC);
	EQ(release(fd, id[1]), 0);
	id[1] = take(fd);
	EQ(release(fd, id[1]), 0);
	set_param("max_leases", 4);
	EQ(try_lease(fd, &id[0]), -ENOSPC);
	EQ(unpark(fd, id[2], 0), 0);
	set_param("max_leases", all);
	set_param("max_user_leases", user);
	EQ(list_leases(fd, &rec, 1), 1);
}
