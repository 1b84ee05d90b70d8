/* SPDX-License-Identifier: GPL-2.0-only */
/* cpu.h - CPUs: what they run, their ticks, and the scheduler that is asked. */
#ifndef SIM_CPU_H
#define SIM_CPU_H

#include "tools/sim/task.h"

struct cpu {
	int id;
	struct task *curr;		/* NULL: idle */
	struct timer tick, resched, back;
	bool taken;			/* by a real-time task, until @back */
	double speed;			/* of the fastest core */
	uint64_t overhead_ns;		/* of the switch, not over yet */
};

/*
 * A model of a kernel's scheduler. pick() has the old task given back and the
 * new one, perhaps the same, started; NULL: the CPU is idle.
 */
struct sched_model {
	const char *name;
	void (*start)(void);
	int (*fork)(struct task *t, struct task *parent);
	void (*wake)(struct task *t, int this_cpu, bool sync, bool fork);
	void (*sleep)(struct cpu *c, struct task *t);	/* which runs there */
	void (*remove)(struct task *t);			/* which is queued */
	struct task *(*pick)(struct cpu *c);
	void (*release)(struct cpu *c);			/* a real-time task takes it */
	void (*charge)(struct cpu *c, struct task *t, uint64_t ns);
	bool (*tick)(struct cpu *c);			/* true: pick again */
	void (*yield)(struct cpu *c);
};
extern const struct sched_model model_starling, model_fair;

struct machine {
	const struct sched_model *model;
	unsigned int ncpu;
	struct cpu *cpu;
	uint64_t tick_ns, switch_ns, ipi_ns, yield_ns;
};
extern struct machine machine;

void cpu_start(unsigned int hz);
/* Pick again soon: at once if the caller runs on that CPU. */
void cpu_resched(int cpu, int this_cpu);
bool cpu_will_pick(const struct cpu *c);
/* A real-time task runs there for @ns. */
void cpu_take(struct cpu *c, uint64_t ns);
/* What a CPU's task has used since the last time it was asked for. */
void cpu_charge(struct cpu *c);
bool cpu_allowed(const struct task *t, int cpu);

/* For task.c. */
void cpu_task_init(struct task *t);
void cpu_task_poked(struct cpu *c);
void cpu_task_killed(struct cpu *c);

#endif
