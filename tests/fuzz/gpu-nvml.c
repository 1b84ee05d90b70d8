// SPDX-License-Identifier: GPL-2.0-only
/* NVIDIA's backend over a library that answers anything. */
#include <dlfcn.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/sense/gpu/gpu.h"
#include "daemon/sense/gpu/ledger.h"
#include "daemon/sense/gpu/nvml-usage.h"
#include "tests/fuzz/gpu.h"
#include "tests/fuzz/nvml-false.h"

enum { PIDS = 8, SAMPLES = 3 };

static nvml_false_begin_fn *begin;
static nvml_false_round_fn *next_round;
static nvml_false_said_fn *said;

/* Loaded under its name, it is what the backend finds; it stays. */
static void load(void)
{
	char exe[PATH_MAX], path[PATH_MAX + 40];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	void *lib;

	if (begin)
		return;
	exe[n > 0 ? n : 0] = '\0';
	snprintf(path, sizeof(path), "%s/false/libnvidia-ml.so.1", dirname(exe));
	lib = dlopen(path, RTLD_NOW);
	if (!lib) {
		fprintf(stderr, "starling-fuzz-gpu: %s: make tests builds it\n", dlerror());
		_exit(2);
	}
	begin = (nvml_false_begin_fn *)dlsym(lib, "nvml_false_begin");
	next_round = (nvml_false_round_fn *)dlsym(lib, "nvml_false_round");
	said = (nvml_false_said_fn *)dlsym(lib, "nvml_false_said");
}

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static int take(void *self, struct gpu_sample *s)
{
	next_round();
	s->from_ns = s->to_ns;
	s->to_ns = clock_ns();
	s->ndevice = s->nproc = s->lost = 0;
	return gpu_nvml.sample(self, s, &s->caps[0]);
}

static void memory_holds(const struct gpu_sample *s)
{
	for (uint32_t i = 0; i < s->nproc; i++)
		HOLDS(!s->proc[i].memory.known || said(s->proc[i].pid, s->proc[i].memory.n));
	for (uint32_t i = 0; i < s->ndevice; i++)
		HOLDS(s->device[i].v[GPU_MEMORY].n <= s->device[i].v[GPU_MEMORY_TOTAL].n);
}

static void change_processes(void)
{
	uint32_t pid = 1 + below(PIDS - 1);

	if (one_in(8))
		tree_process(pid, one_in(3) ? 0 : 1000 + below(3));
}

void fuzz_nvml(void)
{
	static struct gpu_sample s;
	struct gpu_ledger l = { .root = tree };
	int err = 0;
	void *self;

	load();
	begin(fuzz_chance, PIDS, fuzz_note);
	memset(&s, 0, sizeof(s));
	s.to_ns = clock_ns();
	if (gpu_nvml.open(&self, tree, &s.caps[0])) {
		HOLDS(memchr(s.caps[0].why, 0, sizeof(s.caps[0].why)));
		return;
	}
	for (int round = 0; !err && round < SAMPLES; round++) {
		change_processes();
		err = take(self, &s);
		/* as far ahead as stamps may be, and as far back as the ring goes */
		sample_holds(&s, NVML_RING_US * 1000 + 1000000000);
		memory_holds(&s);
		ledger_holds(&l, &s);
	}
	gpu_nvml.close(self);
	ledger_free(&l);
}
