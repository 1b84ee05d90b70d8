// SPDX-License-Identifier: LGPL-2.1-only
/*
 * telemetry.c - reading an agent's pages. The module writes a record between
 * two changes of its sequence count: a copy taken while the count was even
 * and the same before and after is whole.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

/* Copies that may fail in a row; a write takes well under a microsecond. */
#define TRIES	1000

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

/* -EAGAIN: written all the time, which is not to be expected. */
static int copy_whole(const uint32_t *seq, const void *from, void *to, size_t size)
{
	uint32_t before;

	for (int i = 0; i < TRIES; i++) {
		before = __atomic_load_n(seq, __ATOMIC_ACQUIRE);
		if (before & 1)
			continue;
		memcpy(to, from, size);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(seq, __ATOMIC_RELAXED) == before)
			return 0;
	}
	return -EAGAIN;
}

static const struct starling_slot *slot_at(const struct starling_page *page, uint32_t i)
{
	return (const void *)((const char *)page + page->slots_offset +
			      (size_t)i * page->slot_size);
}

STARLING_API int starling_telemetry_agent(const struct starling_telemetry *t,
					  struct starling_agent_record *rec)
{
	if (!t)
		return -ENODEV;
	return copy_whole(&t->page->agent_seq, &t->page->agent, rec, sizeof(*rec));
}

STARLING_API int starling_telemetry_task(const struct starling_telemetry *t, pid_t tid,
					 struct starling_task_record *rec)
{
	const struct starling_slot *slot;
	int err;

	if (!t)
		return -ENODEV;
	for (uint32_t i = 0; i < t->page->nslots; i++) {
		slot = slot_at(t->page, i);
		if (__atomic_load_n(&slot->task.tid, __ATOMIC_RELAXED) != (uint32_t)tid)
			continue;
		err = copy_whole(&slot->seq, &slot->task, rec, sizeof(*rec));
		if (err)
			return err;
		/* The slot may have changed hands since. */
		if (rec->tid == (uint32_t)tid && tid)
			return 0;
	}
	return -ESRCH;
}

STARLING_API ssize_t starling_telemetry_tasks(const struct starling_telemetry *t,
					      struct starling_task_record *rec, size_t n)
{
	const struct starling_slot *slot;
	size_t have = 0;
	int err;

	if (!t)
		return -ENODEV;
	for (uint32_t i = 0; i < t->page->nslots && have < n; i++) {
		slot = slot_at(t->page, i);
		if (!__atomic_load_n(&slot->task.tid, __ATOMIC_RELAXED))
			continue;
		err = copy_whole(&slot->seq, &slot->task, &rec[have], sizeof(*rec));
		if (err)
			return err;
		have += rec[have].tid != 0;
	}
	return have;
}
