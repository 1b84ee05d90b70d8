/* SPDX-License-Identifier: GPL-2.0-only */
/* One tool call as a tree of processes in a group of its own. */
#ifndef AGENTLOAD_AGENT_H
#define AGENTLOAD_AGENT_H

#include <stdint.h>
#include <sys/types.h>

#include "trace.h"

struct tool_run {
	pid_t pid;
	const struct trace_call *call;
	uint64_t start, end, cpu_us;
	int failed;
};

/* log_fd takes what the tools print to stderr; 0 or -errno */
int tool_start(struct tool_run *r, const struct trace_call *call, int log_fd);
/* wait for all n; those still running are killed once stop_flag is set */
void tool_wait(struct tool_run *r, int n);

#endif
