/* SPDX-License-Identifier: GPL-2.0-only */
/* lock.h - one daemon for one run-time directory. */
#ifndef STARLING_LOCK_H
#define STARLING_LOCK_H

#include <sys/types.h>

/*
 * Make @dir and take its lock. Returns the lock's fd, held until closed, or
 * -errno; -EBUSY with the other daemon's pid in *@holder (0: not readable).
 */
int lock_take(const char *dir, pid_t *holder);

#endif
