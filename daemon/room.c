// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/room.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { PART_MIN = 16384, ALIGN = alignof(max_align_t) };

struct room_part {
	struct room_part *next;
	size_t size;
	alignas(max_align_t) char mem[];
};

/* By half more than is needed, so that a slow growth does not ask each time. */
static int part_add(struct room *r, size_t need)
{
	size_t size = need + need / 2 > PART_MIN ? need + need / 2 : PART_MIN;
	struct room_part *part = malloc(sizeof(*part) + size);

	if (!part)
		return -1;
	part->next = r->part;
	part->size = size;
	r->part = part;
	r->used = 0;
	return 0;
}

void *room_take(struct room *r, size_t n, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 4)
		return NULL;
	bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
	if ((!r->part || bytes > r->part->size - r->used) && part_add(r, bytes))
		return NULL;
	p = r->part->mem + r->used;
	r->used += bytes;
	r->taken += bytes;
	return memset(p, 0, bytes);
}

/* Of several parts one is made that would have been enough. */
void room_reset(struct room *r)
{
	size_t taken = r->taken;

	if (r->part && r->part->next) {
		room_free(r);
		part_add(r, taken);
	}
	r->used = 0;
	r->taken = 0;
}

void room_free(struct room *r)
{
	struct room_part *part, *next;

	for (part = r->part; part; part = next) {
		next = part->next;
		free(part);
	}
	memset(r, 0, sizeof(*r));
}
