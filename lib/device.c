// SPDX-License-Identifier: LGPL-2.1-only
/* device.c - opening the device, and the one way to talk to it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "internal.h"

int starling_call_once(int fd, unsigned long cmd, void *arg)
{
	int saved = errno, ret = ioctl(fd, cmd, arg);

	if (ret < 0)
		ret = -errno;
	errno = saved;
	return ret;
}

int starling_call(int fd, unsigned long cmd, void *arg)
{
	int ret;

	do {
		ret = starling_call_once(fd, cmd, arg);
	} while (ret == -EINTR);
	return ret;
}

ssize_t starling_list(int fd, unsigned long cmd, void *rec, size_t size, size_t n,
		      uint64_t cursor[2])
{
	struct starling_list arg = {
		.size = sizeof(arg), .record_size = size, .records = (uintptr_t)rec,
		.count = n < INT32_MAX ? n : INT32_MAX,
	};
	int err;

	if (cursor)
		memcpy(arg.cursor, cursor, sizeof(arg.cursor));
	err = starling_call(fd, cmd, &arg);
	if (err)
		return err;
	if (cursor)
		memcpy(cursor, arg.cursor, sizeof(arg.cursor));
	return arg.count;
}

static int open_device(void)
{
	int saved = errno, fd = open(STARLING_DEVICE, O_RDWR | O_CLOEXEC);

	/* A node without its module is no module either. */
	if (fd < 0)
		fd = errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;
	errno = saved;
	return fd;
}

static void close_quietly(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

STARLING_API int starling_get_info(struct starling *s, struct starling_info *info)
{
	if (!s)
		return -ENODEV;
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return starling_call(s->fd, STARLING_IOC_GET_INFO, info);
}

STARLING_API int starling_open(struct starling **out)
{
	struct starling_info info;
	struct starling *s;
	int err;

	*out = NULL;
	s = malloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->fd = open_device();
	if (s->fd < 0) {
		err = s->fd;
		goto out_free;
	}
	err = starling_get_info(s, &info);
	if (err == -ENOTTY || (!err && info.out_abi_version < STARLING_ABI_VERSION))
		err = -EPROTO;
	if (err)
		goto out_close;
	*out = s;
	return 0;

out_close:
	close_quietly(s->fd);
out_free:
	free(s);
	return err;
}

STARLING_API void starling_close(struct starling *s)
{
	if (!s)
		return;
	close_quietly(s->fd);
	free(s);
}
