// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: starling-bench-pipe [--join] LOOPS
 *
 * Two processes on CPU 0 that wake each other by pipes, LOOPS times there and
 * back, as `perf bench sched pipe` has them: prints the CPU time that each of
 * took both together, in microseconds. With --join both are in an agent.
 */
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/kselftest/harness.h"
#include "tests/kselftest/util.h"

static void play(int from, int to, int loops, int first)
{
	char byte = 0;

	if (first)
		EQ(write(to, &byte, 1), 1);
	while (loops--) {
		EQ(read(from, &byte, 1), 1);
		if (loops || !first)
			EQ(write(to, &byte, 1), 1);
	}
}

static double cpu_us(int who)
{
	struct rusage u;

	EQ(getrusage(who, &u), 0);
	return 1e6 * (u.ru_utime.tv_sec + u.ru_stime.tv_sec) + u.ru_utime.tv_usec +
	       u.ru_stime.tv_usec;
}

static void on_cpu_0(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	EQ(sched_setaffinity(0, sizeof(set), &set), 0);
}

int main(int argc, char **argv)
{
	int joins = argc > 1 && !strcmp(argv[1], "--join");
	int loops = argc == 2 + joins ? atoi(argv[1 + joins]) : 0;
	int there[2], back[2];
	double start;
	pid_t pid;

	if (loops < 1) {
		fprintf(stderr, "usage: starling-bench-pipe [--join] LOOPS\n");
		return 2;
	}
	on_cpu_0();
	if (joins)
		EQ(join(agent("pipe"), 0, 0), 0);
	EQ(pipe(there), 0);
	EQ(pipe(back), 0);
	start = cpu_us(RUSAGE_SELF);
	pid = fork();
	if (!pid) {
		play(there[0], back[1], loops, 0);
		_exit(0);
	}
	play(back[0], there[1], loops, 1);
	EQ(reap(pid), 0);
	printf("%.3f\n", (cpu_us(RUSAGE_SELF) + cpu_us(RUSAGE_CHILDREN) - start) / loops);
	return 0;
}
