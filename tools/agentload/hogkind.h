/* SPDX-License-Identifier: GPL-2.0-only */
/* What a hog does all day, in units that can be counted. */
#ifndef AGENTLOAD_HOGKIND_H
#define AGENTLOAD_HOGKIND_H

struct hog_kind {
	const char *name;
	int (*open)(void);	/* once in each worker, before its first unit; may be NULL */
	int (*unit)(void);	/* both: 0 or -errno */
};

/* the kind of that name; any other name ends the program with a list of all */
const struct hog_kind *hog_kind(const char *name);

#endif
