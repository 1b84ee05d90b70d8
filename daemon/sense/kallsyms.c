// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/kallsyms.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_irq_entry(const char *name)
{
#if defined(__x86_64__)
	return !strcmp(name, "asm_common_interrupt") || !strncmp(name, "asm_sysvec_", 11);
#elif defined(__aarch64__)
	return !strcmp(name, "el1h_64_irq") || !strcmp(name, "el0t_64_irq");
#else
	(void)name;
	return false;
#endif
}

/* Adds a function; those that follow each other are one range. */
static int add(uint64_t (*range)[2], int n, int max, uint64_t from, uint64_t to)
{
	if (n && range[n - 1][1] == from) {
		range[n - 1][1] = to;
		return n;
	}
	if (n == max)
		return n;
	range[n][0] = from;
	range[n][1] = to;
	return n + 1;
}

/* In order of address: a function ends where the next one begins. */
int kallsyms_irq_entries(uint64_t (*range)[2], int max)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	unsigned long long at, from = 0;
	char line[512], name[128];
	int n = 0;

	while (f && fgets(line, sizeof(line), f)) {
		/* modules come last, each line with its name in brackets */
		if (strchr(line, '['))
			break;
		if (sscanf(line, "%llx %*c %127s", &at, name) != 2 || !at)
			continue;
		if (from)
			n = add(range, n, max, from, at);
		from = is_irq_entry(name) ? at : 0;
	}
	if (f)
		fclose(f);
	return n;
}
