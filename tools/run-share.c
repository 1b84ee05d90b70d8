// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names and values are those of NVIDIA's "Multi-Process Service", its chapters on
 * environment variables and on client priorities. Percent and memory can only lower
 * what the control daemon's own settings allow: an administrator's bounds hold.
 */
#include "tools/run-share.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/starling.h>

#define PIPE		"CUDA_MPS_PIPE_DIRECTORY"
#define PERCENT		"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"
#define PRIORITY	"CUDA_MPS_CLIENT_PRIORITY"
#define MEMORY		"CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"
#define MIB		(1ULL << 20)

/* There are two: 0 is normal, 1 is below that. NULL: left to the environment. */
static const char *const priorities[__STARLING_CLASS_MAX] = {
	[STARLING_CLASS_INTERACTIVE] = "0",
	[STARLING_CLASS_NORMAL] = "0",
	[STARLING_CLASS_BATCH] = "1",
};

/* Pipes elsewhere are another daemon's, of which the administrator has said nothing. */
static bool set_pipe(const char *pipe, char *why, size_t size)
{
	const char *own = getenv(PIPE);

	if (!own || !*own || !strcmp(own, pipe))
		return !setenv(PIPE, pipe, 1);
	snprintf(why, size, PIPE "='%.120s' is not where MPS is allowed, which is %.120s: "
		 "unset it", own, pipe);
	return false;
}

static bool set_percent(const struct run_gpu *g)
{
	char text[24];

	if (!g->percent)
		return true;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)g->percent);
	return !setenv(PERCENT, text, 1);
}

static bool set_priority(const struct run_gpu *g, int class)
{
	const char *text = priorities[g->settings.class ? (int)g->settings.class : class];

	return !text || !setenv(PRIORITY, text, 1);
}

/* By its UUID: numbers are those of the control daemon, which may have hidden some. */
static bool set_memory(const struct run_gpu *g, const char *uuid, char *why, size_t size)
{
	unsigned long long mib = g->settings.memory_bytes / MIB;
	char text[96];

	if (!g->settings.memory_bytes)
		return true;
	if (!mib) {
		snprintf(why, size, "memory: MPS counts in MiB, and this is less than one");
		return false;
	}
	if (uuid[0])
		snprintf(text, sizeof(text), "%.60s=%lluM", uuid, mib);
	else
		snprintf(text, sizeof(text), "%u=%lluM", (unsigned int)g->settings.gpu, mib);
	return !setenv(MEMORY, text, 1);
}

bool run_share_environment(const struct run_gpu *g, const char *pipe, int class,
			   const char *uuid, char *why, size_t size)
{
	/* Of those below, for one that does not say why. */
	snprintf(why, size, "%s", strerror(ENOMEM));
	return set_pipe(pipe, why, size) && set_percent(g) && set_priority(g, class) &&
	       set_memory(g, uuid, why, size);
}
