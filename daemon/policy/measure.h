/* SPDX-License-Identifier: GPL-2.0-only */
/* measure.h - how well feeders, their services and tools do: from round to round. */
#ifndef STARLING_POLICY_MEASURE_H
#define STARLING_POLICY_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

struct snapshot;
struct verdict;

/* CPU time used and waited for. */
struct use_ns {
	double run, wait;
};

/* Of one round, or the sum of some. */
struct measure {
	uint64_t ns;
	struct use_ns feeder;
	struct use_ns service;
	struct use_ns tool;	/* all of agents that is neither, exited tasks too */
	double worst_ns;	/* wait of the feeder that waited most */
};

/* Sums at the last reading. Zero it to start. */
struct measure_base {
	uint64_t read_ns;
	uint64_t run_ns;
	uint64_t wait_ns;
};

/* False: nothing has been read since the last time, or it does not tell. */
bool measure_take(const struct snapshot *snap, const struct verdict *v,
		  struct measure_base *base, struct measure *m);
void measure_add(struct measure *sum, const struct measure *m);

/* The part of the time that a feeder wanted a CPU in which it had none. */
double measure_feeder(const struct measure *m);
/* The same of feeders or services, whichever waits for more: a path is as slow. */
double measure_path(const struct measure *m);
/* The part of the time that tools wanted CPUs in which they had one. */
double measure_tools(const struct measure *m);
/* CPUs wanted by all of them, on average. */
double measure_demand(const struct measure *m);

#endif
