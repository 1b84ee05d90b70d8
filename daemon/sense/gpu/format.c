// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/gpu/format.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* "field:__data_loc char[] name;": the last word before the semicolon, as an array or not. */
static bool is_named(const char *decl, const char *end, const char *name)
{
	const char *last = end;

	if (end[-1] == ']')
		for (end--; end > decl && *end != '['; end--)
			;
	for (last = end; last > decl && last[-1] != ' '; last--)
		;
	return (size_t)(end - last) == strlen(name) && !strncmp(last, name, end - last);
}

uint32_t format_field(const char *text, const char *name, uint32_t size)
{
	static const char begin[] = "field:";
	const char *at = text, *end;
	unsigned int offset, bytes;

	while ((at = strstr(at, begin))) {
		at += sizeof(begin) - 1;
		end = strchr(at, ';');
		if (!end || end == at)
			return 0;
		if (!is_named(at, end, name))
			continue;
		if (sscanf(end, "; offset:%u; size:%u;", &offset, &bytes) != 2)
			return 0;
		return bytes == size ? offset : 0;
	}
	return 0;
}
