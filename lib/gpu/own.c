// SPDX-License-Identifier: LGPL-2.1-only
/*
 * What a process has of the device's memory, where it asked its lease for some: by
 * address or handle, in a table that is open and never more than half full.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/gpu/gpu.h"
#include "lib/gpu/memory.h"

#define MIB	(1ULL << 20)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t used;
static struct entry {
	uint64_t key;			/* 0: free */
	size_t n;
	CUcontext context;		/* NULL: of none, as what has a handle */
} *entries;
static size_t nentries, room;		/* room: a power of two */

static void in_child(void)
{
	pthread_mutex_init(&lock, NULL);
}

__attribute__((constructor)) static void set_up(void)
{
	pthread_atfork(NULL, NULL, in_child);
}

static void tell(size_t n, uint64_t had, const struct gpu_settings *s)
{
	if (gpu_memory_may_tell())
		fprintf(stderr, "starling: %s[%d] asks for %.1f MiB and has %.1f MiB of %.1f MiB; "
			"give --gpu=lease,memory= more\n", s->name, (int)getpid(),
			(double)n / MIB, (double)had / MIB, (double)s->memory_bytes / MIB);
}

/* Counted from here on: another thread may ask at the same time. */
bool gpu_own_take(size_t n, const struct gpu_settings *s)
{
	uint64_t had;
	bool got;

	pthread_mutex_lock(&lock);
	had = used;
	got = had <= s->memory_bytes && n <= s->memory_bytes - had;
	if (got)
		used += n;
	pthread_mutex_unlock(&lock);
	if (!got)
		tell(n, had, s);
	return got;
}

/* With @lock. */
static void give(size_t n)
{
	used -= n < used ? n : used;
}

static size_t place_of(uint64_t key)
{
	return (key * 0x9e3779b97f4a7c15ULL) >> 20 & (room - 1);
}

/* With @lock: where @key is, or would be. There is room. */
static struct entry *find(uint64_t key)
{
	size_t i = place_of(key);

	while (entries[i].key && entries[i].key != key)
		i = (i + 1) & (room - 1);
	return &entries[i];
}

static bool grow(void)
{
	struct entry *old = entries;
	size_t n = room;

	if (2 * (nentries + 1) <= room)
		return true;
	entries = calloc(n ? 2 * n : 1024, sizeof(*entries));
	if (!entries) {
		entries = old;
		return false;
	}
	room = n ? 2 * n : 1024;
	for (size_t i = 0; i < n; i++)
		if (old[i].key)
			*find(old[i].key) = old[i];
	free(old);
	return true;
}

static CUcontext context_of(uint64_t key)
{
	cu_out_context_fn *current = gpu_real(CALL_cuCtxGetCurrent);
	CUcontext c;

	return key && !(key & GPU_KEY_HANDLE) && current && !current(&c) ? c : NULL;
}

/* What cannot be noted is not the program's fault: it is not counted. */
void gpu_own_end(size_t n, uint64_t key)
{
	CUcontext c = context_of(key);
	struct entry *e;

	pthread_mutex_lock(&lock);
	if (key && grow()) {
		e = find(key);
		/* Another's before: that was freed, and nobody told us. */
		if (e->key)
			give(e->n);
		nentries += !e->key;
		*e = (struct entry){ key, n, c };
	} else {
		give(n);
	}
	pthread_mutex_unlock(&lock);
}

/* With @lock. Those behind it move up, so that they are found. */
static void remove_entry(struct entry *e)
{
	size_t hole = e - entries, i = hole, home;

	nentries--;
	for (;;) {
		entries[hole].key = 0;
		do {
			i = (i + 1) & (room - 1);
			if (!entries[i].key)
				return;
			home = place_of(entries[i].key);
		} while (((i - home) & (room - 1)) < ((i - hole) & (room - 1)));
		entries[hole] = entries[i];
		hole = i;
	}
}

size_t gpu_own_forget(uint64_t key)
{
	struct entry *e;
	size_t n = 0;

	if (!key)
		return 0;
	pthread_mutex_lock(&lock);
	e = nentries ? find(key) : NULL;
	if (e && e->key) {
		n = e->n;
		remove_entry(e);
	}
	pthread_mutex_unlock(&lock);
	return n;
}

void gpu_own_free(size_t n)
{
	pthread_mutex_lock(&lock);
	give(n);
	pthread_mutex_unlock(&lock);
}

void gpu_own_clear(CUcontext c)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; c && i < room; i++) {
		/* Another one may have moved up to here. */
		while (entries[i].key && entries[i].context == c) {
			give(entries[i].n);
			remove_entry(&entries[i]);
		}
	}
	pthread_mutex_unlock(&lock);
}
