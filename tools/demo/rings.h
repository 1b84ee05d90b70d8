/* SPDX-License-Identifier: GPL-2.0-only */
/* Per-CPU perf rings: who was on which CPU, and who was born of whom. */
#ifndef DEMO_RINGS_H
#define DEMO_RINGS_H

#include <stdint.h>
#include <stdio.h>

struct rings;

/* @hz samples a second on each CPU. 0 or -errno. */
int rings_open(struct rings **out, unsigned int hz);
void rings_close(struct rings *r);
unsigned int rings_cpus(const struct rings *r);
/* Write what has come in since the last call, as lines; times from @t0_ns. */
void rings_drain(struct rings *r, FILE *f, uint64_t t0_ns);
/* The last of it, up to @end_ns, and a line of totals a CPU. */
void rings_finish(struct rings *r, FILE *f, uint64_t t0_ns, uint64_t end_ns);

#endif
