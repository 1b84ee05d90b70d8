/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers that depend on a seed alone. */
#ifndef STARLING_FUZZ_CHANCE_H
#define STARLING_FUZZ_CHANCE_H

#include <stdint.h>

/* splitmix64: good enough, and any seed will do. */
static inline uint64_t chance_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static inline uint32_t chance_below(uint64_t *state, uint32_t n)
{
	return chance_next(state) % n;
}

/* Small, large, and where something may change. */
static inline uint64_t chance_number(uint64_t *state)
{
	static const uint64_t edges[] = {
		0, 1, 99, 100, 101, 4095, 4096, 0x7fffffff, 0xffffffff, 1ULL << 53, 1ULL << 54,
		1ULL << 56, 1ULL << 63, ~0ULL - 1, ~0ULL,
	};

	if (chance_below(state, 4))
		return chance_next(state) >> chance_below(state, 64);
	return edges[chance_below(state, sizeof(edges) / sizeof(edges[0]))];
}

#endif
