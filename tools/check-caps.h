/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * check-caps.h - what can be told of this machine's GPUs, asked in processes of
 * their own: a driver that hangs or crashes does so there.
 */
#ifndef STARLING_CHECK_CAPS_H
#define STARLING_CHECK_CAPS_H

#include <jansson.h>
#include <stdbool.h>

/* report_caps() of this machine; an empty list: no answer, said on stderr. */
json_t *check_caps(void);
/*
 * One object for each device of the CUDA driver. That opens a context on each for a
 * moment, so it is done only when asked for. Empty: none, said on stderr.
 */
json_t *check_cuda(void);
/*
 * Would CUDA, in this environment, share by MPS all devices that it shows? No context
 * is made for that. Else @why not.
 */
bool check_mps(char *why, size_t size);

/*
 * Run @fn in a child, send it a byte and read its answer, @len bytes at the most and
 * within 10 s. Bytes, or -errno.
 */
ssize_t check_in_child(int (*fn)(int fd), void *out, size_t len);

#endif
