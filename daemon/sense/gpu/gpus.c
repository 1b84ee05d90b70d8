// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/gpu/gpus.h"

#include <stdlib.h>
#include "daemon/sense/gpu/ledger.h"
#include "daemon/sense/gpu/link.h"
#include "daemon/sense/gpu/turns.h"

enum { WAITERS_MAX = 256 };

/*
 * Drivers take a sample of utilization one to six times a second, and keep some
 * 10 s of them: nothing is gained by asking more often, or lost by half of that
 * while nobody uses a GPU.
 */
#define ACTIVE_NS	1000000000ULL
#define QUIET_NS	5000000000ULL
/* Turns are looked at for so long after the last time that they were needed. */
#define TURNS_NS	10000000000ULL

struct gpus {
	struct gpu_link *link;
	struct gpu_ledger ledger;
	struct turns turns;
	bool turns_seen;	/* begins and ends of waits are told */
	bool turns_torn;	/* but some were missed since the last sample */
	uint64_t guessed_ns;	/* last time that somebody's share was guessed */
	unsigned int nwaiter;
	struct {
		uint32_t tgid;
		uint64_t ns;
	} waiter[WAITERS_MAX];
};

/* By turns, if they are seen; else by who waited for how long. */
static struct gpu_weight weigh(void *ctx, uint32_t pid)
{
	const struct gpus *g = ctx;
	struct gpu_weight w = { .rule = g->turns_seen && !g->turns_torn };

	if (w.rule) {
		turns_had(&g->turns, pid, &w.ns);
		return w;
	}
	for (unsigned int i = 0; i < g->nwaiter; i++)
		if (g->waiter[i].tgid == pid)
			w.ns = g->waiter[i].ns;
	return w;
}

static void note_waiter(struct gpus *g, const struct starling_task_record *rec)
{
	unsigned int i;

	if (!rec->gpu_wait_ns || !(rec->valid & 1U << STARLING_VAL_GPU_WAIT))
		return;
	for (i = 0; i < g->nwaiter && g->waiter[i].tgid != rec->tgid; i++)
		;
	if (i == WAITERS_MAX)
		return;
	if (i == g->nwaiter) {
		g->nwaiter++;
		g->waiter[i].tgid = rec->tgid;
		g->waiter[i].ns = 0;
	}
	g->waiter[i].ns += rec->gpu_wait_ns;
}

struct gpus *gpus_open(void)
{
	struct gpus *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->ledger.root = "";
	g->link = gpu_link_new(NULL);
	if (g->link)
		return g;
	free(g);
	return NULL;
}

void gpus_close(struct gpus *g)
{
	if (!g)
		return;
	gpu_link_free(g->link);
	ledger_free(&g->ledger);
	free(g);
}

void gpus_tick(struct gpus *g, uint64_t now_ns, bool active)
{
	const struct gpu_sample *s = gpu_link_sample(g->link);
	int ret;

	active |= s && s->nproc;
	ret = gpu_link_tick(g->link, now_ns, active ? ACTIVE_NS : QUIET_NS);
	if (ret > 0) {
		turns_settle(&g->turns, now_ns);
		ledger_take(&g->ledger, gpu_link_sample(g->link), weigh, g);
		g->turns_torn = false;
		/* whose turn it was on which of several nobody knows */
		if (g->ledger.used > 1)
			g->guessed_ns = 0;
		else if (g->ledger.guessed)
			g->guessed_ns = now_ns;
	} else if (ret < 0) {
		ledger_doubt(&g->ledger);
	}
}

bool gpus_want_turns(const struct gpus *g, uint64_t now_ns)
{
	return g->guessed_ns && now_ns - g->guessed_ns < TURNS_NS;
}

void gpus_turn(struct gpus *g, uint32_t tgid, enum turn_what what, uint64_t ns)
{
	turns_note(&g->turns, tgid, what, ns);
}

void gpus_turns_seen(struct gpus *g, bool seen)
{
	turns_forget(&g->turns);
	g->turns_torn = true;
	g->turns_seen = seen;
}

/* The reader itself opens the driver's devices. */
void gpus_used(struct gpus *g, uint32_t tgid)
{
	if ((pid_t)tgid != gpu_link_pid(g->link))
		gpu_link_hint(g->link);
}

void gpus_fill(struct gpus *g, struct starling_task_record *rec, size_t n)
{
	g->nwaiter = 0;
	for (size_t i = 0; i < n; i++)
		note_waiter(g, &rec[i]);
	ledger_fill(&g->ledger, rec, n);
}

const struct gpu_link *gpus_link(const struct gpus *g)
{
	return g->link;
}

const struct gpu_ledger *gpus_ledger(const struct gpus *g)
{
	return &g->ledger;
}
