/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * elf.h - where functions are in a shared library's file.
 *
 * The file may be anybody's: it is read, not mapped (it could be truncated
 * meanwhile), and nothing in it is believed.
 */
#ifndef STARLING_SENSE_ELF_H
#define STARLING_SENSE_ELF_H

#include <stddef.h>
#include <stdint.h>

/*
 * File offset of each of @n @name into @offset, 0 where there is none.
 * Returns how many were found or -errno.
 */
int elf_offsets(int fd, const char *const *name, size_t n, uint64_t *offset);

#endif
