// SPDX-License-Identifier: GPL-2.0-only
/* Agents as objects: values, limits, references, lists. */
#define GROUP "agents"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "harness.h"
#include "util.h"

static int create(int dev, const char *name, uint32_t weight)
{
	struct starling_agent_create arg = { .size = sizeof(arg), .weight = weight };

	memcpy(arg.name, name, strnlen(name, sizeof(arg.name)));
	return call(dev, STARLING_IOC_AGENT_CREATE, &arg);
}

static int set(int fd, uint32_t flags, uint32_t weight, const char *name)
{
	struct starling_agent_set arg = { .size = sizeof(arg), .flags = flags, .weight = weight };

	memcpy(arg.name, name, strnlen(name, sizeof(arg.name)));
	return call(fd, STARLING_IOC_AGENT_SET, &arg);
}

#define LONGEST "0123456789012345678901234567890"

TEST(create_values)
{
	struct starling_agent_record rec;
	int dev = device(), fd;

	fd = create(dev, "planner", 0);
	GE(fd, 0);
	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	stat_agent(fd, &rec);
	CHECK(!strcmp(rec.name, "planner"));
	EQ(rec.weight, STARLING_WEIGHT_DEFAULT);
	NE(rec.id, 0);
	EQ(rec.tasks | rec.forks | rec.joins | rec.exits | rec.lost | rec.run_ns, 0);
	EQ(rec.__reserved[0] | rec.__reserved[1] | rec.parent_id, 0);
	close(fd);
	fd = create(dev, LONGEST, STARLING_WEIGHT_MAX);
	stat_agent(fd, &rec);
	CHECK(!strcmp(rec.name, LONGEST));
	EQ(rec.weight, STARLING_WEIGHT_MAX);
	close(fd);
	fd = create(dev, "", STARLING_WEIGHT_MIN);
	stat_agent(fd, &rec);
	CHECK(!strcmp(rec.name, "kselftest"));
	close(fd);
	/* A command name that would do things to a terminal. */
	prctl(PR_SET_NAME, "a\033[2Jb");
	fd = create(dev, "", 0);
	stat_agent(fd, &rec);
	CHECK(!strcmp(rec.name, "agent"));
}

/* No descriptor left for it: no agent either. */
TEST(create_without_descriptors)
{
	struct starling_agent_record rec[2];
	struct rlimit none = { 0 };
	uint64_t cursor[2] = { 0 };
	uint32_t n = 2;
	int dev = device();

	EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	EQ(create(dev, "none", 0), -EMFILE);
	EQ(list(dev, STARLING_IOC_AGENTS, rec, sizeof(rec[0]), &n, cursor), 0);
	for (uint32_t i = 0; i < n; i++)
		CHECK(strcmp(rec[i].name, "none"));
}

TEST(create_refuses)
{
	int dev = device();

	EQ(create(dev, "x", STARLING_WEIGHT_MAX + 1), -EINVAL);
	EQ(create(dev, LONGEST "x", 1), -EINVAL);
	EQ(create(dev, "a\nb", 1), -EINVAL);
	EQ(create(dev, "a\033[1m", 1), -EINVAL);
	EQ(create(dev, "\177", 1), -EINVAL);
}

TEST(set_values)
{
	struct starling_agent_record rec;
	int fd = agent("before");

	EQ(set(fd, STARLING_SET_NAME, 0, "after"), 0);
	stat_agent(fd, &rec);
	CHECK(!strcmp(rec.name, "after"));
	EQ(rec.weight, STARLING_WEIGHT_DEFAULT);
	EQ(set(fd, STARLING_SET_WEIGHT, 7, ""), 0);
	stat_agent(fd, &rec);
	CHECK(!strcmp(rec.name, "after"));
	EQ(rec.weight, 7);
	EQ(set(fd, STARLING_SET_NAME | STARLING_SET_WEIGHT, 8, "both"), 0);
	stat_agent(fd, &rec);
	CHECK(!strcmp(rec.name, "both"));
	EQ(rec.weight, 8);
	EQ(set(fd, STARLING_SET_WEIGHT, 0, ""), -EINVAL);
	EQ(set(fd, STARLING_SET_WEIGHT, 10001, ""), -EINVAL);
	EQ(set(fd, STARLING_SET_NAME, 0, LONGEST "x"), -EINVAL);
	/* A value without its flag is a mistake. */
	EQ(set(fd, STARLING_SET_NAME, 9, "x"), -EINVAL);
	EQ(set(fd, STARLING_SET_WEIGHT, 9, "x"), -EINVAL);
	stat_agent(fd, &rec);
	EQ(rec.weight, 8);
}

static int create_class(int on, uint32_t class)
{
	struct starling_agent_create arg = { .size = sizeof(arg), .class = class, .name = "class" };

	return call(on, STARLING_IOC_AGENT_CREATE, &arg);
}

static int set_class(int fd, uint32_t flags, uint32_t class)
{
	struct starling_agent_set arg = { .size = sizeof(arg), .flags = flags, .class = class };

	return call(fd, STARLING_IOC_AGENT_SET, &arg);
}

static uint32_t class_of(int fd)
{
	struct starling_agent_record rec;

	stat_agent(fd, &rec);
	return rec.class;
}

TEST(classes)
{
	int dev = device(), fd = create_class(dev, STARLING_CLASS_DEFAULT), sub;

	EQ(class_of(fd), STARLING_CLASS_NORMAL);
	EQ(set_class(fd, STARLING_SET_CLASS, STARLING_CLASS_BATCH), 0);
	EQ(class_of(fd), STARLING_CLASS_BATCH);
	sub = create_class(fd, STARLING_CLASS_DEFAULT);
	EQ(class_of(sub), STARLING_CLASS_BATCH);
	EQ(set_class(fd, STARLING_SET_CLASS, STARLING_CLASS_INTERACTIVE), 0);
	EQ(class_of(sub), STARLING_CLASS_BATCH);
	EQ(class_of(create_class(fd, STARLING_CLASS_NORMAL)), STARLING_CLASS_NORMAL);
	EQ(create_class(dev, __STARLING_CLASS_MAX), -EINVAL);
	EQ(set_class(fd, STARLING_SET_CLASS, __STARLING_CLASS_MAX), -EINVAL);
	EQ(set_class(fd, STARLING_SET_CLASS, STARLING_CLASS_DEFAULT), -EINVAL);
	EQ(set_class(fd, 0, STARLING_CLASS_BATCH), -EINVAL);
	EQ(class_of(fd), STARLING_CLASS_INTERACTIVE);
}

TEST(ids_are_not_reused)
{
	struct starling_agent_record rec;
	uint64_t last = 0;

	for (int i = 0; i < 100; i++) {
		int fd = agent("id");

		stat_agent(fd, &rec);
		CHECK(rec.id > last);
		last = rec.id;
		close(fd);
	}
}

/* Makes agents until that is refused. Returns how many; the error is in @fd. */
static int create_all(int dev, int *fd, int room)
{
	int n = 0;

	while (n < room && (fd[n] = create(dev, "many", 0)) >= 0)
		n++;
	return n;
}

/* Agents of tests before this one count until their tasks are accounted for. */
static int create_all_settled(int dev, int *fd, int room, int want)
{
	int n = create_all(dev, fd, room);

	for (int tries = 0; n < want && tries < 50; tries++) {
		while (n)
			close(fd[--n]);
		usleep(20000);
		n = create_all(dev, fd, room);
	}
	return n;
}

TEST(max_agents)
{
	unsigned int max = get_param("max_agents");
	int dev = device(), n, fd[64];

	set_param("max_agents", 20);
	n = create_all_settled(dev, fd, 64, 20);
	set_param("max_agents", max);
	EQ(n, 20);
	EQ(fd[n], -ENOSPC);
	/* A closed one makes room at once. */
	set_param("max_agents", 20);
	close(fd[0]);
	fd[0] = create(dev, "again", 0);
	set_param("max_agents", max);
	GE(fd[0], 0);
}

TEST(max_user_agents)
{
	unsigned int max = get_param("max_user_agents");
	int dev = device(), n, fd[64], root;

	set_param("max_user_agents", 5);
	/* Root may have more. */
	for (root = 0; root < 8; root++)
		GE(create(dev, "root", 0), 0);
	if (!fork()) {
		become_nobody();
		n = create_all_settled(dev, fd, 64, 5);
		EQ(n, 5);
		EQ(fd[n], -ENOSPC);
		close(fd[2]);
		GE(create(dev, "again", 0), 0);
		_exit(0);
	}
	EQ(reap(-1), 0);
	set_param("max_user_agents", max);
}

TEST(descriptor_first)
{
	struct starling_agent_record rec;
	struct child c;
	int dev = device(), fd = agent("orphan");
	uint64_t id;

	stat_agent(fd, &rec);
	id = rec.id;
	child_start(&c, NULL);
	EQ(join(fd, c.pid, 0), 0);
	/* The child has a copy too, which join did not need. */
	close(fd);
	CHECK(find_agent(dev, id, &rec));
	EQ(rec.tasks, 1);
	EQ(child_end(&c), 0);
	for (int i = 0; find_agent(dev, id, &rec); i++) {
		CHECK(i < 100);
		sleep_ms(10);
	}
}

TEST(passed_over_socket)
{
	struct starling_agent_record rec;
	int dev = device(), sock[2], fd;
	uint64_t id;
	pid_t pid;

	EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
	pid = fork();
	if (!pid) {
		fd = agent("passed");
		send_fd(sock[1], fd);
		_exit(0);
	}
	/* Its maker is gone before it is taken out of the socket. */
	EQ(reap(pid), 0);
	fd = receive_fd(sock[0]);
	stat_agent(fd, &rec);
	CHECK(!strcmp(rec.name, "passed"));
	id = rec.id;
	EQ(join(fd, 0, 0), 0);
	EQ(tasks_of(fd), 1);
	close(fd);
	CHECK(find_agent(dev, id, &rec));
	/* In flight and never received. */
	fd = agent("lost in a socket");
	stat_agent(fd, &rec);
	send_fd(sock[1], fd);
	close(fd);
	close(sock[0]);
	close(sock[1]);
	for (int i = 0; find_agent(dev, rec.id, &rec); i++) {
		CHECK(i < 100);
		sleep_ms(10);
	}
}

TEST(listed)
{
	struct starling_agent_record rec[16];
	uint64_t cursor[2] = { 0 }, before = 0;
	int dev = device(), fd[10], seen = 0;
	uint32_t n;

	for (int i = 0; i < 10; i++)
		fd[i] = agent("listed");
	close(fd[3]);
	do {
		n = 3;
		EQ(list(dev, STARLING_IOC_AGENTS, rec, sizeof(rec[0]), &n, cursor), 0);
		for (uint32_t i = 0; i < n; i++) {
			CHECK(rec[i].id > before);
			before = rec[i].id;
			seen += !strcmp(rec[i].name, "listed");
		}
	} while (n == 3);
	EQ(seen, 9);
}

TEST(many)
{
	int n = 200, fd[200];

	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < n; i++)
			fd[i] = agent("many");
		for (int i = 0; i < n; i++)
			EQ(tasks_of(fd[i]), 0);
		for (int i = 0; i < n; i++)
			close(fd[(i * 7) % n]);
	}
}
