// SPDX-License-Identifier: GPL-2.0-only
/* What a user may not do to others, and may do to itself. */
#define GROUP "access"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
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
	EQ(leave(fd, c.pid, 0), -EPERM);
	EQ(leave(fd, c.pid, STARLING_TASK_THREAD), -EPERM);
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

/* Below an agent that was given away: what is above stays out of sight. */
TEST(sub_agent_of_given_one)
{
	struct starling_task_record rec[4];
	uint64_t cursor[2] = { 0 };
	uint32_t n = 4;
	struct child c;
	int fd, below;
	pid_t pid;

	child_start(&c, NULL);
	fd = agent("given");
	EQ(join(fd, c.pid, 0), 0);
	pid = fork();
	if (!pid) {
		become_nobody();
		below = must_sub(fd, "below");
		close(fd);
		EQ(join(below, 0, 0), 0);
		EQ(join(below, c.pid, 0), -EPERM);
		EQ(stat_task(below, c.pid, &rec[0]), -ESRCH);
		EQ(list(below, STARLING_IOC_TASKS, rec, sizeof(rec[0]), &n, cursor), 0);
		EQ(n, 1);
		EQ(rec[0].tid, getpid());
		_exit(0);
	}
	EQ(reap(pid), 0);
	EQ(tasks_of(fd), 1);
}

/* Being root in a namespace of one's own opens no doors outside. */
TEST(user_namespace)
{
	unsigned int max = get_param("max_user_agents");
	struct starling_task_record rec[4];
	int given = agent("root's"), fd, n;
	uint64_t cursor[2] = { 0 };
	uint32_t room = 4;
	struct child c, mine;
	pid_t pid;

	child_start(&c, NULL);
	EQ(join(given, c.pid, 0), 0);
	/* Until agents of earlier tests are accounted for. */
	sleep_ms(200);
	set_param("max_user_agents", 4);
	pid = fork();
	if (!pid) {
		become_nobody();
		prctl(PR_SET_DUMPABLE, 1);
		EQ(unshare(CLONE_NEWUSER), 0);
		EQ(claim(device()), -EPERM);
		EQ(list(device(), STARLING_IOC_TASKS, rec, sizeof(rec[0]), &room, cursor), -EPERM);
		EQ(list(device(), STARLING_IOC_AGENTS, rec, 512, &room, cursor), -EPERM);
		fd = agent("in a namespace");
		EQ(join(fd, c.pid, 0), -EPERM);
		EQ(set_role(given, c.pid, STARLING_ROLE_TOOL), -EPERM);
		EQ(leave(given, c.pid, 0), -EPERM);
		child_start(&mine, NULL);
		EQ(join(fd, mine.pid, 0), 0);
		EQ(set_role(fd, mine.pid, STARLING_ROLE_TOOL), 0);
		for (n = 1; sub_agent(fd, "more") >= 0; n++)
			;
		EQ(n, 4);
		_exit(0);
	}
	n = reap(pid);
	set_param("max_user_agents", max);
	EQ(n, 0);
}

/* Root in a container: what is not there has no id, in no list. */
TEST(pid_namespace)
{
	struct starling_task_record rec[64];
	int dev = device(), fd = agent("everywhere"), other = agent("outside");
	uint64_t cursor[2] = { 0 };
	uint32_t n = 64, applied;
	pid_t outside = getpid(), pid;
	struct child c;

	child_start(&c, NULL);
	EQ(join(other, c.pid, 0), 0);
	EQ(join(fd, 0, 0), 0);
	EQ(unshare(CLONE_NEWPID), 0);
	pid = fork();
	if (!pid) {
		EQ(getpid(), 1);
		EQ(claim(dev), 0);
		EQ(list(dev, STARLING_IOC_TASKS, rec, sizeof(rec[0]), &n, cursor), 0);
		EQ(n, 1);
		EQ(rec[0].tid, 1);
		EQ(rec[0].tgid, 1);
		EQ(rec[0].agent_id, id_of(fd));
		EQ(stat_task(fd, outside, &rec[1]), -ESRCH);
		EQ(set_role(other, c.pid, STARLING_ROLE_TOOL), -ESRCH);
		EQ(join(fd, c.pid, 0), -ESRCH);
		EQ(leave(other, c.pid, 0), -ESRCH);
		/* Its own values go in by its own ids, others' do not. */
		EQ(publish(dev, rec, 1, &applied), 0);
		EQ(applied, 1);
		rec[0].tid = c.pid;
		EQ(publish(dev, rec, 1, &applied), 0);
		EQ(applied, 0);
		_exit(0);
	}
	EQ(reap(pid), 0);
	EQ(tasks_of(other), 1);
}

/* An agent is one open file: its end would be missed if there were more. */
TEST(not_opened_again)
{
	int fd = agent("one file");
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EQ(open(path, O_RDONLY), -1);
	EQ(open(path, O_RDWR), -1);
	EQ(open(path, O_PATH | O_RDWR) >= 0, 1);
}

/* In what the kernel hands out no word looks like an address of its own. */
static void no_addresses(const char *what, const void *from, size_t size)
{
	const uint64_t *word = from;

	for (size_t i = 0; i < size / sizeof(*word); i++)
		if (word[i] >> 47 == 0x1ffff)
			FAIL("%s: %#llx at %zu", what, (unsigned long long)word[i],
			     i * sizeof(*word));
}

TEST(no_kernel_addresses)
{
	struct starling_info info = { .size = sizeof(info) };
	struct starling_agent_record sum[64];
	struct starling_task_record rec[64];
	uint64_t cursor[2] = { 0 };
	int dev = device(), fd = agent("leak"), below = must_sub(fd, "leak below");
	char path[64], text[1024] = "";
	uint32_t n = 64;
	struct child c;
	int info_fd;
	const struct starling_page *page;

	child_start(&c, NULL);
	EQ(join(fd, 0, 0), 0);
	EQ(join(below, c.pid, 0), 0);
	EQ(call(fd, STARLING_IOC_GET_INFO, &info), 0);
	no_addresses("info", &info, sizeof(info));
	page = mmap(NULL, info.out_map_size, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(page != MAP_FAILED);
	sleep_ms(150);
	no_addresses("page", page, page->slots_offset + page->nslots * page->slot_size);
	memset(rec, 0, sizeof(rec));
	EQ(list(dev, STARLING_IOC_TASKS, rec, sizeof(rec[0]), &n, cursor), 0);
	GE(n, 2);
	no_addresses("tasks", rec, n * sizeof(rec[0]));
	no_addresses("cursor", cursor, sizeof(cursor));
	n = 64;
	memset(cursor, 0, sizeof(cursor));
	EQ(list(dev, STARLING_IOC_AGENTS, sum, sizeof(sum[0]), &n, cursor), 0);
	GE(n, 2);
	no_addresses("agents", sum, n * sizeof(sum[0]));
	live_tree_of(fd, sum);
	no_addresses("stat", sum, sizeof(sum[0]));
	EQ(stat_task(fd, 0, rec), 0);
	no_addresses("task", rec, sizeof(rec[0]));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info_fd = open(path, O_RDONLY);
	GE(read(info_fd, text, sizeof(text) - 1), 1);
	CHECK(!strstr(text, "ffff8") && !strstr(text, "0x"));
}
