// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/devices.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { NVIDIA_MAJOR = 195, DRM_MAJOR = 226, DRM_RENDER_MIN = 128 };

static bool is_gpu(const char *path)
{
	struct stat st;

	if (strncmp(path, "/dev/", 5) || stat(path, &st) || !S_ISCHR(st.st_mode))
		return false;
	return major(st.st_rdev) == NVIDIA_MAJOR || !strncmp(path, "/dev/nvidia-uvm", 15) ||
		(major(st.st_rdev) == DRM_MAJOR && minor(st.st_rdev) >= DRM_RENDER_MIN);
}

static bool machine_has_gpu(void)
{
	return !access("/dev/nvidiactl", F_OK) || !access("/dev/dri", F_OK);
}

static bool has_gpu_open(uint32_t tgid)
{
	char path[64], target[64];
	struct dirent *e;
	bool found = false;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/fd", tgid);
	dir = opendir(path);
	while (dir && !found && (e = readdir(dir))) {
		n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = 0;
		found = is_gpu(target);
	}
	if (dir)
		closedir(dir);
	return found;
}

void devices_openers(void (*fn)(void *ctx, uint32_t tgid), void *ctx)
{
	struct dirent *e;
	DIR *proc;

	if (!machine_has_gpu())
		return;
	proc = opendir("/proc");
	while (proc && (e = readdir(proc))) {
		uint32_t pid = strtoul(e->d_name, NULL, 10);

		if (pid && pid != (uint32_t)getpid() && has_gpu_open(pid))
			fn(ctx, pid);
	}
	if (proc)
		closedir(proc);
}
