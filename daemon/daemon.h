/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * daemon.h - everything one starlingd owns, and the order it lives in.
 *
 * Single-threaded: all of it belongs to the event loop. Members are set up
 * from top to bottom and released from bottom to top.
 */
#ifndef STARLING_DAEMON_H
#define STARLING_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>
#include "daemon/agent.h"
#include "daemon/edge.h"
#include "daemon/history.h"
#include "daemon/ladder.h"
#include "daemon/options.h"
#include "daemon/place/noise.h"
#include "daemon/place/place.h"
#include "daemon/policy/policy.h"
#include "daemon/room.h"
#include "daemon/sense/sense.h"
#include "daemon/task.h"
#include "daemon/topology.h"

struct control;

/* What the daemon did, for status. */
struct counters {
	uint64_t rounds;	/* full reads */
	uint64_t decisions;
	uint64_t applies;
	uint64_t placed;	/* single tasks, at once */
	uint64_t detect_ns;	/* last GPU event: from its time to placed */
	uint64_t detect_max_ns;
	uint64_t tick_ns;	/* length of the last round */
	uint64_t tick_max_ns;
};

struct daemon {
	struct options opt;
	int lock_fd;
	char socket_path[108];
	struct topology topo;
	struct sense *sense;
	struct journal *journal;
	const struct placer_ops *placer_ops;	/* NULL: only look */
	struct placer *placer;
	struct fall fall;	/* the placer that was at work before, if it has ended */
	struct noise *noise;	/* NULL: not moved */

	struct task_table tasks;
	struct agent_table agents;
	struct edge_table edges;
	struct cost cost;
	struct policy_settings settings;
	struct policy_state policy;
	struct room room;		/* of one decision */
	struct plan plan;
	struct counters count;
	struct history history;
	uint64_t guard_seq;	/* last decision of the guard that was told */
	uint64_t started_ns;
	uint64_t round_ns;	/* time of the last full read */
	uint64_t elapsed_ns;	/* from the one before it */
	uint64_t lost_events;
	uint32_t round;
	bool off;		/* by `starling off`: look, do not touch */
	bool moved;		/* a feeder was active in the last round */
	bool changed;		/* the placer has not seen the present state */
	bool hurry;		/* decide before the loop sleeps again */
	uint64_t hurry_ns;	/* time of the event that asks for it */

	sd_event *event;
	sd_event_source *tick;
	sd_event_source *pulse;
	struct control *control;
};

uint64_t now_ns(void);		/* CLOCK_MONOTONIC */

/* "bpf", with "+uprobes" and "+driver" where these are in, or "proc". */
const char *daemon_probes(const struct daemon *d);
/* Is there something that may touch tasks now? */
bool daemon_places(const struct daemon *d);

#endif
