// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/merge.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/sense/array.h"
#include "daemon/sense/kmod.h"
#include "daemon/sense/sense.h"

/* Agents of the daemon's own making have this bit, the module's have not. */
#define LOCAL_AGENT	(1ULL << 63)

#define GPU_VALUES	(1U << STARLING_VAL_GPU_WAIT | 1U << STARLING_VAL_GPU_LAUNCH | \
			 1U << STARLING_VAL_GPU_ALLOC | 1U << STARLING_VAL_STARVED)
#define GPU_SOURCES	(STARLING_SOURCE(STARLING_VAL_GPU_WAIT, 15) | \
			 STARLING_SOURCE(STARLING_VAL_GPU_LAUNCH, 15) | \
			 STARLING_SOURCE(STARLING_VAL_GPU_ALLOC, 15) | \
			 STARLING_SOURCE(STARLING_VAL_STARVED, 15))

static int by_tid(const void *a, const void *b)
{
	const struct starling_task_record *x = a, *y = b;

	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

static void take_gpu(struct starling_task_record *to,
		     const struct starling_task_record *from)
{
	to->gpu_wait_ns = from->gpu_wait_ns;
	to->gpu_waits = from->gpu_waits;
	to->gpu_launches = from->gpu_launches;
	to->gpu_alloc_bytes = from->gpu_alloc_bytes;
	to->gpu_last_ns = from->gpu_last_ns;
	to->starved_ns = from->starved_ns;
	to->wait_style = from->wait_style;
	to->valid = (to->valid & ~GPU_VALUES) | (from->valid & GPU_VALUES);
	to->estimated = (to->estimated & ~GPU_VALUES) | (from->estimated & GPU_VALUES);
	to->source = (to->source & ~GPU_SOURCES) | (from->source & GPU_SOURCES);
	/* what the daemon saw is not lost for a module that has not heard yet */
	if (from->role_source == STARLING_BY_DETECTION &&
	    to->role_source < STARLING_BY_DETECTION) {
		to->role = from->role;
		to->role_source = from->role_source;
	}
}

int merge_tasks(struct array *out, struct starling_task_record *probe, size_t nprobe,
		const struct starling_task_record *module, size_t nmodule)
{
	struct starling_task_record *to, *same;
	size_t n = nmodule;
	int err = array_reserve(out, (nprobe + nmodule) * sizeof(*to));

	if (err)
		return err;
	to = out->data;
	qsort(probe, nprobe, sizeof(*probe), by_tid);
	for (size_t i = 0; i < nmodule; i++) {
		to[i] = module[i];
		same = bsearch(&module[i], probe, nprobe, sizeof(*probe), by_tid);
		if (!same)
			continue;
		take_gpu(&to[i], same);
		same->tgid = 0;	/* taken; tid keeps the order */
	}
	for (size_t i = 0; i < nprobe; i++)
		if (probe[i].tgid)
			to[n++] = probe[i];
	out->used = n;
	return 0;
}

static void take_agent(struct sense_agent *to, const struct starling_agent_record *from)
{
	memset(to, 0, sizeof(*to));
	to->id = from->id;
	to->run_ns = from->run_ns;
	to->wait_ns = from->wait_ns;
	to->gpu_wait_ns = from->gpu_wait_ns;
	to->forks = from->forks;
	to->exits = from->exits;
	to->tasks = from->tasks;
	to->weight = from->weight;
	to->class = from->class;
	to->parent = from->parent_id;
	memcpy(to->name, from->name, sizeof(to->name));
}

int merge_agents(struct array *out, const struct sense_agent *probe, size_t nprobe,
		 const struct starling_agent_record *module, size_t nmodule)
{
	struct sense_agent *to;
	size_t n = 0;
	int err = array_reserve(out, (nprobe + nmodule) * sizeof(*to));

	if (err)
		return err;
	to = out->data;
	for (size_t i = 0; i < nmodule; i++)
		take_agent(&to[n++], &module[i]);
	for (size_t i = 0; i < nprobe; i++)
		if (probe[i].id & LOCAL_AGENT)
			to[n++] = probe[i];
	out->used = n;
	return 0;
}

static bool worth_publishing(const struct starling_task_record *r, uint16_t placement)
{
	if (!r->agent_id || r->agent_id & LOCAL_AGENT)
		return false;
	return r->placement != placement || r->gpu_last_ns || r->gpu_alloc_bytes ||
		r->gpu_launches || r->starved_ns || r->gpu_busy_ns || r->gpu_memory_bytes ||
		r->role_source == STARLING_BY_DETECTION;
}

void merge_publish(struct kmod *k, const struct starling_task_record *task, size_t n,
		   const struct sense_opts *opts)
{
	enum { BATCH = 64 };
	struct starling_task_record out[BATCH];
	uint16_t placement = STARLING_PLACEMENT_UNKNOWN;
	size_t have = 0;

	for (size_t i = 0; i < n; i++) {
		if (opts->placement)
			placement = opts->placement(opts->ctx, task[i].tid);
		if (!worth_publishing(&task[i], placement))
			continue;
		out[have] = task[i];
		out[have].placement = placement;
		if (out[have].role_source != STARLING_BY_DETECTION)
			out[have].role_source = STARLING_BY_NONE;
		if (++have < BATCH)
			continue;
		kmod_publish(k, out, have);
		have = 0;
	}
	if (have)
		kmod_publish(k, out, have);
}
