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

/* The result of a command or -errno; errno is left alone. */
int starling_call(int fd, unsigned long cmd, void *arg);

#endif
