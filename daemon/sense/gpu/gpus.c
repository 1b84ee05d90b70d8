// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/gpu/gpus.h"

#include <stdlib.h>
#include "daemon/sense/gpu/ledger.h"
#include "daemon/sense/gpu/link.h"

enum { WAITERS_MAX = 256 };

/*
 * Drivers take a sample of utilization one to six times a second, and keep some
 * 10 s of them: nothing is gained by asking more often, or lost by half of that
 * while nobody uses a GPU.
 */
#define ACTIVE_NS	1000000000ULL
#define QUIET_NS	5000000000ULL

struct gpus {
	struct gpu_link *link;
	struct gpu_ledger ledger;
	unsigned int nwaiter;
	struct {
		uint32_t tgid;
		uint64_t ns;
	} waiter[WAITERS_MAX];
};

static uint64_t waited(void *ctx, uint32_t pid)
{
	const struct gpus *g = ctx;

	for (unsigned int i = 0; i < g->nwaiter; i++)
		if (g->waiter[i].tgid == pid)
			return g->waiter[i].ns;
	return 0;
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
	if (ret > 0)
		ledger_take(&g->ledger, gpu_link_sample(g->link), waited, g);
	else if (ret < 0)
		ledger_doubt(&g->ledger);
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
