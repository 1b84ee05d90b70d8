// SPDX-License-Identifier: LGPL-2.1-only
/*
 * telemetry.c - reading an agent's pages. The module writes a record between
 * two changes of its sequence count: a copy taken while the count was even
 * and the same before and after is whole.
 */
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

/*
 * Copies that may fail in a row; a write takes well under a microsecond, unless
 * the CPU that does it is a virtual one and stops meanwhile: let it go on.
 */
#define TRIES		10000
#define TRIES_BEFORE_YIELD 100

struct starling_telemetry {
	const struct starling_page *page;
	size_t size;
};

static bool page_ok(const struct starling_page *page, size_t size)
{
	return page->magic == STARLING_PAGE_MAGIC && page->version >= STARLING_ABI_VERSION &&
	       page->map_size == size && page->slots_offset >= sizeof(*page) &&
	       page->slot_size >= sizeof(struct starling_slot) &&
	       page->record_size >= sizeof(struct starling_task_record) &&
	       page->slots_offset + (uint64_t)page->nslots * page->slot_size <= size;
}

static const struct starling_page *map_pages(int fd, size_t size, int *err)
{
	int saved = errno;
	void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	*err = p == MAP_FAILED ? -errno : 0;
	errno = saved;
	return p;
}

STARLING_API int starling_telemetry_open(struct starling_agent *a,
					 struct starling_telemetry **out)
{
	struct starling_info info = { .size = sizeof(info) };
	struct starling_telemetry *t;
	int err;

	*out = NULL;
	if (!a)
		return -ENODEV;
	err = starling_call(a->fd, STARLING_IOC_GET_INFO, &info);
	if (err)
		return err;
	t = malloc(sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->size = info.out_map_size;
	t->page = map_pages(a->fd, t->size, &err);
	if (!err && !page_ok(t->page, t->size)) {
		munmap((void *)t->page, t->size);
		err = -EPROTO;
	}
	if (err) {
		free(t);
		return err;
	}
	*out = t;
	return 0;
}

STARLING_API void starling_telemetry_close(struct starling_telemetry *t)
{
	if (!t)
		return;
	munmap((void *)t->page, t->size);
	free(t);
}

/* Pages are written while they are read: word by word, each of them whole. */
typedef uint64_t __attribute__((may_alias)) word;

static void copy_words(void *to, const void *from, size_t size)
{
	const word *source = from;
	word *dest = to;

	for (size_t i = 0; i < size / sizeof(word); i++)
		dest[i] = __atomic_load_n(&source[i], __ATOMIC_RELAXED);
}

static void failed(int tries)
{
	if (tries % TRIES_BEFORE_YIELD == TRIES_BEFORE_YIELD - 1)
		sched_yield();
}

/* False: it is being written. */
static bool read_begin(const uint32_t *seq, uint32_t *before)
{
	*before = __atomic_load_n(seq, __ATOMIC_ACQUIRE);
	return !(*before & 1);
}

/* True: what was read since is whole. */
static bool read_end(const uint32_t *seq, uint32_t before)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(seq, __ATOMIC_RELAXED) == before;
}

/* -EAGAIN: written all the time, which is not to be expected. */
static int copy_whole(const uint32_t *seq, const void *from, void *to, size_t size)
{
	uint32_t before;

	for (int i = 0; i < TRIES; failed(i++)) {
		if (!read_begin(seq, &before))
			continue;
		copy_words(to, from, size);
		if (read_end(seq, before))
			return 0;
	}
	return -EAGAIN;
}

static const struct starling_slot *slot_at(const struct starling_page *page, uint32_t i)
{
	return (const void *)((const char *)page + page->slots_offset +
			      (size_t)i * page->slot_size);
}

/* Slots there are now; what is mapped behind them must not be touched. */
static uint32_t nslots(const struct starling_telemetry *t)
{
	return __atomic_load_n(&t->page->nslots, __ATOMIC_ACQUIRE);
}

STARLING_API int starling_telemetry_agent(const struct starling_telemetry *t,
					  struct starling_agent_record *rec)
{
	if (!t)
		return -ENODEV;
	return copy_whole(&t->page->agent_seq, &t->page->agent, rec, sizeof(*rec));
}

static uint32_t slot_tid(const struct starling_slot *slot)
{
	return __atomic_load_n(&slot->task.tid, __ATOMIC_RELAXED);
}

STARLING_API int starling_telemetry_slot(const struct starling_telemetry *t, pid_t tid)
{
	uint32_t n;

	if (!t)
		return -ENODEV;
	n = tid ? nslots(t) : 0;
	for (uint32_t i = 0; i < n; i++)
		if (slot_tid(slot_at(t->page, i)) == (uint32_t)tid)
			return i;
	return -ESRCH;
}

STARLING_API int starling_telemetry_cpu(const struct starling_telemetry *t, int slot, pid_t tid,
					struct starling_cpu_record *cpu)
{
	const struct starling_slot *s;
	uint32_t before, found;

	if (!t)
		return -ENODEV;
	if (slot < 0 || (uint32_t)slot >= nslots(t) || !tid)
		return -ESRCH;
	s = slot_at(t->page, slot);
	for (int i = 0; i < TRIES; failed(i++)) {
		if (!read_begin(&s->seq, &before))
			continue;
		found = slot_tid(s);
		cpu->start_ns = __atomic_load_n(&s->task.start_ns, __ATOMIC_RELAXED);
		cpu->run_ns = __atomic_load_n(&s->task.run_ns, __ATOMIC_RELAXED);
		cpu->wait_ns = __atomic_load_n(&s->task.wait_ns, __ATOMIC_RELAXED);
		cpu->nvcsw = __atomic_load_n(&s->task.nvcsw, __ATOMIC_RELAXED);
		cpu->nivcsw = __atomic_load_n(&s->task.nivcsw, __ATOMIC_RELAXED);
		if (read_end(&s->seq, before))
			return found == (uint32_t)tid ? 0 : -ESRCH;
	}
	return -EAGAIN;
}

STARLING_API int starling_telemetry_task(const struct starling_telemetry *t, pid_t tid,
					 struct starling_task_record *rec)
{
	const struct starling_slot *slot;
	int i = starling_telemetry_slot(t, tid), err;

	if (i < 0)
		return i;
	slot = slot_at(t->page, i);
	err = copy_whole(&slot->seq, &slot->task, rec, sizeof(*rec));
	if (err)
		return err;
	/* The slot may have changed hands since. */
	return rec->tid == (uint32_t)tid ? 0 : -ESRCH;
}

STARLING_API ssize_t starling_telemetry_tasks(const struct starling_telemetry *t,
					      struct starling_task_record *rec, size_t n)
{
	const struct starling_slot *slot;
	uint32_t slots;
	size_t have = 0;
	int err;

	if (!t)
		return -ENODEV;
	slots = nslots(t);
	for (uint32_t i = 0; i < slots && have < n; i++) {
		slot = slot_at(t->page, i);
		if (!slot_tid(slot))
			continue;
		err = copy_whole(&slot->seq, &slot->task, &rec[have], sizeof(*rec));
		if (err)
			return err;
		have += rec[have].tid != 0;
	}
	return have;
}
