/* SPDX-License-Identifier: GPL-2.0-only */
/* metric.h - what is measured; names as agentload prints them. */
#ifndef SIM_METRIC_H
#define SIM_METRIC_H

#include <jansson.h>
#include "tools/agentload/stats.h"
#include "tools/sim/task.h"

struct metrics {
	struct hist late;		/* from the GPU's end to the feeder's return */
	struct hist wait[KINDS];
	struct hist ttft, itl, step, tool, barrier;
	uint64_t longest_ns[KINDS];
	uint64_t starved_ns;
	uint64_t left_out_ns;		/* the guard left a rule out */
	uint64_t tokens, steps, planned, calls, frames, frames_missed, forks, born, died;
	double work_s;			/* of tools that are done */
	size_t room_at_half;		/* task_room() when half of the time was over */
	uint64_t end_ns;		/* the last agent's last step */
};
extern struct metrics metrics;

void metric_wait(const struct task *t, uint64_t ns);
void metric_late(uint64_t ns);
/* After the run: those that wait still count, too. */
void metric_finish(void);

struct share {
	const char *name;
	uint32_t weight;
	double got;		/* ns */
};
/* The largest relative difference from what weights say, in per cent. */
double metric_weight_error(const struct share *share, unsigned int n);

json_t *metric_report(void);
void metric_print(const json_t *j);

#endif
