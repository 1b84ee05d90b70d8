/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Histograms of durations in ns: 32 steps per doubling (3 % wide), fixed size,
 * so that any number of samples costs the same and percentiles of merged runs
 * are exact to a step. Minimum, maximum and sum are exact.
 */
#ifndef AGENTLOAD_STATS_H
#define AGENTLOAD_STATS_H

#include <jansson.h>
#include <stdint.h>

enum { HIST_STEPS = 32, HIST_BUCKETS = HIST_STEPS * 40 };

struct hist {
	uint64_t count, sum, min, max;
	uint32_t bucket[HIST_BUCKETS];
};

void hist_add(struct hist *h, uint64_t ns);
void hist_merge(struct hist *to, const struct hist *from);
uint64_t hist_percentile(const struct hist *h, double p);
uint64_t hist_bucket_low(unsigned int i);
/* {"n","min","mean","p50","p95","p99","max"[,"hist":[[low_ns,count],...]]}, in us */
json_t *hist_json(const struct hist *h, int raw);
/* add the samples of a raw hist_json(), from another process; 0 or -errno */
int hist_from_json(struct hist *to, const json_t *j);

#endif
