// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

static const char *first_set(const char *a, const char *b)
{
	return a && *a ? a : b && *b ? b : NULL;
}

const char *path_rundir(const char *option)
{
	const char *dir = first_set(option, getenv("STARLING_RUNDIR"));

	return dir ? dir : STARLING_RUNDIR_DEFAULT;
}

int path_socket(const char *option, const char *rundir, char *buf, size_t len)
{
	const char *path = first_set(option, getenv("STARLING_SOCKET"));
	int n;

	if (path)
		n = snprintf(buf, len, "%s", path);
	else
		n = snprintf(buf, len, "%s/control", path_rundir(rundir));
	if ((size_t)n >= len || (size_t)n >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return -ENAMETOOLONG;
	return 0;
}
