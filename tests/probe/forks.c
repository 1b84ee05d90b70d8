// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe-forks RATE SECONDS: makes tasks in all the ways there are, RATE rounds
 * a second, and prints how many it made. Waits until the last is gone.
 *
 * The count is kept in memory shared by all of them, raised for each task
 * that was in fact made, by whoever made it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct shared {
	atomic_ulong made;
	atomic_ulong execs;
} *shared;

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static pid_t make_process(void)
{
	pid_t pid = fork();

	if (pid > 0)
		atomic_fetch_add(&shared->made, 1);
	return pid;
}

static void *thread_main(void *arg)
{
	(void)arg;
	return NULL;
}

/* A thread that forks: the child's parent is not the leader. */
static void *forking_thread(void *arg)
{
	pid_t pid = make_process();

	(void)arg;
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	return NULL;
}

static void run_thread(void *(*fn)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, fn, NULL))
		return;
	atomic_fetch_add(&shared->made, 1);
	pthread_join(thread, NULL);
}

static void run_program(void)
{
	atomic_fetch_add(&shared->execs, 1);
	execl("/bin/true", "true", NULL);
	_exit(127);
}

/* Leaves session and parent, as daemons do. */
static void run_away(void)
{
	setsid();
	if (make_process())
		_exit(0);
	usleep(1000);
	_exit(0);
}

static void child(unsigned int kind)
{
	switch (kind % 5) {
	case 1:
		run_program();
		break;
	case 2:
		run_thread(thread_main);
		break;
	case 3:
		run_thread(forking_thread);
		break;
	case 4:
		run_away();
		break;
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	double rate = argc > 1 ? atof(argv[1]) : 200, seconds = argc > 2 ? atof(argv[2]) : 5;
	uint64_t begin = clock_ns(), due;
	unsigned int i;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || prctl(PR_SET_CHILD_SUBREAPER, 1))
		return 1;
	for (i = 0; i < rate * seconds; i++) {
		due = begin + i * 1e9 / rate;
		while (clock_ns() < due)
			usleep((due - clock_ns()) / 1000 + 1);
		if (!make_process())
			child(i);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	while (wait(NULL) > 0)
		;
	printf("{\"made\":%lu,\"execs\":%lu,\"rounds\":%u,\"seconds\":%.2f}\n",
	       atomic_load(&shared->made), atomic_load(&shared->execs), i,
	       (clock_ns() - begin) / 1e9);
	return 0;
}
