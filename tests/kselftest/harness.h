/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * harness.h - a test is a function that runs in a process of its own, ends
 * within a time limit, and fails by the first check that does not hold.
 * Results are TAP.
 */
#ifndef STARLING_HARNESS_H
#define STARLING_HARNESS_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct test {
	const char *group;
	const char *name;
	void (*fn)(void);
	unsigned int seconds;
	struct test *next;
};

enum { TEST_PASS = 0, TEST_FAIL = 1, TEST_SKIP = 4 };

void test_register(struct test *t);
int test_main(int argc, char **argv);

/* How long a test that could go on forever should: TEST_SECONDS or @usual. */
unsigned int test_seconds(unsigned int usual);

/* Each file with tests defines GROUP, a string. */
#define TEST_TIMED(_name, _seconds)						\
	static void _name(void);						\
	static struct test test_##_name = {					\
		.group = GROUP, .name = #_name, .fn = _name, .seconds = (_seconds), \
	};									\
	__attribute__((constructor)) static void register_##_name(void)		\
	{									\
		test_register(&test_##_name);					\
	}									\
	static void _name(void)

#define TEST(_name)	TEST_TIMED(_name, 20)

#define FAIL(...) do {								\
	printf("# %s:%d: ", __FILE__, __LINE__);				\
	printf(__VA_ARGS__);							\
	printf("\n");								\
	fflush(stdout);								\
	_exit(TEST_FAIL);							\
} while (0)

#define CHECK(cond) do { if (!(cond)) FAIL("%s", #cond); } while (0)

#define CHECK_OP(a, op, b) do {							\
	long long _a = (a), _b = (b);						\
	if (!(_a op _b))							\
		FAIL("%s is %lld, not %s %s (%lld)", #a, _a, #op, #b, _b);	\
} while (0)

#define EQ(a, b)	CHECK_OP(a, ==, b)
#define NE(a, b)	CHECK_OP(a, !=, b)
#define GE(a, b)	CHECK_OP(a, >=, b)

#define SKIP(...) do {								\
	printf("# SKIP ");							\
	printf(__VA_ARGS__);							\
	printf("\n");								\
	fflush(stdout);								\
	_exit(TEST_SKIP);							\
} while (0)

#endif
