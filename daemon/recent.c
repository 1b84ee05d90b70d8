// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/recent.h"

#include <string.h>

#define LEAST_NS	1000000000ULL	/* of less time no rate is told */

bool recent_due(const struct recent *r, uint64_t now, uint64_t step)
{
	return !r->mark.ns || now - r->mark.ns >= step;
}

void recent_add(struct recent *r, uint64_t now, const double v[RECENT_VALUES])
{
	r->old = r->mark;
	r->mark.ns = now;
	memcpy(r->mark.v, v, sizeof(r->mark.v));
}

void recent_forget(struct recent *r)
{
	memset(r, 0, sizeof(*r));
}

uint64_t recent_grown(const struct recent *r, uint64_t now, const double v[RECENT_VALUES],
		      double grown[RECENT_VALUES])
{
	const struct recent_mark *from = r->old.ns ? &r->old : &r->mark;

	if (!from->ns || now < from->ns + LEAST_NS)
		return 0;
	for (int i = 0; i < RECENT_VALUES; i++) {
		grown[i] = v[i] - from->v[i];
		if (grown[i] < 0)
			return 0;
	}
	return now - from->ns;
}
