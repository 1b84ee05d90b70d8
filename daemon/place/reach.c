// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/place/reach.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "daemon/place/cgfs.h"

enum { GROUP_ROOT = 1, CACHE_SIZE = 1024, CACHE_KEEP_S = 4 };

static uint32_t hash(const char *kind, const char *text)
{
	uint32_t h = 0x811c9dc5;

	for (; *kind; kind++)
		h = (h ^ (unsigned char)*kind) * 0x01000193;
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x01000193;
	return h > GROUP_ROOT ? h : GROUP_ROOT + 1;
}

static bool autogroup_on(void)
{
	static time_t read_at = -1;
	static bool on;
	struct timespec now;
	char word[8];

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_sec != read_at)
		on = !cgfs_read("/proc/sys/kernel", "sched_autogroup_enabled", word,
				sizeof(word)) && word[0] == '1';
	read_at = now.tv_sec;
	return on;
}

/* Autogroup is for tasks of the root group alone. */
static uint32_t session_group(uint32_t tid)
{
	char dir[32], line[64];

	if (!autogroup_on())
		return GROUP_ROOT;
	snprintf(dir, sizeof(dir), "/proc/%u", tid);
	if (cgfs_read(dir, "autogroup", line, sizeof(line)))
		return 0;
	line[strcspn(line, " ")] = '\0';
	return hash("session", line);
}

/* The nearest group above that has the cpu controller is the one that counts. */
static uint32_t unified_group(uint32_t tid, const char *path)
{
	char dir[CGFS_PATH_LEN], file[CGFS_PATH_LEN + 16], word[8];
	char *slash;

	if (snprintf(dir, sizeof(dir), "%s%s", CGFS_ROOT, path) >= (int)sizeof(dir))
		return 0;
	while (strlen(dir) > strlen(CGFS_ROOT) + 1) {
		snprintf(file, sizeof(file), "%s/cpu.weight", dir);
		if (!access(file, F_OK)) {
			if (!cgfs_read(CGFS_ROOT "/starling", "cpu.idle", word, sizeof(word)) &&
			    word[0] == '1' && !strncmp(path, "/starling", 9))
				return 0;
			return hash("cgroup", dir);
		}
		slash = strrchr(dir, '/');
		*slash = '\0';
	}
	return session_group(tid);
}

/* "4:cpu,cpuacct:/path": is one of its controllers cpu? */
static bool has_cpu(const char *line)
{
	const char *at = strchr(line, ':');

	while (at && at[1] && *at != '\0') {
		at++;
		if (!strncmp(at, "cpu", 3) && (at[3] == ',' || at[3] == ':'))
			return true;
		at += strcspn(at, ",:");
		if (*at == ':')
			return false;
	}
	return false;
}

uint32_t reach_group(uint32_t tid)
{
	char name[32], line[CGFS_PATH_LEN], unified[CGFS_PATH_LEN] = "";
	uint32_t group = 0;
	char *path;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%u/cgroup", tid);
	f = fopen(name, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		path = strchr(line, '/');
		if (!path)
			continue;
		if (!strncmp(line, "0::", 3))
			snprintf(unified, sizeof(unified), "%s", path);
		else if (has_cpu(line))	/* version 1 */
			group = path[1] ? hash("cgroup", path) : session_group(tid);
	}
	fclose(f);
	return group || !unified[0] ? group : unified_group(tid, unified);
}

uint32_t reach_group_cached(uint32_t tid)
{
	static struct { uint32_t tid, group; time_t until; } cache[CACHE_SIZE], *c;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	c = &cache[tid % CACHE_SIZE];
	if (c->tid != tid || now.tv_sec >= c->until) {
		c->tid = tid;
		c->group = reach_group(tid);
		c->until = now.tv_sec + CACHE_KEEP_S;
	}
	return c->group;
}
