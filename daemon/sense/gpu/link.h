/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * link.h - the daemon's end of a reader: starts it, asks it, and does without
 * it while it does not answer. No call here waits.
 */
#ifndef STARLING_GPU_LINK_H
#define STARLING_GPU_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct gpu_link;
struct gpu_sample;

/* @reader: the program to start with GPU_READER_ARG; NULL: this one. */
struct gpu_link *gpu_link_new(const char *reader);
void gpu_link_free(struct gpu_link *l);

/*
 * Take an answer, ask again when it is time to. @period_ns: between questions.
 * 1: there is a new sample; 0: nothing new; -ENODATA: from now on nothing is
 * known, see gpu_link_why().
 */
int gpu_link_tick(struct gpu_link *l, uint64_t now_ns, uint64_t period_ns);
/* Somebody uses a GPU: do not wait for the next try. */
void gpu_link_hint(struct gpu_link *l);

/* The newest sample; NULL: nothing is known. */
const struct gpu_sample *gpu_link_sample(const struct gpu_link *l);
/* The newest there ever was, for what it says of the backends; or NULL. */
const struct gpu_sample *gpu_link_last(const struct gpu_link *l);
/* Why nothing is known, in one line; NULL: it is. */
const char *gpu_link_why(const struct gpu_link *l);
/* 0: none runs. */
pid_t gpu_link_pid(const struct gpu_link *l);

#endif
