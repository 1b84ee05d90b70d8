// SPDX-License-Identifier: GPL-2.0-only
/* Who is a member: join, fork, exec, exit, leave, move. */
#define GROUP "lineage"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "harness.h"
#include "util.h"

extern char **environ;

static int pidfd_open_(pid_t pid)
{
	return syscall(SYS_pidfd_open, pid, 0);
}

/* Some ten milliseconds of work at least. */
static void burn(void)
{
	for (volatile int i = 0; i < 50000000; i++)
		;
}

TEST(join_self)
{
	struct starling_task_record rec;
	struct starling_agent_record sum;
	int fd = agent("self");

	burn();
	EQ(stat_task(fd, 0, &rec), -ESRCH);
	EQ(join(fd, 0, 0), 0);
	EQ(join(fd, 0, 0), 0);
	EQ(join(fd, getpid(), STARLING_TASK_THREAD), 0);
	EQ(stat_task(fd, 0, &rec), 0);
	EQ(rec.tid, getpid());
	EQ(rec.tgid, getpid());
	NE(rec.start_ns, 0);
	NE(rec.run_ns, 0);
	EQ(rec.role, STARLING_ROLE_NONE);
	EQ(rec.role_source, STARLING_BY_NONE);
	CHECK(!strcmp(rec.comm, "kselftest"));
	stat_agent(fd, &sum);
	EQ(sum.tasks, 1);
	EQ(sum.joins, 1);
	EQ(sum.forks, 0);
	EQ(rec.agent_id, sum.id);
}

TEST(join_refuses)
{
	struct starling_task_record rec;
	int fd = agent("refuses"), pidfd;
	struct child c;
	pid_t pid;

	EQ(join(fd, -1, 0), -EINVAL);
	EQ(join(fd, 0x7ffffff, 0), -ESRCH);
	EQ(join(fd, 2, 0), -EPERM);
	EQ(join(fd, -1, STARLING_TASK_PIDFD), -EBADF);
	EQ(join(fd, fd, STARLING_TASK_PIDFD), -EBADF);
	EQ(join(fd, 0, STARLING_TASK_PIDFD), -EBADF);
	EQ(stat_task(fd, -1, &rec), -EINVAL);
	EQ(stat_task(fd, 1, &rec), -ESRCH);
	EQ(leave(fd, 0, 0), -ESRCH);
	EQ(leave(fd, 0, STARLING_TASK_THREAD), -ESRCH);
	/* A zombie is not there any more. */
	pid = fork();
	if (!pid)
		_exit(0);
	EQ(waitid(P_PID, pid, NULL, WEXITED | WNOWAIT), 0);
	EQ(join(fd, pid, 0), -ESRCH);
	EQ(join(fd, pid, STARLING_TASK_THREAD), -ESRCH);
	pidfd = pidfd_open_(pid);
	GE(pidfd, 0);
	EQ(join(fd, pidfd, STARLING_TASK_PIDFD), -ESRCH);
	EQ(reap(pid), 0);
	EQ(join(fd, pidfd, STARLING_TASK_PIDFD), -ESRCH);
	EQ(tasks_of(fd), 0);
	child_start(&c, NULL);
	pidfd = pidfd_open_(c.pid);
	EQ(join(fd, pidfd, STARLING_TASK_PIDFD), 0);
	EQ(stat_task(fd, c.pid, &rec), 0);
	EQ(rec.tid, c.pid);
	EQ(leave(fd, pidfd, STARLING_TASK_PIDFD), 0);
	EQ(tasks_of(fd), 0);
}

static int fork_one(int n)
{
	(void)n;
	if (!fork()) {
		pause();
		_exit(0);
	}
	return 0;
}

TEST(fork_inherits)
{
	struct starling_agent_record sum;
	int fd = agent("fork");
	struct child c;

	child_start(&c, fork_one);
	child_step(&c);
	/* What it had before stays outside. */
	EQ(join(fd, c.pid, 0), 0);
	EQ(tasks_of(fd), 1);
	for (int i = 0; i < 5; i++)
		child_step(&c);
	stat_agent(fd, &sum);
	EQ(sum.tasks, 6);
	EQ(sum.joins, 1);
	EQ(sum.forks, 5);
	EQ(sum.exits, 0);
}

/* Away from its parent, its session and its process group. */
TEST(daemon_stays)
{
	struct starling_task_record rec;
	int fd = agent("daemon"), up[2];
	pid_t pid, grandchild;

	EQ(pipe(up), 0);
	EQ(join(fd, 0, 0), 0);
	pid = fork();
	if (!pid) {
		setsid();
		if (fork())
			_exit(0);
		setsid();
		grandchild = getpid();
		EQ(write(up[1], &grandchild, sizeof(pid_t)), sizeof(pid_t));
		pause();
	}
	EQ(reap(pid), 0);
	EQ(read(up[0], &grandchild, sizeof(pid_t)), sizeof(pid_t));
	EQ(stat_task(fd, grandchild, &rec), 0);
	EQ(tasks_of(fd), 2);
	kill(grandchild, SIGKILL);
	for (int i = 0; tasks_of(fd) > 1; i++) {
		CHECK(i < 200);
		sleep_ms(10);
	}
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0)
		FAIL("%s: %s", path, strerror(errno));
	EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

#define CGROUP "/sys/fs/cgroup/starling-lineage"

struct way {
	unsigned long flags;
	bool session;
	bool cgroup;
};

/* A child that goes there and makes one more; both say so and stay. */
static pid_t go_away(const struct way *way, int says)
{
	pid_t pid = syscall(SYS_clone, way->flags | SIGCHLD, 0, 0, 0, 0);
	char byte = 0;

	GE(pid, 0);
	if (pid)
		return pid;
	if (way->cgroup)
		write_file(CGROUP "/cgroup.procs", "0");
	if (way->session)
		GE(setsid(), 0);
	GE(fork(), 0);
	EQ(write(says, &byte, 1), 1);
	for (;;)
		pause();
}

/* All members but the caller, which may be in no process group of ours. */
static void kill_members(int fd)
{
	struct starling_task_record rec[4];

	for (int tries = 0; tasks_of(fd) > 1; tries++) {
		uint64_t cursor[2] = { 0 };
		uint32_t n = 4;

		CHECK(tries < 200);
		EQ(list(fd, STARLING_IOC_TASKS, rec, sizeof(rec[0]), &n, cursor), 0);
		for (uint32_t i = 0; i < n; i++)
			if ((pid_t)rec[i].tid != getpid())
				kill(rec[i].tid, SIGKILL);
		sleep_ms(10);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* Wherever a child is put by its maker or goes itself, and its own child there. */
TEST(goes_anywhere)
{
	static const struct way ways[] = {
		{ 0, true, false },
		{ 0, false, true },
		{ CLONE_NEWUSER, false, false },
		{ CLONE_NEWPID, false, false },
		{ CLONE_NEWPID | CLONE_NEWUSER, false, false },
		{ CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
		  false, false },
		{ CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS, true, true },
	};
	struct starling_task_record rec;
	struct starling_agent_record sum;
	int fd = agent("anywhere"), up[2];
	char byte[2];
	pid_t pid;

	EQ(pipe(up), 0);
	EQ(join(fd, 0, 0), 0);
	CHECK(!mkdir(CGROUP, 0755) || errno == EEXIST);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		pid = go_away(&ways[i], up[1]);
		EQ(read(up[0], byte, 1), 1);
		EQ(read(up[0], byte, 1), 1);
		EQ(stat_task(fd, pid, &rec), 0);
		EQ(rec.tid, pid);
		EQ(rec.tgid, pid);
		stat_agent(fd, &sum);
		EQ(sum.tasks, 3);
		EQ(sum.forks, 2 * (i + 1));
		EQ(sum.lost, 0);
		kill_members(fd);
	}
	for (int i = 0; rmdir(CGROUP) && i < 100; i++)
		sleep_ms(10);
}

TEST(clone_parent_and_spawn)
{
	struct starling_agent_record sum;
	int fd = agent("clone");
	char *argv[] = { "sh", "-c", "exit 0", NULL };
	pid_t pid;

	EQ(join(fd, 0, 0), 0);
	EQ(posix_spawnp(&pid, "sh", NULL, NULL, argv, environ), 0);
	EQ(reap(pid), 0);
	stat_agent(fd, &sum);
	EQ(sum.forks, 1);
	pid = fork();
	if (!pid) {
		/* A sibling, not a child: its parent is the one above. */
		if (syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0)
			_exit(3);
		_exit(4);
	}
	NE(reap(-1), 0);
	NE(reap(-1), 0);
	stat_agent(fd, &sum);
	EQ(sum.forks, 3);
	EQ(sum.exits, 3);
}

static void *sleeper(void *arg)
{
	(void)arg;
	pause();
	return NULL;
}

TEST(threads)
{
	struct starling_agent_record sum;
	struct starling_task_record rec[64];
	uint64_t cursor[2] = { 0 };
	int fd = agent("threads"), other = agent("one thread");
	uint32_t n = 64;
	pthread_t t;

	for (int i = 0; i < 10; i++)
		EQ(pthread_create(&t, NULL, sleeper, NULL), 0);
	EQ(join(other, 0, STARLING_TASK_THREAD), 0);
	EQ(tasks_of(other), 1);
	EQ(join(fd, 0, 0), 0);
	EQ(tasks_of(fd), 11);
	EQ(tasks_of(other), 0);
	for (int i = 0; i < 10; i++)
		EQ(pthread_create(&t, NULL, sleeper, NULL), 0);
	stat_agent(fd, &sum);
	EQ(sum.tasks, 21);
	EQ(sum.joins, 11);
	EQ(sum.forks, 10);
	EQ(list(fd, STARLING_IOC_TASKS, rec, sizeof(rec[0]), &n, cursor), 0);
	EQ(n, 21);
	for (uint32_t i = 0; i < n; i++) {
		EQ(rec[i].tgid, getpid());
		for (uint32_t j = 0; j < i; j++)
			NE(rec[i].tid, rec[j].tid);
	}
	EQ(leave(fd, 0, STARLING_TASK_THREAD), 0);
	EQ(tasks_of(fd), 20);
	EQ(leave(fd, 0, 0), 0);
	EQ(tasks_of(fd), 0);
}

TEST(move)
{
	struct starling_agent_record a, b;
	int from = agent("from"), to = agent("to");
	struct child c;

	child_start(&c, fork_one);
	EQ(join(from, c.pid, 0), 0);
	child_step(&c);
	EQ(set_role(from, c.pid, STARLING_ROLE_SERVICE), 0);
	EQ(join(to, c.pid, 0), 0);
	EQ(set_role(from, c.pid, STARLING_ROLE_TOOL), -ESRCH);
	child_step(&c);
	stat_agent(from, &a);
	stat_agent(to, &b);
	EQ(a.tasks, 1);
	EQ(a.exits, 0);
	EQ(b.tasks, 2);
	EQ(b.joins, 1);
	EQ(b.forks, 1);
}

static uint64_t of_roles(const __u64 *run_ns)
{
	uint64_t sum = 0;

	for (int i = 0; i < STARLING_ROLES_MAX; i++)
		sum += run_ns[i];
	return sum;
}

/* What it runs while it moves is counted once: each yield counts up. */
TEST(moves_of_a_busy_task)
{
	int fd[2] = { agent("a"), agent("b") }, moves = 1000;
	struct starling_agent_record a, b;
	struct starling_task_record rec;
	pid_t pid = fork();

	if (!pid)
		for (;;)
			sched_yield();
	for (int i = 0; i < moves; i++)
		EQ(join(fd[i % 2], pid, 0), 0);
	/* It is in the second one: the first has all that it will get. */
	live_agent(fd[0], &a);
	live_agent(fd[1], &b);
	EQ(stat_task(fd[1], pid, &rec), 0);
	EQ(a.joins + b.joins, moves);
	printf("# %llu + %llu of %llu ns\n", a.run_ns, b.run_ns, rec.run_ns);
	GE(of_roles(rec.role_run_ns), a.run_ns + b.run_ns);
	GE(of_roles(rec.role_run_ns), of_roles(a.role_run_ns) + of_roles(b.role_run_ns));
	GE(rec.nvcsw + rec.nivcsw, a.nvcsw + a.nivcsw + b.nvcsw + b.nivcsw);
	kill(pid, SIGKILL);
	reap(pid);
}

static pid_t spawn_sleep(void)
{
	pid_t pid = fork();

	if (!pid) {
		execlp("sleep", "sleep", "100", NULL);
		_exit(127);
	}
	return pid;
}

static void role_is(int fd, pid_t tid, int role, int source)
{
	struct starling_task_record rec;

	EQ(stat_task(fd, tid, &rec), 0);
	EQ(rec.role, role);
	EQ(rec.role_source, source);
}

/* An exec is over a moment after the new name can be seen. */
static void role_becomes(int fd, pid_t tid, int role, int source)
{
	struct starling_task_record rec;

	for (int i = 0; i < 200; i++) {
		EQ(stat_task(fd, tid, &rec), 0);
		if (rec.role == role)
			break;
		sleep_ms(5);
	}
	role_is(fd, tid, role, source);
}

/* Waits until @pid runs sleep, which it does after exec only. */
static void wait_exec(pid_t pid)
{
	char path[64], comm[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	for (int i = 0; i < 500; i++) {
		fd = open(path, O_RDONLY);
		GE(fd, 0);
		GE(read(fd, comm, sizeof(comm) - 1), 1);
		close(fd);
		if (strncmp(comm, "kselftest", 9))
			return;
		sleep_ms(5);
	}
	FAIL("%d did not exec", pid);
}

TEST(exec_makes_tools)
{
	int fd = agent("exec");
	pid_t pid;

	EQ(join(fd, 0, 0), 0);
	EQ(set_role(fd, 0, STARLING_ROLE_ORCHESTRATOR), 0);
	role_is(fd, 0, STARLING_ROLE_ORCHESTRATOR, STARLING_BY_SELF);
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	/* A copy of the orchestrator does what it does. */
	role_is(fd, pid, STARLING_ROLE_ORCHESTRATOR, STARLING_BY_LINEAGE);
	kill(pid, SIGKILL);
	reap(pid);
	pid = spawn_sleep();
	wait_exec(pid);
	role_becomes(fd, pid, STARLING_ROLE_TOOL, STARLING_BY_LINEAGE);
	role_is(fd, 0, STARLING_ROLE_ORCHESTRATOR, STARLING_BY_SELF);
	/* The owner knows better, and it lasts. */
	EQ(set_role(fd, pid, STARLING_ROLE_SERVICE), 0);
	role_is(fd, pid, STARLING_ROLE_SERVICE, STARLING_BY_OWNER);
	kill(pid, SIGKILL);
	reap(pid);
}

static int exec_sleep(int n)
{
	(void)n;
	execlp("sleep", "sleep", "100", NULL);
	return 1;
}

/* `starling run` joins and then executes the command: that is the agent. */
TEST(root_exec_is_no_tool)
{
	int fd = agent("root");
	struct child c;
	char byte = 0;

	child_start(&c, exec_sleep);
	EQ(join(fd, c.pid, 0), 0);
	EQ(write(c.go, &byte, 1), 1);
	wait_exec(c.pid);
	role_is(fd, c.pid, STARLING_ROLE_NONE, STARLING_BY_NONE);
	kill(c.pid, SIGKILL);
	reap(c.pid);
	EQ(tasks_of(fd), 0);
}

TEST(feeder_is_not_inherited)
{
	int fd = agent("feeder");
	pid_t pid;

	EQ(join(fd, 0, 0), 0);
	EQ(set_role(fd, 0, STARLING_ROLE_FEEDER), 0);
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	role_is(fd, pid, STARLING_ROLE_NONE, STARLING_BY_NONE);
	kill(pid, SIGKILL);
	reap(pid);
}


TEST(role_ranks)
{
	int fd = agent("roles");
	struct child c;
	pid_t pid;

	child_start(&c, NULL);
	EQ(join(fd, 0, 0), 0);
	EQ(join(fd, c.pid, 0), 0);
	for (int role = 0; role < __STARLING_ROLE_MAX; role++)
		EQ(set_role(fd, c.pid, role), 0);
	EQ(set_role(fd, c.pid, __STARLING_ROLE_MAX), -EINVAL);
	EQ(set_role(fd, c.pid, 0xffff), -EINVAL);
	EQ(set_role(fd, 1, STARLING_ROLE_TOOL), -ESRCH);
	EQ(set_role(fd, -1, STARLING_ROLE_TOOL), -EINVAL);
	EQ(set_role(fd, 0, STARLING_ROLE_SERVICE), 0);
	/* A child may not overrule what we said about ourselves. */
	pid = fork();
	if (!pid) {
		EQ(set_role(fd, getppid(), STARLING_ROLE_BACKGROUND), -EBUSY);
		EQ(set_role(fd, getppid(), STARLING_ROLE_NONE), -EBUSY);
		_exit(0);
	}
	EQ(reap(pid), 0);
	role_is(fd, 0, STARLING_ROLE_SERVICE, STARLING_BY_SELF);
	EQ(set_role(fd, 0, STARLING_ROLE_NONE), 0);
	role_is(fd, 0, STARLING_ROLE_NONE, STARLING_BY_NONE);
	pid = fork();
	if (!pid) {
		EQ(set_role(fd, getppid(), STARLING_ROLE_BACKGROUND), 0);
		_exit(0);
	}
	EQ(reap(pid), 0);
	role_is(fd, 0, STARLING_ROLE_BACKGROUND, STARLING_BY_OWNER);
}

static void *exec_in_thread(void *arg)
{
	(void)arg;
	execlp("sleep", "sleep", "100", NULL);
	return NULL;
}

/* The thread that executes takes over its leader's id; the leader dies. */
TEST(exec_in_a_thread)
{
	struct starling_task_record rec;
	struct starling_agent_record sum;
	int fd = agent("de_thread");
	pid_t pid = fork();

	if (!pid) {
		pthread_t t;

		EQ(join(fd, 0, 0), 0);
		pthread_create(&t, NULL, sleeper, NULL);
		pthread_create(&t, NULL, exec_in_thread, NULL);
		pause();
	}
	wait_exec(pid);
	EQ(stat_task(fd, pid, &rec), 0);
	EQ(rec.tid, pid);
	EQ(rec.tgid, pid);
	stat_agent(fd, &sum);
	EQ(sum.tasks, 1);
	EQ(sum.forks, 2);
	EQ(sum.exits, 2);
	kill(pid, SIGKILL);
	EQ(reap(pid), -SIGKILL);
	stat_agent(fd, &sum);
	EQ(sum.joins, 1);
	EQ(sum.forks, 2);
	EQ(sum.exits, 3);
	EQ(sum.tasks, 0);
}

TEST(killed)
{
	struct starling_agent_record sum;
	int fd = agent("killed");
	struct child c;

	child_start(&c, fork_one);
	EQ(join(fd, c.pid, 0), 0);
	for (int i = 0; i < 20; i++)
		child_step(&c);
	EQ(tasks_of(fd), 21);
	kill(c.pid, SIGKILL);
	EQ(reap(c.pid), -SIGKILL);
	EQ(tasks_of(fd), 20);
	/* Orphans, still members: they come to us, a subreaper's child. */
	stat_agent(fd, &sum);
	EQ(sum.exits, 1);
}

/* Sums: what the members did while they were members, no more, no less. */
TEST(sums)
{
	struct starling_agent_record sum, live;
	struct starling_task_record rec;
	int fd = agent("sums"), i;
	pid_t pid;

	burn();
	EQ(join(fd, 0, 0), 0);
	EQ(stat_task(fd, 0, &rec), 0);
	GE(rec.run_ns, 10000000);
	EQ(leave(fd, 0, 0), 0);
	stat_agent(fd, &sum);
	CHECK(sum.run_ns < rec.run_ns / 2);
	EQ(join(fd, 0, 0), 0);
	pid = fork();
	if (!pid) {
		burn();
		for (i = 0; i < 20; i++)
			sleep_ms(1);
		_exit(0);
	}
	EQ(reap(pid), 0);
	live_agent(fd, &live);
	stat_agent(fd, &sum);
	GE(sum.run_ns, 10000000);
	GE(sum.nvcsw, 10);
	GE(live.run_ns, sum.run_ns);
	EQ(sum.exits, 1);
	EQ(sum.valid & 1 << STARLING_VAL_RUN, 1 << STARLING_VAL_RUN);
	EQ(sum.valid & 1 << STARLING_VAL_GPU_WAIT, 0);
}

/* Tools live for two milliseconds, less than a tick: all of it is counted. */
TEST(sums_of_short_tasks)
{
	struct starling_agent_record sum;
	struct rusage used;
	int fd = agent("short"), n = 200;
	double all;
	pid_t pid;

	EQ(join(fd, 0, 0), 0);
	for (int i = 0; i < n; i++) {
		pid = fork();
		if (!pid) {
			for (double end = seconds() + 0.002; seconds() < end;)
				;
			_exit(0);
		}
		EQ(reap(pid), 0);
	}
	/* The last of them may take a moment to be accounted. */
	sleep_ms(200);
	stat_agent(fd, &sum);
	EQ(getrusage(RUSAGE_CHILDREN, &used), 0);
	all = used.ru_utime.tv_sec + used.ru_stime.tv_sec +
	      (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
	printf("# %.3f s of %.3f s counted\n", sum.run_ns / 1e9, all);
	EQ(sum.exits, n);
	/* Without a look after the exit a third would be missing. */
	CHECK(sum.run_ns / 1e9 > 0.93 * all && sum.run_ns / 1e9 < 1.07 * all);
}

TEST(max_tasks)
{
	struct starling_agent_record sum;
	unsigned int max = get_param("max_tasks");
	struct starling_info info = { .size = sizeof(info) };
	int fd = agent("max");
	uint64_t lost;
	struct child c;

	EQ(call(fd, STARLING_IOC_GET_INFO, &info), 0);
	lost = info.out_lost_tasks;
	child_start(&c, fork_one);
	EQ(join(fd, c.pid, 0), 0);
	set_param("max_tasks", 3);
	for (int i = 0; i < 6; i++)
		child_step(&c);
	EQ(join(fd, 0, 0), -ENOSPC);
	set_param("max_tasks", max);
	stat_agent(fd, &sum);
	EQ(sum.tasks, 3);
	EQ(sum.forks, 2);
	EQ(sum.lost, 4);
	EQ(call(fd, STARLING_IOC_GET_INFO, &info), 0);
	EQ(info.out_lost_tasks, lost + 4);
}
