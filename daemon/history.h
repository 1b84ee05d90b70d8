/* SPDX-License-Identifier: GPL-2.0-only */
/* history.h - the last decisions, for `starling log`. */
#ifndef STARLING_HISTORY_H
#define STARLING_HISTORY_H

#include <stdint.h>

enum { HISTORY_MAX = 128, HISTORY_TEXT = 256 };

struct history_entry {
	uint64_t seq;		/* from 1 on */
	uint64_t real_ns;	/* CLOCK_REALTIME */
	const char *about;	/* static: "rule", "gpu", "inference", "daemon" */
	char text[HISTORY_TEXT];
};

/* A ring: the oldest make room, and can be told from the first seq that is left. */
struct history {
	struct history_entry entry[HISTORY_MAX];
	uint64_t seq;		/* of the newest; 0: none */
};

/* Remember it, and say it in the daemon's own log with @priority. */
void history_add(struct history *h, int priority, const char *about, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The first one after @seq that is still known; NULL: none. */
const struct history_entry *history_after(const struct history *h, uint64_t seq);

#endif
