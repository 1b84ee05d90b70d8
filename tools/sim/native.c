// SPDX-License-Identifier: GPL-2.0-only
/*
 * sched.bpf.c itself, compiled for this machine: not a line of it is copied.
 * Below are the BPF maps and helpers that it uses; the kernel functions are in
 * ext.c. Only here the two meet, so the compiler sees that they fit.
 */
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wsign-compare"
#include "bpf/sched.bpf.c"

#include <string.h>
#include "tools/sim/ext.h"
#include "tools/sim/native.h"
#include "tools/sim/engine.h"
#include "tools/sim/map.h"

_Static_assert(sizeof(struct sched_role) <= SHIM_STORAGE_WORDS * sizeof(u64), "no room");
_Static_assert(sizeof(struct task_state) <= SHIM_STORAGE_WORDS * sizeof(u64), "no room");
_Static_assert(offsetof(struct task_struct, scx) == 0, "CO-RE would find it elsewhere");
_Static_assert(sizeof(struct sched_ext_entity___s) == sizeof(struct shim_scx_entity), "differs");
_Static_assert(SCHED_CPUS_MAX <= SHIM_CPUS_MAX, "masks are too short");

/* -- maps ------------------------------------------------------------------------ */

static void *bpf_task_storage_get(void *map, struct task_struct *p, void *value, u64 flags)
{
	int i = map == (void *)&roles ? 0 : 1;

	(void)value;
	if (!p->has_storage[i]) {
		if (!(flags & BPF_LOCAL_STORAGE_GET_F_CREATE))
			return NULL;
		p->has_storage[i] = true;
		memset(p->storage[i], 0, sizeof(p->storage[i]));
	}
	return p->storage[i];
}

static struct map hash_agents = { .value_size = sizeof(struct sched_agent) };
static struct map hash_shares = { .value_size = sizeof(struct share) };
static struct map hash_limits = { .value_size = sizeof(struct limit) };
static struct kind_mask kind_masks[__KIND_MAX];
static struct look_timer timer_value;

static struct map *hash_of(void *map)
{
	if (map == (void *)&agents)
		return &hash_agents;
	return map == (void *)&shares ? &hash_shares : &hash_limits;
}

static void *bpf_map_lookup_elem(void *map, const void *key)
{
	if (map == (void *)&kinds)
		return &kind_masks[*(const u32 *)key];
	if (map == (void *)&look_timers)
		return &timer_value;
	return map_find(hash_of(map), *(const u64 *)key);
}

static long bpf_map_update_elem(void *map, const void *key, const void *value, u64 flags)
{
	struct map *hash = hash_of(map);
	u64 k = *(const u64 *)key;

	if (flags & BPF_NOEXIST && map_find(hash, k))
		return -17;	/* EEXIST */
	return map_put(hash, k, value) ? 0 : -12;	/* ENOMEM */
}

static long bpf_map_delete_elem(void *map, const void *key)
{
	return map_del(hash_of(map), *(const u64 *)key) ? 0 : -2;	/* ENOENT */
}

/* -- masks ----------------------------------------------------------------------- */

/* One a kind, and one that takes the place of another. */
static struct bpf_cpumask masks[__KIND_MAX + 1];

struct bpf_cpumask *bpf_cpumask_create(void)
{
	for (int i = 0; i <= __KIND_MAX; i++) {
		if (masks[i].used)
			continue;
		memset(&masks[i], 0, sizeof(masks[i]));
		masks[i].used = true;
		return &masks[i];
	}
	return NULL;
}

void bpf_cpumask_release(struct bpf_cpumask *mask)
{
	mask->used = false;
}

void bpf_cpumask_set_cpu(u32 cpu, struct bpf_cpumask *mask)
{
	mask->mask.bits[cpu / 64] |= 1ULL << (cpu % 64);
}

/* -- the timer ------------------------------------------------------------------- */

static int (*timer_call)(void *map, u32 *key, struct look_timer *t);

static void on_timer(struct timer *t)
{
	u32 zero = 0;

	(void)t;
	timer_call(&look_timers, &zero, &timer_value);
}

static struct timer timer = { .fire = on_timer };

static long bpf_timer_init(struct bpf_timer *t, void *map, u64 flags)
{
	return 0;
}

static long bpf_timer_set_callback(struct bpf_timer *t, void *call)
{
	timer_call = call;
	return 0;
}

static long bpf_timer_start(struct bpf_timer *t, u64 ns, u64 flags)
{
	timer_set(&timer, sim.now + ns);
	return 0;
}

static long bpf_timer_cancel(struct bpf_timer *t)
{
	timer_cancel(&timer);
	return 0;
}

/* -- helpers ----------------------------------------------------------------------- */

static struct task_struct *bpf_get_current_task_btf(void)
{
	return ext_current();
}

static u64 bpf_ktime_get_ns(void)
{
	return sim.now;
}

static long bpf_probe_read_kernel_str(void *to, u32 size, const void *from)
{
	(void)from;
	memset(to, 0, size);
	return 0;
}

int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end)
{
	*it = (struct bpf_iter_num){ start - 1, end };
	return 0;
}

int *bpf_iter_num_next(struct bpf_iter_num *it)
{
	return ++it->next < it->end ? &it->next : NULL;
}

/* Only native_promote() asks. */
static struct task_struct *promoted;

struct task_struct *bpf_task_from_pid(s32 pid)
{
	return promoted && promoted->pid == pid ? promoted : NULL;
}

void bpf_task_release(struct task_struct *p)
{
}

void bpf_rcu_read_lock(void)
{
}

void bpf_rcu_read_unlock(void)
{
}

void bpf_iter_num_destroy(struct bpf_iter_num *it)
{
	it->next = it->end;
}

/* -- functions that take a structure ---------------------------------------------- */

_Static_assert(sizeof(struct ext_iter) <= sizeof(struct bpf_iter_scx_dsq___s), "no room");

static struct ext_iter *iter(struct bpf_iter_scx_dsq___s *it)
{
	return (struct ext_iter *)it;
}

s32 __scx_bpf_select_cpu_and(struct task_struct *p, const struct cpumask *cpus_allowed,
			     struct scx_bpf_select_cpu_and_args___s *args)
{
	return ext_select_cpu(p, cpus_allowed, args->prev_cpu, args->wake_flags);
}

/* For kernels that lack the one above. */
s32 scx_bpf_pick_idle_cpu(const struct cpumask *cpus_allowed, u64 flags)
{
	return -1;
}

int bpf_iter_scx_dsq_new(struct bpf_iter_scx_dsq___s *it, u64 dsq_id, u64 flags)
{
	return ext_iter_new(iter(it), dsq_id);
}

struct task_struct *bpf_iter_scx_dsq_next(struct bpf_iter_scx_dsq___s *it)
{
	return ext_iter_next(iter(it));
}

void bpf_iter_scx_dsq_destroy(struct bpf_iter_scx_dsq___s *it)
{
	iter(it)->dsq = NULL;
}

bool scx_bpf_dsq_move(struct bpf_iter_scx_dsq___s *it, struct task_struct *p, u64 dsq_id,
		      u64 enq_flags)
{
	return ext_move(p, dsq_id, enq_flags, false, 0);
}

bool scx_bpf_dsq_move_vtime(struct bpf_iter_scx_dsq___s *it, struct task_struct *p, u64 dsq_id,
			    u64 enq_flags)
{
	return ext_move(p, dsq_id, enq_flags, true, iter(it)->set_vtime);
}

void scx_bpf_dsq_move_set_vtime(struct bpf_iter_scx_dsq___s *it, u64 vtime)
{
	iter(it)->set_vtime = vtime;
}

/* -- for the rest of the simulator --------------------------------------------------- */

static s32 init_task(struct task_struct *p, bool fork)
{
	struct scx_init_task_args___s args = { .fork = fork };

	return starling_init_task(p, &args);
}

const struct ext_ops native_ops = {
	.select_cpu = starling_select_cpu,
	.enqueue = starling_enqueue,
	.dispatch = starling_dispatch,
	.runnable = starling_runnable,
	.running = starling_running,
	.tick = starling_tick,
	.stopping = starling_stopping,
	.quiescent = starling_quiescent,
	.yield = starling_yield,
	.cpu_release = starling_cpu_release,
	.cpu_acquire = starling_cpu_acquire,
	.init_task = init_task,
	.init = starling_init,
};

u64 native_stall_ns(void)
{
	return starling.timeout_ms * MSEC;
}

void native_online(s32 cpu)
{
	online_cpu[cpu] = 1;
	nr_online++;
}

/* As the daemon writes the map through a pidfd. */
void native_tell(struct task_struct *p, u64 agent, u16 role, u64 until_ns)
{
	struct sched_role *r = bpf_task_storage_get(&roles, p, NULL,
						    BPF_LOCAL_STORAGE_GET_F_CREATE);

	*r = (struct sched_role){ .agent = agent, .role = role, .until_ns = until_ns };
}

void native_promote(struct task_struct *p)
{
	struct sched_promote ctx = { .pid = p->pid };

	promoted = p;
	starling_promote(&ctx);
}

void native_agent(u64 id, u64 parent, u32 weight, u32 class)
{
	struct sched_agent agent = { .parent = parent, .weight = weight, .class = class };
	struct share none = { 0 };

	if (!map_find(&hash_shares, id))
		map_put(&hash_shares, id, &none);
	map_put(&hash_agents, id, &agent);
	agents_seq++;
}

void native_agent_gone(u64 id)
{
	map_del(&hash_agents, id);
	map_del(&hash_shares, id);
}

void native_little(s32 cpu, bool little)
{
	little_cpu[cpu] = little;
}

void native_protect(const bool *on, unsigned int ncpu)
{
	bool changed = false;

	for (unsigned int i = 0; i < ncpu; i++) {
		changed |= protected_cpu[i] != on[i];
		protected_cpu[i] = on[i];
	}
	if (changed)
		starling_kinds(NULL);
}

u64 native_count(unsigned int what)
{
	return counts[what];
}

void native_stop(void)
{
	map_free(&hash_agents);
	map_free(&hash_shares);
	map_free(&hash_limits);
}
