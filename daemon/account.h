/* SPDX-License-Identifier: GPL-2.0-only */
/* account.h - sums per agent. */
#ifndef STARLING_ACCOUNT_H
#define STARLING_ACCOUNT_H

#include "daemon/daemon.h"

/* Take sense's sums of exited tasks in, make those of the living anew. */
void account_agents(struct daemon *d, const struct sense_view *view, uint64_t now);
/*
 * Wakes that threads of process @server_tgid exchanged with those of other processes
 * that are known, and of these with agents that it serves, others than its own: into
 * each agent's @wakes, and their sum. Of the last round, or of the window that fades
 * (edge.h), which is about what a sample of a driver is of.
 */
struct wakes {
	double all;
	double served;
};

struct wakes account_wakes(struct daemon *d, uint32_t server_tgid, bool window);

#endif
