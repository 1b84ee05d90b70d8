// SPDX-License-Identifier: GPL-2.0-only
/* How leases end: in time, by death, with the last descriptor. */
#define GROUP "lease"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "harness.h"
#include "util.h"
#include "waiter.h"

static void short_holds(int dev)
{
	EQ(set_policy(dev, (struct starling_lease_policy) {
		.flags = STARLING_POLICY_HOLD | STARLING_POLICY_NOTICE,
		.max_hold_ns = 150 * MS, .notice_ns = 50 * MS }), 0);
}

TEST(nobody_waits_nobody_is_disturbed)
{
	int dev = controller(), one = agent("one");
	struct starling_lease_acquire a = { .max_hold_ns = SEC };
	struct waiter w = { .fd = agent("two") };
	struct starling_lease_record rec;
	uint64_t start;

	short_holds(dev);
	EQ(acquire(one, &a), 0);
	GE(now_ns() + 150 * MS, a.out_expires_ns);
	sleep_ms(300);
	EQ(list_leases(one, &rec, 1), 1);
	EQ(rec.asked, 0);
	/* Asked at once, ended when the notice is over. */
	start = now_ns();
	wait_start(&w);
	EQ(list_leases(one, &rec, 1), 1);
	EQ(rec.asked, 1);
	GE(rec.expires_ns, start + 50 * MS);
	EQ(wait_end(&w), 0);
	GE(w.a.out_waited_ns, 50 * MS);
	EQ(release(one, a.out_lease), -ENOENT);
	EQ(list_leases(one, &rec, 1), 0);
}

TEST(expiry)
{
	int dev = controller(), one = agent("one");
	struct waiter w = { .fd = agent("two"), .a.timeout_ns = 5 * SEC };
	struct starling_lease_stat before, after;
	struct starling_lease_acquire a = { 0 };
	struct starling_lease_record rec;

	short_holds(dev);
	stat_gpu(one, 0, &before);
	EQ(acquire(one, &a), 0);
	wait_start(&w);
	while (list_leases(one, &rec, 1) == 1 && !rec.asked)
		sleep_ms(1);
	GE(now_ns(), a.out_expires_ns - 50 * MS);
	EQ(wait_end(&w), 0);
	GE(now_ns(), a.out_expires_ns);
	EQ(list_leases(one, &rec, 1), 0);
	EQ(unpark(one, a.out_lease, 0), -ENOENT);
	stat_gpu(one, 0, &after);
	EQ(after.out_expired, before.out_expired + 1);
	GE(after.out_wait_max_ns, w.a.out_waited_ns);
	EQ(release(w.fd, w.a.out_lease), 0);
}

/* Asked, but the other gave up: it is as if nobody had been there. */
TEST(waiter_gives_up)
{
	int dev = controller(), one = agent("one"), two = agent("two");
	struct starling_lease_acquire a = { 0 }, b = { .timeout_ns = 130 * MS };
	struct starling_lease_record rec;
	struct waiter w = { .fd = two };
	uint64_t start;

	short_holds(dev);
	EQ(acquire(one, &a), 0);
	EQ(acquire(two, &b), -ETIMEDOUT);
	sleep_ms(200);
	EQ(list_leases(one, &rec, 1), 1);
	start = now_ns();
	wait_start(&w);
	EQ(wait_end(&w), 0);
	GE(now_ns() - start, 50 * MS);
}

/* One slot is enough for the one who waits: the other holder stays. */
TEST(one_is_taken_at_a_time)
{
	int dev = controller(), one = agent("one");
	struct waiter w = { .fd = agent("two") };
	struct starling_lease_record rec[2];
	uint64_t a, b;

	short_holds(dev);
	EQ(set_policy(dev, (struct starling_lease_policy) {
		.flags = STARLING_POLICY_SLOTS, .slots = 2 }), 0);
	a = take(one);
	b = take(one);
	sleep_ms(200);
	wait_start(&w);
	EQ(list_leases(one, rec, 2), 2);
	EQ(rec[0].asked, 1);
	EQ(rec[1].asked, 1);
	EQ(wait_end(&w), 0);
	sleep_ms(100);
	EQ(list_leases(one, rec, 2), 1);
	EQ(release(one, a), -ENOENT);
	EQ(release(one, b), 0);
}

/* A child does @what with the agent, says so, and is killed. */
enum what { HOLD, PARK, WAIT };

static pid_t start_child(int fd, enum what what)
{
	int go[2];
	char byte;
	pid_t pid;

	EQ(pipe(go), 0);
	pid = fork();
	if (!pid) {
		struct starling_lease_acquire a = { 0 };
		uint64_t lease;

		if (what == WAIT)
			EQ(write(go[1], "", 1), 1);
		EQ(acquire(fd, &a), 0);
		lease = a.out_lease;
		if (what == PARK)
			EQ(park(fd, lease), 0);
		EQ(write(go[1], "", 1), 1);
		pause();
	}
	EQ(read(go[0], &byte, 1), 1);
	close(go[0]);
	close(go[1]);
	return pid;
}

TEST(killed)
{
	int fd = agent("killed");
	struct starling_lease_stat stat;
	struct starling_lease_record rec[2];
	uint64_t id;
	pid_t pid;

	pid = start_child(fd, HOLD);
	EQ(list_leases(fd, rec, 2), 1);
	EQ(rec[0].tgid, pid);
	EQ(try_lease(fd, &id), -EAGAIN);
	kill(pid, SIGKILL);
	reap(pid);
	id = take(fd);
	pid = start_child(fd, WAIT);
	while (!waiting(fd, 0))
		sleep_ms(1);
	kill(pid, SIGKILL);
	reap(pid);
	EQ(waiting(fd, 0), 0);
	EQ(list_leases(fd, rec, 2), 1);
	EQ(release(fd, id), 0);
	pid = start_child(fd, PARK);
	stat_gpu(fd, 0, &stat);
	EQ(stat.out_parked, 1);
	kill(pid, SIGKILL);
	reap(pid);
	stat_gpu(fd, 0, &stat);
	EQ(stat.out_parked, 0);
	EQ(list_leases(fd, rec, 2), 0);
	EQ(release(fd, take(fd)), 0);
}

/* Its holder's death ends a lease that another process waits to unpark. */
TEST(killed_while_another_unparks)
{
	int fd = agent("killed");
	struct starling_lease_record rec;
	struct waiter w = { .fd = fd };
	uint64_t id;
	pid_t pid = start_child(fd, PARK);

	EQ(list_leases(fd, &rec, 1), 1);
	id = take(fd);
	w.parked = rec.lease;
	wait_start(&w);
	kill(pid, SIGKILL);
	EQ(wait_end(&w), -ENOENT);
	reap(pid);
	EQ(release(fd, id), 0);
}

static void *take_and_go(void *arg)
{
	*(uint64_t *)arg = take(*(int *)arg);
	return NULL;
}

/* A lease is the process's: its threads may go, a new program is no end. */
TEST(threads_and_programs)
{
	int fd = agent("threads");
	union { int fd; uint64_t lease; } u = { .fd = fd };
	struct starling_lease_record rec;
	int status;
	pthread_t t;
	pid_t pid;

	EQ(pthread_create(&t, NULL, take_and_go, &u), 0);
	pthread_join(t, NULL);
	EQ(list_leases(fd, &rec, 1), 1);
	EQ(release(fd, u.lease), 0);
	pid = fork();
	if (!pid) {
		take(fd);
		execlp("sleep", "sleep", "100", NULL);
		_exit(1);
	}
	while (!list_leases(fd, &rec, 1))
		sleep_ms(1);
	sleep_ms(50);
	EQ(list_leases(fd, &rec, 1), 1);
	EQ(rec.tgid, pid);
	kill(pid, SIGKILL);
	EQ(waitpid(pid, &status, 0), pid);
	EQ(list_leases(fd, &rec, 1), 0);
	/* The first thread goes, another one stays. */
	pid = fork();
	if (!pid) {
		take(fd);
		EQ(pthread_create(&t, NULL, (void *(*)(void *))(void *)sleep, (void *)100L), 0);
		syscall(SYS_exit, 0);
	}
	while (!list_leases(fd, &rec, 1))
		sleep_ms(1);
	sleep_ms(50);
	EQ(list_leases(fd, &rec, 1), 1);
	kill(pid, SIGKILL);
	reap(pid);
	EQ(list_leases(fd, &rec, 1), 0);
}

/* The last descriptor goes: so does all that the agent has, though it lives. */
TEST(closed)
{
	int fd = agent("closed"), two = agent("two"), copy, one;
	struct starling_lease_acquire a = { .memory_bytes = GB };
	struct starling_lease_stat stat;
	struct waiter w = { .fd = two };
	struct starling_agent_record rec;
	pid_t pid;

	one = agent("one");
	stat_agent(one, &rec);
	copy = dup(one);
	EQ(acquire(one, &a), 0);
	close(one);
	EQ(try_lease(two, &(uint64_t) { 0 }), -EAGAIN);
	wait_start(&w);
	/* Not kept alive by its lease. */
	close(copy);
	EQ(wait_end(&w), 0);
	stat_gpu(two, 0, &stat);
	EQ(stat.out_memory_used, 0);
	EQ(release(two, w.a.out_lease), 0);
	for (int i = 0; find_agent(device(), rec.id, &rec); i++) {
		CHECK(i < 500);
		sleep_ms(2);
	}
	one = agent("one");
	EQ(acquire(one, &a), 0);
	EQ(park(one, a.out_lease), 0);
	EQ(join(one, 0, 0), 0);
	close(one);
	stat_gpu(two, 0, &stat);
	EQ(stat.out_parked, 0);
	EQ(stat.out_memory_used, 0);
	/* One that waits holds the descriptor until it is killed. */
	a.out_lease = take(two);
	pid = start_child(fd, WAIT);
	while (!waiting(two, 0))
		sleep_ms(1);
	close(fd);
	EQ(waiting(two, 0), 1);
	kill(pid, SIGKILL);
	reap(pid);
	EQ(waiting(two, 0), 0);
	EQ(release(two, a.out_lease), 0);
}

/* Made here, used there, closed here, kept there. */
TEST(passed_on)
{
	struct starling_lease_record rec;
	struct starling_lease_stat stat;
	int sock[2], fd, other = agent("other");
	uint64_t id;
	char byte;
	pid_t pid;

	EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
	pid = fork();
	if (!pid) {
		close(sock[0]);
		fd = receive_fd(sock[1]);
		id = take(fd);
		EQ(list_leases(fd, &rec, 1), 1);
		EQ(rec.tgid, getpid());
		EQ(write(sock[1], "", 1), 1);
		EQ(read(sock[1], &byte, 1), 1);
		EQ(release(fd, id), 0);
		take(fd);
		close(fd);
		EQ(write(sock[1], "", 1), 1);
		pause();
	}
	fd = agent("passed");
	send_fd(sock[0], fd);
	close(fd);
	EQ(read(sock[0], &byte, 1), 1);
	EQ(try_lease(other, &id), -EAGAIN);
	EQ(write(sock[0], "", 1), 1);
	EQ(read(sock[0], &byte, 1), 1);
	stat_gpu(other, 0, &stat);
	EQ(stat.out_holders, 0);
	kill(pid, SIGKILL);
	reap(pid);
}

/* Somebody with the descriptor may give back what another process got. */
TEST(given_back_by_another)
{
	int fd = agent("other");
	struct starling_lease_record rec;
	pid_t pid = start_child(fd, HOLD);

	EQ(list_leases(fd, &rec, 1), 1);
	EQ(release(fd, rec.lease), 0);
	EQ(release(fd, take(fd)), 0);
	kill(pid, SIGKILL);
	reap(pid);
}
