/* SPDX-License-Identifier: GPL-2.0-only */
/* check.h - what must hold at every step, whatever the load (--check). */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "tools/sim/cpu.h"

extern bool check_on;

/* @t is about to run on @c. */
void check_run(const struct cpu *c, const struct task *t);
/* Something is wrong: counted, and the first few are told. */
void check_failed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* After every event. */
void check_step(void);
/* In all; with check_on off only those that need no search. */
unsigned long check_failures(void);

#endif
