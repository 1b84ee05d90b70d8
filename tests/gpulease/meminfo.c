// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine of 16 GiB whose memory is that of the emulated GPU as well, in place of
 * /proc/meminfo: $STARLING_FAKE_AVAILABLE is a file with MiB that would be available
 * without what GPU programs have. $STARLING_FAKE_LOOK_MS: so long a look is old by the
 * time that it is seen, as it is between two programs that look at once.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/gpu/memory.h"

typedef int info_fn(size_t *left, size_t *total);

static unsigned long used_mib(void)
{
	void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
	info_fn *info = (info_fn *)dlsym(driver, "cuMemGetInfo_v2");
	size_t left, total;

	return info && !info(&left, &total) ? (total - left) >> 20 : 0;
}

bool gpu_meminfo(char *text, size_t size)
{
	const char *path = getenv("STARLING_FAKE_AVAILABLE"), *ms = getenv("STARLING_FAKE_LOOK_MS");
	FILE *f = path ? fopen(path, "re") : NULL;
	unsigned long mib = 0, used = used_mib();
	bool told = f && fscanf(f, "%lu", &mib) == 1;

	if (f)
		fclose(f);
	mib = mib > used ? mib - used : 0;
	snprintf(text, size, "MemTotal:       %u kB\nMemFree:  1 kB\nMemAvailable:   %lu kB\n"
		 "HugePages_Free:        0\nHugepagesize:       2048 kB\n", 16384 << 10, mib << 10);
	if (ms)
		usleep(atoi(ms) * 1000);
	return told;
}
