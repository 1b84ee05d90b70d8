// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/place/cgfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

bool cgfs_mounted(void)
{
	struct statfs st;

	return !statfs(CGFS_ROOT, &st) && st.f_type == CGROUP2_SUPER_MAGIC;
}

static int open_file(const char *dir, const char *name, int flags)
{
	char path[CGFS_PATH_LEN + 64];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int cgfs_write(const char *dir, const char *name, const char *word)
{
	int fd = open_file(dir, name, O_WRONLY), err = 0;

	if (fd < 0)
		return fd;
	if (write(fd, word, strlen(word)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int cgfs_read(const char *dir, const char *name, char *buf, size_t len)
{
	int fd = open_file(dir, name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, buf, len - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

bool cgfs_lists(const char *dir, const char *name, const char *word)
{
	char buf[512], *save, *w;

	if (cgfs_read(dir, name, buf, sizeof(buf)))
		return false;
	for (w = strtok_r(buf, " ", &save); w; w = strtok_r(NULL, " ", &save))
		if (!strcmp(w, word))
			return true;
	return false;
}

int cgfs_of(uint32_t pid, char *buf, size_t len)
{
	char line[CGFS_PATH_LEN], dir[32];
	int err;

	snprintf(dir, sizeof(dir), "/proc/%u", pid);
	err = cgfs_read(dir, "cgroup", line, sizeof(line));
	if (err)
		return err == -ENOENT ? -ESRCH : err;
	/* with version 2 alone there is this line only */
	if (strncmp(line, "0::/", 4))
		return -ENOTSUP;
	if (snprintf(buf, len, "%s%s", CGFS_ROOT, line[4] ? line + 3 : "") >= (int)len)
		return -ENAMETOOLONG;
	return 0;
}

int cgfs_move(const char *dir, uint32_t pid)
{
	char word[16];

	snprintf(word, sizeof(word), "%u", pid);
	return cgfs_write(dir, "cgroup.procs", word);
}
