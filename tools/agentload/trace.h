/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A trace: what each agent does, step by step, with every random choice made.
 * It is generated once per seed and replayed alike by each arm of a comparison.
 * One JSON object a line: a header, one line per agent, then the steps in order.
 */
#ifndef AGENTLOAD_TRACE_H
#define AGENTLOAD_TRACE_H

#include <stdint.h>
#include <stdio.h>

#include "tool.h"

enum {
	TRACE_MAX_AGENTS = 64,
	TRACE_MAX_STEPS = 50000,
	TRACE_MAX_CALLS = 9,		/* parallel tool calls of a step */
	TRACE_MAX_EXECS = 28,		/* programs run by one call */
	TRACE_ALL_CPUS = 0,		/* value of trace_call.par */
};

struct trace_exec {
	enum tool_kind kind;
	uint32_t cpu_us;		/* on the reference core; already scaled */
};

/* one tool call: a wait for the world, then a tree of programs */
struct trace_call {
	uint32_t wait_ms;
	uint16_t par;			/* processes sharing the longest exec */
	uint16_t execs;
	struct trace_exec exec[TRACE_MAX_EXECS];
};

struct trace_step {
	uint16_t agent, calls;
	uint32_t think_ms;		/* before the prompt is sent */
	uint32_t prompt, out;		/* tokens */
	uint32_t merge_us;		/* the runtime's own CPU after the reply */
	uint32_t frames;		/* 20 ms audio frames before the prompt */
	struct trace_call call[TRACE_MAX_CALLS];
};

struct trace_agent {
	char name[32], type[16];
	uint32_t start_ms;
};

struct trace {
	uint64_t seed;
	double seconds, cpu_scale, t1_ms, prefill_tps;
	unsigned int agents, cpus;
	struct trace_agent agent[TRACE_MAX_AGENTS];
	uint32_t steps, room;
	struct trace_step *step;
};

void trace_free(struct trace *t);
struct trace_step *trace_add(struct trace *t);		/* NULL: too many */
/* sum of the CPU of all tools, in us of the reference core */
uint64_t trace_cpu_us(const struct trace *t);

/* rho > 0: choose cpu_scale so that the tools offer that load to cpus CPUs */
int trace_generate(struct trace *t, double rho);

int trace_write(const struct trace *t, FILE *out);	/* 0 or -errno */
int trace_read(struct trace *t, const char *path);	/* says what is wrong where */

#endif
