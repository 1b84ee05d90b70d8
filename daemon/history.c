// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/history.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include "daemon/log.h"

void history_add(struct history *h, int priority, const char *about, const char *fmt, ...)
{
	struct history_entry *e = &h->entry[h->seq % HISTORY_MAX];
	struct timespec now;
	va_list ap;

	clock_gettime(CLOCK_REALTIME, &now);
	e->seq = ++h->seq;
	e->real_ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
	e->about = about;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	log_printable(e->text);
	log_line(priority, "%s", e->text);
}

const struct history_entry *history_after(const struct history *h, uint64_t seq)
{
	uint64_t oldest = h->seq < HISTORY_MAX ? 0 : h->seq - HISTORY_MAX;

	if (seq < oldest)
		seq = oldest;
	return seq < h->seq ? &h->entry[seq % HISTORY_MAX] : NULL;
}
