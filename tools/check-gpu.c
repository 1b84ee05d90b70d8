// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether there is a GPU library is read from the linker's cache and the
 * search path. The library is not loaded: its constructors would open the
 * driver and create a context on some machines.
 */
#include "tools/check.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NO_GPU "install the GPU's driver; without a GPU Starling only tells tools from agents"

static bool in_path(const char *dirs, const char *lib, char *out, size_t len)
{
	const char *at = dirs;

	while (at && *at) {
		int n = strcspn(at, ":");

		snprintf(out, len, "%.*s/%s", n, at, lib);
		if (n && !access(out, R_OK))
			return true;
		at += n + (at[n] == ':');
	}
	return false;
}

/* ld.so.cache holds each library's full path as a string. */
static bool in_cache(const char *lib, char *out, size_t len)
{
	FILE *f = fopen("/etc/ld.so.cache", "re");
	char *text = NULL, key[64];
	size_t room = 0;
	bool found = false;

	if (!f)
		return false;
	snprintf(key, sizeof(key), "/%s", lib);
	while (!found && getdelim(&text, &room, '\0', f) > 0) {
		size_t n = strlen(text), k = strlen(key);

		if (text[0] != '/' || n < k || strcmp(text + n - k, key))
			continue;
		found = !access(text, R_OK);
		snprintf(out, len, "%s", text);
	}
	free(text);
	fclose(f);
	return found;
}

static bool find_library(const char *lib, char *out, size_t len)
{
	static const char usual[] = "/usr/lib/x86_64-linux-gnu:/usr/lib/aarch64-linux-gnu:"
				    "/usr/lib64:/usr/lib/wsl/lib:/usr/local/cuda/compat";

	return in_path(getenv("LD_LIBRARY_PATH"), lib, out, len) ||
		in_cache(lib, out, len) || in_path(usual, lib, out, len);
}

static void check_library(struct check_result *r, const char *lib, const char *remedy)
{
	char path[128];

	if (find_library(lib, path, sizeof(path)))
		check_say(r, CHECK_OK, NULL, "%s", path);
	else
		check_say(r, CHECK_WARN, remedy, "no %s", lib);
}

void check_libcuda(struct check_result *r)
{
	check_library(r, "libcuda.so.1", NO_GPU);
}

void check_nvml(struct check_result *r)
{
	check_library(r, "libnvidia-ml.so.1", "install the GPU driver's management library");
}

static void check_glob(struct check_result *r, const char *pattern, const char *none)
{
	glob_t g;

	if (!glob(pattern, 0, NULL, &g))
		check_say(r, CHECK_OK, NULL, "%s%s", g.gl_pathv[0],
			  g.gl_pathc > 1 ? " and others" : "");
	else
		check_say(r, CHECK_WARN, NO_GPU, "%s", none);
	globfree(&g);
}

void check_nvidia_dev(struct check_result *r)
{
	check_glob(r, "/dev/nvidia[0-9]*", "no /dev/nvidia*");
}

void check_drm(struct check_result *r)
{
	check_glob(r, "/dev/dri/renderD*", "no render node");
}

/* Nothing is missing without it: waits in the library are seen by other means. */
void check_nvidia_driver(struct check_result *r)
{
	bool kprobes = !access("/sys/bus/event_source/devices/kprobe/type", F_OK);

	if (access("/sys/module/nvidia", F_OK))
		check_say(r, CHECK_OK, NULL, "NVIDIA's kernel driver is not loaded");
	else if (kprobes)
		check_say(r, CHECK_OK, NULL, "opens, calls, maps and waits can be counted there");
	else
		check_say(r, CHECK_OK, NULL,
			  "loaded, but this kernel has no kprobes to count at it; not needed");
}
