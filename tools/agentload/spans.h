/* SPDX-License-Identifier: GPL-2.0-only */
/* What a thread did when: a bounded list; what does not fit is counted. */
#ifndef AGENTLOAD_SPANS_H
#define AGENTLOAD_SPANS_H

#include <jansson.h>
#include <stdint.h>

enum { SPANS_MAX = 100000 };

struct spans {
	struct span {
		uint64_t start, end;
		const char *what;	/* static */
	} *v;
	uint32_t count, lost;
	int on;
};

void spans_add(struct spans *s, uint64_t start, uint64_t end, const char *what);
/* [[start_ns, end_ns, "what"], ...] */
json_t *spans_json(const struct spans *s);
void spans_free(struct spans *s);

#endif
