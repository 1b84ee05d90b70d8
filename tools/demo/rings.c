// SPDX-License-Identifier: GPL-2.0-only
/*
 * One perf event a CPU: the software clock, sampled, which needs no hardware
 * counter and so works in a guest. The kernel adds fork and comm records to
 * the same ring, so lineage costs no polling. Runs of samples with the same
 * thread become one line: a CPU that does one thing writes next to nothing.
 */
#include "rings.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	DATA_PAGES = 64,	/* a power of two, as perf wants it */
	HOLE_PERIODS = 5,
};

struct ring {
	int fd;
	unsigned int cpu;
	struct perf_event_mmap_page *page;
	uint64_t samples;
	uint64_t lost;
	uint64_t last_ns;
	uint32_t last_tid;
	bool any;
};

struct rings {
	unsigned int n;
	size_t page_size;
	uint64_t period_ns;
	struct ring ring[];
};

struct body_sample {
	uint32_t pid, tid;
	uint64_t time;
	uint32_t cpu, res;
};

struct body_fork {
	uint32_t pid, ppid, tid, ptid;
	uint64_t time;
};

struct body_comm {
	uint32_t pid, tid;
	char comm[];		/* padded; then the sample id */
};

static int ring_open(struct ring *r, unsigned int cpu, unsigned int hz, size_t page)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		/* a period: a frequency would be adapted while a CPU idles */
		.sample_period = 1000000000 / hz,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU,
		.sample_id_all = 1,
		.comm = 1,
		.task = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
	void *map;
	int err;

	r->cpu = cpu;
	r->fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (r->fd < 0)
		return -errno;
	map = mmap(NULL, (1 + DATA_PAGES) * page, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (map == MAP_FAILED) {
		err = -errno;
		close(r->fd);
		return err;
	}
	r->page = map;
	return 0;
}

static void ring_close(struct ring *r, size_t page)
{
	munmap(r->page, (1 + DATA_PAGES) * page);
	close(r->fd);
}

int rings_open(struct rings **out, unsigned int hz)
{
	unsigned int cpus = sysconf(_SC_NPROCESSORS_CONF), cpu;
	struct rings *r;
	int err;

	r = calloc(1, sizeof(*r) + cpus * sizeof(r->ring[0]));
	if (!r)
		return -ENOMEM;
	r->page_size = sysconf(_SC_PAGESIZE);
	r->period_ns = 1000000000 / hz;
	for (cpu = 0; cpu < cpus; cpu++) {
		err = ring_open(&r->ring[r->n], cpu, hz, r->page_size);
		if (err == -ENODEV)	/* offline */
			continue;
		if (err)
			goto out_close;
		r->n++;
	}
	*out = r;
	return 0;
out_close:
	rings_close(r);
	return err;
}

void rings_close(struct rings *r)
{
	unsigned int i;

	if (!r)
		return;
	for (i = 0; i < r->n; i++)
		ring_close(&r->ring[i], r->page_size);
	free(r);
}

unsigned int rings_cpus(const struct rings *r)
{
	return r->n;
}

static uint64_t us_since(uint64_t ns, uint64_t t0_ns)
{
	return ns > t0_ns ? (ns - t0_ns) / 1000 : 0;
}

static void put_run(struct ring *r, uint64_t us, uint32_t tid, uint32_t pid, FILE *f)
{
	fprintf(f, "R %u %" PRIu64 " %u %u\n", r->cpu, us, tid, pid);
	r->last_tid = tid;
	r->any = true;
}

/*
 * An idle CPU may stop its clock, and then says nothing: a hole of several
 * periods was idle time.
 */
static void fill_hole(struct ring *r, uint64_t until_ns, uint64_t period, FILE *f, uint64_t t0)
{
	if (r->any && r->last_tid && until_ns > r->last_ns + HOLE_PERIODS * period)
		put_run(r, us_since(r->last_ns + period, t0), 0, 0, f);
}

static void put_sample(struct ring *r, const struct body_sample *b, uint64_t period,
		       FILE *f, uint64_t t0)
{
	fill_hole(r, b->time, period, f, t0);
	r->last_ns = b->time;
	r->samples++;
	if (r->any && b->tid == r->last_tid)
		return;
	put_run(r, us_since(b->time, t0), b->tid, b->pid, f);
}

static void put_record(struct ring *r, const struct perf_event_header *h, uint64_t period,
		       FILE *f, uint64_t t0)
{
	const void *body = h + 1;
	const struct body_comm *c = body;
	const struct body_fork *k = body;

	switch (h->type) {
	case PERF_RECORD_SAMPLE:
		put_sample(r, body, period, f, t0);
		break;
	case PERF_RECORD_COMM:
		fprintf(f, "C %u %u %d %s\n", c->pid, c->tid,
			!!(h->misc & PERF_RECORD_MISC_COMM_EXEC), c->comm);
		break;
	case PERF_RECORD_FORK:
		fprintf(f, "F %u %u %u %u %" PRIu64 "\n", k->pid, k->tid, k->ppid, k->ptid,
			us_since(k->time, t0));
		break;
	case PERF_RECORD_LOST:
		r->lost += ((const uint64_t *)body)[1];
		break;
	}
}

/* A record may wrap around the end of the ring: copy it out whole. */
static void copy_out(const char *data, size_t size, uint64_t at, void *to, size_t n)
{
	size_t first = size - at % size;

	if (first > n)
		first = n;
	memcpy(to, data + at % size, first);
	memcpy((char *)to + first, data, n - first);
}

static void ring_drain(struct ring *r, size_t page, uint64_t period, FILE *f, uint64_t t0)
{
	const char *data = (const char *)r->page + page;
	size_t size = DATA_PAGES * page;
	/* pairs with the kernel's release of data_head */
	uint64_t head = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = r->page->data_tail;
	union {
		struct perf_event_header h;
		uint64_t align;
		char bytes[65536];
	} rec;

	while (tail < head) {
		copy_out(data, size, tail, &rec.h, sizeof(rec.h));
		copy_out(data, size, tail, rec.bytes, rec.h.size);
		put_record(r, &rec.h, period, f, t0);
		tail += rec.h.size;
	}
	/* the kernel may overwrite from here on: only after the reads above */
	__atomic_store_n(&r->page->data_tail, tail, __ATOMIC_RELEASE);
}

void rings_drain(struct rings *r, FILE *f, uint64_t t0_ns)
{
	unsigned int i;

	for (i = 0; i < r->n; i++)
		ring_drain(&r->ring[i], r->page_size, r->period_ns, f, t0_ns);
}

void rings_finish(struct rings *r, FILE *f, uint64_t t0_ns, uint64_t end_ns)
{
	unsigned int i;

	rings_drain(r, f, t0_ns);
	for (i = 0; i < r->n; i++)
		fill_hole(&r->ring[i], end_ns, r->period_ns, f, t0_ns);
	for (i = 0; i < r->n; i++)
		fprintf(f, "T %u %" PRIu64 " %" PRIu64 "\n", r->ring[i].cpu,
			r->ring[i].samples, r->ring[i].lost);
}
