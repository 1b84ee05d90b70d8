/* SPDX-License-Identifier: GPL-2.0-only */
/* gpu.h - GPUs as what agents take turns at: rules, holders, who waits. */
#ifndef STARLING_GPU_H
#define STARLING_GPU_H

#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <uapi/linux/starling.h>

#include "order.h"

struct file;
struct starling_agent;
struct starling_request;
struct starling_ticket;

/* More than any GPU has, and little enough to be summed up. */
#define STARLING_MEMORY_MAX	(1ULL << 50)
/* Of so much each the sum fits in 64 bits: 16383. */
#define STARLING_LEASES_MAX	(U64_MAX / STARLING_MEMORY_MAX)

/* Best to worst; level 0, those that starve, is sorted on its own. */
#define STARLING_NLEVELS	__STARLING_CLASS_MAX

#define STARLING_POLICY_ALL	(STARLING_POLICY_SLOTS | STARLING_POLICY_MEMORY | \
				 STARLING_POLICY_HOLD | STARLING_POLICY_NOTICE | \
				 STARLING_POLICY_AGING | STARLING_POLICY_STARVE)

/**
 * struct starling_gpu - a GPU; all under starling_lease_lock
 * @rules:	what LEASE_POLICY has set
 * @held:	leases held, oldest grant last; @nheld of them
 * @nparked:	leases parked
 * @used:	memory of leases held and parked
 * @waiting:	requests by class as asked for; [0]: all
 * @starved:	those that have waited for too long, by arrival
 * @levels:	by effective class: agents' shares with such requests, by time
 *		held
 * @aging:	requests by the time when their level changes
 * @vmin:	least virtual time of those who were there; never goes back
 * @mean_hold:	about how long a lease is held
 * @timer:	asks holders and ends leases, at @armed or before
 * @sums:	those of LEASE_STAT, and nothing else
 */
struct starling_gpu {
	u32 index;
	struct starling_lease_policy rules;

	struct hlist_head held;
	u32 nheld;
	u32 nparked;
	u64 used;

	u32 waiting[__STARLING_CLASS_MAX];
	struct rb_root_cached starved;
	struct rb_root_cached levels[STARLING_NLEVELS];
	struct rb_root_cached aging;
	u64 vmin;
	u64 mean_hold;

	struct delayed_work timer;
	u64 armed;

	struct starling_lease_stat sums;
};

/**
 * struct starling_level - requests of one agent and effective class
 * @entry:	in the GPU's @levels, if there are requests
 * @tickets:	by deadline and arrival
 */
struct starling_level {
	struct starling_entry entry;
	bool queued;
	struct rb_root_cached tickets;
	struct starling_share *share;
};

/**
 * struct starling_share - what an agent has had of a GPU; lives until the
 *	agent's last descriptor is closed
 * @vtime:	time held by weight, so far
 * @ahead:	time by weight that leases held now are expected to last yet:
 *		who has just got one slot is not first for the next
 * @here:	requests and leases held
 */
struct starling_share {
	struct starling_agent *agent;
	struct starling_gpu *gpu;
	u64 vtime;
	u64 ahead;
	u32 here;
	struct starling_level levels[STARLING_NLEVELS];
};

/* Guards GPUs, shares, requests, leases and who holds them. */
extern spinlock_t starling_lease_lock;

extern struct starling_gpu starling_gpus[STARLING_GPUS_MAX];
extern u32 starling_ngpus;

void starling_gpus_init(void);
void starling_gpus_exit(void);
void starling_gpus_trim(void);

/* Bytes a new lease may have. */
static inline u64 starling_gpu_room(const struct starling_gpu *gpu)
{
	if (!gpu->rules.memory_bytes)
		return U64_MAX;
	return gpu->rules.memory_bytes > gpu->used ? gpu->rules.memory_bytes - gpu->used : 0;
}

/* Whoever comes with @memory gets it at once. */
static inline bool starling_gpu_is_free(const struct starling_gpu *gpu, u64 memory)
{
	return !gpu->waiting[0] && gpu->nheld < gpu->rules.slots &&
	       memory <= starling_gpu_room(gpu);
}

static inline bool starling_gpu_can_fit(const struct starling_gpu *gpu, u64 memory)
{
	return !gpu->rules.memory_bytes || memory <= gpu->rules.memory_bytes;
}

long starling_lease_stat(struct file *file, void *arg);
long starling_lease_policy(struct file *file, void *arg);
void starling_lease_policy_end(void);

/* lease.c */
void starling_gpu_timer(struct work_struct *work);

/* queue.c */
struct starling_share *starling_share_alloc(struct starling_agent *agent,
					    struct starling_gpu *gpu, gfp_t gfp);
void starling_gpu_settle(struct starling_gpu *gpu, u64 now);
void starling_gpu_least(struct starling_gpu *gpu, u64 now);
void starling_hold_stop(struct starling_request *r, u64 now);
void starling_ticket_add(struct starling_ticket *t, u64 now);
void starling_ticket_del(struct starling_ticket *t, u64 now);
void starling_queue_age(struct starling_gpu *gpu, u64 now);
u32 starling_queue_best(struct starling_gpu *gpu);
struct starling_request *starling_queue_first(struct starling_gpu *gpu, u64 now);
u64 starling_queue_had(const struct starling_request *r, u64 now);

/* Before a request of @share comes, or a lease without having waited. */
static inline void starling_share_come(struct starling_share *share, u64 now)
{
	struct starling_gpu *gpu = share->gpu;

	if (share->here++)
		return;
	if (gpu->nheld || gpu->waiting[0])
		starling_gpu_least(gpu, now);
	share->vtime = max(share->vtime, gpu->vmin);
}

#endif
