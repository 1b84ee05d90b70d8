/* SPDX-License-Identifier: GPL-2.0-only */
/* idle.h - which CPUs are idle, as sched_ext's built-in idle tracking knows it. */
#ifndef SIM_IDLE_H
#define SIM_IDLE_H

#include "tools/sim/task.h"

void idle_start(void);
void idle_set(int cpu, bool idle);
bool idle_test_and_clear(int cpu);
/*
 * The kernel's own choice (scx_select_cpu_dfl): an idle CPU of @allowed (NULL: any),
 * no longer marked as such, or -1. @sync_cpu: the waker is about to sleep there; -1:
 * it is not.
 */
int idle_select(const struct task *t, const struct cpumask *allowed, int prev, int sync_cpu);

#endif
