// SPDX-License-Identifier: GPL-2.0-only
/* Sub-agents: where they hang, what becomes of their members and sums. */
#define GROUP "tree"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "harness.h"
#include "util.h"

static int create(int fd, const char *name, uint32_t weight, uint32_t flags)
{
	struct starling_agent_create arg = {
		.size = sizeof(arg), .flags = flags, .weight = weight,
	};

	memcpy(arg.name, name, strnlen(name, sizeof(arg.name)));
	return call(fd, STARLING_IOC_AGENT_CREATE, &arg);
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	EQ(reap(pid), -SIGKILL);
}

static void is_member(int fd, pid_t pid)
{
	struct starling_task_record rec;

	EQ(stat_task(fd, pid, &rec), 0);
	EQ(rec.agent_id, id_of(fd));
	EQ(rec.tid, pid);
}

static const struct starling_page *map(int fd)
{
	struct starling_info info = { .size = sizeof(info) };
	void *p;

	EQ(call(fd, STARLING_IOC_GET_INFO, &info), 0);
	p = mmap(NULL, info.out_map_size, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	return p;
}

/* The first slots are the first taken. */
static uint32_t slot_tid(const struct starling_page *page, int i)
{
	const struct starling_slot *slot =
		(const void *)((const char *)page + page->slots_offset + i * page->slot_size);

	return *(const volatile uint32_t *)&slot->task.tid;
}

TEST(create_values)
{
	struct starling_info info = { .size = sizeof(info) };
	struct starling_agent_record rec;
	int dev = device(), root = agent("root"), fd;
	uint64_t id;

	EQ(call(root, STARLING_IOC_GET_INFO, &info), 0);
	NE(info.out_features & STARLING_FEATURE_TREE, 0);
	stat_agent(root, &rec);
	EQ(rec.parent_id, 0);
	fd = create(root, "below", 7, 0);
	GE(fd, 0);
	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	stat_agent(fd, &rec);
	CHECK(!strcmp(rec.name, "below"));
	EQ(rec.weight, 7);
	EQ(rec.parent_id, id_of(root));
	EQ(rec.__reserved[0] | rec.__reserved[1], 0);
	EQ(map(fd)->agent.parent_id, id_of(root));
	id = rec.id;
	CHECK(find_agent(dev, id, &rec));
	EQ(rec.parent_id, id_of(root));
	EQ(create(root, "x", STARLING_WEIGHT_MAX + 1, 0), -EINVAL);
	EQ(create(root, "a\nb", 1, 0), -EINVAL);
	EQ(create(root, "x", 1, 1), -EINVAL);
	EQ(tasks_of(root), 0);
}

static void fdinfo_says(int fd, const char *line)
{
	char path[64], text[1024] = "";
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY);
	GE(info, 0);
	GE(read(info, text, sizeof(text) - 1), 1);
	close(info);
	if (!strstr(text, line))
		FAIL("no '%s' in %s", line, text);
}

TEST(fdinfo)
{
	int root = agent("root"), fd = must_sub(root, "below");
	char line[64];

	fdinfo_says(root, "starling-parent:\t0\n");
	snprintf(line, sizeof(line), "starling-parent:\t%llu\n", (unsigned long long)id_of(root));
	fdinfo_says(fd, line);
}

TEST(depth)
{
	int fd[STARLING_DEPTH_MAX + 1];

	fd[0] = agent("level");
	for (int i = 1; i <= STARLING_DEPTH_MAX; i++)
		fd[i] = must_sub(fd[i - 1], "level");
	EQ(sub_agent(fd[STARLING_DEPTH_MAX], "too deep"), -ENOSPC);
	/* What is between does not move up. */
	close(fd[4]);
	EQ(sub_agent(fd[STARLING_DEPTH_MAX], "too deep"), -ENOSPC);
	GE(sub_agent(fd[STARLING_DEPTH_MAX - 1], "deep"), 0);
}

TEST(limits)
{
	unsigned int max = get_param("max_user_agents");
	struct rlimit none = { 0 };
	struct starling_agent_record rec;
	int dev = device(), root = agent("root"), n = 0;
	uint64_t id = id_of(root);
	pid_t pid;

	/* Until agents of earlier tests are accounted for. */
	sleep_ms(200);
	set_param("max_user_agents", 3);
	pid = fork();
	if (!pid) {
		become_nobody();
		/* In the share of who makes them, whoever's tree it is. */
		while (sub_agent(root, "nobody's") >= 0)
			n++;
		EQ(n, 3);
		EQ(sub_agent(root, "nobody's"), -ENOSPC);
		_exit(0);
	}
	EQ(reap(pid), 0);
	set_param("max_user_agents", max);
	EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	EQ(sub_agent(root, "none"), -EMFILE);
	/* Nor is the parent kept by what did not come to be. */
	close(root);
	CHECK(!find_agent(dev, id, &rec));
}

TEST(dissolves)
{
	struct starling_agent_record rec;
	struct starling_task_record task;
	int dev = device(), root = agent("root"), fd = must_sub(root, "below");
	uint64_t id = id_of(fd);
	pid_t pid = start_pauser();

	EQ(join(fd, pid, 0), 0);
	EQ(set_role(fd, pid, STARLING_ROLE_SERVICE), 0);
	EQ(tasks_of(root), 0);
	EQ(stat_task(root, pid, &task), -ESRCH);
	close(fd);
	/* At once. */
	CHECK(!find_agent(dev, id, &rec));
	is_member(root, pid);
	EQ(stat_task(root, pid, &task), 0);
	EQ(task.role, STARLING_ROLE_SERVICE);
	EQ(task.role_source, STARLING_BY_OWNER);
	stat_agent(root, &rec);
	EQ(rec.tasks, 1);
	EQ(rec.joins, 1);
	EQ(leave(root, pid, 0), 0);
	stop(pid);
}

static int fork_pauser(int n)
{
	(void)n;
	start_pauser();
	return 0;
}

static int exec_sleep(int n)
{
	(void)n;
	execlp("sleep", "sleep", "100", NULL);
	return 1;
}

TEST(children_follow)
{
	struct starling_agent_record rec;
	struct starling_task_record task;
	int root, fd;
	struct child c, e;
	char byte = 0;

	child_start(&c, fork_pauser);
	child_start(&e, exec_sleep);
	root = agent("root");
	fd = must_sub(root, "below");
	EQ(join(fd, c.pid, 0), 0);
	EQ(join(fd, e.pid, 0), 0);
	child_step(&c);
	close(fd);
	child_step(&c);
	stat_agent(root, &rec);
	EQ(rec.tasks, 4);
	EQ(rec.joins, 2);
	EQ(rec.forks, 2);
	/* Who was brought in is no tool when it executes a program. */
	EQ(write(e.go, &byte, 1), 1);
	for (int i = 0; i < 500; i++) {
		EQ(stat_task(root, e.pid, &task), 0);
		if (!strcmp(task.comm, "sleep"))
			break;
		sleep_ms(5);
	}
	EQ(task.role, STARLING_ROLE_NONE);
	stop(e.pid);
}

static void say(int dev, int fd, pid_t pid, uint64_t value)
{
	struct starling_task_record rec;
	uint32_t applied;

	EQ(stat_task(fd, pid, &rec), 0);
	rec.gpu_waits = value;
	rec.valid |= 1U << STARLING_VAL_GPU_WAIT;
	EQ(publish(dev, &rec, 1, &applied), 0);
	EQ(applied, 1);
}

/* Nothing is counted twice or forgotten, whoever has counted it. */
TEST(sums)
{
	struct starling_agent_record rec;
	int dev = device(), root = agent("root"), fd = must_sub(root, "below");
	pid_t pid = start_pauser(), other = start_pauser();

	EQ(claim(dev), 0);
	EQ(join(root, pid, 0), 0);
	say(dev, root, pid, 40);
	EQ(join(fd, pid, 0), 0);
	EQ(join(fd, other, 0), 0);
	say(dev, fd, pid, 100);
	say(dev, fd, other, 7);
	stop(other);
	stat_agent(root, &rec);
	EQ(rec.gpu_waits, 40);
	live_agent(fd, &rec);
	EQ(rec.gpu_waits, 67);
	live_tree_of(root, &rec);
	EQ(rec.gpu_waits, 107);
	tree_of(root, &rec);
	EQ(rec.gpu_waits, 47);
	EQ(rec.joins, 3);
	EQ(rec.exits, 1);
	EQ(rec.tasks, 1);
	close(fd);
	stat_agent(root, &rec);
	EQ(rec.gpu_waits, 47);
	EQ(rec.joins, 3);
	EQ(rec.exits, 1);
	EQ(rec.tasks, 1);
	NE(rec.valid & 1 << STARLING_VAL_GPU_WAIT, 0);
	live_agent(root, &rec);
	EQ(rec.gpu_waits, 107);
	say(dev, root, pid, 150);
	live_agent(root, &rec);
	EQ(rec.gpu_waits, 157);
	stop(pid);
	stat_agent(root, &rec);
	EQ(rec.gpu_waits, 157);
	EQ(rec.exits, 2);
	EQ(rec.tasks, 0);
}

/* The time of a short task is known some 50 ms after it; its agent is gone. */
TEST(sums_of_the_last_moment)
{
	struct starling_agent_record rec;
	int root = agent("root"), fd = must_sub(root, "below");
	uint64_t before;
	pid_t pid = fork();

	if (!pid) {
		EQ(join(fd, 0, 0), 0);
		for (double end = seconds() + 0.05; seconds() < end;)
			;
		_exit(0);
	}
	EQ(reap(pid), 0);
	close(fd);
	stat_agent(root, &rec);
	EQ(rec.exits, 1);
	before = rec.run_ns;
	NE(before, 0);
	sleep_ms(300);
	stat_agent(root, &rec);
	GE(rec.run_ns, before);
	CHECK(rec.run_ns < 1000000000);
}

TEST(stat_of_tree)
{
	struct starling_agent_record rec;
	int root = agent("root"), fd[10];
	pid_t pid[10];

	/* root: 0 1 2, of each the next three. */
	for (int i = 0; i < 10; i++) {
		fd[i] = must_sub(i < 3 ? root : fd[(i - 3) / 3], "node");
		pid[i] = start_pauser();
		EQ(join(fd[i], pid[i], 0), 0);
	}
	tree_of(root, &rec);
	EQ(rec.tasks, 10);
	EQ(rec.joins, 10);
	CHECK(!strcmp(rec.name, "root"));
	EQ(rec.id, id_of(root));
	EQ(rec.parent_id, 0);
	tree_of(fd[0], &rec);
	EQ(rec.tasks, 4);
	CHECK(!strcmp(rec.name, "node"));
	EQ(rec.id, id_of(fd[0]));
	tree_of(fd[9], &rec);
	EQ(rec.tasks, 1);
	stop(pid[4]);
	tree_of(fd[0], &rec);
	EQ(rec.tasks, 3);
	EQ(rec.exits, 1);
	close(fd[1]);
	tree_of(root, &rec);
	EQ(rec.tasks, 9);
	EQ(rec.joins, 10);
	EQ(tasks_of(root), 1);
	close(fd[9]);
	EQ(tasks_of(fd[2]), 2);
}

/* In between goes first: it stays, empty, for what is below it. */
TEST(middle_closed)
{
	struct starling_agent_record rec;
	int dev = device(), a = agent("a"), b = must_sub(a, "b"), c = must_sub(b, "c");
	pid_t in_b = start_pauser(), in_c = start_pauser();
	uint64_t id_b = id_of(b), id_c = id_of(c);

	EQ(join(b, in_b, 0), 0);
	EQ(join(c, in_c, 0), 0);
	close(b);
	is_member(a, in_b);
	is_member(c, in_c);
	CHECK(find_agent(dev, id_b, &rec));
	EQ(rec.tasks | rec.joins | rec.run_ns, 0);
	stat_agent(c, &rec);
	EQ(rec.parent_id, id_b);
	tree_of(a, &rec);
	EQ(rec.tasks, 2);
	close(c);
	is_member(a, in_b);
	is_member(a, in_c);
	CHECK(!find_agent(dev, id_b, &rec));
	CHECK(!find_agent(dev, id_c, &rec));
	stat_agent(a, &rec);
	EQ(rec.tasks, 2);
	EQ(rec.joins, 2);
	EQ(rec.exits, 0);
}

/* A root without descriptors takes them in as well, and lives on for them. */
TEST(root_closed)
{
	struct starling_agent_record rec;
	int dev = device(), a = agent("a"), b = must_sub(a, "b");
	pid_t pid = start_pauser();
	uint64_t id_a = id_of(a);

	EQ(join(b, pid, 0), 0);
	close(a);
	CHECK(find_agent(dev, id_a, &rec));
	EQ(rec.tasks, 0);
	close(b);
	CHECK(find_agent(dev, id_a, &rec));
	EQ(rec.tasks, 1);
	EQ(rec.joins, 1);
	stop(pid);
	wait_gone(dev, id_a);
}

#define CHAIN 4

/* One order of closing a chain with a member each: all come together. */
static void close_in_order(int dev, const int *order)
{
	struct starling_agent_record rec;
	int fd[CHAIN], closed = 0;
	uint64_t id[CHAIN];
	pid_t pid[CHAIN];

	for (int i = 0; i < CHAIN; i++) {
		fd[i] = i ? must_sub(fd[i - 1], "chain") : agent("chain");
		id[i] = id_of(fd[i]);
		pid[i] = start_pauser();
		EQ(join(fd[i], pid[i], 0), 0);
	}
	for (int n = 0; n < CHAIN; n++) {
		close(fd[order[n]]);
		closed |= 1 << order[n];
		for (int i = 0; i < CHAIN; i++) {
			int home = i;

			while (home && closed & 1 << home)
				home--;
			if (!(closed & 1 << home))
				is_member(fd[home], pid[i]);
		}
	}
	CHECK(find_agent(dev, id[0], &rec));
	EQ(rec.tasks, CHAIN);
	EQ(rec.joins, CHAIN);
	for (int i = 0; i < CHAIN; i++)
		stop(pid[i]);
	for (int i = 0; i < CHAIN; i++)
		wait_gone(dev, id[i]);
}

TEST_TIMED(closed_in_any_order, 60)
{
	int dev = device(), order[CHAIN], n = 0;

	for (int code = 0; code < CHAIN * CHAIN * CHAIN * CHAIN; code++) {
		int seen = 0;

		for (int i = 0, c = code; i < CHAIN; i++, c /= CHAIN) {
			order[i] = c % CHAIN;
			seen |= 1 << order[i];
		}
		if (seen != (1 << CHAIN) - 1)
			continue;
		close_in_order(dev, order);
		n++;
	}
	EQ(n, 24);
}

TEST(passed_over_socket)
{
	int dev = device(), root = agent("root"), fd = must_sub(root, "sent"), sock[2];
	pid_t pid = start_pauser();
	uint64_t id = id_of(fd);

	EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
	EQ(join(fd, pid, 0), 0);
	send_fd(sock[1], fd);
	close(fd);
	EQ(tasks_of(root), 0);
	fd = receive_fd(sock[0]);
	EQ(id_of(fd), id);
	is_member(fd, pid);
	/* Sent and never received. */
	send_fd(sock[1], fd);
	close(fd);
	EQ(tasks_of(root), 0);
	close(sock[0]);
	close(sock[1]);
	wait_gone(dev, id);
	is_member(root, pid);
	stop(pid);
}

TEST(kept_by_mapping)
{
	struct starling_agent_record rec;
	pid_t pid = start_pauser(), keeper;
	int dev = device(), root = agent("root"), fd = must_sub(root, "mapped");
	const struct starling_page *page = map(fd), *above = map(root);
	uint64_t id = id_of(fd);

	EQ(join(fd, pid, 0), 0);
	EQ(slot_tid(page, 0), pid);
	close(fd);
	CHECK(find_agent(dev, id, &rec));
	EQ(tasks_of(root), 0);
	/* A child has the mapping too. */
	keeper = start_pauser();
	munmap((void *)page, page->map_size);
	EQ(tasks_of(root), 0);
	EQ(slot_tid(above, 0), 0);
	stop(keeper);
	wait_gone(dev, id);
	is_member(root, pid);
	EQ(slot_tid(above, 0), pid);
	EQ(above->agent.tasks, 1);
	stop(pid);
	EQ(slot_tid(above, 0), 0);
}

/* Pages give the ids of their own agent's namespace, after a move too. */
TEST(other_pid_namespace)
{
	int root = agent("outside"), up[2], fd;
	const struct starling_page *page = map(root);
	char byte = 0;
	pid_t pid;

	EQ(pipe(up), 0);
	EQ(unshare(CLONE_NEWPID), 0);
	pid = fork();
	if (!pid) {
		fd = must_sub(root, "inside");
		EQ(join(fd, 0, 0), 0);
		EQ(slot_tid(map(fd), 0), 1);
		/* The descriptor goes, the mapping stays. */
		close(fd);
		EQ(write(up[1], &byte, 1), 1);
		pause();
	}
	EQ(read(up[0], &byte, 1), 1);
	EQ(slot_tid(page, 0), 0);
	kill(pid, SIGKILL);
	EQ(reap(pid), -SIGKILL);
	EQ(tasks_of(root), 0);
}

TEST(other_pid_namespace_moves)
{
	int root = agent("outside"), up[2], fd;
	const struct starling_page *page = map(root);
	char byte = 0;
	pid_t pid;

	EQ(pipe(up), 0);
	EQ(unshare(CLONE_NEWPID), 0);
	pid = fork();
	if (!pid) {
		fd = must_sub(root, "inside");
		EQ(join(fd, 0, 0), 0);
		close(fd);
		EQ(write(up[1], &byte, 1), 1);
		pause();
	}
	EQ(read(up[0], &byte, 1), 1);
	EQ(slot_tid(page, 0), pid);
	is_member(root, pid);
	stop(pid);
}
