/* SPDX-License-Identifier: GPL-2.0-only */
/* A run: what it was asked to do, its processes, and what came out. */
#ifndef AGENTLOAD_RUN_H
#define AGENTLOAD_RUN_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "trace.h"

struct child {
	pid_t pid;
	int status, reaped;
	struct rusage usage;		/* of the whole tree that it waited for */
};

struct run {
	/* asked for */
	const char *trace_file, *server_url, *wait, *json, *timeline, *wrap, *work_base;
	const char *eager, *max_batch;
	double limit_s;
	int quiet;
	/* state */
	struct trace trace;
	char trace_path[512], work[384], out[420];
	uint16_t port;
	uint64_t epoch, end;
	struct child server, agent[TRACE_MAX_AGENTS];
	int progress[2];
	uint64_t steps_done;
	/* results */
	json_t *before, *after, *feeder_spans;	/* of the server */
	int strays;			/* processes that had to be killed at the end */
};

/* spawn.c */
int run_start_server(struct run *r);
int run_start_agents(struct run *r);
/* reap without waiting; returns how many agents are left */
int run_reap(struct run *r);
/* end everything that still runs, grandchildren included */
void run_stop_all(struct run *r);
int run_stop_server(struct run *r);

/* report.c: the result of the run as JSON, and as text for people */
json_t *report_make(struct run *r);
void report_print(const json_t *report, FILE *out);

/* timeline.c: 0 or -errno */
int timeline_write(struct run *r, const json_t *report);

#endif
