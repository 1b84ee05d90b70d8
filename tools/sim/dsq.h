/* SPDX-License-Identifier: GPL-2.0-only */
/* dsq.h - dispatch queues: a list, or a tree in the order of virtual time. */
#ifndef SIM_DSQ_H
#define SIM_DSQ_H

#include "tools/sim/task.h"

/* One or the other, as in the kernel. */
struct dsq {
	struct task *head, *tail;
	struct task *root;
	unsigned int nr;
	uint64_t seq;
};

void dsq_add(struct dsq *q, struct task *t, bool first);
/* What has the same @vtime goes in the order of coming. Times may wrap. */
void dsq_add_vtime(struct dsq *q, struct task *t, uint64_t vtime);
void dsq_del(struct task *t);
/* The first that may run on @cpu, or NULL; of all. */
struct task *dsq_first_for(const struct dsq *q, int cpu);
struct task *dsq_first(const struct dsq *q);
/* The next after a place where one was that may have gone since. */
struct task *dsq_next(const struct dsq *q, uint64_t vtime, uint64_t seq);

#endif
