// SPDX-License-Identifier: GPL-2.0-only
/*
 * The daemon's NVML backend against the emulated library: several processes, what
 * GB10 does not support, a ring of samples, faults, and drivers that are absent, too
 * old or removed while they are read. Clients are processes that only wait: what
 * they did is written into the device by this test.
 *
 * usage: nvml-test DIR		of a library that is too old
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/sense/gpu/gpu.h"
#include "daemon/sense/gpu/procs.h"
#include "device.h"

#define S 1000000000ULL

enum { CLIENTS = 3 };

static const char *old_dir;
static struct gpuemu_device *dev;
static pid_t client[CLIENTS];

static struct gpu_sample s;
static struct gpu_caps caps;
static void *self;

/* -- the device ----------------------------------------------------------------- */

static void mode(const char *text)
{
	char path[300], device[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s.nvml", gpuemu_path(device, sizeof(device)));
	if (!text) {
		unlink(path);
		return;
	}
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void start_client(int i)
{
	struct gpuemu_proc *p = &dev->procs[i];

	client[i] = fork();
	if (!client[i])
		for (;;)
			pause();
	atomic_store(&p->pid, client[i]);
	atomic_store(&p->start_time, procs_start("", client[i]));
	atomic_store(&p->mem_bytes, (uint64_t)(i + 1) << 20);
}

/* Client @i had the device from @from to @to ns ago. */
static void worked(int i, uint64_t from, uint64_t to)
{
	uint64_t at = atomic_fetch_add(&dev->ring_head, 1), now = gpuemu_now();
	struct gpuemu_interval *v = &dev->ring[at % GPUEMU_RING];

	atomic_store(&v->start, now - from);
	atomic_store(&v->end, now - to);
	atomic_store(&v->pid, client[i]);
	atomic_store(&v->seq, at + 1);
	atomic_fetch_add(&dev->busy_ns, from - to);
}

static int setup_all(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/dev/shm/gpuemu-nvml-%d", (int)getpid());
	setenv(GPUEMU_ENV, path, 1);
	dev = gpuemu_map(1);
	if (!dev)
		return -1;
	for (int i = 0; i < CLIENTS; i++)
		start_client(i);
	return 0;
}

static int teardown_all(void **state)
{
	(void)state;
	for (int i = 0; i < CLIENTS; i++) {
		kill(client[i], SIGKILL);
		waitpid(client[i], NULL, 0);
	}
	mode(NULL);
	return unlink(getenv(GPUEMU_ENV));
}

static int setup(void **state)
{
	(void)state;
	mode(NULL);
	memset(&s, 0, sizeof(s));
	memset(&caps, 0, sizeof(caps));
	s.to_ns = gpuemu_now();
	return 0;
}

/* -- samples -------------------------------------------------------------------- */

static int sample(void)
{
	s.from_ns = s.to_ns;
	s.to_ns = gpuemu_now();
	s.ndevice = s.nproc = s.lost = 0;
	return gpu_nvml.sample(self, &s, &caps);
}

static void pause_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&ts, &ts))
		;
}

static const struct gpu_process *process(int i)
{
	for (uint32_t j = 0; j < s.nproc; j++)
		if (s.proc[j].pid == (uint32_t)client[i])
			return &s.proc[j];
	fail_msg("client %d is not there", i);
	return NULL;
}

static const struct gpu_value *value(enum gpu_item item)
{
	assert_int_equal(s.ndevice, 1);
	return &s.device[0].v[item];
}

static void test_values(void **state)
{
	(void)state;
	assert_int_equal(gpu_nvml.open(&self, "", &caps), 0);
	assert_true(caps.there);
	pause_ms(1000);
	worked(0, S / 2, S / 4);
	worked(1, S / 4, S / 8);
	assert_int_equal(sample(), 0);
	assert_string_equal(s.device[0].pci, "ffff:01:00.0");
	assert_int_equal(s.nproc, CLIENTS);
	for (int i = 0; i < CLIENTS; i++) {
		assert_true(process(i)->memory.known);
		assert_int_equal(process(i)->memory.n, (uint64_t)(i + 1) << 20);
		assert_false(process(i)->memory.estimated);
		assert_true(process(i)->busy.known && process(i)->busy.estimated);
	}
	/* whole percents of 1 s at the least; the rest may have taken longer */
	assert_in_range(process(0)->busy.n, S / 5, S / 4 + S / 10);
	assert_in_range(process(1)->busy.n, S / 12, S / 8 + S / 10);
	assert_int_equal(process(2)->busy.n, 0);
	assert_int_equal(value(GPU_CLOCK)->n, 2000);
	assert_true(value(GPU_POWER)->known && value(GPU_BUSY)->known);
	/* a counter tells nothing before it was read twice */
	assert_false(value(GPU_ENERGY)->known);
	worked(2, S / 4, 0);
	pause_ms(200);
	assert_int_equal(sample(), 0);
	assert_true(value(GPU_ENERGY)->known && !value(GPU_ENERGY)->estimated);
	/* 10 W idle and 50 W more while it works, in uJ */
	assert_true(value(GPU_ENERGY)->n >= 12500000 + 10 * (s.to_ns - s.from_ns) / 1000 - 100000);
	gpu_nvml.close(self);
}

static void test_gb10(void **state)
{
	uint64_t machine = sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);

	(void)state;
	mode("gb10");
	assert_int_equal(gpu_nvml.open(&self, "", &caps), 0);
	assert_int_equal(sample(), 0);
	/* the machine's memory, by the kernel, and marked as what it is */
	assert_int_equal(caps.can[GPU_MEMORY], GPU_CAN_INSTEAD);
	assert_true(value(GPU_MEMORY)->known && value(GPU_MEMORY)->estimated);
	assert_int_equal(value(GPU_MEMORY)->source, STARLING_FROM_KERNEL);
	assert_in_range(value(GPU_MEMORY_TOTAL)->n, machine / 2, machine);
	/* that of the processes is told all the same */
	assert_int_equal(process(0)->memory.n, 1 << 20);
	gpu_nvml.close(self);
}

static void test_no_usage(void **state)
{
	(void)state;
	mode("no-usage");
	/* percent are of the last second: no other test's */
	pause_ms(1100);
	assert_int_equal(gpu_nvml.open(&self, "", &caps), 0);
	worked(0, S / 2, 0);
	assert_int_equal(sample(), 0);
	assert_int_equal(caps.can[GPU_PROC_BUSY], GPU_CAN_UNSUPPORTED);
	assert_int_equal(caps.can[GPU_BUSY], GPU_CAN);
	assert_false(process(0)->busy.known);
	assert_true(value(GPU_BUSY)->known);
	gpu_nvml.close(self);
}

/* Many samples of each process, two of which are not what they seem. */
static void test_ring(void **state)
{
	uint64_t sum = 0;

	(void)state;
	mode("samples");
	assert_int_equal(gpu_nvml.open(&self, "", &caps), 0);
	for (int i = 0; i < 4; i++) {
		pause_ms(500);
		worked(0, S / 2, S / 4);
		assert_int_equal(sample(), 0);
		sum += process(0)->busy.n;
	}
	/* a second's work in all; the last sample may not be in the ring yet */
	assert_in_range(sum, S / 2, S + S / 4);
	gpu_nvml.close(self);
}

static void test_xid(void **state)
{
	(void)state;
	assert_int_equal(gpu_nvml.open(&self, "", &caps), 0);
	assert_int_equal(caps.can[GPU_FAULTS], GPU_CAN);
	assert_int_equal(sample(), 0);
	assert_true(value(GPU_FAULTS)->known);
	assert_int_equal(value(GPU_FAULTS)->n, 0);
	mode("xid=79");
	assert_int_equal(sample(), 0);
	assert_int_equal(value(GPU_FAULTS)->n, 1);
	assert_int_equal(s.device[0].last_fault, 79);
	assert_int_equal(sample(), 0);
	assert_int_equal(value(GPU_FAULTS)->n, 0);
	gpu_nvml.close(self);
}

/* Removed while it is read, and there again. */
static void test_gone(void **state)
{
	(void)state;
	assert_int_equal(gpu_nvml.open(&self, "", &caps), 0);
	assert_int_equal(sample(), 0);
	mode("gone");
	assert_int_equal(sample(), -ENODEV);
	assert_false(caps.there);
	assert_non_null(strstr(caps.why, "went away"));
	gpu_nvml.close(self);
	assert_true(gpu_nvml.open(&self, "", &caps) < 0);
	assert_non_null(strstr(caps.why, "Driver Not Loaded; modprobe nvidia"));
	mode(NULL);
	assert_int_equal(gpu_nvml.open(&self, "", &caps), 0);
	assert_int_equal(sample(), 0);
	assert_int_equal(s.nproc, CLIENTS);
	gpu_nvml.close(self);
}

/* Exit status: 0 it opens, 1 it does not and says @word, 2 it says something else. */
static int try_open(const char *word)
{
	if (!gpu_nvml.open(&self, "", &caps))
		return 0;
	return strstr(caps.why, word) ? 1 : 2;
}

/* The search path is read when a program starts. */
static int try_with(const char *path, const char *word)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		setenv("LD_LIBRARY_PATH", path, 1);
		execl("/proc/self/exe", "nvml-test", "open", word, NULL);
		_exit(9);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_old(void **state)
{
	(void)state;
	assert_int_equal(try_with(old_dir, "too old: it has no nvmlInit_v2"), 1);
}

static void test_absent(void **state)
{
	int res = try_with("/nonexistent", "libnvidia-ml.so.1");

	(void)state;
	/* this machine may have the real one */
	if (!res)
		skip();
	assert_int_equal(res, 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_values, setup),
		cmocka_unit_test_setup(test_gb10, setup),
		cmocka_unit_test_setup(test_no_usage, setup),
		cmocka_unit_test_setup(test_ring, setup),
		cmocka_unit_test_setup(test_xid, setup),
		cmocka_unit_test_setup(test_gone, setup),
		cmocka_unit_test_setup(test_old, setup),
		cmocka_unit_test_setup(test_absent, setup),
	};

	if (argc == 3 && !strcmp(argv[1], "open"))
		return try_open(argv[2]);
	if (argc != 2)
		return 2;
	old_dir = argv[1];
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup_all, teardown_all) ? 1 : 0;
}
