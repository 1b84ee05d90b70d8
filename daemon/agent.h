/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * agent.h - the agents the daemon knows, by id.
 *
 * Agents of the module come with its events; the daemon makes others itself,
 * for `starling run` and for clients of the request path that nobody
 * registered. Ids of those have bit 63 set, so the two never collide.
 */
#ifndef STARLING_AGENT_H
#define STARLING_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <uthash.h>
#include <linux/starling.h>
#include "daemon/cost.h"

#define AGENT_LOCAL_BIT (1ULL << 63)

enum { AGENT_TABLE_MAX = 4096, AGENT_WEIGHT_NORMAL = 100, AGENT_WEIGHT_MAX = 10000 };

enum agent_origin {
	AGENT_FROM_MODULE,	/* registered through /dev/starling */
	AGENT_FROM_RUN,		/* registered through the control socket */
	AGENT_FROM_LINEAGE,	/* nobody said so: client of the request path */
};

struct agent {
	uint64_t id;		/* key */
	enum agent_origin origin;
	uint32_t root;		/* tgid of its first process; 0: not known */
	uint32_t weight;
	uint32_t class;		/* enum starling_class, of its main loops */
	uint64_t parent;	/* agent, 0: none */
	char name[STARLING_NAME_LEN];
	/* of exited tasks, from sense */
	uint64_t past_run_ns;
	uint64_t past_wait_ns;
	uint64_t past_gpu_ns;
	uint64_t forks;
	uint64_t exits;
	/* sums over the living, made anew each round */
	uint64_t run_ns;
	uint64_t wait_ns;
	uint64_t gpu_ns;
	uint64_t gpu_waits;
	uint32_t tasks;
	double wakes;		/* scratch: see account_wakes() */
	struct agent_cost cost;
	uint64_t alive_ns;	/* last seen with a task */
	UT_hash_handle hh;
};

struct agent_table {
	struct agent *head;
	uint64_t next_id;
	uint64_t overflow;
};

struct agent *agent_find(const struct agent_table *t, uint64_t id);
/* Find or make an agent with a given id (module's); NULL: table full. */
struct agent *agent_get(struct agent_table *t, uint64_t id, uint64_t now_ns);
/* Make an agent of the daemon's own. @name may be NULL: comm and pid of @root. */
struct agent *agent_make(struct agent_table *t, enum agent_origin origin,
			 uint32_t root, const char *name, uint64_t now_ns);
void agent_drop(struct agent_table *t, struct agent *a);
void agent_table_free(struct agent_table *t);
/* Forget agents without a task since @keep_ns. */
void agent_expire(struct agent_table *t, uint64_t now_ns, uint64_t keep_ns);

/* "m3" for the module's, "d3" for the daemon's own. Returns @buf. */
char *agent_label(uint64_t id, char *buf, size_t len);
/* The one whose label it is, or NULL. */
struct agent *agent_by_label(const struct agent_table *t, const char *label);
const char *agent_origin_text(enum agent_origin origin);
uint32_t agent_weight(const struct agent_table *t, uint64_t id);

#endif
