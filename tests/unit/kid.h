/* SPDX-License-Identifier: GPL-2.0-only */
/* kid.h - real processes to place: they sleep, fork and die when told. */
#ifndef STARLING_TESTS_KID_H
#define STARLING_TESTS_KID_H

#include <stdbool.h>
#include <sys/types.h>
#include "daemon/place/attr.h"

struct kid {
	pid_t pid;
	int tell;	/* commands go in */
	int hear;	/* pids come out */
};

/* Start one; it dies with us. */
struct kid kid_start(void);
/* Let it fork; returns the new process, which sleeps. */
pid_t kid_fork(struct kid *k);
/* Let it make a process in a session of its own, whose parent is gone. */
pid_t kid_orphan(struct kid *k);
/* Let it start a thread; returns its tid. */
pid_t kid_thread(struct kid *k);
void kid_end(struct kid *k);
/* Have CAP_SYS_NICE, which kids started then inherit, or not. */
void kid_cap_nice(bool on);
/* End a process that a kid made. */
void kid_kill(pid_t pid);

struct attrs kid_attrs(pid_t tid);
#define assert_attrs_equal(x, y) do {					\
	struct attrs x_ = (x), y_ = (y);				\
	assert_int_equal(x_.policy, y_.policy);				\
	assert_int_equal(x_.nice, y_.nice);				\
	assert_true(CPU_EQUAL(&x_.mask, &y_.mask));			\
	assert_true(x_.slice_ns == y_.slice_ns);			\
	assert_int_equal(x_.clamp.min, y_.clamp.min);			\
	assert_int_equal(x_.clamp.max, y_.clamp.max);			\
} while (0)

/* A fresh directory for a journal; the text of it; its removal. */
char *dir_make(void);
void dir_remove(char *dir);

#endif
