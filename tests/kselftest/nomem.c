// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation of a command fails once in turn: the command says ENOMEM or
 * works all the same, and what it began is undone. Needs a kernel with fault
 * injection, as the sanitizer kernel is.
 */
#define GROUP "nomem"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "harness.h"
#include "ring.h"
#include "util.h"

/* More allocations than any command makes. */
#define NTH_MAX		2000

static int nth_fd = -1;

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	GE(fd, 0);
	EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Allocations that may sleep are left alone unless this is said. */
static void setup(void)
{
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR);
	if (nth_fd < 0 || access("/sys/kernel/debug/failslab", F_OK))
		SKIP("this kernel has no fault injection");
	write_file("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	write_file("/sys/kernel/debug/failslab/verbose", "0");
}

static void set_nth(int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	EQ(pwrite(nth_fd, text, len, 0), len);
}

/* True: the allocation that was to fail did. */
static bool nth_failed(void)
{
	char text[16] = "";

	GE(pread(nth_fd, text, sizeof(text) - 1, 0), 1);
	return !atoi(text);
}

/*
 * @op with its first allocation failing, its second, and so on until it makes
 * none that would. It returns >= 0, which @undo is told, or -errno.
 */
static void each_fails(int (*op)(void *arg), void (*undo)(void *arg, int ret), void *arg)
{
	int n, ret, failed = 0, errors = 0;

	for (n = 1; n < NTH_MAX; n++) {
		set_nth(n);
		ret = op(arg);
		if (!nth_failed())
			break;
		set_nth(0);
		failed++;
		errors += ret < 0;
		if (ret < 0 && ret != -ENOMEM)
			FAIL("allocation %d failed: error %d", n, -ret);
		if (ret >= 0 && undo)
			undo(arg, ret);
	}
	set_nth(0);
	GE(ret, 0);
	if (undo)
		undo(arg, ret);
	CHECK(n < NTH_MAX);
	printf("# %d allocations failed, %d errors\n", failed, errors);
}

static void close_it(void *arg, int fd)
{
	(void)arg;
	close(fd);
}

/* -- one command each ---------------------------------------------------------- */

static int create(void *parent)
{
	struct starling_agent_create c = { .size = sizeof(c), .name = "nomem" };

	return call(*(int *)parent, STARLING_IOC_AGENT_CREATE, &c);
}

static int create_by_uring(void *parent)
{
	struct starling_agent_create c = { .size = sizeof(c), .name = "nomem" };

	return call_uring(*(int *)parent, STARLING_IOC_AGENT_CREATE, &c);
}

TEST_TIMED(new_agent, 120)
{
	int dev = device();
	struct starling_agent_record rec;
	uint64_t cursor[2] = { 0 };
	uint32_t count = 1;

	setup();
	each_fails(create, close_it, &dev);
	/* None that failed half-way is left. */
	EQ(list(dev, STARLING_IOC_AGENTS, &rec, sizeof(rec), &count, cursor), 0);
	if (count)
		wait_gone(dev, rec.id);
}

TEST_TIMED(sub_agent_of, 120)
{
	int fd = agent("root");

	setup();
	each_fails(create, close_it, &fd);
}

TEST_TIMED(agent_by_uring, 120)
{
	int dev = device();

	setup();
	close(create_by_uring(&dev));	/* the ring's own memory */
	each_fails(create_by_uring, close_it, &dev);
}

static int join_self(void *fd)
{
	return join(*(int *)fd, 0, 0);
}

static void leave_self(void *fd, int ret)
{
	(void)ret;
	EQ(leave(*(int *)fd, 0, 0), 0);
}

TEST_TIMED(join_and_leave, 120)
{
	int fd = agent("join");

	setup();
	each_fails(join_self, leave_self, &fd);
	EQ(tasks_of(fd), 0);
}

/* A child that could not be made a member runs all the same, and is counted. */
static int fork_child(void *made)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	if (pid < 0)
		return -errno;
	++*(int *)made;
	return pid;
}

static void reap_child(void *made, int pid)
{
	(void)made;
	reap(pid);
}

TEST_TIMED(fork_of_a_member, 300)
{
	int fd = agent("fork"), made = 0;
	struct starling_agent_record rec;

	setup();
	EQ(join(fd, 0, 0), 0);
	each_fails(fork_child, reap_child, &made);
	while (tasks_of(fd) > 1)
		sleep_ms(10);
	stat_agent(fd, &rec);
	EQ(rec.exits, rec.forks);
	printf("# %d made, %llu members, %llu lost\n", made, (unsigned long long)rec.forks,
	       (unsigned long long)rec.lost);
	EQ(rec.forks + rec.lost, made);
}

static int map(void *fd)
{
	struct starling_info info = { .size = sizeof(info) };
	void *at;

	EQ(call(*(int *)fd, STARLING_IOC_GET_INFO, &info), 0);
	at = mmap(NULL, info.out_map_size, PROT_READ, MAP_SHARED, *(int *)fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	munmap(at, info.out_map_size);
	return 0;
}

TEST_TIMED(pages, 120)
{
	int fd = agent("map");

	setup();
	EQ(join(fd, 0, 0), 0);
	each_fails(map, NULL, &fd);
}

static int lease(void *fd)
{
	struct starling_lease_acquire a = { .flags = STARLING_LEASE_TRY };
	int ret = acquire(*(int *)fd, &a);

	if (!ret)
		EQ(release(*(int *)fd, a.out_lease), 0);
	return ret;
}

TEST_TIMED(lease_free, 120)
{
	int fd = agent("lease");

	setup();
	each_fails(lease, NULL, &fd);
}

static int lease_wait(void *fd)
{
	struct starling_lease_acquire a = { .timeout_ns = 1000000 };
	int ret = acquire(*(int *)fd, &a);

	return ret == -ETIMEDOUT ? 0 : ret;
}

static int lease_wait_by_uring(void *fd)
{
	struct starling_lease_acquire a = { .size = sizeof(a), .timeout_ns = 1000000 };
	int ret = call_uring(*(int *)fd, STARLING_IOC_LEASE_ACQUIRE, &a);

	return ret == -ETIMEDOUT ? 0 : ret;
}

TEST_TIMED(lease_taken, 120)
{
	int holder = agent("holder"), fd = agent("waiter");
	struct starling_lease_stat stat;
	uint64_t id;

	setup();
	EQ(try_lease(holder, &id), 0);
	each_fails(lease_wait, NULL, &fd);
	EQ(lease_wait_by_uring(&fd), 0);
	each_fails(lease_wait_by_uring, NULL, &fd);
	stat_gpu(holder, 0, &stat);
	EQ(stat.out_waiting[0], 0);
	EQ(release(holder, id), 0);
}

/* A ring that finds no memory for an event drops it and counts it. */
static int role_event(void *arg)
{
	int *fd = arg, ret;

	ret = event_mask(*fd, 1U << STARLING_EVENT_ROLE);
	if (ret)
		return ret;
	EQ(set_role(*fd, 0, STARLING_ROLE_FEEDER), 0);
	EQ(set_role(*fd, 0, STARLING_ROLE_NONE), 0);
	return event_mask(*fd, 0);
}

TEST_TIMED(an_event, 120)
{
	int fd = agent("event");

	setup();
	EQ(join(fd, 0, 0), 0);
	each_fails(role_event, NULL, &fd);
}

static int list_all(void *dev)
{
	static const unsigned int cmds[] = {
		STARLING_IOC_TASKS, STARLING_IOC_AGENTS, STARLING_IOC_LEASES,
	};
	char rec[512];
	int ret = 0;

	for (int i = 0; !ret && i < 3; i++) {
		uint64_t cursor[2] = { 0 };
		uint32_t count = 1;

		ret = list(*(int *)dev, cmds[i], rec, sizeof(rec), &count, cursor);
	}
	return ret;
}

TEST_TIMED(lists, 120)
{
	int dev = device(), fd = agent("listed");
	uint64_t id;

	setup();
	EQ(join(fd, 0, 0), 0);
	EQ(try_lease(fd, &id), 0);
	each_fails(list_all, NULL, &dev);
}
