/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * advise.h - where should the next piece of inference run? A pure function: what is
 * known of the machine in, an answer with its reason out. What is not known says so
 * and is never taken for 0.
 */
#ifndef STARLING_POLICY_ADVISE_H
#define STARLING_POLICY_ADVISE_H

#include <stdbool.h>
#include <stdint.h>
#include "daemon/policy/turn.h"

/* Of late a GPU that was busy for so much of the time is a bottleneck, or idle. */
#define ADVISE_BUSY		0.9
#define ADVISE_IDLE		0.1
/* Somebody waited for so much of the last 10 s: too scarce to add to it. */
#define ADVISE_PRESSURE		10.0
/* Cores that inference on the CPU wants idle; half of a small machine's. */
#define ADVISE_CORES		4.0

enum advise_where { ADVISE_GPU, ADVISE_CPU, ADVISE_ELSEWHERE };
enum advise_sure { ADVISE_MEASURED, ADVISE_ESTIMATED, ADVISE_UNKNOWN };
enum advise_bottleneck {
	ADVISE_NECK_UNKNOWN, ADVISE_NECK_NO, ADVISE_NECK_YES, ADVISE_NECK_IDLE,
};

/* A number that may not be known. */
struct advise_value {
	bool known;
	bool estimated;
	double n;
};

struct advise_in {
	enum starling_class class;
	double memory;			/* bytes that it will need; 0: not said */
	bool gpu;			/* there is one */
	struct advise_value busy;	/* part of the time, of late */
	struct advise_value gpu_free;	/* bytes */
	struct advise_value gpu_total;
	double gpu_reserve;		/* bytes of both that programs are to leave */
	bool queue;			/* the module has one for it */
	bool queue_used;		/* and programs go by it */
	bool queue_full;		/* all slots are held */
	unsigned int holders;
	struct advise_value held;	/* time that leases were held, by that of late: they
					 * are added, and may be more than 1 */
	unsigned int waiting;
	struct advise_value room;	/* bytes that leases may still ask for; if limited */
	struct advise_value room_total;
	struct turn turn;
	double cpus;
	struct advise_value idle_cpus;
	struct advise_value cpu_pressure;	/* percent */
	struct advise_value memory_pressure;
	struct advise_value available;		/* bytes of the machine's memory */
};

struct advice {
	enum advise_where where;
	enum advise_sure sure;
	enum advise_bottleneck bottleneck;
	char why[256];
};

void advise(const struct advise_in *in, struct advice *out);

/* What a class is thought to put up with before another place is better, in ns. */
uint64_t advise_patience_ns(enum starling_class class);

const char *advise_where_text(enum advise_where where);
const char *advise_sure_text(enum advise_sure sure);
const char *advise_bottleneck_text(enum advise_bottleneck bottleneck);

#endif
