// SPDX-License-Identifier: GPL-2.0-only
/*
 * Spans are only kept when someone asked for a timeline, so that measuring runs
 * do not pay for pictures.
 */
#include "spans.h"

#include <stdlib.h>

/* Neighbours of one kind are one span, so that a long spin costs one entry. */
void spans_add(struct spans *s, uint64_t start, uint64_t end, const char *what)
{
	struct span *last;

	if (!s->on || end <= start)
		return;
	if (!s->v)
		s->v = malloc(SPANS_MAX * sizeof(*s->v));
	if (!s->v) {
		s->lost++;
		return;
	}
	last = s->count ? &s->v[s->count - 1] : NULL;
	if (last && last->what == what && start <= last->end) {
		if (end > last->end)
			last->end = end;
		return;
	}
	if (s->count == SPANS_MAX) {
		s->lost++;
		return;
	}
	s->v[s->count++] = (struct span){ start, end, what };
}

json_t *spans_json(const struct spans *s)
{
	json_t *rows = json_array();
	uint32_t i;

	for (i = 0; i < s->count; i++)
		json_array_append_new(rows, json_pack("[I,I,s]", (json_int_t)s->v[i].start,
						      (json_int_t)s->v[i].end, s->v[i].what));
	return rows;
}

void spans_free(struct spans *s)
{
	free(s->v);
	s->v = NULL;
}
