/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * merge.h - one set of records out of the module's and the probes'.
 *
 * Membership, roles and CPU values of the module's members are the module's;
 * GPU values are always the probes'. Results live in the array given, whose
 * `used` says how many there are.
 */
#ifndef STARLING_SENSE_MERGE_H
#define STARLING_SENSE_MERGE_H

#include <stddef.h>
#include <linux/starling.h>

struct array;
struct kmod;
struct sense_agent;
struct sense_opts;

/* @probe is put in order of tid. */
int merge_tasks(struct array *out, struct starling_task_record *probe, size_t nprobe,
		const struct starling_task_record *module, size_t nmodule);
int merge_agents(struct array *out, const struct sense_agent *probe, size_t nprobe,
		 const struct starling_agent_record *module, size_t nmodule);

/* Give the module what only the probes and @opts' owner know of its members. */
void merge_publish(struct kmod *k, const struct starling_task_record *task, size_t n,
		   const struct sense_opts *opts);

#endif
