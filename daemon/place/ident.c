// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/place/ident.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PF_KTHREAD = 0x00200000, CGROUP_LEN = 4096 };

static int read_proc(uint32_t tid, const char *name, char *buf, size_t len, uint32_t *uid)
{
	char path[64];
	struct stat st;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/%s", tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, buf, len - 1);
	if (n > 0 && uid && !fstat(fd, &st))
		*uid = st.st_uid;
	close(fd);
	if (n <= 0)
		return -ESRCH;
	buf[n] = '\0';
	return n;
}

static uint32_t read_tgid(uint32_t tid)
{
	char buf[2048];
	const char *line;
	uint32_t tgid = tid;

	if (read_proc(tid, "status", buf, sizeof(buf), NULL) < 0)
		return tid;
	line = strstr(buf, "\nTgid:");
	if (line)
		sscanf(line, "\nTgid: %u", &tgid);
	return tgid;
}

int ident_read(uint32_t tid, uint32_t tgid, struct identity *out)
{
	unsigned long long start;
	unsigned int flags;
	char buf[1024], *at;
	int n;

	memset(out, 0, sizeof(*out));
	n = read_proc(tid, "stat", buf, sizeof(buf), &out->uid);
	if (n < 0)
		return n;
	/* the name may hold anything, so look for its end from behind */
	at = strrchr(buf, ')');
	if (!at || sscanf(at + 1, " %*c %u %u %u %*d %*d %u %*u %*u %*u %*u %*u %*u"
			  " %*d %*d %*d %*d %*d %*d %llu",
			  &out->ppid, &out->pgid, &out->sid, &flags, &start) != 5)
		return -EPROTO;
	out->tid = tid;
	out->tgid = tgid ? tgid : read_tgid(tid);
	out->start = start;
	out->kthread = flags & PF_KTHREAD;
	return 0;
}

uint32_t ident_cgroup(uint32_t tid)
{
	char buf[CGROUP_LEN];
	uint32_t h = 0x811c9dc5;
	int n = read_proc(tid, "cgroup", buf, sizeof(buf), NULL);

	for (int i = 0; i < n; i++)
		h = (h ^ (unsigned char)buf[i]) * 0x01000193;
	return n > 0 ? h : 0;
}

bool ident_alive(const struct identity *id)
{
	struct identity now;

	return !ident_read(id->tid, id->tgid, &now) && now.start == id->start;
}

uint64_t ident_now(void)
{
	uint64_t hz = sysconf(_SC_CLK_TCK);
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * hz + ts.tv_nsec * hz / 1000000000ULL;
}
