// SPDX-License-Identifier: GPL-2.0-only
/*
 * The GPUs: how many there are, their rules and their numbers. The module
 * knows of a GPU only what it is told by LEASE_POLICY.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/nospec.h>

#include "control.h"
#include "lease.h"

#define SLOTS_MAX	64
#define TIME_MIN	NSEC_PER_MSEC
#define TIME_MAX	(3600ULL * NSEC_PER_SEC)

static const struct starling_lease_policy built_in = {
	.slots = 1,
	.max_hold_ns = NSEC_PER_SEC,
	.notice_ns = 100 * NSEC_PER_MSEC,
	.aging_ns = 500 * NSEC_PER_MSEC,
	.starve_ns = 10 * NSEC_PER_SEC,
};

DEFINE_SPINLOCK(starling_lease_lock);

struct starling_gpu starling_gpus[STARLING_GPUS_MAX];
u32 starling_ngpus = 1;
static bool ruled;	/* someone has the claim and used it */

void starling_gpus_init(void)
{
	struct starling_gpu *gpu;
	u32 i, level;

	for (i = 0; i < STARLING_GPUS_MAX; i++) {
		gpu = &starling_gpus[i];
		gpu->index = i;
		gpu->rules = built_in;
		gpu->mean_hold = built_in.max_hold_ns;
		gpu->armed = U64_MAX;
		gpu->starved = RB_ROOT_CACHED;
		gpu->aging = RB_ROOT_CACHED;
		for (level = 0; level < STARLING_NLEVELS; level++)
			gpu->levels[level] = RB_ROOT_CACHED;
		INIT_DELAYED_WORK(&gpu->timer, starling_gpu_timer);
	}
}

void starling_gpus_exit(void)
{
	u32 i;

	for (i = 0; i < STARLING_GPUS_MAX; i++)
		cancel_delayed_work_sync(&starling_gpus[i].timer);
}

static bool gpu_is_used(const struct starling_gpu *gpu)
{
	return gpu->nheld || gpu->nparked || gpu->waiting[0];
}

/* GPUs that only the claim knew of go when nobody uses them any more. */
void starling_gpus_trim(void)
{
	while (!ruled && starling_ngpus > 1 &&
	       !gpu_is_used(&starling_gpus[starling_ngpus - 1]))
		starling_ngpus--;
}

static void stat_fill(const struct starling_gpu *gpu, struct starling_lease_stat *stat)
{
	const struct starling_lease_policy *rules = &gpu->rules;
	u32 size = stat->size;

	*stat = gpu->sums;
	stat->size = size;
	stat->gpu = gpu->index;
	stat->out_gpus = starling_ngpus;
	stat->out_holders = gpu->nheld;
	stat->out_parked = gpu->nparked;
	memcpy(stat->out_waiting, gpu->waiting, sizeof(stat->out_waiting));
	stat->out_memory_used = gpu->used;
	stat->out_slots = rules->slots;
	stat->out_memory_bytes = rules->memory_bytes;
	stat->out_max_hold_ns = rules->max_hold_ns;
	stat->out_notice_ns = rules->notice_ns;
	stat->out_aging_ns = rules->aging_ns;
	stat->out_starve_ns = rules->starve_ns;
}

long starling_lease_stat(struct file *file, void *arg)
{
	struct starling_lease_stat *stat = arg;
	u32 gpu = array_index_nospec(stat->gpu, STARLING_GPUS_MAX);
	long err = -ENODEV;

	spin_lock(&starling_lease_lock);
	if (stat->gpu < starling_ngpus) {
		stat_fill(&starling_gpus[gpu], stat);
		err = 0;
	}
	spin_unlock(&starling_lease_lock);
	return err;
}

/* What may be set by which flag, besides slots, and within which bounds. */
static const struct {
	u32 flag;
	u32 offset;
	u64 min;
	u64 max;
} fields[] = {
#define FIELD(_flag, _field, _min, _max) {					\
	.flag = STARLING_POLICY_##_flag,					\
	.offset = offsetof(struct starling_lease_policy, _field),		\
	.min = (_min), .max = (_max),						\
}
	FIELD(MEMORY, memory_bytes, 0, STARLING_MEMORY_MAX),
	FIELD(HOLD, max_hold_ns, TIME_MIN, TIME_MAX),
	FIELD(NOTICE, notice_ns, TIME_MIN, TIME_MAX),
	FIELD(AGING, aging_ns, TIME_MIN, TIME_MAX),
	FIELD(STARVE, starve_ns, TIME_MIN, TIME_MAX),
#undef FIELD
};

static u64 *field_of(const struct starling_lease_policy *p, int i)
{
	return (u64 *)((char *)p + fields[i].offset);
}

/* Fields whose flag is not set are zero. */
static bool policy_ok(const struct starling_lease_policy *p)
{
	u64 value;
	int i;

	if (p->flags & STARLING_POLICY_SLOTS ? !p->slots || p->slots > SLOTS_MAX : p->slots)
		return false;
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		value = *field_of(p, i);
		if (p->flags & fields[i].flag ?
		    value < fields[i].min || value > fields[i].max : value)
			return false;
	}
	return true;
}

static void policy_set(struct starling_lease_policy *rules, const struct starling_lease_policy *p)
{
	int i;

	if (p->flags & STARLING_POLICY_SLOTS)
		rules->slots = p->slots;
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		if (p->flags & fields[i].flag)
			*field_of(rules, i) = *field_of(p, i);
}

long starling_lease_policy(struct file *file, void *arg)
{
	const struct starling_lease_policy *p = arg;
	u32 gpu = array_index_nospec(p->gpu, STARLING_GPUS_MAX);
	struct starling_turn turn;
	long err = -ENODEV;

	if (!policy_ok(p))
		return -EINVAL;
	if (!starling_control_has(file))
		return -EPERM;
	starling_turn_begin(&turn);
	if (p->gpu < STARLING_GPUS_MAX && p->gpu <= starling_ngpus) {
		ruled = true;
		starling_ngpus = max(starling_ngpus, p->gpu + 1);
		policy_set(&starling_gpus[gpu].rules, p);
		starling_leases_ruled(gpu, &turn);
		err = 0;
	}
	starling_turn_end(&turn);
	return err;
}

/* The claim is given up. */
void starling_lease_policy_end(void)
{
	struct starling_turn turn;
	u32 i;

	starling_turn_begin(&turn);
	ruled = false;
	for (i = 0; i < starling_ngpus; i++) {
		starling_gpus[i].rules = built_in;
		starling_leases_ruled(i, &turn);
	}
	starling_turn_end(&turn);
}
