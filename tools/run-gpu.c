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

#define AT(member)	offsetof(struct run_gpu, member)

enum kind { KIND_NONE, KIND_LEASE, KIND_SHARE };
enum {
	FOR_LEASE = 1 << KIND_LEASE,
	FOR_SHARE = 1 << KIND_SHARE,
	FOR_BOTH = FOR_LEASE | FOR_SHARE,
};

/* Turns, or at the same time; and the keys of each. */
static const struct {
	const char *word, *keys, *left_out;
	size_t offset;		/* of a bool in struct run_gpu */
} kinds[] = {
	[KIND_LEASE] = {
		"lease", "one of priority=, gpu=, turn=, linger=, memory=, reserve=, patience=, "
		"wait= and see=", "left out: it is for --gpu=lease", AT(lease)
	},
	[KIND_SHARE] = {
		"share", "one of priority=, gpu=, percent=, memory= and see=",
		"left out: it is for --gpu=share", AT(share)
	},
};

static const struct quantity {
	const char *key;
	const struct unit *units;
	uint64_t min, max;
	size_t offset;		/* in struct run_gpu */
	unsigned int kinds;
	const char *takes;
} quantities[] = {
	{ "gpu", quantity_number, 0, STARLING_GPUS_MAX - 1, AT(settings.gpu), FOR_BOTH,
	  "a number from 0 to 15" },
	{ "percent", quantity_number, 1, 100, AT(percent), FOR_SHARE, "a number from 1 to 100" },
	{ "turn", quantity_time, MS / 10, 10 * S, AT(settings.turn_ns), FOR_LEASE,
	  "a time from 100us to 10s" },
	{ "linger", quantity_time, 0, S, AT(settings.linger_ns), FOR_LEASE,
	  "a time from 0ms to 1s" },
	{ "memory", quantity_bytes, 0, 1ULL << 50, AT(settings.memory_bytes), FOR_BOTH,
	  "bytes, as 16G, at most 1024T" },
	{ "reserve", quantity_bytes, 0, 1ULL << 50, AT(settings.reserve_bytes), FOR_LEASE,
	  "bytes, as 4G, or 0" },
	{ "patience", quantity_time, 0, 600 * S, AT(settings.patience_ns), FOR_LEASE,
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
	unsigned int kinds;
	const char *takes;
} words[] = {
	{ "priority", set_priority, FOR_BOTH, "interactive, normal or batch" },
	{ "wait", set_wait, FOR_LEASE, "block or keep" },
	{ "see", set_see, FOR_BOTH, "one or all" },
};

static const char *other_kind(enum kind kind)
{
	return kinds[kind == KIND_LEASE ? KIND_SHARE : KIND_LEASE].left_out;
}

static const char *set_word(struct run_gpu *g, enum kind kind, const struct word *w,
			    const char *value)
{
	if (!(w->kinds & 1U << kind))
		return other_kind(kind);
	return w->set(g, value) ? NULL : w->takes;
}

static const char *set_quantity(struct run_gpu *g, enum kind kind, const struct quantity *q,
				const char *value)
{
	uint64_t *to = (uint64_t *)((char *)g + q->offset);

	if (!(q->kinds & 1U << kind))
		return other_kind(kind);
	return quantity_parse(value, value + strlen(value), q->units, q->min, q->max, to) ?
		NULL : q->takes;
}

static enum kind kind_parse(const char *word)
{
	for (enum kind k = KIND_LEASE; k <= KIND_SHARE; k++)
		if (word && !strcmp(kinds[k].word, word))
			return k;
	return KIND_NONE;
}

/* NULL: done; else what @key takes, or that there is none. */
static const char *set(struct run_gpu *g, enum kind kind, const char *key, const char *value)
{
	if (kind_parse(key))
		return "left out: it is lease, for turns, or share, for the same time";
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i].key, key))
			return set_word(g, kind, &words[i], value);
	for (size_t i = 0; i < sizeof(quantities) / sizeof(quantities[0]); i++)
		if (!strcmp(quantities[i].key, key))
			return set_quantity(g, kind, &quantities[i], value);
	return kinds[kind].keys;
}

void run_gpu_init(struct run_gpu *g)
{
	g->lease = gpu_settings_read(&g->settings);
	g->settings.class = 0;
}

static bool parse_keys(struct run_gpu *g, enum kind kind, char *save, char *why, size_t size)
{
	const char *takes;
	char *word, *value;

	while ((word = strtok_r(NULL, ",", &save))) {
		value = strchr(word, '=');
		if (value)
			*value++ = '\0';
		takes = set(g, kind, word, value ? value : "");
		if (takes) {
			snprintf(why, size, "--gpu %s%s%s: must be %s", word, value ? "=" : "",
				 value ? value : "", takes);
			return false;
		}
	}
	return true;
}

bool run_gpu_parse(struct run_gpu *g, char *arg, char *why, size_t size)
{
	char *save = NULL, *word = strtok_r(arg, ",", &save);
	enum kind kind = kind_parse(word);

	if (!kind) {
		snprintf(why, size, "--gpu takes lease or share, and what it is to be like: "
			 "--gpu=lease,priority=batch");
		return false;
	}
	*(bool *)((char *)g + kinds[kind].offset) = true;
	/* The library of the one around would go on taking turns for this one. */
	if (g->lease && g->share) {
		snprintf(why, size, "--gpu is lease, for turns, or share, for the same time: not "
			 "both, nor share within a 'starling run' with lease");
		return false;
	}
	/* Not where only the environment says so: what it sees was settled there. */
	g->see_one = true;
	return parse_keys(g, kind, save, why, size);
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
