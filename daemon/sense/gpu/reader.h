/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reader.h - the process that the backends run in.
 *
 * A process and not a thread: a call into a driver may never come back, and a
 * thread that hangs in the kernel would keep the daemon from ending; a vendor's
 * library may crash, or keep its memory and threads for good. It asks nothing of
 * the daemon but its end of a socket, and ends with that.
 */
#ifndef STARLING_GPU_READER_H
#define STARLING_GPU_READER_H

/* The only argument that makes the daemon's program a reader; the socket is fd 0. */
#define GPU_READER_ARG	"--gpu-reader"

/* A question is one byte: what is there, or also who has come since. */
#define GPU_READER_ASK	'?'
#define GPU_READER_LOOK	'!'

/*
 * Answer each question that comes from @fd, a SOCK_SEQPACKET socket, with a struct
 * gpu_sample, until it is closed or there is nothing to read. Exit status.
 */
int gpu_reader_run(int fd, const char *root);
/* The same in a process of its own, which keeps the daemon's rights. */
int gpu_reader_main(void);

#endif
