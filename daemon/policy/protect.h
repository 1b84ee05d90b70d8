/* SPDX-License-Identifier: GPL-2.0-only */
/* protect.h - which cores to keep for feeders. */
#ifndef STARLING_POLICY_PROTECT_H
#define STARLING_POLICY_PROTECT_H

#include "daemon/policy/policy.h"

/*
 * At most so many cores: one in @protect_per, rounded up, and always leaving
 * one for the others. 0: this machine has none to spare.
 */
unsigned int protect_ceiling(const struct topology *topo, unsigned int protect_per);
/*
 * Choose @n physical cores into @out. Cores of @old that still exist come
 * first: a feeder's cache is where it was.
 */
void protect_choose(const struct topology *topo, unsigned int n,
		    const cpu_set_t *old, cpu_set_t *out);
/* Physical cores that @set touches. */
unsigned int protect_count(const struct topology *topo, const cpu_set_t *set);

#endif
