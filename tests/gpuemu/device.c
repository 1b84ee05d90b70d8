// SPDX-License-Identifier: GPL-2.0-only
/* The shared device file: finding, mapping and reading it. */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

uint64_t gpuemu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

uint64_t gpuemu_mem_total(void)
{
	const char *s = getenv("GPUEMU_MEM_MB");
	uint64_t mb = s ? strtoull(s, NULL, 10) : 0;

	return (mb ? mb : 16384) << 20;
}

const char *gpuemu_path(char *buf, size_t len)
{
	const char *env = getenv(GPUEMU_ENV);

	if (env && *env)
		snprintf(buf, len, "%s", env);
	else
		snprintf(buf, len, "/dev/shm/gpuemu-%u", (unsigned int)geteuid());
	return buf;
}

/*
 * Two processes may do this at once: allocating is idempotent and leaves
 * zeros, which are a valid device. posix_fallocate() and not ftruncate(), so
 * that a full /dev/shm is an error here and not a SIGBUS later.
 */
static int size_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && geteuid()))
		return -EPERM;
	if ((size_t)st.st_size >= sizeof(struct gpuemu_device))
		return 0;
	/* somebody's file, or a device of another version: not ours to extend */
	if (st.st_size)
		return -EPROTO;
	return -posix_fallocate(fd, 0, sizeof(struct gpuemu_device));
}

/*
 * Who comes first marks the file; a mark of another version is left alone, for
 * programs of that version may be using it.
 */
static int claim_magic(struct gpuemu_device *d)
{
	uint64_t zero = 0;

	if (atomic_compare_exchange_strong(&d->born_ns, &zero, gpuemu_now()))
		zero = 0;
	zero = 0;
	if (!atomic_compare_exchange_strong(&d->magic, &zero, GPUEMU_MAGIC) &&
	    zero != GPUEMU_MAGIC)
		return -EPROTO;
	return 0;
}

struct gpuemu_device *gpuemu_map(int writable)
{
	int flags = O_CLOEXEC | O_NOFOLLOW | (writable ? O_RDWR | O_CREAT : O_RDONLY);
	int prot = PROT_READ | (writable ? PROT_WRITE : 0);
	struct gpuemu_device *d = NULL;
	struct stat st;
	char path[256];
	int fd, err = 0;

	fd = open(gpuemu_path(path, sizeof(path)), flags, 0600);
	if (fd < 0)
		return NULL;
	if (writable)
		err = size_file(fd);
	else if (fstat(fd, &st) || (size_t)st.st_size < sizeof(*d))
		err = -ENODEV;
	if (err)
		goto out_close;
	d = mmap(NULL, sizeof(*d), prot, MAP_SHARED, fd, 0);
	if (d == MAP_FAILED) {
		err = -errno;
		d = NULL;
		goto out_close;
	}
	if (writable)
		err = claim_magic(d);
	else if (atomic_load(&d->magic) != GPUEMU_MAGIC)
		err = -EPROTO;
	if (err) {
		munmap(d, sizeof(*d));
		d = NULL;
	}
out_close:
	close(fd);
	errno = -err;
	return d;
}

/*
 * In clock ticks since boot, 0 for who is gone or a zombie: with the pid it names
 * a process for good, so that a reused pid does not revive a dead client's slot.
 */
static uint64_t proc_start_time(uint32_t pid)
{
	char path[64], buf[1024], *p;
	unsigned long long start = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = 0;
	p = strrchr(buf, ')');
	if (!p || p[1] != ' ' || p[2] == 'Z' || p[2] == 'X' ||
	    sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u "
			  "%*d %*d %*d %*d %*d %*d %llu", &start) != 1)
		return 0;
	return start;
}

/* A dead client still holds its slot until someone wants it. */
int gpuemu_proc_alive(const struct gpuemu_proc *p)
{
	uint32_t pid = atomic_load(&p->pid);
	uint64_t want = atomic_load(&p->start_time);
	uint64_t have;

	if (!pid)
		return 0;
	have = proc_start_time(pid);
	/* want 0: the slot was claimed this instant, its owner is still here */
	return have && (!want || have == want);
}

/*
 * Newest first, until an interval lies before the window: cheap for the short
 * windows that utilisation is asked for, whatever the ring holds.
 */
uint64_t gpuemu_busy_between(const struct gpuemu_device *d, uint32_t pid,
			     uint64_t from, uint64_t to)
{
	uint64_t head = atomic_load(&d->ring_head), i, sum = 0;

	for (i = head; i-- > 0 && head - i <= GPUEMU_RING;) {
		const struct gpuemu_interval *v = &d->ring[i % GPUEMU_RING];
		uint64_t s = atomic_load(&v->start), e = atomic_load(&v->end);

		if (atomic_load(&v->seq) != i + 1)
			continue;
		if (e <= from)
			break;
		if (pid && atomic_load(&v->pid) != pid)
			continue;
		s = s > from ? s : from;
		e = e < to ? e : to;
		if (e > s)
			sum += e - s;
	}
	return sum;
}

void gpuemu_stats(const struct gpuemu_device *d, struct gpuemu_stats *st)
{
	uint64_t until, total;
	int i;

	memset(st, 0, sizeof(*st));
	st->now = gpuemu_now();
	st->born_ns = atomic_load(&d->born_ns);
	st->busy_ns = atomic_load(&d->busy_ns);
	until = atomic_load(&d->busy_until);
	/* what is reserved beyond now is contiguous: the queue has no gaps */
	if (until > st->now)
		st->busy_ns -= until - st->now < st->busy_ns ?
			       until - st->now : st->busy_ns;
	total = st->now - st->born_ns;
	st->idle_ns = total > st->busy_ns ? total - st->busy_ns : 0;
	st->launches = atomic_load(&d->launches);
	st->graph_launches = atomic_load(&d->graph_launches);
	st->mem_total = gpuemu_mem_total();
	for (i = 0; i < GPUEMU_PROCS; i++)
		if (gpuemu_proc_alive(&d->procs[i]))
			st->mem_bytes += atomic_load(&d->procs[i].mem_bytes);
	st->ring_written = atomic_load(&d->ring_head);
	if (st->ring_written > GPUEMU_RING)
		st->ring_lost = st->ring_written - GPUEMU_RING;
}
