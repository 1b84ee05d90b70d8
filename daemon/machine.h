/* SPDX-License-Identifier: GPL-2.0-only */
/* machine.h - how busy the CPUs are and how scarce memory is, out of /proc. */
#ifndef STARLING_MACHINE_H
#define STARLING_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include "daemon/recent.h"

/* Time that somebody waited, of the last 10 s, in percent (PSI). */
struct pressure {
	bool known;
	double percent;
};

struct machine {
	unsigned int cpus;	/* online */
	double idle_cpus;	/* of late; if @idle_ns, that long */
	uint64_t idle_ns;
	struct pressure cpu;
	struct pressure memory;
	bool available_known;
	uint64_t available_bytes;
};

/* Idle time of @text, which begins as /proc/stat does: jiffies of all CPUs. */
bool machine_idle_parse(const char *text, double *idle);
/* Note the idle time every now and then, for the next function. */
void machine_mark(struct recent *idle, uint64_t now);
void machine_read(struct machine *m, const struct recent *idle, uint64_t now);

#endif
