/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ledger.h - what each process has had of the GPUs, out of samples.
 *
 * Samples tell changes, this keeps totals: while a process lives they never go
 * back, also when a reader ends and another begins. No I/O, but for asking
 * whether a process that is in no sample any more has ended.
 */
#ifndef STARLING_GPU_LEDGER_H
#define STARLING_GPU_LEDGER_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>
#include "daemon/sense/gpu/gpu.h"

enum { LEDGER_MAX = 1024 };

/* What a process's part of a device's work goes by; by the same rule it only grows. */
struct gpu_weight {
	uint64_t ns;
	unsigned int rule;
};

struct gpu_account {
	uint32_t pid;		/* key */
	uint64_t start_ticks;
	uint64_t start_ns;	/* of the record it is told in; 0: none yet */
	struct gpu_value busy;	/* ns, since first seen */
	struct gpu_value queue;	/* ns its jobs waited for GPUs, since first seen */
	struct gpu_value memory;	/* bytes now */
	struct gpu_value energy;	/* uJ, since first seen */
	uint64_t new_busy;	/* of those, by the sample it was last in */
	uint64_t new_energy;
	uint64_t agent_id;	/* its first thread's, when last told; 0: none */
	struct gpu_weight weight;	/* at the last sample */
	uint64_t grown;		/* what that has grown by since the one before */
	uint32_t weighed;	/* sample that last asked for it */
	uint32_t on;		/* devices it was last told on, by index in the ledger */
	uint32_t seen;		/* sample that last had it */
	UT_hash_handle hh;
};

struct gpu_totals {
	char pci[20];
	struct gpu_value busy;
	struct gpu_value energy;
	struct gpu_value faults;
	uint64_t last_fault;
};

struct gpu_ledger {
	const char *root;	/* of /proc; "" */
	struct gpu_account *head;
	uint32_t round;
	uint32_t complete;	/* devices whose processes are all in this sample */
	bool guessed;		/* in this sample, whose work one did of several's */
	unsigned int used;	/* devices that processes use in it */
	uint64_t overflow;	/* processes not taken in: table full */
	uint64_t lost;		/* not told by the reader: no room */
	unsigned int ndevice;
	struct gpu_totals device[GPU_DEVICES_MAX];
	struct gpu_value package;
};

/*
 * Book a sample. Where no source tells whose work a device does, its busy time is
 * shared out by what @weigh of each process grew by, and marked as an estimate. A
 * device's energy is shared out by busy time; what it used while nobody had it is
 * nobody's.
 */
void ledger_take(struct gpu_ledger *l, const struct gpu_sample *s,
		 struct gpu_weight (*weigh)(void *ctx, uint32_t pid), void *ctx);
/* Nothing is known for now; totals stay, and go on when something is. */
void ledger_doubt(struct gpu_ledger *l);
void ledger_free(struct gpu_ledger *l);

const struct gpu_account *ledger_find(const struct gpu_ledger *l, uint32_t pid);
const struct gpu_totals *ledger_device(const struct gpu_ledger *l, const char *pci);

/*
 * Write what is known into the records of the processes' first threads, and
 * "not known" into all others: no thread can be told apart from another.
 */
void ledger_fill(struct gpu_ledger *l, struct starling_task_record *rec, size_t n);

#endif
