/* SPDX-License-Identifier: GPL-2.0-only */
/* load.h - the machine and what runs on it. */
#ifndef SIM_LOAD_H
#define SIM_LOAD_H

#include "daemon/topology.h"
#include "tools/agentload/trace.h"
#include "tools/agentload/util.h"
#include "tools/sim/daemon.h"
#include "tools/sim/gpu.h"
#include "tools/sim/metric.h"

enum { SHARES_MAX = 64 };

struct load {
	/* asked for */
	uint64_t seed, end_ns;
	uint16_t style;			/* of the feeders */
	unsigned int hogs, agents, tasks;	/* 0: the load's own number */
	double rho;			/* what tools want of all CPUs; m9 */
	double t1_ms, prefill_tps, host_us;
	const char *trace;		/* file for agents to replay; NULL: generate it */

	struct topology topo;
	bool smt;
	struct rng rng;
	struct trace tr;
	unsigned int nshare;
	struct share share[SHARES_MAX];
	void (*finish)(void);		/* after the run, before the report */
};
extern struct load load;

struct load_type {
	const char *name, *help;
	int (*start)(void);		/* 0, or says what is wrong and -errno */
};
extern const struct load_type load_types[];
const struct load_type *load_find(const char *name);

/* A new agent with its own number. */
struct agent *load_agent(uint32_t weight);
/* Tasks of an agent descend from its root, which only sleeps. */
struct task *load_root(struct agent *a);
/* A thread that feeds the GPU all the time, or @on_ns of every two. */
void load_feeder(uint64_t on_ns);

/* prog.c: what tasks do. */
struct act prog_hog(struct task *t);
struct act prog_once(struct task *t);		/* arg[0] ns of CPU, then it exits */
struct act prog_short(struct task *t);		/* 2 ms at a time, measured as tool calls */
struct act prog_rare(struct task *t);		/* 1 ms every ten seconds or so */
struct act prog_storm(struct task *t);		/* arg[0]: mean ns between two forks */
struct act prog_burn(struct task *t);		/* arg[0] ns on, arg[1] ns off */
struct barrier {
	unsigned int n, arrived;
	uint64_t ns, began_ns;
	struct task *task[SHIM_CPUS_MAX];
};
struct act prog_barrier(struct task *t);
/* @n tasks with @step below @parent, all started. */
void prog_start(struct task_spec spec, unsigned int n, struct task *parent);

/* agents.c: agents of a trace, and the server that they ask. */
int agents_start(bool phases, bool churn);

#endif
