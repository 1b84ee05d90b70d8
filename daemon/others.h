/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * others.h - who else decides where tasks run, and what Starling makes of it.
 *
 * Shared by the daemon, which says once what it found, and `starling check`.
 * Nothing here changes anything. @root is the directory that holds proc and sys:
 * "" on a machine.
 */
#ifndef STARLING_OTHERS_H
#define STARLING_OTHERS_H

#include <stdbool.h>
#include <stddef.h>

struct other {
	const char *name;
	const char *means;	/* what it means here, and what to do if anything */
};

struct other_found {
	const struct other *other;
	char detail[128];	/* what was seen */
};

enum { OTHERS_MAX = 24 };

/* All that is there, each once; returns how many, at most OTHERS_MAX. */
size_t others_find(const char *root, struct other_found *out);
/* Does a process with this name run? */
bool others_run(const char *root, const char *comm);
/* Is cgroup @dir, or one above it, one that a batch system or containers made? */
bool others_own_group(const char *dir);

#endif
