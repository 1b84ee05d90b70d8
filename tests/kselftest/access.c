// SPDX-License-Identifier: GPL-2.0-only
/* What a user may not do to others, and may do to itself. */
#define GROUP "access"
#include <errno.h>
#include <sys/prctl.h>

#include "harness.h"
#include "util.h"

TEST(own_tasks_without_rights)
{
	struct starling_task_record rec;
	struct child c;
	int fd;

	become_nobody();
	prctl(PR_SET_DUMPABLE, 1);
	fd = agent("mine");
	child_start(&c, NULL);
	EQ(join(fd, 0, 0), 0);
	EQ(join(fd, c.pid, 0), 0);
	EQ(set_role(fd, c.pid, STARLING_ROLE_TOOL), 0);
	EQ(stat_task(fd, c.pid, &rec), 0);
	EQ(rec.role, STARLING_ROLE_TOOL);
	EQ(leave(fd, c.pid, 0), 0);
}

TEST(others_tasks)
{
	struct starling_task_record rec[4];
	struct starling_agent_record arec[4];
	uint64_t cursor[2] = { 0 };
	uint32_t n = 4;
	struct child c;
	int fd;

	child_start(&c, NULL);
	become_nobody();
	fd = agent("theirs");
	EQ(join(fd, c.pid, 0), -EPERM);
	EQ(join(fd, c.pid, STARLING_TASK_THREAD), -EPERM);
	EQ(join(fd, 1, 0), -EPERM);
	EQ(tasks_of(fd), 0);
	EQ(list(device(), STARLING_IOC_TASKS, rec, sizeof(rec[0]), &n, cursor), -EPERM);
	EQ(list(device(), STARLING_IOC_AGENTS, arec, sizeof(arec[0]), &n, cursor), -EPERM);
}

/* Root hands its agent to a user: it may look and join, not command. */
TEST(descriptor_given_away)
{
	struct starling_task_record rec;
	int fd = agent("given");
	struct child c;
	pid_t pid;

	child_start(&c, NULL);
	EQ(join(fd, c.pid, 0), 0);
	pid = fork();
	if (!pid) {
		become_nobody();
		EQ(join(fd, 0, 0), 0);
		EQ(stat_task(fd, c.pid, &rec), 0);
		EQ(set_role(fd, c.pid, STARLING_ROLE_TOOL), -EPERM);
		EQ(leave(fd, c.pid, 0), -EPERM);
		EQ(set_role(fd, 0, STARLING_ROLE_TOOL), 0);
		_exit(0);
	}
	EQ(reap(pid), 0);
	EQ(tasks_of(fd), 1);
}

/* What the user's descriptor shows of the others: nothing. */
TEST(others_agents)
{
	struct starling_task_record rec;
	int root = agent("root's"), fd;
	pid_t parent = getpid(), pid;

	EQ(join(root, 0, 0), 0);
	pid = fork();
	if (!pid) {
		become_nobody();
		close(root);
		fd = agent("nobody's");
		EQ(stat_task(fd, parent, &rec), -ESRCH);
		EQ(set_role(fd, parent, STARLING_ROLE_TOOL), -ESRCH);
		/* Born into root's agent, free to go. */
		EQ(join(fd, 0, 0), 0);
		_exit(0);
	}
	EQ(reap(pid), 0);
	EQ(tasks_of(root), 1);
}
