/* SPDX-License-Identifier: GPL-2.0-only */
/* gpus.h - the GPUs as the sense side has them: a reader, and a ledger. */
#ifndef STARLING_GPU_GPUS_H
#define STARLING_GPU_GPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/starling.h>
#include "daemon/sense/gpu/turns.h"

struct gpus;
struct gpu_link;
struct gpu_ledger;

struct gpus *gpus_open(void);
void gpus_close(struct gpus *g);
/* Ask and book, if it is time to. @active: threads wait for a GPU now. */
void gpus_tick(struct gpus *g, uint64_t now_ns, bool active);
/* Process @tgid uses a GPU. */
void gpus_used(struct gpus *g, uint32_t tgid);
/*
 * Several share a GPU, and whose work it does must be guessed: gpus_turn() is to
 * be told of each wait, after gpus_turns_seen(), which is also to be called when
 * some may have been missed.
 */
bool gpus_want_turns(const struct gpus *g, uint64_t now_ns);
void gpus_turns_seen(struct gpus *g, bool seen);
void gpus_turn(struct gpus *g, uint32_t tgid, enum turn_what what, uint64_t ns);
/* Learn who waits in a driver from @rec, and write what GPUs did for whom there. */
void gpus_fill(struct gpus *g, struct starling_task_record *rec, size_t n);

const struct gpu_link *gpus_link(const struct gpus *g);
const struct gpu_ledger *gpus_ledger(const struct gpus *g);

#endif
