// SPDX-License-Identifier: GPL-2.0-only
#include "tools/run-gpu.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <starling.h>
#include "daemon/quantity.h"
#include "daemon/roles.h"

#define LIBRARY		"libstarling-gpu.so"
#define MS		1000000ULL
#define S		(1000 * MS)
/* Out of the way of scripts, which use low numbers. */
#define FD_MIN		200

static const struct quantity {
	const char *key;
	const struct unit *units;
	uint64_t min, max;
	size_t offset;		/* in struct gpu_settings */
	const char *takes;
} quantities[] = {
	{ "gpu", quantity_number, 0, STARLING_GPUS_MAX - 1, offsetof(struct gpu_settings, gpu),
	  "a number from 0 to 15" },
	{ "turn", quantity_time, MS / 10, 10 * S, offsetof(struct gpu_settings, turn_ns),
	  "a time from 100us to 10s" },
	{ "linger", quantity_time, 0, S, offsetof(struct gpu_settings, linger_ns),
	  "a time from 0ms to 1s" },
	{ "memory", quantity_bytes, 0, 1ULL << 50, offsetof(struct gpu_settings, memory_bytes),
	  "bytes, as 16G, at most 1024T" },
	{ "reserve", quantity_bytes, 0, 1ULL << 50, offsetof(struct gpu_settings, reserve_bytes),
	  "bytes, as 4G, or 0" },
	{ "patience", quantity_time, 0, 600 * S, offsetof(struct gpu_settings, patience_ns),
	  "a time from 0ms to 600s" },
};

static bool set_priority(struct run_gpu *g, const char *value)
{
	int class = priority_parse(value);

	g->settings.class = class;
	return class >= 0;
}

static bool set_wait(struct run_gpu *g, const char *value)
{
	g->waits = true;
	g->settings.block = !strcmp(value, "block");
	return g->settings.block || !strcmp(value, "keep");
}

static bool set_see(struct run_gpu *g, const char *value)
{
	g->see_one = !strcmp(value, "one");
	return g->see_one || !strcmp(value, "all");
}

static const struct word {
	const char *key;
	bool (*set)(struct run_gpu *g, const char *value);
	const char *takes;
} words[] = {
	{ "priority", set_priority, "interactive, normal or batch" },
	{ "wait", set_wait, "block or keep" },
	{ "see", set_see, "one or all" },
};

/* NULL: done; else what @key takes, or that there is none. */
static const char *set(struct run_gpu *g, const char *key, const char *value)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i].key, key))
			return words[i].set(g, value) ? NULL : words[i].takes;
	for (const struct quantity *q = quantities;
	     q < quantities + sizeof(quantities) / sizeof(quantities[0]); q++) {
		uint64_t *to = (uint64_t *)((char *)&g->settings + q->offset);

		if (!strcmp(q->key, key))
			return quantity_parse(value, value + strlen(value), q->units, q->min,
					      q->max, to) ? NULL : q->takes;
	}
	return "one of priority=, gpu=, turn=, linger=, memory=, reserve=, patience=, wait= and "
		"see=";
}

void run_gpu_init(struct run_gpu *g)
{
	g->lease = gpu_settings_read(&g->settings);
	g->settings.class = 0;
}

bool run_gpu_parse(struct run_gpu *g, char *arg, char *why, size_t size)
{
	char *save = NULL, *word = strtok_r(arg, ",", &save), *value;
	const char *takes;

	if (!word || strcmp(word, "lease")) {
		snprintf(why, size, "--gpu takes lease, and what it is to be like: "
			 "--gpu=lease,priority=batch");
		return false;
	}
	g->lease = true;
	/* Not where only the environment says so: what it sees was settled there. */
	g->see_one = true;
	while ((word = strtok_r(NULL, ",", &save))) {
		value = strchr(word, '=');
		if (value)
			*value++ = '\0';
		takes = set(g, word, value ? value : "");
		if (takes) {
			snprintf(why, size, "--gpu %s%s%s: must be %s", word, value ? "=" : "",
				 value ? value : "", takes);
			return false;
		}
	}
	return true;
}

bool run_gpu_check(const struct run_gpu *g, struct starling *s, char *why, size_t size)
{
	struct starling_lease_stat stat;
	int err = starling_gpu_stat(s, g->settings.gpu, &stat);

	if (err == -ENODEV)
		snprintf(why, size,
			 "--gpu gpu=%u: there is no such GPU; 'starling lease' lists them",
			 (unsigned int)g->settings.gpu);
	else if (err)
		snprintf(why, size, "--gpu: %s", strerror(-err));
	else if (stat.out_memory_bytes && g->settings.memory_bytes > stat.out_memory_bytes)
		snprintf(why, size, "--gpu memory: the GPU has %llu bytes for leases",
			 (unsigned long long)stat.out_memory_bytes);
	else
		return true;
	return false;
}

/* Beside the command, as it is built and as it is installed; else where it was meant for. */
static bool find_library(char *path, size_t size)
{
	char exe[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (len >= 0) {
		exe[len] = '\0';
		snprintf(path, size, "%s/../lib/" LIBRARY, dirname(exe));
		if (!access(path, R_OK))
			return true;
	}
	snprintf(path, size, STARLING_LIBDIR "/" LIBRARY);
	return !access(path, R_OK);
}

/* Whoever feeds the GPU spins; others leave their core to those who can use it. */
static bool blocks_by_role(const char *name)
{
	int role = name ? role_parse(name) : -1;

	return role >= 0 && role != STARLING_ROLE_FEEDER && role != STARLING_ROLE_SERVICE;
}

static bool add_library(const char *path)
{
	const char *old = getenv("LD_PRELOAD");
	char *all;
	bool done;

	/* One of those before us has it already, if we are started by such a command. */
	if (old && strstr(old, LIBRARY))
		return true;
	if (asprintf(&all, "%s%s%s", path, old && *old ? ":" : "", old ? old : "") < 0)
		return false;
	done = !setenv("LD_PRELOAD", all, 1);
	free(all);
	return done;
}

/* Inherited, and in nobody's way. */
static int move_up(int fd)
{
	int high = fcntl(fd, F_DUPFD, FD_MIN);

	if (high < 0)
		high = fcntl(fd, F_DUPFD, 0);
	return high;
}

static void set_agent(struct run_gpu *g, const struct run_gpu_agent *a)
{
	struct gpu_settings *s = &g->settings;

	/* That of the agent that started us. */
	if (s->agent_fd >= 0)
		close(s->agent_fd);
	s->agent_fd = move_up(a->fd);
	s->weight = a->weight;
	s->priority = a->priority ? priority_parse(a->priority) : STARLING_CLASS_DEFAULT;
	snprintf(s->name, sizeof(s->name), "%s", a->name);
	if (!g->waits)
		s->block = blocks_by_role(a->role);
}

bool run_gpu_environment(struct run_gpu *g, const struct run_gpu_agent *a, char *why,
			 size_t size)
{
	char path[PATH_MAX], text[GPU_SETTINGS_MAX];

	if (!find_library(path, sizeof(path))) {
		snprintf(why, size, "--gpu: no %.200s: make or make install puts it there", path);
		return false;
	}
	if (strpbrk(path, ": ")) {
		snprintf(why, size, "--gpu: '%.200s' has a space or a colon, which LD_PRELOAD "
			 "cannot have", path);
		return false;
	}
	set_agent(g, a);
	gpu_settings_write(&g->settings, text);
	if (!setenv(GPU_SETTINGS, text, 1) && add_library(path))
		return true;
	snprintf(why, size, "--gpu: %s", strerror(errno));
	return false;
}
