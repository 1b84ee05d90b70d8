/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps. What is known of a task is in its task storage, which the kernel
 * frees with the task: membership needs no sweeping and cannot outgrow the
 * number of tasks.
 */
#ifndef STARLING_STATE_BPF_H
#define STARLING_STATE_BPF_H

#define TASK_ROOT	(1U << 0)	/* process that was made a member */
#define TASK_EXECED	(1U << 1)
#define TASK_WATCHED	(1U << 2)
#define TASK_GPU	(1U << 3)	/* called the GPU driver's library */
#define TASK_EXITED	(1U << 4)
#define TASK_LIBRARY	(1U << 5)	/* its waits in the driver's library are seen */
#define TASK_POLLS	(1U << 6)	/* only those in poll() are */
#define TASK_DRIVER	(1U << 7)	/* is in driver_threads */
#define TASK_COMPUTE	(1U << 8)	/* computes a model's graphs */

/*
 * @base_*, @folded_*: of run, run-queue and GPU wait time, at join, and what the agent's
 *	sums already have of an exited task
 * @entry_*: at the last entry of a wait; entry_ns 0: its return was seen
 * @seen_*: waits whose return was seen, their time, and that from one's entry
 *	to the next one's; fading
 * @learn_*: waits and launches in launch windows, fading
 * @step_*: see step.bpf.h; where the last step began, and the wait for CPUs then;
 *	undisturbed ones' median, how many it comes from at most, steps since
 * @poll_*: see driver.bpf.h; poll_ns 0: in no call of poll()
 * @compute_*: when it last computed a graph, and when that was last told
 * @vote: of recent waits, by style
 */
struct task_state {
	u64 agent_id;
	u64 base_run;
	u64 base_wait;
	u64 base_gpu_wait;
	u64 folded_run;
	u64 folded_wait;

	u64 entry_ns;
	u64 entry_wait;
	u64 woken_ns;		/* out of the sleep in that wait */
	u64 entry_nvcsw;
	u64 entry_awake;	/* ran or waited for a CPU, so far */
	u64 yields;
	u64 gpu_last_ns;
	u64 gpu_waits;
	u64 gpu_wait_ns;
	u64 launches;
	u64 alloc_bytes;

	u64 seen_ns;
	u64 seen_gap;
	u32 seen_waits;
	u32 learn_waits;
	u32 learn_launches;
	u32 launch_rest;

	u64 starved_ns;
	u64 step_ns;
	u64 step_wait;
	u64 step_median;
	u64 step_least;
	u64 step_least_before;
	u64 step_most;
	u64 step_most_before;
	u64 compute_ns;
	u64 compute_told_ns;
	u32 step_count;
	u32 step_calm;
	u32 step_since;

	u64 poll_ns;
	u64 poll_nvcsw;
	u64 poll_done_ns;

	u32 exec_id;
	u32 flags;
	u16 role;
	u16 source;
	u16 style;
	u8 vote[4];
	u8 told;		/* its wait was told, and not its end */
	u8 poll_done;
	u8 __pad[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_state);
} task_state SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROBE_AGENTS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, struct probe_agent);
} agents SEC(".maps");

/* Emptied at every read, hence no LRU: what does not fit is counted. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROBE_EDGES_MAX);
	__type(key, struct probe_edge_key);
	__type(value, struct probe_edge);
} edges SEC(".maps");

/* Wakes that only their callers can tell from an interrupt's; any that was counted? */
struct looks {
	u32 wakes;
	u32 counted;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PROBE_EDGES_MAX);
	__type(key, struct probe_edge_key);
	__type(value, struct looks);
} looks SEC(".maps");

/* Who was last seen with a copy, as a tgid; 0: no more reports are wanted. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PROBE_LIBS_MAX);
	__type(key, struct probe_lib);
	__type(value, u32);
} libs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PROBE_OPENERS_MAX);
	__type(key, u32);
	__type(value, u8);
} openers SEC(".maps");

/* By tid. Those that were pushed out are the ones that were put in and are missed. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PROBE_DRIVER_THREADS_MAX);
	__type(key, u32);
	__type(value, struct probe_driver_thread);
} driver_threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, PROBE_RING_BYTES);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, PROBE_WAITS_BYTES);
} waits SEC(".maps");

__u64 dropped[PROBE_DROP_MAX];
/* Set by the daemon: */
bool gpu_probed;		/* a library has its probes: GPU values are valid */
bool launches_probed;		/* a launch window is open */
bool yields_probed;		/* and one for sched_yield() */
bool returns_probed;		/* windows have the returns of waits */
bool waits_wanted;		/* each wait is to be told, with its end */
bool execs_awaited;		/* it looks again soon: no need to wake it for one */
__u32 uvm_major;			/* of nvidia-uvm; 0: none */
__u64 irq_entry[PROBE_IRQ_RANGES][2];	/* code where interrupts come in */
bool adopt;			/* the next look at all tasks adopts children */
/* Set here: children may have been missed. */
bool adopt_wanted;
__u64 driver_in;		/* threads put into driver_threads ... */
__u64 driver_out;		/* ... and taken out; the daemon does that, too */

static __always_inline void drop(enum probe_drop what)
{
	__sync_fetch_and_add(&dropped[what], 1);
}

static __always_inline struct task_state *state_of(struct task_struct *p)
{
	return bpf_task_storage_get(&task_state, p, NULL, 0);
}

static __always_inline struct task_state *state_make(struct task_struct *p)
{
	struct task_state *st = bpf_task_storage_get(&task_state, p, NULL,
						     BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!st)
		drop(PROBE_DROP_TASK);
	return st;
}

static __always_inline void wait_put(struct task_struct *p, enum probe_wait_what what,
				     u64 ns)
{
	struct probe_wait *w = bpf_ringbuf_reserve(&waits, sizeof(*w), 0);

	if (!w) {
		drop(PROBE_DROP_WAIT);
		return;
	}
	w->tgid = p->tgid;
	w->what = what;
	w->ns = ns;
	bpf_ringbuf_submit(w, BPF_RB_NO_WAKEUP);
}

static __always_inline struct probe_agent *agent_of(u64 id)
{
	return id ? bpf_map_lookup_elem(&agents, &id) : NULL;
}

static __always_inline struct probe_agent *agent_make(u64 id)
{
	struct probe_agent zero = {}, *a = agent_of(id);

	if (a || !id)
		return a;
	bpf_map_update_elem(&agents, &id, &zero, BPF_NOEXIST);
	a = agent_of(id);
	if (!a)
		drop(PROBE_DROP_AGENT);
	return a;
}

/*
 * Events that can wait do not wake the daemon, unless the ring fills up;
 * they come with the next one that does, or with the clock.
 */
static __always_inline u64 wake_flags(bool urgent)
{
	if (urgent)
		return BPF_RB_FORCE_WAKEUP;
	if (bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > PROBE_RING_BYTES / 2)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

static __always_inline struct probe_event *event_new(u32 type)
{
	struct probe_event *ev = bpf_ringbuf_reserve(&events, sizeof(*ev), 0);

	if (!ev) {
		drop(PROBE_DROP_EVENT);
		return NULL;
	}
	__builtin_memset(ev, 0, sizeof(*ev));
	ev->type = type;
	ev->ns = bpf_ktime_get_ns();
	return ev;
}

static __always_inline void event_task(u32 type, struct task_struct *p,
				       const struct task_state *st, bool urgent)
{
	struct probe_event *ev = event_new(type);

	if (!ev)
		return;
	ev->tid = p->pid;
	ev->tgid = p->tgid;
	ev->ppid = BPF_CORE_READ(p, real_parent, tgid);
	if (st) {
		ev->agent_id = st->agent_id;
		ev->role = st->role;
		ev->source = st->source;
	}
	bpf_ringbuf_submit(ev, wake_flags(urgent));
}

/* It has ended, or another program begins in it. */
static __always_inline void driver_forget(struct task_state *st, u32 tid)
{
	if (!(st->flags & TASK_DRIVER))
		return;
	st->flags &= ~TASK_DRIVER;
	if (!bpf_map_delete_elem(&driver_threads, &tid))
		__sync_fetch_and_add(&driver_out, 1);
}

#endif
