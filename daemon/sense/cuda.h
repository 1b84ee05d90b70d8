/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cuda.h - probes at the GPU driver's library, in every copy that is in use, and at
 * what computes models on CPUs.
 *
 * A copy is an inode: containers that bind-mount the host's library share its
 * probes. The entries of waits and allocations are probed for as long as the
 * copy is in use; returns, launches and sched_yield() in windows, and returns
 * while several processes share a GPU and nobody else tells whose work it does.
 *
 * ggml's library for CPUs is found in the same way, and has one probe only: where it
 * begins to compute a graph.
 */
#ifndef STARLING_SENSE_CUDA_H
#define STARLING_SENSE_CUDA_H

#include <stdbool.h>
#include <stdint.h>
#include "daemon/sense/probe.h"

struct cuda;

/* Finds the copies that are in use now; @extra: a path to probe in any case. */
int cuda_open(struct cuda **out, struct probe *p, const char *extra);
void cuda_close(struct cuda *c);

/* Whether this kernel can put one program at many functions (6.6). */
bool cuda_usable(const struct cuda *c);
/* Copies of the driver's library with probes. */
unsigned int cuda_libs(const struct cuda *c);
/* Readable when cuda_timer() has something to do. */
int cuda_fd(const struct cuda *c);
void cuda_timer(struct cuda *c);

/* Process @tgid mapped a copy that has no probes. */
void cuda_mapped(struct cuda *c, const struct probe_event *ev);
/* A thread waits for the GPU: the first time, or again. */
void cuda_active(struct cuda *c, bool first);
/* Probe the returns of all waits, not in windows alone; whether that is so. */
bool cuda_returns(struct cuda *c, bool on);
/* Housekeeping. @active: some thread waited for a GPU lately. */
void cuda_tick(struct cuda *c, uint64_t now_ns, bool active);

#endif
