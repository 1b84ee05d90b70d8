// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/gpu/procs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "daemon/sense/gpu/file.h"

uint64_t procs_start(const char *root, uint32_t pid)
{
	unsigned long ticks;
	char text[1024];
	const char *at;

	if (file_text(text, sizeof(text), root, "/proc/%u/stat", pid) < 0)
		return 0;
	/* comm may hold brackets: it ends at the last one */
	at = strrchr(text, ')');
	if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u "
			  "%*d %*d %*d %*d %*d %*d %lu", &ticks) != 1)
		return 0;
	return ticks;
}

bool procs_cost(uint32_t pid, uint64_t *rss_kib, double *cpu_s)
{
	unsigned long utime, stime, pages;
	char text[1024];
	const char *at;

	if (file_text(text, sizeof(text), "", "/proc/%u/stat", pid) < 0)
		return false;
	at = strrchr(text, ')');
	if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu "
			  "%*d %*d %*d %*d %*d %*d %*u %*u %lu", &utime, &stime, &pages) != 3)
		return false;
	*cpu_s = (double)(utime + stime) / sysconf(_SC_CLK_TCK);
	*rss_kib = pages * (sysconf(_SC_PAGESIZE) / 1024);
	return true;
}
