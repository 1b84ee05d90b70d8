/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads at the border of NVIDIA's kernel driver: who opens its files, maps memory of
 * it, calls it, and sleeps in poll() until it has something to tell.
 *
 * A launch is a store to mapped memory and no ioctl. So all of this is rare: what a
 * program does to begin, allocations, and waits that sleep, some hundreds a second. A
 * kprobe and its kretprobe take 0.3 to 1 us, less than the calls that they are at.
 *
 * They are kprobes, since the driver's module often has no type information, which
 * fentry needs; nothing of its own structures is read. They are plain ones, since those
 * of kprobe.multi keep the module from being unloaded.
 */
#ifndef STARLING_DRIVER_BPF_H
#define STARLING_DRIVER_BPF_H

#define O_NONBLOCK	00004000
#define POLLIN		0x0001

/* One wait is no loop: so many that the device ended, each soon after the last ... */
#define POLL_LOOP	2
#define POLL_LOOP_NS	1000000000ULL
/* ... and then it is one, until for so long none was. */
#define POLL_KEEP_NS	10000000000ULL

/* An entry of an earlier thread of that number, whose exit was missed, is replaced. */
static __always_inline struct probe_driver_thread *driver_thread_new(struct task_struct *p,
								     bool replace)
{
	struct probe_driver_thread zero = { .start_ns = p->start_time, .tgid = p->tgid };
	struct task_state *st = state_make(p);
	u32 tid = p->pid;

	if (!st)
		return NULL;
	if (bpf_map_update_elem(&driver_threads, &tid, &zero, BPF_ANY)) {
		drop(PROBE_DROP_DRIVER);
		return NULL;
	}
	if (!replace)
		__sync_fetch_and_add(&driver_in, 1);
	st->flags |= TASK_DRIVER;
	return bpf_map_lookup_elem(&driver_threads, &tid);
}

/*
 * Only the thread itself writes to its entry. One that is pushed out meanwhile may be
 * another thread's by then; that is rare, and spoils no more than a count.
 */
static __always_inline struct probe_driver_thread *driver_thread(struct task_struct *p)
{
	u32 tid = p->pid;
	struct probe_driver_thread *t = bpf_map_lookup_elem(&driver_threads, &tid);

	if (!t || t->start_ns != p->start_time)
		t = driver_thread_new(p, t);
	if (t)
		t->last_ns = bpf_ktime_get_ns();
	return t;
}

SEC("kprobe")
int on_driver_open(struct pt_regs *ctx)
{
	struct task_struct *p = bpf_get_current_task_btf();
	struct probe_driver_thread *t = driver_thread(p);

	if (t)
		t->opens++;
	report_opener(p);
	return 0;
}

SEC("kprobe")
int on_driver_mmap(struct pt_regs *ctx)
{
	struct probe_driver_thread *t = driver_thread(bpf_get_current_task_btf());

	if (t)
		t->maps++;
	return 0;
}

/* The kernel follows so many returns at a time, and no more. */
SEC("kprobe")
int on_driver_ioctl(struct pt_regs *ctx)
{
	struct probe_driver_thread *t = driver_thread(bpf_get_current_task_btf());

	if (!t)
		return 0;
	t->ioctls++;
	if (t->since_ns)
		t->untimed++;
	t->since_ns = t->last_ns;
	return 0;
}

SEC("kretprobe")
int on_driver_ioctl_return(struct pt_regs *ctx)
{
	struct task_struct *p = bpf_get_current_task_btf();
	u32 tid = p->pid;
	struct probe_driver_thread *t = bpf_map_lookup_elem(&driver_threads, &tid);

	if (!t || !t->since_ns)
		return 0;
	t->last_ns = bpf_ktime_get_ns();
	t->ioctl_ns += t->last_ns - t->since_ns;
	t->since_ns = 0;
	return 0;
}

/* -- waits ------------------------------------------------------------------- */

/*
 * "cuda-EvtHandlr" and "cuda00001400006": they wait for whatever comes, on behalf of
 * nobody, and have a program's callbacks made, which is not to feed.
 */
static __always_inline bool library_thread(void)
{
	char comm[16] = {};

	bpf_get_current_comm(comm, sizeof(comm));
	return comm[0] == 'c' && comm[1] == 'u' && comm[2] == 'd' && comm[3] == 'a' &&
	       ((comm[4] == '-' && comm[5] == 'E' && comm[6] == 'v' && comm[7] == 't') ||
		(comm[4] == '0' && comm[5] == '0'));
}

static __always_inline bool polls_in_loop(const struct task_state *st, u64 now)
{
	return st->poll_done >= POLL_LOOP && now - st->poll_done_ns < POLL_KEEP_NS &&
	       !library_thread();
}

/* The device had something to tell. At once is no wait, but keeps up one that is a loop. */
static __always_inline void poll_done(struct task_state *st, u64 now, bool slept)
{
	u64 gap = now - st->poll_done_ns;

	if (gap > (st->poll_done < POLL_LOOP ? POLL_LOOP_NS : POLL_KEEP_NS))
		st->poll_done = 0;
	if (st->poll_done < POLL_LOOP) {
		if (!slept)
			return;
		st->poll_done++;
	}
	st->poll_done_ns = now;
}

/*
 * A call asks one file after the other, each of them may be the driver's: without a
 * sleep since the last one it is the same call, or one that did not wait.
 */
static __always_inline void poll_begins(struct task_struct *p, struct task_state *st,
					struct probe_driver_thread *t)
{
	bool same = st->poll_ns && p->nvcsw == st->poll_nvcsw;

	st->poll_ns = t->last_ns;
	if (same) {
		if (st->flags & TASK_POLLS && st->entry_ns)
			st->entry_ns = st->poll_ns;
		return;
	}
	st->poll_nvcsw = p->nvcsw;
	t->polls++;
	if (st->flags & TASK_LIBRARY || !polls_in_loop(st, t->last_ns))
		return;
	st->flags |= TASK_POLLS;
	wait_begins(p, st);
}

/*
 * poll() and select() ask first to be woken, and once more after each sleep without
 * that, as they do where they are not to sleep at all. The driver does not wake for
 * files that are not to block.
 */
SEC("kprobe")
int BPF_KPROBE(on_driver_poll, struct file *file, struct poll_table_struct *table)
{
	struct task_struct *p = bpf_get_current_task_btf();
	struct probe_driver_thread *t = driver_thread(p);
	struct task_state *st = state_of(p);

	if (t && st && BPF_CORE_READ(table, _qproc) &&
	    !(BPF_CORE_READ(file, f_flags) & O_NONBLOCK))
		poll_begins(p, st, t);
	return 0;
}

/*
 * Of a call that has begun, this is its end: the device had something to tell. One that
 * ends by its time or by another file is over with the next one.
 */
SEC("kretprobe")
int BPF_KRETPROBE(on_driver_poll_return, unsigned int mask)
{
	struct task_struct *p = bpf_get_current_task_btf();
	struct task_state *st = state_of(p);
	u64 now, ns;
	bool slept;

	if (!st || !st->poll_ns || !(mask & POLLIN))
		return 0;
	now = bpf_ktime_get_ns();
	ns = now - st->poll_ns;
	slept = p->nvcsw != st->poll_nvcsw;
	st->poll_ns = 0;
	poll_done(st, now, slept);
	if (st->flags & TASK_LIBRARY)
		return 0;
	if (slept && ns >= WAIT_JUDGED_NS)
		vote(st, STARLING_WAIT_BLOCK);
	if (st->flags & TASK_POLLS && st->entry_ns)
		wait_ends(p, st, now);
	return 0;
}

#endif
