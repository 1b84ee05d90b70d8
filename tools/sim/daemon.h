/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * daemon.h - starlingd as far as the scheduler notices it: its rounds, its
 * policy (the very same code), and what its placer tells the scheduler.
 */
#ifndef SIM_DAEMON_H
#define SIM_DAEMON_H

#include <jansson.h>
#include "tools/sim/task.h"

struct agent {
	uint64_t id;
	uint32_t weight, told_weight;
	uint32_t class;				/* enum starling_class */
	uint64_t past_run_ns, past_wait_ns;	/* of tasks that have exited */
	uint64_t run_ns, wait_ns;		/* of those that live, at the last round */
	struct agent *next;			/* of those that the daemon knows */
};

struct daemon_cost {
	uint64_t decisions, sum_ns, max_ns;	/* of the host's time */
	uint64_t allocs_max;			/* in one of the policy's decisions */
	size_t tasks_max;
};

/* Effects come @delay_ns after what they follow from. @guard_ns: epoch; 0: no guard. */
void daemon_start(uint64_t delay_ns, uint64_t guard_ns);
void daemon_stop(void);
/* @a, which is allocated, belongs to the daemon until it is gone, and then to nobody. */
void daemon_agent(struct agent *a);
void daemon_agent_gone(struct agent *a);
/* @t has been made, by @parent; @execs: it runs a program of its own. */
void daemon_fork(struct task *t, const struct task *parent, bool execs);
void daemon_exit(struct task *t);
void daemon_edge(const struct task *waker, const struct task *wakee);
/* @t is about to wait for the GPU. */
void daemon_gpu_wait(struct task *t);
/* Put @t in its agent as `starling run` does, or just watch it. */
void daemon_join(struct task *t);
const struct daemon_cost *daemon_get_cost(void);
/* What it found of its rules, or is about to. */
json_t *daemon_guard(void);

#endif
