// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/gpu/nvml-usage.h"

#include <stdbool.h>
#include <stdlib.h>

/* The driver's stamps are of the same clock; a step of that clock is bounded. */
#define AHEAD_US	1000000ULL

static int by_pid_and_time(const void *a, const void *b)
{
	const struct nvml_usage *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->stamp_us < y->stamp_us ? -1 : x->stamp_us > y->stamp_us;
}

static bool counts(const struct nvml_usage *u, uint64_t last_us, uint64_t now_us)
{
	return u->pid && u->sm <= 100 && u->stamp_us > last_us &&
		u->stamp_us <= now_us + AHEAD_US;
}

/* The time that a sample stands for: since the one before it, or since @from_us. */
static uint64_t span_us(uint64_t stamp_us, uint64_t before_us, uint64_t from_us)
{
	uint64_t begin = before_us > from_us ? before_us : from_us;

	if (begin >= stamp_us)
		return 0;
	return stamp_us - begin > NVML_RING_US ? NVML_RING_US : stamp_us - begin;
}

bool nvml_usage_busy(struct nvml_usage *u, size_t n, struct nvml_read *r, uint64_t now_us,
		     void (*fn)(void *ctx, unsigned int pid, uint64_t ns), void *ctx)
{
	uint64_t newest = r->last_us, at, ns;
	size_t i = 0;

	/* the clock went back: what the ring holds is of no time that there is now */
	if (r->last_us > now_us + AHEAD_US) {
		r->last_us = 0;
		r->from_us = now_us;
		return false;
	}
	qsort(u, n, sizeof(*u), by_pid_and_time);
	while (i < n) {
		unsigned int pid = u[i].pid;
		bool any = false;

		for (ns = 0, at = 0; i < n && u[i].pid == pid; i++) {
			if (!counts(&u[i], r->last_us, now_us))
				continue;
			ns += span_us(u[i].stamp_us, at, r->from_us) * u[i].sm * 10;
			at = u[i].stamp_us;
			newest = at > newest ? at : newest;
			any = true;
		}
		if (any)
			fn(ctx, pid, ns);
	}
	/* nothing new: all was idle until now, and a later sample is not of then */
	at = newest > r->last_us ? newest : now_us;
	/* at first there are samples of long ago, too: that time is not told of again */
	if (at > r->from_us)
		r->from_us = at;
	r->last_us = newest;
	return true;
}
