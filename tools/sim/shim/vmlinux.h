/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmlinux.h - the few types of the kernel that sched.bpf.c uses, for a program
 * that runs it. Found on the include path before the kernel's own.
 */
#ifndef SIM_VMLINUX_H
#define SIM_VMLINUX_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;

enum { SHIM_CPUS_MAX = 1024, SHIM_STORAGES = 2, SHIM_STORAGE_WORDS = 16 };

struct cpumask {
	u64 bits[SHIM_CPUS_MAX / 64];
};

/* The same layout as sched.bpf.c's own view of it, which CO-RE would relocate. */
struct shim_scx_entity {
	u32 flags;
	u32 weight;
	u64 slice;
	u64 dsq_vtime;
};

struct task_struct {
	struct shim_scx_entity scx;
	int pid;
	const struct cpumask *cpus_ptr;
	int nr_cpus_allowed;
	u32 flags;
	u16 migration_disabled;
	bool has_storage[SHIM_STORAGES];
	u64 storage[SHIM_STORAGES][SHIM_STORAGE_WORDS];
};

struct bpf_cpumask {
	struct cpumask mask;		/* first: one is a struct cpumask too */
	bool used;
};

/* Nothing here is in a cgroup. */
struct kernfs_node {
	u64 id;
};

struct cgroup_subsys_state {
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self;
	int level;
	struct kernfs_node *kn;
};

struct bpf_timer {
	u64 unused;
};

struct bpf_iter_num {
	int next, end;
};

#define BPF_MAP_TYPE_HASH		1
#define BPF_MAP_TYPE_ARRAY		2
#define BPF_MAP_TYPE_TASK_STORAGE	29
#define BPF_F_NO_PREALLOC		1
#define BPF_ANY				0
#define BPF_NOEXIST			1
#define BPF_LOCAL_STORAGE_GET_F_CREATE	1

#endif
