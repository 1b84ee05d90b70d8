// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/quantity.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct unit quantity_number[] = { { "", 1 }, { 0 } };
const struct unit quantity_bytes[] = {
	{ "", 1 }, { "K", 1ULL << 10 }, { "M", 1ULL << 20 }, { "G", 1ULL << 30 },
	{ "T", 1ULL << 40 }, { 0 },
};
const struct unit quantity_time[] = {
	{ "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 }, { 0 },
};

bool quantity_parse(const char *text, const char *end, const struct unit *units,
		    uint64_t min, uint64_t max, uint64_t *value)
{
	const struct unit *u;
	char *rest;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*value = strtoull(text, &rest, 10);
	for (u = units; u->name; u++)
		if (strlen(u->name) == (size_t)(end - rest) &&
		    !strncmp(u->name, rest, end - rest))
			break;
	if (errno || !u->name || *value > max / u->factor)
		return false;
	*value *= u->factor;
	return *value >= min;
}
