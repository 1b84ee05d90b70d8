/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cost.h - what agents have cost: GPU time and energy, and CPU seconds for each GPU
 * second, since the daemon began and of late.
 *
 * GPU time is counted once. What a process did with a GPU is its agent's; if that
 * process serves agents (its threads exchanged wakes with theirs) it is theirs, by
 * the part of all its wakes that these are, and not its own agent's. Each sample of a
 * driver is booked as it comes, so what an agent has had stays when its processes
 * end; what they did after the last sample before that is lost. Energy goes with it.
 */
#ifndef STARLING_COST_H
#define STARLING_COST_H

#include <stdbool.h>
#include <stdint.h>
#include "daemon/recent.h"
#include "daemon/sense/gpu/gpu.h"

struct daemon;
struct agent;
struct task;

/* Of the machine. */
struct cost {
	uint32_t sample;	/* of the ledger, the last one booked */
	double cpu_ns;		/* agents' run time since the daemon began */
	double wait_ns;		/* all waits in drivers */
	double package_uj;	/* of the CPU's package, as last booked */
	struct recent recent;	/* cpu_ns, GPU time */
	struct recent busy[GPU_DEVICES_MAX];	/* by index in the ledger: busy time */
	struct recent leases[STARLING_GPUS_MAX];	/* time held, leases that ended */
	struct recent idle;	/* see machine.h */
};

/* Of one agent. */
struct agent_cost {
	struct gpu_value own;		/* ns; of its processes, not for others */
	struct gpu_value share;		/* ns; of servers' time, an estimate */
	struct gpu_value energy;	/* uJ; of GPUs */
	struct gpu_value cpu_energy;	/* uJ; of the CPU's package, by run time */
	double for_others_ns;		/* its processes' for other agents */
	double wait_share_ns;		/* the same two, of time waited in drivers */
	double wait_for_others_ns;
	bool known;			/* what follows is set */
	double before_ns;		/* run time before it was known here */
	double counted_ns;		/* run time that is in struct cost */
	double booked_ns;		/* run time that energy was booked for */
	struct recent recent;		/* run time, GPU time */
};

/* CPU seconds for each GPU second; 0: not known. */
struct cost_ratio {
	double ever;
	double recent;
	uint64_t recent_ns;	/* how long @recent looks back */
};

/* @task waited in a driver for @ns more. */
void cost_waited(struct daemon *d, const struct task *task, double ns);
/* Once a round, when run times are known. */
void cost_round(struct daemon *d, uint64_t now);

/* GPU time of an agent, ns. Drivers' word where there is one, else time waited. */
struct gpu_value agent_gpu(const struct agent *a);
struct cost_ratio cost_of_agent(const struct agent *a, uint64_t now);
/* GPU time of the machine, ns; and what agents ran for it. */
struct gpu_value cost_gpu(const struct daemon *d);
struct cost_ratio cost_of_machine(const struct daemon *d, uint64_t now);

#endif
