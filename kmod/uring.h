/* SPDX-License-Identifier: GPL-2.0-only */
/* uring.h - commands by IORING_OP_URING_CMD. */
#ifndef STARLING_URING_H
#define STARLING_URING_H

struct io_uring_cmd;

int starling_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);

#endif
