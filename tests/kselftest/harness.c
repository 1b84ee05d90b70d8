// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: starling-kselftest [-l] [GROUP | GROUP.NAME]...
 *
 * TEST_SLOW=N in the environment gives each test N times its time, for
 * kernels with sanitizers. TEST_SECONDS=N lets tests that look for what is
 * rare go on for N seconds.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "harness.h"

static struct test *tests, **last = &tests;

void test_register(struct test *t)
{
	*last = t;
	last = &t->next;
}

static int wanted(const struct test *t, int n, char **words)
{
	char full[128];

	snprintf(full, sizeof(full), "%s.%s", t->group, t->name);
	for (int i = 0; i < n; i++)
		if (!strcmp(words[i], t->group) || !strcmp(words[i], full))
			return 1;
	return n == 0;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static unsigned int from_environment(const char *name, unsigned int usual)
{
	const char *text = getenv(name);
	int n = text ? atoi(text) : 0;

	return n > 0 ? (unsigned int)n : usual;
}

unsigned int test_seconds(unsigned int usual)
{
	return from_environment("TEST_SECONDS", usual);
}

static unsigned int limit(const struct test *t)
{
	return (t->seconds + test_seconds(0)) * from_environment("TEST_SLOW", 1);
}

/* In a process group of its own, so that nothing it started outlives it. */
static int run(const struct test *t, const char **why)
{
	pid_t pid = fork();
	int status;

	*why = "";
	if (pid < 0)
		return TEST_FAIL;
	if (!pid) {
		setpgid(0, 0);
		alarm(limit(t));
		t->fn();
		fflush(stdout);
		_exit(TEST_PASS);
	}
	setpgid(pid, pid);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return TEST_FAIL;
	/* Orphans come to us, the subreaper; none may see the next test. */
	kill(-pid, SIGKILL);
	while (waitpid(-pid, NULL, 0) > 0)
		;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	*why = WTERMSIG(status) == SIGALRM ? " (time limit)" : strsignal(WTERMSIG(status));
	return TEST_FAIL;
}

static void report(int n, const struct test *t, int outcome, double took, const char *why)
{
	printf("%sok %d - %s.%s%s", outcome == TEST_PASS || outcome == TEST_SKIP ? "" : "not ",
	       n, t->group, t->name, outcome == TEST_SKIP ? " # SKIP" : "");
	if (outcome == TEST_FAIL && *why)
		printf(" # %s", why);
	else if (took > 1)
		printf("\n# %s took %.1f s", t->name, took);
	printf("\n");
	fflush(stdout);
}

static void list(void)
{
	for (const struct test *t = tests; t; t = t->next)
		printf("%s.%s\n", t->group, t->name);
}

int test_main(int argc, char **argv)
{
	int n = 0, failed = 0, outcome;
	const char *why;
	double start;

	if (argc > 1 && !strcmp(argv[1], "-l")) {
		list();
		return 0;
	}
	for (const struct test *t = tests; t; t = t->next)
		n += wanted(t, argc - 1, argv + 1);
	printf("TAP version 13\n1..%d\n", n);
	fflush(stdout);
	prctl(PR_SET_NAME, "kselftest");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	n = 0;
	for (const struct test *t = tests; t; t = t->next) {
		if (!wanted(t, argc - 1, argv + 1))
			continue;
		start = now();
		outcome = run(t, &why);
		failed += outcome != TEST_PASS && outcome != TEST_SKIP;
		report(++n, t, outcome, now() - start, why);
	}
	return failed || !n;
}
