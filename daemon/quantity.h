/* SPDX-License-Identifier: GPL-2.0-only */
/* quantity.h - numbers with units, as people write them: "16G", "500ms". */
#ifndef STARLING_QUANTITY_H
#define STARLING_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

struct unit {
	const char *name;
	uint64_t factor;
};

extern const struct unit quantity_number[];	/* no unit */
extern const struct unit quantity_bytes[];	/* none, K, M, G, T */
extern const struct unit quantity_time[];	/* us, ms, s; in ns */

/* What is at @text up to @end, in the least of @units. False: not @min to @max. */
bool quantity_parse(const char *text, const char *end, const struct unit *units,
		    uint64_t min, uint64_t max, uint64_t *value);

#endif
