// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does the emulated GPU behave like one? Each wait takes as long as the work and
 * costs the CPU that its style costs; two processes share one device in order;
 * a client killed at any time leaves it usable; the symbols are those of the
 * real library. Linked against nothing: the double is loaded as programs do it.
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cuda_abi.h"
#include "device.h"

#define MS 1000000ULL

static const char ptx[] = ".version 6.3\n.target sm_75\n.address_size 64\n"
	".visible .entry spin_ns(.param .u64 ns, .param .u64 done_at) { ret; }\n"
	".visible .entry other() { ret; }\n";

/* looked up by name at each call: what matters here is the exported symbol */
#define CALL(name, types, ...) ({						\
	CUresult(*fn_) types = (CUresult(*) types)dlsym(lib, #name);		\
	if (!fn_)								\
		fail_msg("no symbol %s", #name);				\
	fn_(__VA_ARGS__); })
#define OK(...) assert_int_equal(CALL(__VA_ARGS__), CUDA_SUCCESS)

static void *lib;
static CUcontext ctx;
static CUmodule mod;
static CUfunction spin;
static CUstream stream;
static uint64_t *done_at;

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void launch(uint64_t ns)
{
	CUdeviceptr out = (uintptr_t)done_at;
	void *params[] = { &ns, &out };

	OK(cuLaunchKernel, (CUfunction, unsigned int, unsigned int, unsigned int, unsigned int,
			    unsigned int, unsigned int, unsigned int, CUstream, void **, void **),
	   spin, 1, 1, 1, 1, 1, 1, 0, stream, params, NULL);
}

static void sync_stream(void)
{
	OK(cuStreamSynchronize, (CUstream), stream);
}

static void drop_context(void)
{
	if (!ctx)
		return;
	OK(cuMemFreeHost, (void *), done_at);
	OK(cuModuleUnload, (CUmodule), mod);
	OK(cuStreamDestroy_v2, (CUstream), stream);
	OK(cuCtxDestroy_v2, (CUcontext), ctx);
	ctx = NULL;
}

static void use_context(unsigned int flags)
{
	drop_context();
	OK(cuCtxCreate_v2, (CUcontext *, unsigned int, CUdevice), &ctx, flags, 0);
	OK(cuStreamCreate, (CUstream *, unsigned int), &stream, CU_STREAM_NON_BLOCKING);
	OK(cuModuleLoadData, (CUmodule *, const void *), &mod, ptx);
	OK(cuModuleGetFunction, (CUfunction *, CUmodule, const char *), &spin, mod, "spin_ns");
	OK(cuMemHostAlloc, (void **, size_t, unsigned int), (void **)&done_at, 8, 0);
}

/* the device file of this test alone */
static int setup(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/dev/shm/gpuemu-test-%d", (int)getpid());
	setenv(GPUEMU_ENV, path, 1);
	lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		print_error("%s; set LD_LIBRARY_PATH to the build's gpuemu/\n", dlerror());
		return -1;
	}
	OK(cuInit, (unsigned int), 0);
	use_context(CU_CTX_SCHED_BLOCKING_SYNC);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	drop_context();
	return unlink(getenv(GPUEMU_ENV));
}

static void check_wait(unsigned int flags, double min_cpu, double max_cpu)
{
	uint64_t t, cpu, wall;
	int i;

	use_context(flags);
	t = gpuemu_now();
	cpu = cpu_ns();
	for (i = 0; i < 10; i++) {
		launch(10 * MS);
		sync_stream();
		assert_true(gpuemu_now() >= *done_at);
	}
	wall = gpuemu_now() - t;
	cpu = cpu_ns() - cpu;
	assert_in_range(wall, 100 * MS, 2000 * MS);
	/* under load a spinner gets less than a core: then only the ceiling holds */
	if (wall < 110 * MS)
		assert_true(cpu >= min_cpu * wall);
	assert_true(cpu <= max_cpu * wall);
}

static void test_block(void **state)
{
	(void)state;
	check_wait(CU_CTX_SCHED_BLOCKING_SYNC, 0, 0.2);
}

static void test_spin(void **state)
{
	(void)state;
	check_wait(CU_CTX_SCHED_SPIN, 0.6, 1.01);
}

static void test_yield(void **state)
{
	(void)state;
	check_wait(CU_CTX_SCHED_YIELD, 0.3, 1.01);
}

static void test_auto(void **state)
{
	(void)state;
	check_wait(CU_CTX_SCHED_AUTO, 0.3, 1.01);
}

static void test_event(void **state)
{
	uint64_t t, cpu;
	CUevent e;

	(void)state;
	use_context(CU_CTX_SCHED_SPIN);
	OK(cuEventCreate, (CUevent *, unsigned int), &e, CU_EVENT_BLOCKING_SYNC);
	t = gpuemu_now();
	cpu = cpu_ns();
	launch(50 * MS);
	OK(cuEventRecord, (CUevent, CUstream), e, stream);
	assert_int_equal(CALL(cuEventQuery, (CUevent), e), CUDA_ERROR_NOT_READY);
	OK(cuEventSynchronize, (CUevent), e);
	assert_true(gpuemu_now() - t >= 50 * MS);
	assert_true(cpu_ns() - cpu < 20 * MS);
	OK(cuEventQuery, (CUevent), e);
	OK(cuEventDestroy_v2, (CUevent), e);
}

static void test_graph(void **state)
{
	CUgraphExec exec;
	CUgraph graph;
	uint64_t t;

	(void)state;
	OK(cuStreamBeginCapture_v2, (CUstream, int), stream, CU_STREAM_CAPTURE_MODE_GLOBAL);
	t = gpuemu_now();
	launch(5 * MS);
	launch(15 * MS);
	assert_int_equal(CALL(cuStreamSynchronize, (CUstream), stream),
			 CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
	OK(cuStreamEndCapture, (CUstream, CUgraph *), stream, &graph);
	OK(cuGraphInstantiateWithFlags, (CUgraphExec *, CUgraph, unsigned long long), &exec, graph,
	   0);
	OK(cuGraphDestroy, (CUgraph), graph);
	OK(cuGraphLaunch, (CUgraphExec, CUstream), exec, stream);
	sync_stream();
	assert_in_range(gpuemu_now() - t, 20 * MS, 200 * MS);
	assert_in_range(*done_at - t, 20 * MS, 200 * MS);
	OK(cuGraphExecDestroy, (CUgraphExec), exec);
}

/* run fn in a program of its own, since a forked child has no device */
static pid_t start_child(const char *what)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/proc/self/exe", "gpuemu-test", what, NULL);
		_exit(127);
	}
	return pid;
}

static void test_two_processes(void **state)
{
	uint64_t t = gpuemu_now(), busy;
	struct gpuemu_device *d = gpuemu_map(0);
	pid_t a, b;
	int sa, sb;

	(void)state;
	assert_non_null(d);
	busy = atomic_load(&d->busy_ns);
	a = start_child("work");
	b = start_child("work");
	waitpid(a, &sa, 0);
	waitpid(b, &sb, 0);
	assert_int_equal(sa | sb, 0);
	/* 20 x 5 ms each: together the sum, not the maximum */
	assert_true(gpuemu_now() - t >= 200 * MS);
	assert_int_equal(atomic_load(&d->busy_ns) - busy, 200 * MS);
	assert_in_range(gpuemu_busy_between(d, a, t, gpuemu_now()), 99 * MS, 101 * MS);
	assert_in_range(gpuemu_busy_between(d, b, t, gpuemu_now()), 99 * MS, 101 * MS);
}

static void test_kill(void **state)
{
	uint64_t t;
	pid_t pid;
	int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		pid = start_child("storm");
		usleep(10000 + 1000 * i);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	/* what they had queued ends by itself, then the device is ours */
	t = gpuemu_now();
	launch(1 * MS);
	sync_stream();
	assert_true(gpuemu_now() - t < 2500 * MS);
	t = gpuemu_now();
	launch(10 * MS);
	sync_stream();
	assert_in_range(gpuemu_now() - t, 10 * MS, 100 * MS);
}

static void test_memory(void **state)
{
	CUdeviceptr p, q;
	char in[64] = "hello", out[64] = "";
	size_t avail, total;
	pid_t pid;

	(void)state;
	OK(cuMemGetInfo_v2, (size_t *, size_t *), &avail, &total);
	OK(cuMemAlloc_v2, (CUdeviceptr *, size_t), &p, 1 << 20);
	OK(cuMemcpyHtoD_v2, (CUdeviceptr, const void *, size_t), p, in, sizeof(in));
	OK(cuMemcpyDtoHAsync_v2, (void *, CUdeviceptr, size_t, CUstream), out, p, sizeof(out),
	   stream);
	sync_stream();
	assert_string_equal(in, out);
	assert_int_equal(CALL(cuMemAlloc_v2, (CUdeviceptr *, size_t), &q, total),
			 CUDA_ERROR_OUT_OF_MEMORY);
	OK(cuMemFree_v2, (CUdeviceptr), p);
	assert_int_equal(CALL(cuMemFree_v2, (CUdeviceptr), p), CUDA_ERROR_INVALID_VALUE);
	/* memory of a killed process comes back */
	pid = start_child("hold");
	usleep(100000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	p = avail;
	OK(cuMemGetInfo_v2, (size_t *, size_t *), &avail, &total);
	assert_int_equal(p, avail);
}

static CUresult get_proc(const char *name, void **out, uint64_t flags)
{
	return CALL(cuGetProcAddress_v2, (const char *, void **, int, uint64_t, int *), name, out,
		    12040, flags, NULL);
}

/* what the real library was seen to return, research of version 550 */
static void test_proc_address(void **state)
{
	static const struct {
		const char *name, *symbol;
		uint64_t flags;
	} want[] = {
		{ "cuLaunchKernel", "cuLaunchKernel", 0 },
		{ "cuLaunchKernel", "cuLaunchKernel_ptsz", 2 },
		{ "cuMemAlloc", "cuMemAlloc_v2", 0 },
		{ "cuMemAllocAsync", "cuMemAllocAsync_ptsz", 2 },
		{ "cuMemcpyDtoH", "cuMemcpyDtoH_v2_ptds", 2 },
		{ "cuMemcpyHtoDAsync", "cuMemcpyHtoDAsync_v2_ptsz", 2 },
		{ "cuStreamSynchronize", "cuStreamSynchronize_ptsz", 2 },
		{ "cuGraphLaunch", "cuGraphLaunch_ptsz", 2 },
		{ "cuEventSynchronize", "cuEventSynchronize", 2 },
		{ "cuCtxSynchronize", "cuCtxSynchronize", 0 },
		{ "cuGetProcAddress", "cuGetProcAddress_v2", 0 },
	};
	int status = -1;
	void *p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		assert_int_equal(get_proc(want[i].name, &p, want[i].flags), CUDA_SUCCESS);
		assert_ptr_equal(p, dlsym(lib, want[i].symbol));
	}
	p = &status;
	assert_int_equal(CALL(cuGetProcAddress_v2, (const char *, void **, int, uint64_t, int *),
			      "cuNoSuchThing", &p, 12040, 0, &status), CUDA_ERROR_NOT_FOUND);
	assert_null(p);
	assert_int_equal(status, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
	assert_int_equal(get_proc("printf", &p, 0), CUDA_ERROR_NOT_FOUND);
}

/* a uprobe on one variant must not see the other */
static void test_variants_are_apart(void **state)
{
	static const char *const names[] = {
		"cuLaunchKernel", "cuLaunchKernelEx", "cuGraphLaunch", "cuStreamSynchronize",
		"cuStreamQuery", "cuMemAllocAsync", "cuMemFreeAsync", "cuMemcpyAsync",
		"cuEventRecord", "cuStreamBeginCapture_v2", "cuLaunchCooperativeKernel",
	};
	char other[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(other, sizeof(other), "%s_ptsz", names[i]);
		assert_non_null(dlsym(lib, names[i]));
		assert_non_null(dlsym(lib, other));
		assert_ptr_not_equal(dlsym(lib, names[i]), dlsym(lib, other));
	}
}

static void test_errors(void **state)
{
	const char *name;
	CUfunction f;
	CUmodule m;
	CUdevice dev;
	char text[64];

	(void)state;
	assert_int_equal(CALL(cuDeviceGet, (CUdevice *, int), &dev, 1), CUDA_ERROR_INVALID_DEVICE);
	OK(cuDeviceGetName, (char *, int, CUdevice), text, sizeof(text), 0);
	assert_non_null(strstr(text, "emulat"));
	assert_int_equal(CALL(cuModuleLoadData, (CUmodule *, const void *), &m, "nonsense"),
			 CUDA_ERROR_INVALID_IMAGE);
	OK(cuModuleLoadData, (CUmodule *, const void *), &m, ptx);
	assert_int_equal(CALL(cuModuleGetFunction, (CUfunction *, CUmodule, const char *), &f, m,
			      "absent"), CUDA_ERROR_NOT_FOUND);
	OK(cuGetErrorName, (CUresult, const char **), CUDA_ERROR_NOT_READY, &name);
	assert_string_equal(name, "CUDA_ERROR_NOT_READY");
	OK(cuModuleUnload, (CUmodule), m);
}

/* with a device file of another kind: an error, not a crash */
static void test_bad_device_file(void **state)
{
	const char *mine = getenv(GPUEMU_ENV);
	char keep[256], bad[80];
	struct stat st;
	int status;
	pid_t pid;
	FILE *f;

	(void)state;
	snprintf(keep, sizeof(keep), "%s", mine);
	snprintf(bad, sizeof(bad), "/dev/shm/gpuemu-bad-%d", (int)getpid());
	f = fopen(bad, "w");
	assert_non_null(f);
	fputs("this is a text file and not a device", f);
	fclose(f);
	setenv(GPUEMU_ENV, bad, 1);
	pid = start_child("init");
	waitpid(pid, &status, 0);
	setenv(GPUEMU_ENV, keep, 1);
	/* and left as it was */
	assert_int_equal(stat(bad, &st), 0);
	assert_int_equal(st.st_size, 36);
	unlink(bad);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
}

static void test_nvml(void **state)
{
	void *ml = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL), *dev;
	struct { unsigned int pid; unsigned long long mem; unsigned int a, b; } procs[8];
	struct { unsigned int gpu, memory; } rates;
	unsigned int n = 8, i, found = 0;
	char name[64];

	(void)state;
	assert_non_null(ml);
#define NVML(name, types, ...) ((int (*) types)dlsym(ml, #name))(__VA_ARGS__)
	assert_int_equal(NVML(nvmlInit_v2, (void)), 0);
	assert_int_equal(NVML(nvmlDeviceGetHandleByIndex_v2, (unsigned int, void **), 0, &dev), 0);
	assert_int_equal(NVML(nvmlDeviceGetName, (void *, char *, unsigned int), dev, name, 64), 0);
	assert_string_equal(name, GPUEMU_NAME);
	launch(500 * MS);
	sync_stream();
	assert_int_equal(NVML(nvmlDeviceGetUtilizationRates, (void *, void *), dev, &rates), 0);
	assert_in_range(rates.gpu, 35, 100);
	assert_int_equal(NVML(nvmlDeviceGetComputeRunningProcesses_v3,
			      (void *, unsigned int *, void *), dev, &n, procs), 0);
	for (i = 0; i < n; i++)
		found += procs[i].pid == (unsigned int)getpid();
	assert_int_equal(found, 1);
	assert_int_equal(NVML(nvmlShutdown, (void)), 0);
}

/* the programs that start_child() starts */
static int child(const char *what)
{
	CUdeviceptr p;
	CUresult res;
	int i;

	lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	res = lib ? CALL(cuInit, (unsigned int), 0) : CUDA_ERROR_UNKNOWN;
	if (res)
		return res == CUDA_ERROR_SYSTEM_DRIVER_MISMATCH ? 3 : 1;
	use_context(CU_CTX_SCHED_BLOCKING_SYNC);
	if (!strcmp(what, "hold"))
		OK(cuMemAlloc_v2, (CUdeviceptr *, size_t), &p, 1 << 30);
	for (i = 0; strcmp(what, "hold") && i < (strcmp(what, "work") ? 1000000 : 20); i++) {
		launch(strcmp(what, "work") ? 1000 : 5 * MS);
		if (!strcmp(what, "work"))
			sync_stream();
	}
	if (strcmp(what, "work"))
		pause();
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block),	       cmocka_unit_test(test_spin),
		cmocka_unit_test(test_yield),	       cmocka_unit_test(test_auto),
		cmocka_unit_test(test_event),	       cmocka_unit_test(test_graph),
		cmocka_unit_test(test_two_processes),  cmocka_unit_test(test_memory),
		cmocka_unit_test(test_proc_address),   cmocka_unit_test(test_variants_are_apart),
		cmocka_unit_test(test_errors),	       cmocka_unit_test(test_bad_device_file),
		cmocka_unit_test(test_nvml),	       cmocka_unit_test(test_kill),
	};

	if (argc > 1)
		return child(argv[1]);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
