// SPDX-License-Identifier: GPL-2.0-only
/* CPU masks as the text that the kernel and people use: "0-3,7". */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "daemon/topology.h"

static int range_end(const cpu_set_t *set, int cpu)
{
	while (cpu + 1 < CPU_SETSIZE && CPU_ISSET(cpu + 1, set))
		cpu++;
	return cpu;
}

char *cpuset_format(const cpu_set_t *set, char *buf, unsigned int len)
{
	unsigned int at = 0;
	int left = CPU_COUNT(set), last, n;

	if (!len)
		return buf;
	buf[0] = '\0';
	for (int cpu = 0; cpu < CPU_SETSIZE && left; cpu = last + 1) {
		last = cpu;
		if (!CPU_ISSET(cpu, set))
			continue;
		last = range_end(set, cpu);
		left -= last - cpu + 1;
		n = snprintf(buf + at, len - at, last > cpu ? "%s%d-%d" : "%s%d",
			     at ? "," : "", cpu, last);
		/* too small: keep the whole ranges that fit */
		if (n < 0 || at + n >= len) {
			buf[at] = '\0';
			break;
		}
		at += n;
	}
	return buf;
}

static int parse_cpu(const char **text, long *cpu)
{
	char *end;

	if (!isdigit((unsigned char)**text))
		return -EINVAL;
	errno = 0;
	*cpu = strtol(*text, &end, 10);
	if (errno || *cpu >= CPU_SETSIZE)
		return -EINVAL;
	*text = end;
	return 0;
}

static int parse_range(const char **text, cpu_set_t *set)
{
	long first, last;

	if (parse_cpu(text, &first))
		return -EINVAL;
	last = first;
	if (**text == '-') {
		(*text)++;
		if (parse_cpu(text, &last) || last < first)
			return -EINVAL;
	}
	for (long cpu = first; cpu <= last; cpu++)
		CPU_SET(cpu, set);
	return 0;
}

int cpuset_parse(const char *text, cpu_set_t *set)
{
	cpu_set_t out;

	CPU_ZERO(&out);
	while (isspace((unsigned char)*text))
		text++;
	/* an empty list is a list: a NUMA node may have no CPU */
	while (*text && !isspace((unsigned char)*text)) {
		if (parse_range(&text, &out))
			return -EINVAL;
		if (*text != ',')
			break;
		text++;
		if (!isdigit((unsigned char)*text))
			return -EINVAL;
	}
	while (isspace((unsigned char)*text))
		text++;
	if (*text)
		return -EINVAL;
	*set = out;
	return 0;
}
