// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe-cost [LIBCUDA]: what the probes cost the programs they look at, in CPU
 * time. One line a figure: an operation without probes, with them, and the
 * difference. A and B alternate, the median of the rounds counts.
 *
 * Meant for people; the machine should be quiet, and no starlingd running.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "daemon/sense/sense.h"

enum { ROUNDS = 9, SETTLE_US = 300000 };

static int file;
static int (*gpu_alloc)(uint64_t *, size_t);

/* CPU time of this process and of its children: what others use is not in it. */
static uint64_t cpu_ns(void)
{
	struct rusage self, children;
	uint64_t us;

	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	us = (self.ru_utime.tv_sec + self.ru_stime.tv_sec + children.ru_utime.tv_sec +
	      children.ru_stime.tv_sec) * 1000000ULL;
	return (us + self.ru_utime.tv_usec + self.ru_stime.tv_usec +
		children.ru_utime.tv_usec + children.ru_stime.tv_usec) * 1000;
}

/* -- operations ------------------------------------------------------------- */

/* A wake of nobody's: two processes of no interest. */
static void op_wake(unsigned int n)
{
	int there[2], back[2];
	char c = 0;
	pid_t pid;

	if (pipe(there) || pipe(back))
		exit(1);
	pid = fork();
	if (!pid) {
		while (n-- && read(there[0], &c, 1) == 1 && write(back[1], &c, 1) == 1)
			;
		_exit(0);
	}
	while (n-- && write(there[1], &c, 1) == 1 && read(back[0], &c, 1) == 1)
		;
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 2; i++) {
		close(there[i]);
		close(back[i]);
	}
}

static void op_fork(unsigned int n)
{
	while (n--) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
}

static void op_exec(unsigned int n)
{
	while (n--) {
		pid_t pid = vfork();

		if (!pid) {
			execl("/bin/true", "true", NULL);
			_exit(1);
		}
		waitpid(pid, NULL, 0);
	}
}

static void op_mmap(unsigned int n)
{
	while (n--) {
		void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);

		if (p == MAP_FAILED)
			exit(1);
		*(volatile char *)p;
		munmap(p, 4096);
	}
}

static void op_syscall(unsigned int n)
{
	while (n--)
		syscall(SYS_getppid);
}

static void op_alloc(unsigned int n)
{
	uint64_t at;

	while (n--)
		gpu_alloc(&at, 1);
}

/* -- with and without --------------------------------------------------------- */

static const struct op {
	const char *name;
	void (*run)(unsigned int n);
	unsigned int n;
	bool watch;		/* wakes around this process are counted */
} ops[] = {
	{ "wake and switch there and back (not ours)", op_wake, 20000, false },
	{ "the same, one side watched", op_wake, 20000, true },
	{ "fork, exit, wait", op_fork, 400, false },
	{ "vfork, exec, exit, wait", op_exec, 200, false },
	{ "map, touch, unmap a file", op_mmap, 20000, false },
	{ "system call", op_syscall, 200000, false },
	{ "a probed call of libcuda", op_alloc, 5000, false },
};

/* Opening and closing leave cold caches and grace periods behind. */
static double once(const struct op *op)
{
	uint64_t begin;

	usleep(SETTLE_US);
	op->run(op->n / 10);
	begin = cpu_ns();
	op->run(op->n);
	return (double)(cpu_ns() - begin) / op->n;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof(*v), ascending);
	return v[ROUNDS / 2];
}

/* -- another process holds the probes: this one shall fork as it always does -- */

struct order {
	bool on;
	bool watch;
	char lib[256];
};

static struct sense *probes_open(const struct order *o, pid_t looked_at)
{
	struct sense_opts opts = { .cuda_lib = o->lib[0] ? o->lib : NULL };
	struct sense *s;

	if (sense_open(&s, &opts))
		_exit(1);
	if (!sense_get_mode(s)->bpf) {
		fprintf(stderr, "probe-cost: %s\n", sense_get_mode(s)->missing);
		_exit(4);
	}
	/* wakes are only counted while there is somebody to look at */
	sense_watch(s, o->watch ? looked_at : getpid());
	return s;
}

static void hold_probes(int orders, int done)
{
	pid_t looked_at = getppid();
	struct sense *s = NULL;
	struct order o;

	while (read(orders, &o, sizeof(o)) == sizeof(o)) {
		if (o.on) {
			s = probes_open(&o, looked_at);
		} else {
			sense_close(s);
			s = NULL;
		}
		if (write(done, &o.on, 1) != 1)
			break;
	}
	_exit(0);
}

static int owner_in, owner_out;

static void owner_start(void)
{
	int orders[2], done[2];
	pid_t pid;

	if (pipe(orders) || pipe(done))
		exit(1);
	pid = fork();
	if (pid < 0)
		exit(1);
	if (!pid) {
		close(orders[1]);
		hold_probes(orders[0], done[1]);
	}
	close(orders[0]);
	close(done[1]);
	owner_in = orders[1];
	owner_out = done[0];
}

static void probes(bool on, const struct op *op, const char *lib)
{
	struct order o = { .on = on, .watch = op->watch };
	char c;

	if (lib)
		snprintf(o.lib, sizeof(o.lib), "%s", lib);
	if (write(owner_in, &o, sizeof(o)) != sizeof(o) || read(owner_out, &c, 1) != 1)
		exit(4);
}

static void measure(const struct op *op, const char *lib)
{
	double off[ROUNDS], on[ROUNDS], a, b;

	for (int i = 0; i < ROUNDS; i++) {
		off[i] = once(op);
		probes(true, op, lib);
		on[i] = once(op);
		probes(false, op, lib);
	}
	a = median(off);
	b = median(on);
	printf("%-44s %9.0f ns  %9.0f ns  %+8.0f ns  %+5.1f %%\n", op->name, a, b,
	       b - a, (b - a) / a * 100);
	fflush(stdout);
}

static bool open_library(const char *path)
{
	void *lib = dlopen(path, RTLD_NOW);
	int (*init)(unsigned int) = lib ? (void *)dlsym(lib, "cuInit") : NULL;

	gpu_alloc = lib ? (void *)dlsym(lib, "cuMemAlloc_v2") : NULL;
	return gpu_alloc && init && !init(0);
}

int main(int argc, char **argv)
{
	file = memfd_create("probe-cost", 0);
	if (file < 0 || ftruncate(file, 4096))
		return 1;
	owner_start();
	printf("%-44s %12s  %12s  %11s\n", "one of", "CPU without", "with", "cost");
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		/* last, as forks of who has probes in its memory cost more */
		if (ops[i].run != op_alloc)
			measure(&ops[i], NULL);
		else if (argc > 1 && open_library(argv[1]))
			measure(&ops[i], argv[1]);
	}
	return 0;
}
