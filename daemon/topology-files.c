// SPDX-License-Identifier: GPL-2.0-only
/* Cores and caches from the files of a /sys dump. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "daemon/topology-layout.h"

enum { CACHE_INDEX_MAX = 16, LIST_LEN = 4096 };

#define CPU_DIR "/sys/devices/system/cpu"

static int read_file(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int err;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, len - 1);
	err = n < 0 ? -errno : 0;
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return err;
}

static int read_at(const char *root, char *buf, size_t len, const char *fmt,
		   va_list args)
{
	char path[1024];
	int at = snprintf(path, sizeof(path), "%s", root);

	if (at < 0 || (size_t)at >= sizeof(path))
		return -ENAMETOOLONG;
	if (vsnprintf(path + at, sizeof(path) - at, fmt, args) >=
	    (int)sizeof(path) - at)
		return -ENAMETOOLONG;
	return read_file(path, buf, len);
}

int sys_read(const char *root, char *buf, size_t len, const char *fmt, ...)
{
	va_list args;
	int err;

	va_start(args, fmt);
	err = read_at(root, buf, len, fmt, args);
	va_end(args);
	return err;
}

int sys_read_ulong(const char *root, unsigned long *out, int base,
		   const char *fmt, ...)
{
	char buf[64], *end;
	va_list args;
	int err;

	va_start(args, fmt);
	err = read_at(root, buf, sizeof(buf), fmt, args);
	va_end(args);
	if (err)
		return err;
	errno = 0;
	*out = strtoul(buf, &end, base);
	return errno || end == buf ? -EINVAL : 0;
}

int sys_read_cpus(const char *root, cpu_set_t *out, const char *fmt, ...)
{
	char buf[LIST_LEN];
	va_list args;
	int err;

	va_start(args, fmt);
	err = read_at(root, buf, sizeof(buf), fmt, args);
	va_end(args);
	return err ? err : cpuset_parse(buf, out);
}

static uint16_t lowest(const cpu_set_t *set, uint16_t otherwise)
{
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, set))
			return cpu;
	return otherwise;
}

static uint16_t core_key(const char *root, uint16_t cpu)
{
	static const char *const name[] = { "core_cpus_list", "thread_siblings_list" };
	cpu_set_t set;

	for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++)
		if (!sys_read_cpus(root, &set, CPU_DIR "/cpu%u/topology/%s", cpu, name[i]))
			return lowest(&set, cpu);
	return cpu;
}

/* The data cache of the highest level; without any, all CPUs share one. */
static void set_llc(const char *root, struct topo_cpu *c)
{
	unsigned long level, best = 0, kib;
	uint16_t cpu = c->id;
	cpu_set_t set;
	char type[32];

	for (int i = 0; i < CACHE_INDEX_MAX; i++) {
		if (sys_read_ulong(root, &level, 10,
				   CPU_DIR "/cpu%u/cache/index%d/level", cpu, i))
			break;
		if (sys_read(root, type, sizeof(type),
			     CPU_DIR "/cpu%u/cache/index%d/type", cpu, i) ||
		    !strncmp(type, "Instruction", 11) || level < best)
			continue;
		if (sys_read_cpus(root, &set,
				  CPU_DIR "/cpu%u/cache/index%d/shared_cpu_list", cpu, i))
			continue;
		best = level;
		c->llc = lowest(&set, cpu);
		c->llc_kib = sys_read_ulong(root, &kib, 10, CPU_DIR
					    "/cpu%u/cache/index%d/size", cpu, i) ? 0 : kib;
	}
}

int layout_from_files(struct topology *topo, const char *root)
{
	for (unsigned int i = 0; i < topo->ncpu; i++) {
		topo->cpu[i].core = core_key(root, topo->cpu[i].id);
		set_llc(root, &topo->cpu[i]);
	}
	return 0;
}
