/* SPDX-License-Identifier: GPL-2.0-only */
/* paths.h - where daemon and tools meet. */
#ifndef STARLING_PATHS_H
#define STARLING_PATHS_H

#include <stddef.h>

#define STARLING_RUNDIR_DEFAULT "/run/starling"

/* @option, else $STARLING_RUNDIR, else the default. */
const char *path_rundir(const char *option);
/*
 * The control socket: @option, else $STARLING_SOCKET, else "control" in the
 * run-time directory. Returns 0, or -ENAMETOOLONG when it fits no sockaddr_un.
 */
int path_socket(const char *option, const char *rundir, char *buf, size_t len);

#endif
