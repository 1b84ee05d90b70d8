// SPDX-License-Identifier: GPL-2.0-only
/*
 * The daemon's end of a reader, against readers that do what drivers may make
 * of them. This program is its own reader: $UNIT_READER says how it behaves.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "daemon/log.h"
#include "daemon/sense/gpu/gpu.h"
#include "daemon/sense/gpu/link.h"
#include "daemon/sense/gpu/reader.h"
#include "tests/unit/unit.h"

#define MINUTE	(60 * S)

/* -- the reader ----------------------------------------------------------------- */

static int reader_main(void)
{
	const char *how = getenv("UNIT_READER");
	static struct gpu_sample s;
	char ask;

	while (recv(0, &ask, 1, 0) == 1) {
		size_t n;

		if (!strcmp(how, "crash"))
			abort();
		if (!strcmp(how, "hang") || (!strcmp(how, "once") && s.to_ns))
			pause();
		s.from_ns = s.to_ns;
		s.to_ns += S;
		gpu_sample_device(&s, "x");
		s.last = !strcmp(how, "last");
		s.nproc = !strcmp(how, "lie") ? GPU_PROCS_MAX + 1 : 0;
		if (!strcmp(how, "future"))
			s.to_ns = 1000 * MINUTE;
		if (!strcmp(how, "caps"))
			s.caps[0].can[GPU_BUSY] = 200;
		if (!strcmp(how, "device"))
			s.proc[s.nproc++] = (struct gpu_process){
				.pid = 1, .device = 1, .start_ticks = 1,
			};
		if (!strcmp(how, "text")) {
			memset(s.device[0].name, 0xc3, sizeof(s.device[0].name));
			s.device[0].v[GPU_BUSY] = (struct gpu_value){ 1000 * S, 1, 0, 1, { 0 } };
			s.device[0].v[GPU_ENERGY] = (struct gpu_value){ ~0ULL, 1, 0, 1, { 0 } };
		}
		n = gpu_sample_size(&s);
		send(0, &s, !strcmp(how, "short") ? n / 2 : !strcmp(how, "lie") ?
		     sizeof(s) : n, MSG_NOSIGNAL);
	}
	return 0;
}

/* -- the test --------------------------------------------------------------------- */

static void pause_ms(int ms)
{
	struct timespec ts = { .tv_nsec = ms * 1000000L };

	nanosleep(&ts, NULL);
}

/* Until the link says something; its clock, @now, stands still. */
static int wait_news(struct gpu_link *l, uint64_t now)
{
	for (int i = 0; i < 3000; i++) {
		int ret = gpu_link_tick(l, now, S);

		if (ret)
			return ret;
		pause_ms(10);
	}
	fail_msg("no news in 30 s");
	return 0;
}

static struct gpu_link *open_link(const char *how)
{
	struct gpu_link *l;

	setenv("UNIT_READER", how, 1);
	l = gpu_link_new(NULL);
	assert_non_null(l);
	return l;
}

static void test_answers(void **state)
{
	struct gpu_link *l = open_link("answer");
	pid_t pid;

	(void)state;
	assert_null(gpu_link_sample(l));
	assert_non_null(gpu_link_why(l));
	assert_int_equal(wait_news(l, MINUTE), 1);
	assert_non_null(gpu_link_sample(l));
	assert_null(gpu_link_why(l));
	assert_string_equal(gpu_link_sample(l)->device[0].pci, "x");
	pid = gpu_link_pid(l);
	assert_true(pid > 0);
	/* no sooner than asked for */
	for (int i = 0; i < 20; i++) {
		assert_int_equal(gpu_link_tick(l, MINUTE + S - 1, S), 0);
		pause_ms(5);
	}
	assert_int_equal(wait_news(l, MINUTE + S), 1);
	assert_int_equal(gpu_link_sample(l)->to_ns, 2 * S);
	/* unless somebody uses a GPU */
	gpu_link_hint(l);
	assert_int_equal(wait_news(l, MINUTE + S + 1), 1);
	assert_int_equal(gpu_link_pid(l), pid);
	gpu_link_free(l);
	/* and the reader with it */
	waitpid(pid, NULL, 0);
	assert_int_equal(kill(pid, 0), -1);
}

/* Ended in some way: nothing is known, and the next try is not at once. */
static void check_ended(const char *how, const char *why)
{
	struct gpu_link *l = open_link(how);

	assert_int_equal(wait_news(l, MINUTE), -ENODATA);
	assert_null(gpu_link_sample(l));
	assert_non_null(strstr(gpu_link_why(l), why));
	for (int i = 0; i < 10; i++) {
		assert_int_equal(gpu_link_tick(l, MINUTE + 9 * S, S), 0);
		pause_ms(5);
	}
	assert_int_equal(gpu_link_pid(l) > 0 ? kill(gpu_link_pid(l), 0) : 0, 0);
	/* then it is tried again, twice as long after the second time */
	setenv("UNIT_READER", "answer", 1);
	assert_int_equal(wait_news(l, MINUTE + 11 * S), 1);
	assert_non_null(gpu_link_sample(l));
	gpu_link_free(l);
}

static void test_crash(void **state)
{
	(void)state;
	check_ended("crash", "ended");
}

static void test_last(void **state)
{
	(void)state;
	check_ended("last", "no source");
}

static void test_bad_answers(void **state)
{
	(void)state;
	check_ended("short", "no sense");
	check_ended("lie", "no sense");
	check_ended("future", "no sense");
	check_ended("caps", "no sense");
	check_ended("device", "no sense");
}

/* Single values that cannot be are not known; the rest is. */
static void test_mended(void **state)
{
	struct gpu_link *l = open_link("text");
	const struct gpu_device *dev;

	(void)state;
	assert_int_equal(wait_news(l, MINUTE), 1);
	dev = &gpu_link_sample(l)->device[0];
	assert_int_equal(strlen(dev->name), sizeof(dev->name) - 1);
	assert_int_equal(dev->name[0], '?');
	assert_true(dev->v[GPU_BUSY].known);
	assert_int_equal(dev->v[GPU_BUSY].n, S);
	assert_false(dev->v[GPU_ENERGY].known);
	gpu_link_free(l);
}

/* The pause doubles while nothing helps; somebody who uses a GPU shortens it. */
static void test_pauses(void **state)
{
	struct gpu_link *l = open_link("crash");
	uint64_t now = MINUTE;

	(void)state;
	assert_int_equal(wait_news(l, now), -ENODATA);
	now += 11 * S;
	assert_int_equal(wait_news(l, now), -ENODATA);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(gpu_link_tick(l, now + 19 * S, S), 0);
		pause_ms(5);
	}
	gpu_link_hint(l);
	setenv("UNIT_READER", "answer", 1);
	assert_int_equal(gpu_link_tick(l, now + S, S), 0);
	assert_int_equal(gpu_link_pid(l), 0);
	assert_int_equal(wait_news(l, now + 3 * S), 1);
	gpu_link_free(l);
}

/* A driver that never answers: given up in time, and no second one beside it. */
static void test_hang(void **state)
{
	struct gpu_link *l = open_link("hang");
	pid_t pid;

	(void)state;
	assert_int_equal(gpu_link_tick(l, MINUTE, S), 0);
	pid = gpu_link_pid(l);
	assert_true(pid > 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(gpu_link_tick(l, MINUTE + 119 * S, S), 0);
		pause_ms(5);
	}
	assert_int_equal(gpu_link_tick(l, MINUTE + 121 * S, S), -ENODATA);
	assert_non_null(strstr(gpu_link_why(l), "does not answer"));
	setenv("UNIT_READER", "answer", 1);
	assert_int_equal(wait_news(l, MINUTE + 140 * S), 1);
	assert_true(gpu_link_pid(l) != pid);
	assert_int_equal(kill(pid, 0), -1);
	gpu_link_free(l);
}

/* Once it has answered it is held to less; and that answer alone made it no good one. */
static void test_once(void **state)
{
	struct gpu_link *l = open_link("once");
	uint64_t now = MINUTE;

	(void)state;
	assert_int_equal(wait_news(l, now), 1);
	assert_int_equal(gpu_link_tick(l, now + 2 * S, S), 0);
	assert_int_equal(gpu_link_tick(l, now + 13 * S, S), -ENODATA);
	now += 24 * S;
	assert_int_equal(wait_news(l, now), 1);
	assert_int_equal(gpu_link_tick(l, now + 2 * S, S), 0);
	assert_int_equal(gpu_link_tick(l, now + 13 * S, S), -ENODATA);
	/* 20 s this time */
	for (int i = 0; i < 10; i++) {
		assert_int_equal(gpu_link_tick(l, now + 32 * S, S), 0);
		pause_ms(5);
	}
	assert_int_equal(wait_news(l, now + 34 * S), 1);
	gpu_link_free(l);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_last),
		cmocka_unit_test(test_bad_answers),
		cmocka_unit_test(test_mended),
		cmocka_unit_test(test_pauses),
		cmocka_unit_test(test_hang),
		cmocka_unit_test(test_once),
	};

	if (argc == 2 && !strcmp(argv[1], GPU_READER_ARG))
		return reader_main();
	log_set_level(LOG_EMERG);
	return unit_run(tests);
}
