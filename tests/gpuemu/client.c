// SPDX-License-Identifier: GPL-2.0-only
/*
 * This process as a client of the shared device: its slot, its reservations.
 * Everything shared is changed with single atomic operations; the mutex below
 * is private to the process, so a killed process can never hold it for others.
 */
#include "emu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	/* how far ahead a process may queue before a launch has to wait, as on
	 * a device whose ring of commands is full */
	QUEUE_AHEAD_NS = 2000000000,
	/* adjacent work of one process shares an interval up to this length */
	MERGE_NS = 500000000,
};

/* no live client can have reserved this far: the file is from another boot */
#define STALE_NS	60000000000ULL

static struct {
	pthread_mutex_t lock;
	struct gpuemu_device *dev;
	struct gpuemu_proc *slot;
	struct gpuemu_proc orphan;	/* used when all slots are taken */
	int forked;
	uint64_t last_index, last_start, last_end;
} cl = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct gpuemu_device *emu_device(void)
{
	return cl.dev;
}

static uint64_t own_start_time(void)
{
	char buf[1024], *p;
	unsigned long long start = 0;
	FILE *f = fopen("/proc/self/stat", "re");
	size_t n;

	if (!f)
		return 0;
	n = fread(buf, 1, sizeof(buf) - 1, f);
	fclose(f);
	buf[n] = 0;
	p = strrchr(buf, ')');
	if (p)
		sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u "
			      "%*u %*d %*d %*d %*d %*d %*d %llu", &start);
	return start;
}

/* Two claimers of one dead slot are told apart by the exchange of its pid. */
static struct gpuemu_proc *claim_slot(struct gpuemu_device *d)
{
	uint32_t self = getpid(), was;
	int i, pass;

	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < GPUEMU_PROCS; i++) {
			struct gpuemu_proc *p = &d->procs[i];

			was = atomic_load(&p->pid);
			if (was && (!pass || gpuemu_proc_alive(p)))
				continue;
			if (!atomic_compare_exchange_strong(&p->pid, &was, self))
				continue;
			atomic_store(&p->busy_ns, 0);
			atomic_store(&p->launches, 0);
			atomic_store(&p->mem_bytes, 0);
			atomic_store(&p->start_time, own_start_time());
			return p;
		}
	}
	atomic_fetch_add(&d->procs_lost, 1);
	return &cl.orphan;
}

/* As with the real driver, a child that did not exec has no device. */
static void after_fork(void)
{
	cl.forked = 1;
}

/* At exit() only; after a kill the next client finds the slot of a dead one. */
static void leave(void) __attribute__((destructor));

static void leave(void)
{
	if (cl.slot && !cl.forked) {
		atomic_store(&cl.slot->mem_bytes, 0);
		atomic_store(&cl.slot->start_time, 0);
		atomic_store(&cl.slot->pid, 0);
	}
}

CUresult emu_client_init(void)
{
	struct gpuemu_device *d;
	CUresult res = CUDA_SUCCESS;
	char path[256];

	pthread_mutex_lock(&cl.lock);
	if (cl.forked) {
		res = CUDA_ERROR_NOT_INITIALIZED;
		goto out;
	}
	if (cl.dev)
		goto out;
	d = gpuemu_map(1);
	if (!d) {
		fprintf(stderr, "gpuemu: cannot use %s: %s; set " GPUEMU_ENV
			" to a file that can be made\n", gpuemu_path(path, sizeof(path)),
			errno == EPROTO ? "it is no emulated GPU of this version" :
					  strerror(errno));
		res = errno == EPROTO ? CUDA_ERROR_SYSTEM_DRIVER_MISMATCH :
					CUDA_ERROR_OPERATING_SYSTEM;
		goto out;
	}
	cl.slot = claim_slot(d);
	pthread_atfork(NULL, NULL, after_fork);
	cl.dev = d;
out:
	pthread_mutex_unlock(&cl.lock);
	return res;
}

CUresult emu_ready(void)
{
	if (!cl.dev || cl.forked)
		return CUDA_ERROR_NOT_INITIALIZED;
	return emu_ctx() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

/*
 * Called with cl.lock held. The interval is published by seq, written last, so
 * that a reader never takes a half-written one for real; one left half-written
 * by a killed process is skipped.
 */
static void log_interval(uint64_t start, uint64_t end)
{
	struct gpuemu_device *d = cl.dev;
	struct gpuemu_interval *v = &d->ring[cl.last_index % GPUEMU_RING];
	uint64_t i;

	if (start == cl.last_end && end - cl.last_start < MERGE_NS &&
	    atomic_load(&v->seq) == cl.last_index + 1) {
		atomic_store(&v->end, end);
		cl.last_end = end;
		return;
	}
	i = atomic_fetch_add(&d->ring_head, 1);
	v = &d->ring[i % GPUEMU_RING];
	atomic_store(&v->seq, 0);
	atomic_store(&v->start, start);
	atomic_store(&v->end, end);
	atomic_store(&v->pid, (uint32_t)getpid());
	atomic_store(&v->seq, i + 1);
	cl.last_index = i;
	cl.last_start = start;
	cl.last_end = end;
}

/*
 * Sleeps, in a call that normally returns at once: so does a real launch when
 * the ring of commands is full. Looked at without a lock: two threads may both
 * go on and exceed the limit by one launch each.
 */
static void wait_for_room(void)
{
	uint64_t until;

	for (;;) {
		uint64_t now = gpuemu_now();
		struct timespec ts = { .tv_nsec = 1000000 };

		until = atomic_load(&cl.dev->busy_until);
		if (until <= now + QUEUE_AHEAD_NS || until > now + STALE_NS)
			return;
		nanosleep(&ts, NULL);
	}
}

/*
 * Reserve the device for ns; returns when that work will be complete. The one
 * exchange below is the whole protocol: who is killed before it has reserved
 * nothing, who is killed after it leaves work that ends by itself.
 */
uint64_t emu_reserve(uint64_t ns, uint64_t launches)
{
	struct gpuemu_device *d = cl.dev;
	uint64_t was, start;

	wait_for_room();
	pthread_mutex_lock(&cl.lock);
	was = atomic_load(&d->busy_until);
	do {
		uint64_t now = gpuemu_now();

		start = was > now && was <= now + STALE_NS ? was : now;
	} while (!atomic_compare_exchange_weak(&d->busy_until, &was, start + ns));
	if (ns) {
		atomic_fetch_add(&d->busy_ns, ns);
		atomic_fetch_add(&cl.slot->busy_ns, ns);
		log_interval(start, start + ns);
	}
	atomic_fetch_add(&d->launches, launches);
	atomic_fetch_add(&cl.slot->launches, launches);
	pthread_mutex_unlock(&cl.lock);
	return start + ns;
}

uint64_t emu_memory_used(void)
{
	struct gpuemu_stats st;

	gpuemu_stats(cl.dev, &st);
	return st.mem_bytes;
}

/* Not exact when two processes allocate their last bytes at once, as on a GPU. */
int emu_charge_memory(uint64_t bytes)
{
	if (emu_memory_used() + bytes > gpuemu_mem_total())
		return -ENOMEM;
	atomic_fetch_add(&cl.slot->mem_bytes, bytes);
	return 0;
}

void emu_release_memory(uint64_t bytes)
{
	atomic_fetch_sub(&cl.slot->mem_bytes, bytes);
}
