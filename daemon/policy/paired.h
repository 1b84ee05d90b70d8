/* SPDX-License-Identifier: GPL-2.0-only */
/* paired.h - does a difference between two arms hold? Few pairs, any distribution. */
#ifndef STARLING_POLICY_PAIRED_H
#define STARLING_POLICY_PAIRED_H

#include <stdbool.h>

enum { PAIRED_MAX = 20 };

struct paired {
	unsigned int n;
	double with[PAIRED_MAX];
	double without[PAIRED_MAX];
};

/* Medians; @low and @high bound that of the differences with 99 %. */
struct paired_result {
	double with, without;
	double effect;		/* with - without */
	double low, high;
};

void paired_add(struct paired *p, double with, double without);
/* Is it time to look? Looking at every pair would find something by chance. */
bool paired_due(const struct paired *p);
/* At least one pair. Below eight, @low and @high are the least and the greatest. */
void paired_result(const struct paired *p, struct paired_result *r);

#endif
