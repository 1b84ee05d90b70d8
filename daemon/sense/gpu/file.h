/* SPDX-License-Identifier: GPL-2.0-only */
/* file.h - small files below a root, "" or a copy of a machine's files. */
#ifndef STARLING_GPU_FILE_H
#define STARLING_GPU_FILE_H

#include <stddef.h>
#include <stdint.h>

/* Its text, ended by NUL, without the last line's end. Bytes or -errno. */
int file_text(char *buf, size_t len, const char *root, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The number it begins with. 0, -errno, -EPROTO: it is none. */
int file_number(uint64_t *out, const char *root, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The last part of what a link leads to. 0 or -errno. */
int file_link(char *buf, size_t len, const char *root, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
