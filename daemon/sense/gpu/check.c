// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/gpu/check.h"

#include <string.h>
#include "daemon/sense/gpu/gpu.h"

/* Clocks of two processes are the same one, but are not read at the same time. */
#define AHEAD_NS	1000000000ULL
/* All of enum starling_value_source. */
#define SOURCES_ALL	15U

/*
 * What a bool or a flag may hold; as bytes, for the compiler may take it for
 * granted that a bool holds nothing else.
 */
static bool is_flag(const void *at)
{
	return *(const unsigned char *)at <= 1;
}

static bool is_whole(const struct gpu_sample *s, size_t n)
{
	return n >= offsetof(struct gpu_sample, proc) && s->ndevice <= GPU_DEVICES_MAX &&
		s->nproc <= GPU_PROCS_MAX && n == gpu_sample_size(s);
}

/* Of time that has passed, and that no sample has told of before. */
static bool is_timely(const struct gpu_sample *s, uint64_t after_ns, uint64_t now_ns)
{
	return s->from_ns >= after_ns && s->to_ns > s->from_ns && s->to_ns <= now_ns + AHEAD_NS;
}

static bool caps_good(const struct gpu_caps *caps)
{
	for (int i = 0; i < __GPU_ITEM_MAX; i++)
		if (caps->can[i] >= __GPU_CAN_MAX)
			return false;
	return is_flag(&caps->there);
}

/* What no GPU can have is not known. */
static void clean_value(struct gpu_value *v)
{
	v->known = v->known == 1 && v->n <= GPU_VALUE_MAX && v->source &&
		!(v->source & ~SOURCES_ALL);
	v->estimated = v->estimated != 0;
	if (!v->known)
		*v = (struct gpu_value){ 0 };
}

/* A device is not busy for longer than there was time. */
static void clean_device(struct gpu_device *d, uint64_t dt)
{
	gpu_text(d->pci, sizeof(d->pci));
	gpu_text(d->name, sizeof(d->name));
	gpu_text(d->uuid, sizeof(d->uuid));
	for (int i = 0; i < __GPU_ITEM_MAX; i++)
		clean_value(&d->v[i]);
	if (d->v[GPU_BUSY].n > dt)
		d->v[GPU_BUSY].n = dt;
	d->complete = d->complete == 1;
}

/* Each once: else one is charged for both. */
static bool devices_differ(const struct gpu_sample *s)
{
	for (uint32_t i = 0; i < s->ndevice; i++)
		for (uint32_t j = 0; j < i; j++)
			if (!strcmp(s->device[i].pci, s->device[j].pci))
				return false;
	return true;
}

static bool procs_good(struct gpu_sample *s)
{
	for (uint32_t i = 0; i < s->nproc; i++) {
		struct gpu_process *p = &s->proc[i];

		if (!p->pid || !p->start_ticks || p->device >= s->ndevice)
			return false;
		clean_value(&p->busy);
		clean_value(&p->queue);
		clean_value(&p->memory);
	}
	return true;
}

bool gpu_sample_check(struct gpu_sample *s, size_t n, uint64_t after_ns, uint64_t now_ns)
{
	if (!is_whole(s, n) || !is_timely(s, after_ns, now_ns))
		return false;
	for (int i = 0; i < GPU_BACKENDS; i++) {
		if (!caps_good(&s->caps[i]))
			return false;
		gpu_text(s->caps[i].why, sizeof(s->caps[i].why));
	}
	clean_value(&s->package);
	for (uint32_t i = 0; i < s->ndevice; i++)
		clean_device(&s->device[i], s->to_ns - s->from_ns);
	return devices_differ(s) && procs_good(s);
}
