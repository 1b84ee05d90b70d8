// SPDX-License-Identifier: GPL-2.0-only
/*
 * GPU jobs of each process, by the tracepoints of the kernel's GPU scheduler,
 * which amdgpu, xe, nouveau, msm, panfrost, panthor, v3d and others use.
 *
 * Sums are made here: a GPU that takes thousands of jobs a second costs three
 * map updates for each and wakes nobody. Which tracepoints there are and where
 * their fields lie differs between kernels, and is filled in before loading.
 *
 * Programs return 1: with 0 the event would be hidden from everybody's perf.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "bpf/jobs.h"
#include "bpf/compat.bpf.h"

char LICENSE[] SEC("license") = "GPL";

const volatile struct jobs_fields fields[__JOBS_EVENT_MAX];

struct job {
	u64 queued_ns;
	u64 run_ns;		/* 0: not yet */
	struct jobs_user user;
};

struct job_key {
	u64 part[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, JOBS_WAITING_MAX);
	__type(key, struct job_key);
	__type(value, struct job);
} jobs SEC(".maps");

/* When the last job of a ring was done. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, JOBS_RINGS_MAX);
	__type(key, struct jobs_ring);
	__type(value, u64);
} rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, JOBS_USERS_MAX);
	__type(key, struct jobs_user);
	__type(value, struct jobs_use);
} users SEC(".maps");

/* Jobs of users there was no room for. */
__u64 lost;

static __always_inline void read_key(struct job_key *key, void *record, enum jobs_event ev)
{
	key->part[0] = key->part[1] = 0;
	bpf_probe_read_kernel(&key->part[0], sizeof(u64), record + fields[ev].key[0]);
	if (fields[ev].key[1])
		bpf_probe_read_kernel(&key->part[1], sizeof(u64), record + fields[ev].key[1]);
}

static __always_inline void read_text(char *to, u32 len, void *record, u32 at)
{
	u32 loc = 0;

	if (!at)
		return;
	bpf_probe_read_kernel(&loc, sizeof(loc), record + at);
	bpf_probe_read_kernel_str(to, len, record + (loc & 0xffff));
}

/* Whose job it is: drivers that queue from a worker of the kernel's tell nobody's. */
static __always_inline u32 submitter(void)
{
	struct task_struct *p = (void *)bpf_get_current_task();

	return BPF_CORE_READ(p, flags) & PF_KTHREAD ? 0 : bpf_get_current_pid_tgid() >> 32;
}

SEC("tracepoint")
int on_queue(void *record)
{
	struct job job = { .queued_ns = bpf_ktime_get_ns(), .user.tgid = submitter() };
	struct jobs_ring *ring = &job.user.ring;
	struct job_key key;

	read_key(&key, record, JOBS_QUEUE);
	read_text(ring->device, sizeof(ring->device), record, fields[JOBS_QUEUE].device);
	read_text(ring->name, sizeof(ring->name), record, fields[JOBS_QUEUE].ring);
	bpf_map_update_elem(&jobs, &key, &job, BPF_ANY);
	return 1;
}

SEC("tracepoint")
int on_run(void *record)
{
	struct job_key key;
	struct job *job;

	read_key(&key, record, JOBS_RUN);
	job = bpf_map_lookup_elem(&jobs, &key);
	if (job)
		job->run_ns = bpf_ktime_get_ns();
	return 1;
}

static __always_inline struct jobs_use *use_of(const struct jobs_user *user)
{
	static const struct jobs_use none;
	struct jobs_use *use = bpf_map_lookup_elem(&users, user);

	if (use)
		return use;
	bpf_map_update_elem(&users, user, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&users, user);
}

/* A ring is handed several: one begins then or when the one before it is done. */
static __always_inline u64 job_began(const struct job *job, u64 now)
{
	u64 *last = bpf_map_lookup_elem(&rings, &job->user.ring), began = job->run_ns;

	if (last && *last > began)
		began = *last;
	if (last)
		*last = now;
	else
		bpf_map_update_elem(&rings, &job->user.ring, &now, BPF_ANY);
	return began < now ? began : now;
}

SEC("tracepoint")
int on_done(void *record)
{
	u64 now = bpf_ktime_get_ns(), began;
	struct job_key key;
	struct jobs_use *use;
	struct job *job;

	read_key(&key, record, JOBS_DONE);
	job = bpf_map_lookup_elem(&jobs, &key);
	if (!job)
		return 1;
	/* one that was never run has been cancelled */
	if (job->run_ns) {
		began = job_began(job, now);
		use = use_of(&job->user);
		if (use) {
			__sync_fetch_and_add(&use->run_ns, now - began);
			__sync_fetch_and_add(&use->queue_ns, began - job->queued_ns);
			__sync_fetch_and_add(&use->jobs, 1);
		} else {
			__sync_fetch_and_add(&lost, 1);
		}
	}
	bpf_map_delete_elem(&jobs, &key);
	return 1;
}
