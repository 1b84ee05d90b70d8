// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/procfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PF_KTHREAD_BIT = 0x00200000 };

static int read_file(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, buf, len - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return n;
	buf[n] = '\0';
	return 0;
}

/* comm may hold blanks and brackets: it ends at the last ')'. */
static int parse_stat(const char *text, struct proc_stat *out)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned long flags;
	size_t len;

	if (!open || !close || close < open)
		return -EPROTO;
	len = close - open - 1;
	if (len >= sizeof(out->comm))
		len = sizeof(out->comm) - 1;
	memcpy(out->comm, open + 1, len);
	out->comm[len] = '\0';
	if (sscanf(close + 1, " %*c %u %*d %*d %*d %*d %lu %*u %*u %*u %*u %*u %*u "
		   "%*d %*d %*d %*d %*d %*d %lu", &out->ppid, &flags,
		   &out->start_ticks) != 3)
		return -EPROTO;
	out->kthread = flags & PF_KTHREAD_BIT;
	return 0;
}

static unsigned long status_field(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoul(at + strlen(key), NULL, 10) : 0;
}

int proc_stat_read(uint32_t tid, struct proc_stat *out)
{
	char path[64], text[2048];
	int err;

	memset(out, 0, sizeof(*out));
	snprintf(path, sizeof(path), "/proc/%u/stat", tid);
	err = read_file(path, text, sizeof(text));
	if (!err)
		err = parse_stat(text, out);
	if (err)
		return err;
	snprintf(path, sizeof(path), "/proc/%u/status", tid);
	err = read_file(path, text, sizeof(text));
	if (err)
		return err;
	out->tgid = status_field(text, "\nTgid:");
	out->uid = status_field(text, "\nUid:");
	return 0;
}

int proc_each_thread(uint32_t tgid, int (*fn)(void *ctx, uint32_t tid), void *ctx)
{
	struct dirent *de;
	char path[64];
	int ret = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/task", tgid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!ret && (de = readdir(dir)))
		if (isdigit((unsigned char)de->d_name[0]))
			ret = fn(ctx, strtoul(de->d_name, NULL, 10));
	closedir(dir);
	return ret;
}

struct pid_pair {
	uint32_t pid;
	uint32_t ppid;
};

static int read_pairs(struct pid_pair **out, size_t *count)
{
	struct pid_pair *pair = NULL, *grown;
	size_t n = 0, room = 0;
	struct proc_stat st;
	struct dirent *de;
	char path[300], text[512];
	DIR *dir = opendir("/proc");

	if (!dir)
		return -errno;
	while ((de = readdir(dir))) {
		if (!isdigit((unsigned char)de->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", de->d_name);
		if (read_file(path, text, sizeof(text)) || parse_stat(text, &st))
			continue;
		if (n == room) {
			room = room ? room * 2 : 256;
			grown = realloc(pair, room * sizeof(*pair));
			if (!grown)
				break;
			pair = grown;
		}
		pair[n].pid = strtoul(de->d_name, NULL, 10);
		pair[n++].ppid = st.ppid;
	}
	closedir(dir);
	*out = pair;
	*count = n;
	return 0;
}

int proc_descendants(uint32_t root, uint32_t *pid, size_t max)
{
	struct pid_pair *pair = NULL;
	size_t npair = 0, n = 0, next = 0;
	uint32_t parent = root;
	int err = read_pairs(&pair, &npair);

	if (err)
		return err;
	/* breadth first: children of root, then of each one found */
	for (;;) {
		for (size_t i = 0; i < npair && n < max; i++)
			if (pair[i].ppid == parent)
				pid[n++] = pair[i].pid;
		if (next == n)
			break;
		parent = pid[next++];
	}
	free(pair);
	return n;
}

long proc_own_rss_kib(void)
{
	long pages = 0;
	char text[128];

	if (read_file("/proc/self/statm", text, sizeof(text)))
		return 0;
	if (sscanf(text, "%*d %ld", &pages) != 1)
		return 0;
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}
