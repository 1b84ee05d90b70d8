// SPDX-License-Identifier: GPL-2.0-only
/* Races and numbers: nobody may be lost, whatever meets. */
#define GROUP "stress"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "harness.h"
#include "util.h"

/* A root that exits while it is brought in: a member or gone, never both. */
TEST_TIMED(exit_mid_join, 60)
{
	struct starling_agent_record rec;
	int fd = agent("mid-join"), joined = 0, late = 0, err;
	pid_t pid;

	for (int i = 0; i < 600; i++) {
		pid = fork();
		if (!pid) {
			for (volatile int spin = 0; spin < (i % 60) * 500; spin++)
				;
			_exit(0);
		}
		err = join(fd, pid, i & 1 ? STARLING_TASK_THREAD : 0);
		if (err)
			EQ(err, -ESRCH);
		joined += !err;
		late += !!err;
		EQ(reap(pid), 0);
	}
	stat_agent(fd, &rec);
	printf("# %d joined, %d came too late\n", joined, late);
	EQ(rec.tasks, 0);
	EQ(rec.joins, rec.exits);
	GE(rec.joins, joined);
}

static void *nothing(void *arg)
{
	return arg;
}

/* Makes threads as fast as it can, forever. */
static void *breeder(void *arg)
{
	pthread_t t;

	for (;;) {
		if (!pthread_create(&t, NULL, nothing, NULL))
			pthread_join(t, NULL);
	}
	return arg;
}

static void *pauser(void *arg)
{
	pause();
	return arg;
}

/* Threads that run already, of the process that is brought in. */
static int *running;

/* Each new thread makes another one that stays. */
static void *chain(void *arg)
{
	long left = (long)arg;
	pthread_t t;

	__atomic_add_fetch(running, 1, __ATOMIC_SEQ_CST);
	if (left)
		pthread_create(&t, NULL, chain, (void *)(left - 1));
	pause();
	return NULL;
}

/* Brought in while threads come up: who runs is a member, all of them. */
TEST_TIMED(join_among_clones, 60)
{
	int fd = agent("clones");
	pthread_t t;
	pid_t pid;

	running = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(running != MAP_FAILED);
	for (int i = 0; i < 60; i++) {
		*running = 0;
		pid = fork();
		if (!pid) {
			pthread_create(&t, NULL, chain, (void *)20L);
			pthread_create(&t, NULL, chain, (void *)20L);
			pause();
		}
		for (volatile int spin = 0; spin < i * 3000; spin++)
			;
		EQ(join(fd, pid, 0), 0);
		for (int wait = 0; __atomic_load_n(running, __ATOMIC_SEQ_CST) < 42; wait++) {
			CHECK(wait < 500);
			sleep_ms(2);
		}
		EQ(tasks_of(fd), 43);
		kill(pid, SIGKILL);
		reap(pid);
		EQ(tasks_of(fd), 0);
	}
}

/* Moved back and forth between two agents while it forks. */
TEST_TIMED(move_among_forks, 60)
{
	struct starling_agent_record a, b;
	int one = agent("one"), two = agent("two");
	double until = seconds() + 3;
	uint64_t made = 0;
	int moves = 0, status;
	pid_t pid, forker = fork();

	if (!forker) {
		while (seconds() < until) {
			pid = fork();
			if (!pid)
				_exit(0);
			waitpid(pid, &status, 0);
			made++;
		}
		_exit(made > 255 ? 255 : made);
	}
	EQ(join(one, forker, 0), 0);
	while (seconds() < until - 0.1) {
		EQ(join(moves & 1 ? one : two, forker, 0), 0);
		moves++;
	}
	GE(reap(forker), 1);
	stat_agent(one, &a);
	stat_agent(two, &b);
	printf("# %d moves, %llu forks\n", moves, (unsigned long long)(a.forks + b.forks));
	EQ(a.tasks, 0);
	EQ(b.tasks, 0);
	/* All that came by fork left by exit, and the one that forked. */
	EQ(a.forks + b.forks + 1, a.exits + b.exits);
}

TEST_TIMED(fork_storm, 60)
{
	struct starling_agent_record rec;
	int fd = agent("storm"), status;
	double start = seconds(), next = start, took;
	uint64_t made = 0;
	pid_t pid;

	EQ(join(fd, 0, 0), 0);
	/* 200 a second for five seconds; each makes one of its own. */
	while (seconds() < start + 5) {
		pid = fork();
		if (!pid) {
			if (made % 2 && !fork())
				_exit(0);
			_exit(0);
		}
		GE(pid, 0);
		made += 1;
		next += 1 / 200.0;
		while (waitpid(-1, &status, WNOHANG) > 0)
			;
		while (seconds() < next)
			sleep_ms(1);
	}
	took = seconds() - start;
	while (waitpid(-1, &status, 0) > 0)
		;
	for (int i = 0; tasks_of(fd) > 1; i++) {
		CHECK(i < 200);
		sleep_ms(10);
	}
	stat_agent(fd, &rec);
	printf("# %llu forks in %.1f s\n", (unsigned long long)rec.forks, took);
	EQ(rec.forks, made + made / 2);
	EQ(rec.exits, rec.forks);
	EQ(rec.lost, 0);
	EQ(rec.tasks, 1);
}

#define FLOODERS	2

/* Makes processes without memory of their own for @end; how many goes to @out. */
static void flood(double end, int out)
{
	uint64_t made = 0;
	pid_t pid;

	while (seconds() < end) {
		pid = vfork();
		if (!pid)
			_exit(0);
		GE(pid, 0);
		EQ(waitpid(pid, NULL, 0), pid);
		made++;
	}
	EQ(write(out, &made, sizeof(made)), sizeof(made));
	_exit(0);
}

/* As many as the machine can do; TEST_SECONDS=30 for longer. */
TEST_TIMED(fork_flood, 120)
{
	struct starling_agent_record rec;
	double took = test_seconds(3), end = seconds() + took;
	int fd = agent("flood"), result[2];
	uint64_t made, sum = FLOODERS;

	EQ(join(fd, 0, 0), 0);
	EQ(pipe(result), 0);
	for (int i = 0; i < FLOODERS; i++)
		if (!fork())
			flood(end, result[1]);
	for (int i = 0; i < FLOODERS; i++) {
		EQ(read(result[0], &made, sizeof(made)), sizeof(made));
		sum += made;
	}
	while (wait(NULL) > 0)
		;
	while (tasks_of(fd) > 1)
		sleep_ms(10);
	stat_agent(fd, &rec);
	printf("# %llu forks, %.0f a second\n", (unsigned long long)rec.forks, rec.forks / took);
	EQ(rec.forks, sum);
	EQ(rec.exits, rec.forks);
	EQ(rec.lost, 0);
}

/* Everything at once on the same few agents and processes. */
struct arena {
	int dev;
	int agents[4];
	pid_t pids[6];
	double until;
};

static void act(struct arena *a, unsigned int *seed)
{
	int fd = a->agents[rand_r(seed) % 4], pid = a->pids[rand_r(seed) % 6], mine;
	struct starling_task_record rec[16];
	struct starling_agent_record sum;
	uint64_t cursor[2] = { 0 };
	uint32_t n = 16;
	void *p;

	switch (rand_r(seed) % 9) {
	case 0: case 1:
		join(fd, pid, 0);
		break;
	case 2:
		leave(fd, pid, rand_r(seed) & STARLING_TASK_THREAD);
		break;
	case 3:
		set_role(fd, pid, rand_r(seed) % __STARLING_ROLE_MAX);
		break;
	case 4:
		live_agent(fd, &sum);
		break;
	case 5:
		list(a->dev, STARLING_IOC_TASKS, rec, sizeof(rec[0]), &n, cursor);
		publish(a->dev, rec, n, &n);
		break;
	case 6:
		p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		if (p != MAP_FAILED)
			munmap(p, 4096);
		break;
	case 7:
		/* Its last descriptor goes while it has members. */
		mine = agent("short");
		join(mine, pid, 0);
		close(mine);
		break;
	default:
		join(fd, 0, STARLING_TASK_THREAD);
		stat_task(fd, 0, rec);
		leave(fd, 0, STARLING_TASK_THREAD);
	}
}

static void *actor(void *arg)
{
	struct arena *a = arg;
	unsigned int seed = gettid_();

	while (seconds() < a->until)
		act(a, &seed);
	return NULL;
}

static pid_t start_victim(int kind)
{
	pid_t pid = fork();
	pthread_t t;

	if (pid)
		return pid;
	if (kind % 3 == 0) {
		pthread_create(&t, NULL, breeder, NULL);
		pthread_create(&t, NULL, pauser, NULL);
		breeder(NULL);
	}
	for (;;) {
		pid = fork();
		if (!pid && kind % 3 == 1)
			execlp("true", "true", NULL);
		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
}

TEST_TIMED(all_at_once, 90)
{
	struct arena a = { .dev = device(), .until = seconds() + 6 };
	struct starling_agent_record rec;
	pthread_t t[6];

	EQ(claim(a.dev), 0);
	for (int i = 0; i < 4; i++)
		a.agents[i] = agent("arena");
	for (int i = 0; i < 6; i++)
		a.pids[i] = start_victim(i);
	for (int i = 0; i < 6; i++)
		EQ(pthread_create(&t[i], NULL, actor, &a), 0);
	for (int i = 0; i < 6; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 6; i++)
		kill(a.pids[i], SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	sleep_ms(100);
	for (int i = 0; i < 4; i++) {
		stat_agent(a.agents[i], &rec);
		EQ(rec.tasks, 0);
		EQ(rec.lost, 0);
	}
}
