// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/gpu/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/sense/gpu/file.h"
#include "daemon/sense/gpu/gpu.h"

/* Only at the beginning of a line: keys are parts of others. */
static bool field(const char *text, const char *key, uint64_t *out)
{
	size_t n = strlen(key);
	const char *at = text;

	while (at && (strncmp(at, key, n) || at[n] != ':')) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	return at && sscanf(at + n + 1, "%lu", out) == 1;
}

bool memory_parse(const char *text, uint64_t *total, uint64_t *used)
{
	uint64_t kib, available, pages, size, huge;

	if (!field(text, "MemTotal", &kib) || !field(text, "MemAvailable", &available))
		return false;
	if (field(text, "HugePages_Free", &pages) && field(text, "Hugepagesize", &size) &&
	    !__builtin_mul_overflow(pages, size, &huge) && huge > available)
		available = huge;
	if (kib > UINT64_MAX >> 10 || !kib)
		return false;
	*total = kib << 10;
	*used = kib > available ? (kib - available) << 10 : 0;
	return true;
}

bool memory_pressure_parse(const char *text, uint64_t *out)
{
	double percent;

	if (sscanf(text, "some avg10=%lf", &percent) != 1 || !(percent >= 0 && percent <= 100))
		return false;
	*out = percent * 100 + 0.5;
	return true;
}

bool memory_tell(struct gpu_device *dev, const char *root)
{
	uint64_t total, used, pressure;
	char text[8192];

	if (file_text(text, sizeof(text), root, "/proc/meminfo") < 0 ||
	    !memory_parse(text, &total, &used))
		return false;
	gpu_tell(&dev->v[GPU_MEMORY_TOTAL], total, STARLING_FROM_KERNEL, true);
	gpu_tell(&dev->v[GPU_MEMORY], used, STARLING_FROM_KERNEL, true);
	if (file_text(text, sizeof(text), root, "/proc/pressure/memory") >= 0 &&
	    memory_pressure_parse(text, &pressure))
		gpu_tell(&dev->v[GPU_PRESSURE], pressure, STARLING_FROM_KERNEL, false);
	return true;
}
