/* SPDX-License-Identifier: GPL-2.0-only */
/* array.h - memory that grows and is used again. */
#ifndef STARLING_SENSE_ARRAY_H
#define STARLING_SENSE_ARRAY_H

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

struct array {
	void *data;
	size_t bytes;
	size_t used;	/* elements, where the owner keeps count */
};

static inline int array_reserve(struct array *a, size_t bytes)
{
	size_t want = a->bytes ? a->bytes : 4096;
	void *data;

	if (bytes <= a->bytes)
		return 0;
	while (want < bytes)
		want *= 2;
	data = realloc(a->data, want);
	if (!data)
		return -ENOMEM;
	a->data = data;
	a->bytes = want;
	return 0;
}

static inline void array_free(struct array *a)
{
	free(a->data);
	a->data = NULL;
	a->bytes = 0;
}

#endif
