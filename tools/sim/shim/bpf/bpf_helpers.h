/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf_helpers.h - what libbpf's gives to a BPF program, for a native one. */
#ifndef SIM_BPF_HELPERS_H
#define SIM_BPF_HELPERS_H

#define SEC(name)		__attribute__((section(name)))
#define __uint(name, val)	int (*name)[val]
#define __type(name, val)	typeof(val) *name
#define __ksym
#define __weak			__attribute__((weak))
#ifndef __always_inline
#define __always_inline		inline __attribute__((always_inline))
#endif
#ifndef __noinline
#define __noinline		__attribute__((noinline))
#endif
#define __kptr
#define preserve_access_index
#define bpf_for(i, from, to)	for ((i) = (from); (i) < (to); (i)++)
#define bpf_kptr_xchg(at, new)	({ typeof(*(at)) old_ = *(at); *(at) = (new); old_; })
#define barrier_var(var)	asm volatile("" : "+r"(var))

/* Defined in native.c, which knows what is behind a map. */
static void *bpf_task_storage_get(void *map, struct task_struct *p, void *value, u64 flags);
static void *bpf_map_lookup_elem(void *map, const void *key);
static long bpf_map_update_elem(void *map, const void *key, const void *value, u64 flags);
static long bpf_map_delete_elem(void *map, const void *key);
static long bpf_timer_init(struct bpf_timer *t, void *map, u64 flags);
static long bpf_timer_set_callback(struct bpf_timer *t, void *call);
static long bpf_timer_cancel(struct bpf_timer *t);
static long bpf_timer_start(struct bpf_timer *t, u64 ns, u64 flags);
static struct task_struct *bpf_get_current_task_btf(void);
static u64 bpf_ktime_get_ns(void);
static long bpf_probe_read_kernel_str(void *to, u32 size, const void *from);

#endif
