// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/gpu/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_LEN = 512 };

static int make_path(char *path, const char *root, const char *fmt, va_list ap)
{
	int n = snprintf(path, PATH_LEN, "%s", root), m;

	if (n >= PATH_LEN)
		return -ENAMETOOLONG;
	m = vsnprintf(path + n, PATH_LEN - n, fmt, ap);
	return m < PATH_LEN - n ? 0 : -ENAMETOOLONG;
}

static int read_text(char *buf, size_t len, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	size_t have = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	/* fdinfo and sysfs may give less than there is room for */
	while (n > 0 && have < len - 1) {
		n = read(fd, buf + have, len - 1 - have);
		have += n > 0 ? n : 0;
	}
	err = n < 0 ? -errno : 0;
	close(fd);
	if (err)
		return err;
	while (have && buf[have - 1] == '\n')
		have--;
	buf[have] = '\0';
	return have;
}

int file_text(char *buf, size_t len, const char *root, const char *fmt, ...)
{
	char path[PATH_LEN];
	va_list ap;
	int err;

	va_start(ap, fmt);
	err = make_path(path, root, fmt, ap);
	va_end(ap);
	return err ? err : read_text(buf, len, path);
}

int file_number(uint64_t *out, const char *root, const char *fmt, ...)
{
	char path[PATH_LEN], text[64], *end;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = make_path(path, root, fmt, ap);
	va_end(ap);
	if (!n)
		n = read_text(text, sizeof(text), path);
	if (n < 0)
		return n;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return isdigit((unsigned char)text[0]) && end != text && !errno ? 0 : -EPROTO;
}

int file_link(char *buf, size_t len, const char *root, const char *fmt, ...)
{
	char path[PATH_LEN], target[PATH_LEN];
	const char *base;
	va_list ap;
	ssize_t n;
	int err;

	va_start(ap, fmt);
	err = make_path(path, root, fmt, ap);
	va_end(ap);
	if (err)
		return err;
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	base = strrchr(target, '/');
	snprintf(buf, len, "%s", base ? base + 1 : target);
	return 0;
}
