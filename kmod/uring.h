/* SPDX-License-Identifier: GPL-2.0-only */
/* uring.h - commands by IORING_OP_URING_CMD. */
#ifndef STARLING_URING_H
#define STARLING_URING_H

#include <linux/types.h>

struct io_uring_cmd;
struct starling_command;

int starling_uring_cmd(const struct starling_command *table, size_t n,
		       struct io_uring_cmd *cmd, unsigned int issue_flags);

#endif
