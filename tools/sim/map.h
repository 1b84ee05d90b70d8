/* SPDX-License-Identifier: GPL-2.0-only */
/* map.h - hash maps from 64-bit keys, as BPF programs have them. */
#ifndef SIM_MAP_H
#define SIM_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero it but for @value_size; room is asked for in pieces, and values stay in place. */
struct map {
	size_t value_size;
	struct map_entry *free;
	struct map_entry *bucket[4096];
};

void *map_find(const struct map *m, uint64_t key);
/* Copies @value in, over an old one; NULL: out of memory. */
void *map_put(struct map *m, uint64_t key, const void *value);
bool map_del(struct map *m, uint64_t key);
void map_free(struct map *m);

#endif
