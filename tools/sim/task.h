/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * task.h - tasks and what they do. A task is a program of acts: use a CPU for so
 * long, sleep, wait to be woken. Its step function says what comes next.
 */
#ifndef SIM_TASK_H
#define SIM_TASK_H

#include <linux/starling.h>
#include "tools/sim/engine.h"

struct task;
struct agent;

enum act_kind {
	ACT_RUN,	/* use CPU for @ns of the fastest core */
	ACT_SPIN,	/* use CPU until poked */
	ACT_YIELD,	/* the same, but yield in a loop */
	ACT_SLEEP,	/* until @ns (absolute) */
	ACT_BLOCK,	/* until woken */
	ACT_EXIT,
};

struct act {
	enum act_kind kind;
	uint64_t ns;
};

typedef struct act (*step_fn)(struct task *t);

enum phase { PHASE_NONE, PHASE_SLEEPING, PHASE_QUEUED, PHASE_RUNNING };

/* What reports tell apart: what a task is, whatever the policy takes it for. */
enum kind {
	KIND_FEEDER,
	KIND_SERVICE,
	KIND_INTERACTIVE,	/* main loop of an agent that a person waits for */
	KIND_ORCHESTRATOR,
	KIND_TOOL,
	KIND_BACKGROUND,
	KIND_OTHER,
	KINDS,
};

/* In a queue of sched_ext: a list, or a tree by @vtime. */
struct node {
	struct dsq *dsq;
	struct task *prev, *next;	/* list; children in a tree */
	uint64_t vtime, seq;
};

/* A verdict of the scheduler that is not carried out yet. */
struct verdict_ext {
	bool given, by_vtime;
	uint64_t dsq, slice, vtime, flags;
};

/* In a run queue of the fair model; virtual times in ns of weight 100. */
struct fair_entity {
	bool queued;
	double vruntime, deadline, lag;
	uint64_t picked_ns;
	struct task *prev, *next;
};

/* Sums that the daemon's window fades. */
struct window {
	double run_ns, wait_ns, gpu_waits, nvcsw;
	uint64_t recent_ns, recent_wait_ns;
	uint64_t old_run_ns, old_wait_ns, old_gpu_waits, old_nvcsw;
};

/* What the daemon knows and says of it. */
struct known {
	bool member, root, execed;	/* member: in snapshots */
	uint16_t role, source;
	uint16_t told_role;
	uint64_t told_agent;
	bool told, feeding, told_feeding;
	uint64_t denied_ns;
	struct window win;
};

struct task {
	struct task_struct ts;		/* first: the scheduler's view of it */
	uint32_t tid, tgid, ppid;
	struct agent *agent;
	enum phase phase;
	enum kind kind;
	int cpu;			/* where it runs, is queued, or was last */
	int on_cpu;			/* -1: it does not run */
	struct timer timer;		/* end of what it does */
	struct act act;
	uint64_t left_ns;		/* of ACT_RUN */
	bool poked;
	bool killed;
	step_fn step;
	void *ctx;			/* the step function's own, as the rest here */
	int state;
	uint64_t arg[3];
	struct task *parent;		/* to be woken when it exits */
	void (*on_exit)(struct task *t);

	uint64_t run_ns, wait_ns, nvcsw, gpu_waits, gpu_last_ns;
	uint16_t wait_style;
	uint64_t since_ns;		/* charged, or counted as waiting, up to then */
	uint64_t queued_ns;		/* waits since */
	struct task *wait_prev, *wait_next;
	struct node node;
	struct verdict_ext ext;
	struct fair_entity fair;
	struct known known;
	uint32_t index;			/* in task_all() */
};

struct task_spec {
	enum kind kind;
	step_fn step;
	void *ctx;
	struct agent *agent;
	uint32_t tgid;			/* 0: its own */
	uint32_t weight;		/* as from its nice value; 0: 100 */
	int pinned;			/* to this CPU less one; 0: to none */
	bool paired;			/* ... and to the one after it */
	bool execs;			/* a program of its own, not a thread */
};

/* A task that sleeps; task_wake() starts it. */
struct task *task_new(const struct task_spec *spec, struct task *parent);
/* Woken by @waker, NULL: by a timer or a device. */
void task_wake(struct task *t, struct task *waker, bool sync);
/* What one waits for in ACT_SPIN or ACT_YIELD has happened. */
void task_poke(struct task *t);
/* As kill -9: it will not run again. */
void task_kill(struct task *t);

/* All that live, in no special order; may change with any call above. */
struct task **task_all(size_t *n);
/* By how long they wait, the longest first. */
struct task *task_waiting_first(void);
void task_reserve(size_t n);
/* For how many there is room without asking for more. */
size_t task_room(void);
void task_free_all(void);

/* For cpu.c alone. */
void task_is_queued(struct task *t);
void task_is_running(struct task *t, int cpu);
void task_is_sleeping(struct task *t);
void task_exit(struct task *t);

static inline uint32_t task_weight(const struct task *t)
{
	return t->ts.scx.weight;
}

#endif
