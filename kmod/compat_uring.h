/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat_uring.h - io_uring commands between kernels 6.1 and 7.3; as compat.h,
 * but only for the one file that wants these headers.
 */
#ifndef STARLING_COMPAT_URING_H
#define STARLING_COMPAT_URING_H

#include <linux/build_bug.h>
#ifdef HAVE_URING_CMD_H
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif
#include <linux/io_uring_types.h>

/* What the submission carries. User memory for as long as we are in the submitter. */
#if defined(HAVE_URING_SQE_TYPE)
#define starling_uring_arg(cmd)	io_uring_sqe_cmd((cmd)->sqe, struct starling_uring)
#elif defined(HAVE_URING_SQE)
#define starling_uring_arg(cmd)	((const struct starling_uring *)io_uring_sqe_cmd((cmd)->sqe))
#else
#define starling_uring_arg(cmd)	((const struct starling_uring *)(cmd)->cmd)
#endif

/* Room of our own in the request, for as long as it lives. */
#define starling_uring_own(ucmd, type) ({				\
	BUILD_BUG_ON(sizeof(type) > sizeof((ucmd)->pdu));		\
	(type *)&(ucmd)->pdu;						\
})

/* Newer kernels let commands through that know nothing of it. */
static inline bool starling_uring_is_polled(struct io_uring_cmd *cmd)
{
	return cmd_to_io_kiocb(cmd)->ctx->flags & IORING_SETUP_IOPOLL;
}

static inline void starling_uring_done(struct io_uring_cmd *cmd, long ret,
				       unsigned int issue_flags)
{
#ifdef HAVE_URING_DONE32
	io_uring_cmd_done(cmd, ret, issue_flags);
#else
	io_uring_cmd_done(cmd, ret, 0, issue_flags);
#endif
}

/* The kernel tells when the ring or its task goes; before that nothing does. */
#ifdef HAVE_URING_CANCEL
#define STARLING_URING_F_CANCEL	IO_URING_F_CANCEL
#else
#define STARLING_URING_F_CANCEL	0
static inline void io_uring_cmd_mark_cancelable(struct io_uring_cmd *cmd,
						unsigned int issue_flags)
{
}
#endif

/* Defines a function for io_uring_cmd_complete_in_task(); its body follows. */
#ifdef HAVE_URING_TW_REQ
#define STARLING_URING_IN_TASK(_name)						\
static void _name##_body(struct io_uring_cmd *cmd, unsigned int issue_flags);	\
static void _name(struct io_tw_req req, io_tw_token_t token)			\
{										\
	_name##_body(io_uring_cmd_from_tw(req), IO_URING_CMD_TASK_WORK_ISSUE_FLAGS); \
}										\
static void _name##_body(struct io_uring_cmd *cmd, unsigned int issue_flags)
#else
#define STARLING_URING_IN_TASK(_name)						\
static void _name(struct io_uring_cmd *cmd, unsigned int issue_flags)
#endif

#endif
