/* SPDX-License-Identifier: GPL-2.0-only */
/* gpus.h - the GPUs as the sense side has them: a reader, and a ledger. */
#ifndef STARLING_GPU_GPUS_H
#define STARLING_GPU_GPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/starling.h>

struct gpus;
struct gpu_link;
struct gpu_ledger;

struct gpus *gpus_open(void);
void gpus_close(struct gpus *g);
/* Ask and book, if it is time to. @active: threads wait for a GPU now. */
void gpus_tick(struct gpus *g, uint64_t now_ns, bool active);
/* Process @tgid uses a GPU. */
void gpus_used(struct gpus *g, uint32_t tgid);
/* Learn who waits in a driver from @rec, and write what GPUs did for whom there. */
void gpus_fill(struct gpus *g, struct starling_task_record *rec, size_t n);

const struct gpu_link *gpus_link(const struct gpus *g);
const struct gpu_ledger *gpus_ledger(const struct gpus *g);

#endif
