/* SPDX-License-Identifier: GPL-2.0-only */
/* account.h - sums per agent, starved time per feeder. */
#ifndef STARLING_ACCOUNT_H
#define STARLING_ACCOUNT_H

#include "daemon/daemon.h"

/* Take sense's sums of exited tasks in, make those of the living anew. */
void account_agents(struct daemon *d, const struct sense_view *view, uint64_t now);
/*
 * The GPU time that a server used in the last round, shared out among the
 * agents that its request path exchanged wakes with. An estimate.
 */
void account_share(struct daemon *d, uint32_t server_tgid, double gpu_ns);
/* A feeder waited @wait_ns for a CPU while it was active: upper bound. */
void account_starved(struct daemon *d, struct task *task, double wait_ns);

#endif
