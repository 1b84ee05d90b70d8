// SPDX-License-Identifier: GPL-2.0-only
/*
 * Log-linear histograms. Fixed size instead of a list of samples, so that a run
 * of hours measures with the same cost as one of seconds, and so that results of
 * many processes can be added up without losing a percentile.
 */
#include "stats.h"

#include <errno.h>
#include <math.h>

#include "util.h"

/* Below 32 ns one bucket each; from there 32 buckets for each doubling. */
static unsigned int bucket_of(uint64_t ns)
{
	unsigned int shift, i;

	if (ns < HIST_STEPS)
		return ns;
	shift = 63 - __builtin_clzll(ns) - 5;
	i = (shift + 1) * HIST_STEPS + ((ns >> shift) - HIST_STEPS);
	return i < HIST_BUCKETS ? i : HIST_BUCKETS - 1;
}

uint64_t hist_bucket_low(unsigned int i)
{
	unsigned int shift;

	if (i < HIST_STEPS)
		return i;
	shift = i / HIST_STEPS - 1;
	return (uint64_t)(HIST_STEPS + i % HIST_STEPS) << shift;
}

void hist_add(struct hist *h, uint64_t ns)
{
	if (!h->count || ns < h->min)
		h->min = ns;
	if (ns > h->max)
		h->max = ns;
	h->count++;
	h->sum += ns;
	h->bucket[bucket_of(ns)]++;
}

void hist_merge(struct hist *to, const struct hist *from)
{
	unsigned int i;

	if (!from->count)
		return;
	if (!to->count || from->min < to->min)
		to->min = from->min;
	if (from->max > to->max)
		to->max = from->max;
	to->count += from->count;
	to->sum += from->sum;
	for (i = 0; i < HIST_BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
}

/* middle of the bucket in which the rank falls, kept inside what was seen */
uint64_t hist_percentile(const struct hist *h, double p)
{
	uint64_t rank = ceil(p / 100.0 * h->count), seen = 0, mid;
	unsigned int i;

	if (!h->count)
		return 0;
	for (i = 0; i < HIST_BUCKETS - 1; i++) {
		seen += h->bucket[i];
		if (seen >= rank)
			break;
	}
	mid = (hist_bucket_low(i) + hist_bucket_low(i + 1)) / 2;
	if (mid < h->min)
		mid = h->min;
	return mid > h->max ? h->max : mid;
}

static json_t *us(uint64_t ns)
{
	return json_real(ns / 1000.0);
}

json_t *hist_json(const struct hist *h, int raw)
{
	json_t *j = json_object(), *rows;
	unsigned int i;

	json_object_set_new(j, "n", json_integer(h->count));
	if (!h->count)
		return j;
	json_object_set_new(j, "min", us(h->min));
	json_object_set_new(j, "mean", us(h->sum / h->count));
	json_object_set_new(j, "p50", us(hist_percentile(h, 50)));
	json_object_set_new(j, "p95", us(hist_percentile(h, 95)));
	json_object_set_new(j, "p99", us(hist_percentile(h, 99)));
	json_object_set_new(j, "max", us(h->max));
	if (!raw)
		return j;
	rows = json_array();
	for (i = 0; i < HIST_BUCKETS; i++)
		if (h->bucket[i])
			json_array_append_new(rows, json_pack("[I,I]",
				(json_int_t)hist_bucket_low(i), (json_int_t)h->bucket[i]));
	json_object_set_new(j, "hist", rows);
	return j;
}

int hist_from_json(struct hist *to, const json_t *j)
{
	json_t *rows = json_object_get(j, "hist"), *row;
	struct hist h = { 0 };
	json_int_t low, n;
	size_t i;

	if (!json_integer_value(json_object_get(j, "n")))
		return 0;
	if (!json_is_array(rows))
		return -EINVAL;
	json_array_foreach(rows, i, row) {
		if (json_unpack(row, "[I,I]", &low, &n) || low < 0 || n < 0)
			return -EINVAL;
		h.bucket[bucket_of(low)] += n;
		h.count += n;
	}
	h.min = json_number_value(json_object_get(j, "min")) * 1000;
	h.max = json_number_value(json_object_get(j, "max")) * 1000;
	h.sum = json_number_value(json_object_get(j, "mean")) * 1000 * h.count;
	hist_merge(to, &h);
	return 0;
}
