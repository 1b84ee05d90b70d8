/* SPDX-License-Identifier: GPL-2.0-only */
/* uprobe.h - one program at many functions of one file. */
#ifndef STARLING_SENSE_UPROBE_H
#define STARLING_SENSE_UPROBE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * At entry, or at return, of the functions at @offset in the open file @fd.
 * Closing the result, a descriptor, takes all of them out. -errno: -EINVAL or
 * -EOPNOTSUPP on kernels before 6.6.
 */
int uprobe_link(int prog, int fd, const uint64_t *offset, const uint64_t *cookie,
		unsigned int n, bool returns);

/* Whether this kernel has such links at all. */
bool uprobe_usable(int prog);

#endif
