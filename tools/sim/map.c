// SPDX-License-Identifier: GPL-2.0-only
/* Chains by bucket. Entries that are deleted are used again, as the kernel does. */
#include "tools/sim/map.h"

#include <stdlib.h>
#include <string.h>

struct map_entry {
	uint64_t key;
	struct map_entry *next;
	uint64_t value[];
};

static struct map_entry **find(const struct map *m, uint64_t key)
{
	uint64_t i = (key * 0x9e3779b97f4a7c15ULL) >> 52;
	struct map_entry **at = (struct map_entry **)&m->bucket[i];

	while (*at && (*at)->key != key)
		at = &(*at)->next;
	return at;
}

void *map_find(const struct map *m, uint64_t key)
{
	struct map_entry *e = *find(m, key);

	return e ? e->value : NULL;
}

static struct map_entry *take(struct map *m)
{
	struct map_entry *e = m->free;

	if (e)
		m->free = e->next;
	else
		e = malloc(sizeof(*e) + m->value_size);
	return e;
}

void *map_put(struct map *m, uint64_t key, const void *value)
{
	struct map_entry **at = find(m, key), *e = *at;

	if (!e) {
		e = take(m);
		if (!e)
			return NULL;
		e->key = key;
		e->next = NULL;
		*at = e;
	}
	memcpy(e->value, value, m->value_size);
	return e->value;
}

bool map_del(struct map *m, uint64_t key)
{
	struct map_entry **at = find(m, key), *e = *at;

	if (!e)
		return false;
	*at = e->next;
	e->next = m->free;
	m->free = e;
	return true;
}

static void free_chain(struct map_entry *e)
{
	struct map_entry *next;

	for (; e; e = next) {
		next = e->next;
		free(e);
	}
}

void map_free(struct map *m)
{
	for (size_t i = 0; i < sizeof(m->bucket) / sizeof(m->bucket[0]); i++)
		free_chain(m->bucket[i]);
	free_chain(m->free);
	*m = (struct map){ .value_size = m->value_size };
}
