/* SPDX-License-Identifier: LGPL-2.1-only */
/* internal.h - the boundary to the kernel: one call, and the handles. */
#ifndef STARLING_LIB_INTERNAL_H
#define STARLING_LIB_INTERNAL_H

#include <starling.h>

#define STARLING_API	__attribute__((visibility("default")))

struct starling {
	int fd;
};

struct starling_agent {
	int fd;
};

/*
 * The result of a command or -errno; errno is left alone. A signal does not
 * end the first one; the second is for commands that wait.
 */
int starling_call(int fd, unsigned long cmd, void *arg);
int starling_call_once(int fd, unsigned long cmd, void *arg);
/* A command that fills an array of @n records; how many, or -errno. */
ssize_t starling_list(int fd, unsigned long cmd, void *rec, size_t size, size_t n,
		      uint64_t cursor[2]);
/* Close-on-exec, or -errno. */
int starling_dup(int fd);

#endif
