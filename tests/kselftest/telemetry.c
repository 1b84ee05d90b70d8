// SPDX-License-Identifier: GPL-2.0-only
/* The pages of an agent: what may be mapped and what stands in them. */
#define GROUP "telemetry"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "harness.h"
#include "util.h"

static size_t map_size(int fd)
{
	struct starling_info info = { .size = sizeof(info) };

	EQ(call(fd, STARLING_IOC_GET_INFO, &info), 0);
	return info.out_map_size;
}

static const struct starling_page *map(int fd)
{
	const struct starling_page *page = mmap(NULL, map_size(fd), PROT_READ, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED)
		FAIL("mmap: %s", strerror(errno));
	return page;
}

static const struct starling_slot *slot_at(const struct starling_page *page, uint32_t i)
{
	return (const void *)((const char *)page + page->slots_offset + i * page->slot_size);
}

static uint32_t nslots(const struct starling_page *page)
{
	return __atomic_load_n(&page->nslots, __ATOMIC_ACQUIRE);
}

/* The protocol of the header, as a reader would write it. */
static void read_slot(const struct starling_slot *slot, struct starling_task_record *rec)
{
	uint32_t seq;

	do {
		seq = __atomic_load_n(&slot->seq, __ATOMIC_ACQUIRE);
		memcpy(rec, (const void *)&slot->task, sizeof(*rec));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (seq & 1 || __atomic_load_n(&slot->seq, __ATOMIC_RELAXED) != seq);
}

static bool find_slot(const struct starling_page *page, uint32_t tid,
		      struct starling_task_record *rec)
{
	for (uint32_t i = 0, n = nslots(page); i < n; i++) {
		read_slot(slot_at(page, i), rec);
		if (rec->tid == tid)
			return true;
	}
	return false;
}

static uint32_t count_slots(const struct starling_page *page)
{
	struct starling_task_record rec;
	uint32_t n = 0;

	for (uint32_t i = 0, end = nslots(page); i < end; i++) {
		read_slot(slot_at(page, i), &rec);
		n += rec.tid != 0;
	}
	return n;
}

TEST(header)
{
	int fd = agent("header");
	const struct starling_page *page = map(fd);

	EQ(page->magic, STARLING_PAGE_MAGIC);
	EQ(page->version, STARLING_ABI_VERSION);
	EQ(page->map_size, map_size(fd));
	EQ(page->record_size, sizeof(struct starling_task_record));
	GE(page->slot_size, sizeof(struct starling_slot));
	GE(page->slots_offset, sizeof(struct starling_page));
	GE(page->map_size, page->slots_offset + page->nslots * page->slot_size);
	EQ(page->overflow, 0);
	EQ(count_slots(page), 0);
	CHECK(!strcmp(page->agent.name, "header"));
}

TEST(read_only)
{
	int fd = agent("ro");
	size_t size = map_size(fd);
	void *p;

	CHECK(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	EQ(errno, EACCES);
	CHECK(mmap(NULL, size, PROT_WRITE, MAP_PRIVATE, fd, 0) == MAP_FAILED);
	EQ(errno, EACCES);
	/* Refused before it comes to us where anonymous inodes are noexec. */
	CHECK(mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK(errno == EACCES || errno == EPERM);
	CHECK(mmap(NULL, size * 3, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
	EQ(errno, EINVAL);
	CHECK(mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd, page_size()) == MAP_FAILED);
	EQ(errno, EINVAL);
	p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	EQ(mprotect(p, size, PROT_READ | PROT_WRITE), -1);
	EQ(errno, EACCES);
	EQ(mprotect(p, size, PROT_READ | PROT_EXEC), -1);
	EQ(errno, EACCES);
	/* The header alone is enough to learn the rest. */
	p = mmap(NULL, sizeof(struct starling_page), PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK(mremap(p, page_size(), 16 * page_size(), MREMAP_MAYMOVE) == MAP_FAILED);
}

TEST(slots_follow_members)
{
	struct starling_task_record rec, stat;
	int fd = agent("slots");
	struct child before, after;
	const struct starling_page *page;
	uint64_t generation;

	child_start(&before, NULL);
	child_start(&after, NULL);
	EQ(join(fd, before.pid, 0), 0);
	page = map(fd);
	CHECK(find_slot(page, before.pid, &rec));
	generation = page->generation;
	EQ(join(fd, after.pid, 0), 0);
	CHECK(page->generation > generation);
	CHECK(find_slot(page, after.pid, &rec));
	EQ(page->agent.tasks, 2);
	EQ(set_role(fd, after.pid, STARLING_ROLE_BACKGROUND), 0);
	CHECK(find_slot(page, after.pid, &rec));
	EQ(rec.role, STARLING_ROLE_BACKGROUND);
	EQ(rec.role_source, STARLING_BY_OWNER);
	EQ(stat_task(fd, after.pid, &stat), 0);
	EQ(rec.start_ns, stat.start_ns);
	EQ(rec.agent_id, stat.agent_id);
	EQ(leave(fd, before.pid, 0), 0);
	CHECK(!find_slot(page, before.pid, &rec));
	generation = page->generation;
	EQ(child_end(&after), 0);
	CHECK(!find_slot(page, after.pid, &rec));
	CHECK(page->generation > generation);
	EQ(page->agent.tasks, 0);
	EQ(page->agent.exits, 1);
	EQ(count_slots(page), 0);
}

TEST(sampled)
{
	struct starling_task_record rec;
	int fd = agent("sampled");
	const struct starling_page *page = map(fd);
	uint64_t run, at;
	volatile unsigned long work = 0;
	double end;

	EQ(join(fd, 0, 0), 0);
	CHECK(find_slot(page, getpid(), &rec));
	run = rec.run_ns;
	at = page->sampled_ns;
	for (end = seconds() + 0.6; seconds() < end;)
		work++;
	CHECK(page->sampled_ns > at);
	CHECK(find_slot(page, getpid(), &rec));
	GE(rec.run_ns, run + 50000000);
}

TEST(kept_after_close)
{
	struct starling_task_record rec;
	struct starling_agent_record sum;
	int dev = device(), fd = agent("kept");
	const struct starling_page *page = map(fd);
	uint64_t at;
	pid_t pid;

	EQ(join(fd, 0, 0), 0);
	close(fd);
	at = page->sampled_ns;
	pid = fork();
	if (!pid) {
		CHECK(find_slot(page, getpid(), &rec));
		_exit(0);
	}
	EQ(reap(pid), 0);
	sleep_ms(350);
	CHECK(page->sampled_ns > at);
	EQ(page->agent.forks, 1);
	EQ(page->agent.exits, 1);
	CHECK(find_agent(dev, page->agent.id, &sum));
}

/* Mapped and unmapped over and over, with the sampler at work. */
TEST_TIMED(map_unmap, 30)
{
	int fd = agent("remap");
	size_t size = map_size(fd);
	void *p, *q;

	EQ(join(fd, 0, 0), 0);
	for (int i = 0; i < 300; i++) {
		p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
		q = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
		CHECK(p != MAP_FAILED && q != MAP_FAILED);
		if (i % 10 == 0)
			sleep_ms(15);
		if (i % 50 == 0) {
			if (!fork())
				_exit(0);
			reap(-1);
		}
		munmap(p, size);
		munmap((char *)q, 4096);
		munmap(q, size);
	}
}

static void *sleeper(void *arg)
{
	(void)arg;
	pause();
	return NULL;
}

#define MANY	1100

static int threads(int n)
{
	pthread_attr_t attr;
	pthread_t t;

	(void)n;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (int i = 0; i < MANY; i++)
		if (pthread_create(&t, &attr, sleeper, NULL))
			return 1;
	return 0;
}

/* Reads all there is until it has seen @want tasks; what it reads is whole. */
static int read_on(const struct starling_page *page, uint32_t want)
{
	uint32_t had = 0, n;

	do {
		n = nslots(page);
		if (n < had)
			return 2;
		had = n;
		sched_yield();
	} while (count_slots(page) < want);
	return 0;
}

static pid_t start_reader(const struct starling_page *page, uint32_t want)
{
	pid_t pid = fork();

	if (!pid)
		_exit(read_on(page, want));
	return pid;
}

static void wait_count(const struct starling_page *page, uint32_t want)
{
	for (int i = 0; count_slots(page) != want || page->overflow; i++) {
		if (i == 1000)
			FAIL("%u of %u, %u left over", count_slots(page), want, page->overflow);
		sleep_ms(20);
	}
}

TEST_TIMED(grows, 60)
{
	int fd = agent("grows");
	const struct starling_page *page = map(fd), *later;
	uint32_t few = nslots(page);
	struct child many, one;
	pid_t reader;

	child_start(&many, threads);
	child_start(&one, NULL);
	EQ(join(fd, many.pid, 0), 0);
	EQ(count_slots(page), 1);
	reader = start_reader(page, MANY + 2);
	EQ(child_step(&many), 0);
	EQ(join(fd, one.pid, 0), 0);
	EQ(tasks_of(fd), MANY + 2);
	wait_count(page, MANY + 2);
	GE(nslots(page), MANY + 2);
	CHECK(nslots(page) > few);
	EQ(reap(reader), 0);
	/* A map of what has grown shows the same memory. */
	later = map(fd);
	EQ(count_slots(later), MANY + 2);
	EQ(later->nslots, page->nslots);
	kill(many.pid, SIGKILL);
	reap(many.pid);
	wait_count(page, 1);
	GE(nslots(page), MANY + 2);
	EQ(page->agent.tasks, 1);
	EQ(page->agent.exits, MANY + 1);
}

/* All members there are have a slot in a new map. */
TEST_TIMED(grown_at_map, 60)
{
	int fd = agent("late");
	const struct starling_page *page;
	struct child many;

	child_start(&many, threads);
	EQ(join(fd, many.pid, 0), 0);
	EQ(child_step(&many), 0);
	page = map(fd);
	EQ(page->overflow, 0);
	EQ(count_slots(page), MANY + 1);
	kill(many.pid, SIGKILL);
	reap(many.pid);
}

TEST(nothing_behind_slots)
{
	const struct starling_page *page = map(agent("end"));
	const volatile char *end = (const char *)page + page->map_size;
	pid_t pid = fork();

	if (!pid) {
		/* The last byte there is, and the last there could be. */
		(void)((const volatile char *)slot_at(page, page->nslots))[-1];
		(void)end[-1];
		_exit(0);
	}
	EQ(reap(pid), -SIGBUS);
}

/* A writer that always publishes the same number in every field. */
static void write_pattern(int dev, struct starling_task_record *rec, double until)
{
	uint32_t applied;

	rec->valid = ~0U;
	for (uint64_t i = 1; seconds() < until; i++) {
		rec->gpu_wait_ns = i;
		rec->gpu_waits = i;
		rec->gpu_launches = i;
		rec->gpu_alloc_bytes = i;
		rec->starved_ns = i;
		rec->gpu_last_ns = i;
		EQ(publish(dev, rec, 1, &applied), 0);
		EQ(applied, 1);
	}
	_exit(0);
}

TEST_TIMED(never_torn, 60)
{
	struct starling_task_record rec;
	int dev = device(), fd = agent("torn");
	const struct starling_page *page = map(fd);
	unsigned long reads = 0, changes = 0;
	uint64_t last = 0;
	double until = seconds() + test_seconds(3);
	struct child c;
	pid_t pid;

	EQ(claim(dev), 0);
	child_start(&c, NULL);
	EQ(join(fd, c.pid, 0), 0);
	CHECK(find_slot(page, c.pid, &rec));
	pid = fork();
	if (!pid)
		write_pattern(dev, &rec, until);
	while (seconds() < until) {
		for (int i = 0; i < 1000; i++) {
			read_slot(slot_at(page, 0), &rec);
			EQ(rec.gpu_wait_ns, rec.gpu_waits);
			EQ(rec.gpu_waits, rec.gpu_launches);
			EQ(rec.gpu_launches, rec.gpu_alloc_bytes);
			EQ(rec.gpu_alloc_bytes, rec.starved_ns);
			EQ(rec.starved_ns, rec.gpu_last_ns);
			GE(rec.gpu_waits, last);
			changes += rec.gpu_waits != last;
			last = rec.gpu_waits;
		}
		reads += 1000;
	}
	EQ(reap(pid), 0);
	printf("# %lu reads, %lu changes seen, none torn\n", reads, changes);
	GE(changes, 100);
}

/* Task ids of the creator's namespace are not shown inside another. */
TEST(pid_namespace)
{
	struct starling_task_record rec;
	int fd = agent("ns");
	const struct starling_page *page = map(fd);
	size_t size = map_size(fd);
	struct starling_task_record all[8];
	uint64_t cursor[2] = { 0 };
	uint32_t n = 8;
	pid_t pid;

	EQ(join(fd, 0, 0), 0);
	EQ(unshare(CLONE_NEWPID), 0);
	pid = fork();
	if (!pid) {
		EQ(getpid(), 1);
		EQ(stat_task(fd, 1, &rec), 0);
		EQ(rec.tid, 1);
		EQ(rec.tgid, 1);
		EQ(list(fd, STARLING_IOC_TASKS, all, sizeof(all[0]), &n, cursor), 0);
		/* The parent cannot be seen from here. */
		EQ(n, 1);
		EQ(all[0].tid, 1);
		CHECK(mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
		EQ(errno, EACCES);
		pause();
	}
	sleep_ms(200);
	EQ(stat_task(fd, pid, &rec), 0);
	EQ(rec.tid, pid);
	CHECK(find_slot(page, pid, &rec));
	EQ(list(fd, STARLING_IOC_TASKS, all, sizeof(all[0]), &n, cursor), 0);
	EQ(n, 2);
	kill(pid, SIGKILL);
	reap(pid);
}

/* An agent of another PID namespace: we get no slot there, and wait for none. */
TEST(unseen_wait_for_no_slot)
{
	const struct starling_page *page;
	struct child seen;
	int sock[2], fd;
	pid_t pid;

	EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
	child_start(&seen, NULL);
	EQ(unshare(CLONE_NEWPID), 0);
	pid = fork();
	if (!pid) {
		fd = agent("inner");
		EQ(join(fd, 0, 0), 0);
		send_fd(sock[1], fd);
		pause();
	}
	fd = receive_fd(sock[0]);
	EQ(join(fd, 0, 0), 0);
	page = map(fd);
	EQ(page->agent.tasks, 2);
	EQ(count_slots(page), 1);
	EQ(page->overflow, 0);
	EQ(join(fd, seen.pid, 0), 0);
	EQ(page->overflow, 0);
	EQ(leave(fd, seen.pid, 0), 0);
	EQ(page->agent.tasks, 2);
	EQ(count_slots(page), 1);
	EQ(page->overflow, 0);
	kill(pid, SIGKILL);
	reap(pid);
}
