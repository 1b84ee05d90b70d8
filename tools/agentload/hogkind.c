// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kinds of hogs, each the worst of one thing that agents' tools do: compute,
 * start programs, stream memory, write and send, meet at a barrier. All of it is
 * per process: a worker has one kind and ends by being killed or by its count.
 */
#include "hogkind.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

/* -- cpu: a few passes over 32 KB, some 100 us on a core of today ------------------ */

enum { WORDS = 4096, PASSES = 16 };

static int cpu_unit(void)
{
	static _Thread_local uint64_t words[WORDS], x = 88172645463325252ULL;
	int pass, i;

	for (pass = 0; pass < PASSES; pass++) {
		for (i = 0; i < WORDS; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			words[i] += x;
		}
	}
	return 0;
}

/* -- fork: a program that ends at once, never more than one for each worker -------- */

static int fork_unit(void)
{
	char *const argv[] = { "true", NULL };
	extern char **environ;
	int err, status;
	pid_t pid;

	err = posix_spawnp(&pid, "true", NULL, NULL, argv, environ);
	if (err)
		return -err;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status ? -ENOEXEC : 0;
}

/* -- memory: a = b + 3c over arrays that no cache holds ---------------------------- */

enum { STREAM = 32 << 20, SLICE = 256 << 10 };

static double *stream[3];
static size_t stream_at;

static int memory_open(void)
{
	int i;

	for (i = 0; i < 3; i++) {
		stream[i] = mmap(NULL, STREAM, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (stream[i] == MAP_FAILED)
			return -errno;
		/* or all of b and c would be the one page of zeros */
		memset(stream[i], i + 1, STREAM);
	}
	return 0;
}

static int memory_unit(void)
{
	size_t i, end = stream_at + SLICE / sizeof(double);

	for (i = stream_at; i < end; i++)
		stream[0][i] = stream[1][i] + 3 * stream[2][i];
	stream_at = end % (STREAM / sizeof(double));
	return 0;
}

/* -- io: 64 KiB to the disk, and as much over the loopback device ------------------ */

enum { BLOCK = 64 << 10, PIECE = 16 << 10, FILE_BYTES = 16 << 20 };

static int io_file, io_out, io_in;
static off_t io_at;

/* A file without a name, so that nothing is left however the worker ends. */
static int open_nameless(void)
{
	const char *dir = getenv("TMPDIR");
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/agentload.XXXXXX", dir ? dir : "/var/tmp");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

/* Both ends in this process: what is written to io_out can be read from io_in. */
static int connect_to_self(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(at);
	int err = 0, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (listener < 0)
		return -errno;
	io_out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&at, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&at, &len) || io_out < 0 ||
	    connect(io_out, (struct sockaddr *)&at, len))
		err = -errno;
	io_in = err ? -1 : accept(listener, NULL, NULL);
	if (!err && io_in < 0)
		err = -errno;
	close(listener);
	return err;
}

static int io_open(void)
{
	io_file = open_nameless();
	return io_file < 0 ? io_file : connect_to_self();
}

static int io_unit(void)
{
	static char block[BLOCK];
	size_t sent;

	if (pwrite(io_file, block, BLOCK, io_at) != BLOCK || fdatasync(io_file))
		return errno ? -errno : -EIO;
	io_at = (io_at + BLOCK) % FILE_BYTES;
	/* a piece fits into any socket buffer, so that one thread can be both ends */
	for (sent = 0; sent < BLOCK; sent += PIECE)
		if (send(io_out, block, PIECE, MSG_NOSIGNAL) != PIECE ||
		    recv(io_in, block, PIECE, MSG_WAITALL) != PIECE)
			return errno ? -errno : -EIO;
	return 0;
}

/* -- barrier: a thread for each CPU, which meet after each share of the work ------- */

/* As OpenMP's run-times wait by default: look for some time, then sleep. */
enum { LOOKS = 20000 };

static unsigned int team;
static atomic_uint arrived, generation;

static void barrier_wait(void)
{
	unsigned int gen = atomic_load(&generation);
	int i;

	if (atomic_fetch_add(&arrived, 1) + 1 == team) {
		atomic_store(&arrived, 0);
		atomic_fetch_add(&generation, 1);
		syscall(SYS_futex, &generation, FUTEX_WAKE_PRIVATE, team, NULL, NULL, 0);
		return;
	}
	for (i = 0; i < LOOKS; i++)
		if (atomic_load(&generation) != gen)
			return;
	while (atomic_load(&generation) == gen)
		syscall(SYS_futex, &generation, FUTEX_WAIT_PRIVATE, gen, NULL, NULL, 0);
}

static int barrier_unit(void)
{
	cpu_unit();
	barrier_wait();
	return 0;
}

static void *barrier_thread(void *unused)
{
	(void)unused;
	while (1)
		barrier_unit();
	return NULL;
}

static int barrier_open(void)
{
	pthread_t thread;
	unsigned int i;
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		return -errno;
	team = CPU_COUNT(&cpus);
	for (i = 1; i < team; i++) {
		int err = pthread_create(&thread, NULL, barrier_thread, NULL);

		if (err)
			return -err;
	}
	return 0;
}

/* ---------------------------------------------------------------------------------- */

static const struct hog_kind kinds[] = {
	{ "cpu", NULL, cpu_unit },
	{ "fork", NULL, fork_unit },
	{ "memory", memory_open, memory_unit },
	{ "io", io_open, io_unit },
	{ "barrier", barrier_open, barrier_unit },
};

const struct hog_kind *hog_kind(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	bad_usage("--kind %s: must be cpu, fork, memory, io or barrier", name);
}
