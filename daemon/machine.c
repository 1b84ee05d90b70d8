// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/machine.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "daemon/sense/gpu/file.h"
#include "daemon/sense/gpu/memory.h"

#define MARK_NS	10000000000ULL

/* Its first line is all that is wanted: the rest grows with the machine. */
enum { STAT_LEN = 256 };

bool machine_idle_parse(const char *text, double *idle)
{
	unsigned long long at[5];	/* user, nice, system, idle, iowait */

	if (strncmp(text, "cpu ", 4) || sscanf(text + 4, "%llu %llu %llu %llu %llu", &at[0],
					       &at[1], &at[2], &at[3], &at[4]) != 5)
		return false;
	*idle = at[3] + (double)at[4];
	return true;
}

static bool idle_now(double v[RECENT_VALUES])
{
	char text[STAT_LEN];

	v[1] = 0;
	return file_text(text, sizeof(text), "", "/proc/stat") > 0 &&
		machine_idle_parse(text, &v[0]);
}

void machine_mark(struct recent *idle, uint64_t now)
{
	double v[RECENT_VALUES];

	if (!recent_due(idle, now, MARK_NS))
		return;
	if (idle_now(v))
		recent_add(idle, now, v);
	else
		recent_forget(idle);
}

static struct pressure pressure_of(const char *what)
{
	struct pressure p = { 0 };
	uint64_t hundredths;
	char text[STAT_LEN];

	p.known = file_text(text, sizeof(text), "", "/proc/pressure/%s", what) > 0 &&
		memory_pressure_parse(text, &hundredths);
	if (p.known)
		p.percent = hundredths / 100.0;
	return p;
}

static void read_memory(struct machine *m)
{
	uint64_t total, used;
	char text[8192];

	m->available_known = file_text(text, sizeof(text), "", "/proc/meminfo") > 0 &&
		memory_parse(text, &total, &used);
	if (m->available_known)
		m->available_bytes = total - used;
}

void machine_read(struct machine *m, const struct recent *idle, uint64_t now)
{
	double v[RECENT_VALUES], grown[RECENT_VALUES], cpus;

	memset(m, 0, sizeof(*m));
	m->cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (idle_now(v))
		m->idle_ns = recent_grown(idle, now, v, grown);
	if (m->idle_ns) {
		cpus = grown[0] / sysconf(_SC_CLK_TCK) * 1e9 / m->idle_ns;
		m->idle_cpus = cpus < m->cpus ? cpus : m->cpus;
	}
	m->cpu = pressure_of("cpu");
	m->memory = pressure_of("memory");
	read_memory(m);
}
