/* SPDX-License-Identifier: GPL-2.0-only */
/* alloc.h - how often memory was asked for (malloc() and the like are wrapped). */
#ifndef SIM_ALLOC_H
#define SIM_ALLOC_H

#include <stdint.h>

uint64_t alloc_count(void);

#endif
