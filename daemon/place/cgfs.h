/* SPDX-License-Identifier: GPL-2.0-only */
/* cgfs.h - files of the cgroup v2 hierarchy. */
#ifndef STARLING_PLACE_CGFS_H
#define STARLING_PLACE_CGFS_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#define CGFS_ROOT "/sys/fs/cgroup"

enum { CGFS_PATH_LEN = 4096 };

/* Is version 2 mounted where it belongs? */
bool cgfs_mounted(void);
/* Write @word to file @name of directory @dir; 0 or -errno. */
int cgfs_write(const char *dir, const char *name, const char *word);
/* First line of the file, without its end; 0 or -errno. */
int cgfs_read(const char *dir, const char *name, char *buf, size_t len);
/* Does a list of words in a file have this one? */
bool cgfs_lists(const char *dir, const char *name, const char *word);
/* Directory of process @pid, "/sys/fs/cgroup/..."; 0 or -errno. */
int cgfs_of(uint32_t pid, char *buf, size_t len);
/* Move process @pid to @dir. */
int cgfs_move(const char *dir, uint32_t pid);

#endif
