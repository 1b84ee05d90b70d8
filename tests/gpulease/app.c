// SPDX-License-Identifier: GPL-2.0-only
/*
 * app WAY [KEY=N]... - a program that uses the GPU and knows nothing of leases. WAY
 * is how it comes to the driver's functions: link, dlsym, address (of
 * cuGetProcAddress) or thread, which is address for per-thread default streams.
 *
 *	tokens=10	rounds of launches and a wait
 *	launches=5	in a round
 *	ns=1000		of GPU time each
 *	threads=1	that do all that
 *	streams=1	used by turns; the wait is for all of them
 *	wait=0		0: for streams, 1: for an event, 2: by asking, 3: for the context,
 *			4: for none of them
 *	graph=0		1: rounds are launched as a graph
 *	sleep_us=0	between rounds
 *	cost=0		1: print ns a launch
 *	child=0		1: a child of fork() does it again in a new context
 *	late=0		1: afterwards a child of fork() launches, and prints "late ERROR"
 *	again=0		1: afterwards it executes itself, without this
 *	capture=0	1: another thread captures a graph all the time
 *	destroy=0	1: streams are destroyed without a wait, when all is launched
 *	apart=0		1: one thread launches, and another one waits for the context
 *	fork=0		1: while threads are at work one more forks, and prints "forked"
 *	trace=0		1: print "BEGIN END" of each round, ns: its first launch has returned,
 *			its last kernel is done
 *
 * Prints "done" when all calls succeeded.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/gpuemu/cuda_abi.h"

/* What a program is linked with. */
CUresult cuInit(unsigned int flags);
CUresult cuDeviceGet(CUdevice *dev, int n);
CUresult cuCtxCreate_v2(CUcontext *ctx, unsigned int flags, CUdevice dev);
CUresult cuCtxDestroy_v2(CUcontext ctx);
CUresult cuCtxSetCurrent(CUcontext ctx);
CUresult cuCtxSynchronize(void);
CUresult cuModuleLoadData(CUmodule *mod, const void *image);
CUresult cuModuleGetFunction(CUfunction *fn, CUmodule mod, const char *name);
CUresult cuMemHostAlloc(void **p, size_t size, unsigned int flags);
CUresult cuStreamCreate(CUstream *s, unsigned int flags);
CUresult cuStreamDestroy_v2(CUstream s);
CUresult cuStreamSynchronize(CUstream s);
CUresult cuStreamQuery(CUstream s);
CUresult cuStreamBeginCapture_v2(CUstream s, int mode);
CUresult cuStreamEndCapture(CUstream s, CUgraph *g);
CUresult cuGraphInstantiateWithFlags(CUgraphExec *e, CUgraph g, unsigned long long flags);
CUresult cuGraphLaunch(CUgraphExec e, CUstream s);
CUresult cuEventCreate(CUevent *e, unsigned int flags);
CUresult cuEventRecord(CUevent e, CUstream s);
CUresult cuEventSynchronize(CUevent e);
CUresult cuLaunchKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
			unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
			CUstream s, void **params, void **extra);

/* What it calls, found in one of the ways. */
static struct {
	typeof(cuInit) *cuInit;
	typeof(cuDeviceGet) *cuDeviceGet;
	typeof(cuCtxCreate_v2) *cuCtxCreate;
	typeof(cuCtxDestroy_v2) *cuCtxDestroy;
	typeof(cuCtxSetCurrent) *cuCtxSetCurrent;
	typeof(cuCtxSynchronize) *cuCtxSynchronize;
	typeof(cuModuleLoadData) *cuModuleLoadData;
	typeof(cuModuleGetFunction) *cuModuleGetFunction;
	typeof(cuMemHostAlloc) *cuMemHostAlloc;
	typeof(cuStreamCreate) *cuStreamCreate;
	typeof(cuStreamDestroy_v2) *cuStreamDestroy;
	typeof(cuStreamSynchronize) *cuStreamSynchronize;
	typeof(cuStreamQuery) *cuStreamQuery;
	typeof(cuStreamBeginCapture_v2) *cuStreamBeginCapture;
	typeof(cuStreamEndCapture) *cuStreamEndCapture;
	typeof(cuGraphInstantiateWithFlags) *cuGraphInstantiateWithFlags;
	typeof(cuGraphLaunch) *cuGraphLaunch;
	typeof(cuEventCreate) *cuEventCreate;
	typeof(cuEventRecord) *cuEventRecord;
	typeof(cuEventSynchronize) *cuEventSynchronize;
	typeof(cuLaunchKernel) *cuLaunchKernel;
} cu;

static const struct {
	const char *asked, *exported;
	void **at;
	void *linked;
} calls[] = {
#define CALL(name) { #name, #name, (void **)&cu.name, (void *)name }
#define CALL_V2(name) { #name, #name "_v2", (void **)&cu.name, (void *)name##_v2 }
	CALL(cuInit),
	CALL(cuDeviceGet),
	CALL_V2(cuCtxCreate),
	CALL_V2(cuCtxDestroy),
	CALL(cuCtxSetCurrent),
	CALL(cuCtxSynchronize),
	CALL(cuModuleLoadData),
	CALL(cuModuleGetFunction),
	CALL(cuMemHostAlloc),
	CALL(cuStreamCreate),
	CALL_V2(cuStreamDestroy),
	CALL(cuStreamSynchronize),
	CALL(cuStreamQuery),
	CALL_V2(cuStreamBeginCapture),
	CALL(cuStreamEndCapture),
	CALL(cuGraphInstantiateWithFlags),
	CALL(cuGraphLaunch),
	CALL(cuEventCreate),
	CALL(cuEventRecord),
	CALL(cuEventSynchronize),
	CALL(cuLaunchKernel),
};

enum { NCALLS = sizeof(calls) / sizeof(calls[0]) };

static struct option {
	const char *key;
	unsigned long value;
} option[] = {
	{ "tokens", 10 }, { "launches", 5 }, { "ns", 1000 }, { "threads", 1 }, { "streams", 1 },
	{ "wait", 0 }, { "graph", 0 }, { "sleep_us", 0 }, { "cost", 0 }, { "child", 0 },
	{ "late", 0 }, { "again", 0 }, { "capture", 0 }, { "destroy", 0 }, { "apart", 0 },
	{ "fork", 0 }, { "trace", 0 },
};

enum { MAX_STREAMS = 100 };

static bool per_thread;
static CUcontext context;
static CUfunction kernel;

static unsigned long get(const char *key)
{
	for (size_t i = 0; i < sizeof(option) / sizeof(option[0]); i++)
		if (!strcmp(option[i].key, key))
			return option[i].value;
	abort();
}

static void check(CUresult res, const char *what)
{
	if (!res)
		return;
	fprintf(stderr, "%s: error %d\n", what, res);
	exit(1);
}
#define OK(call, ...) check(cu.call(__VA_ARGS__), #call)

static void *driver(void)
{
	void *lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);

	if (lib)
		return lib;
	fprintf(stderr, "%s\n", dlerror());
	exit(1);
}

static void by_address(uint64_t flags)
{
	CUresult (*address)(const char *name, void **out, int version, uint64_t flags,
			    int *status);

	address = (typeof(address))dlsym(driver(), "cuGetProcAddress_v2");
	for (int i = 0; i < NCALLS; i++)
		check(address(calls[i].asked, calls[i].at, 12040, flags, NULL), calls[i].asked);
}

static void find(const char *way)
{
	per_thread = !strcmp(way, "thread");
	if (per_thread)
		by_address(CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM);
	else if (!strcmp(way, "address"))
		by_address(CU_GET_PROC_ADDRESS_DEFAULT);
	for (int i = 0; i < NCALLS && !strcmp(way, "link"); i++)
		*calls[i].at = calls[i].linked;
	for (int i = 0; i < NCALLS && !strcmp(way, "dlsym"); i++)
		*calls[i].at = dlsym(driver(), calls[i].exported);
}

static void launch(CUstream s, uint64_t *done_at)
{
	uint64_t ns = get("ns");
	CUdeviceptr out = (uintptr_t)done_at;
	void *params[] = { &ns, &out };

	OK(cuLaunchKernel, kernel, 1, 1, 1, 1, 1, 1, 0, s, params, NULL);
}

static void wait_for(CUstream *s, unsigned int n, CUevent event)
{
	for (unsigned int i = 0; i < n; i++) {
		switch (get("wait")) {
		case 0:
			OK(cuStreamSynchronize, s[i]);
			break;
		case 1:
			OK(cuEventRecord, event, s[i]);
			OK(cuEventSynchronize, event);
			break;
		case 2:
			while (cu.cuStreamQuery(s[i]) == CUDA_ERROR_NOT_READY)
				;
			break;
		case 3:
			OK(cuCtxSynchronize);
			return;
		}
	}
}

/* A round whose work is another thread's, which lives until it has been waited for. */
static sem_t launched, waited;

static void *launch_once(void *done_at)
{
	OK(cuCtxSetCurrent, context);
	launch(NULL, done_at);
	sem_post(&launched);
	sem_wait(&waited);
	return NULL;
}

static void round_apart(uint64_t *done_at)
{
	pthread_t thread;

	sem_init(&launched, 0, 0);
	sem_init(&waited, 0, 0);
	pthread_create(&thread, NULL, launch_once, done_at);
	sem_wait(&launched);
	OK(cuCtxSynchronize);
	sem_post(&waited);
	pthread_join(thread, NULL);
}

static CUgraphExec capture(CUstream s, uint64_t *done_at)
{
	CUgraph graph;
	CUgraphExec exec;

	OK(cuStreamBeginCapture, s, CU_STREAM_CAPTURE_MODE_GLOBAL);
	for (unsigned long i = 0; i < get("launches"); i++)
		launch(s, done_at);
	OK(cuStreamEndCapture, s, &graph);
	OK(cuGraphInstantiateWithFlags, &exec, graph, 0);
	return exec;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void *work(void *arg)
{
	unsigned int n = get("streams");
	CUstream s[MAX_STREAMS] = { NULL };
	CUgraphExec graph = NULL;
	uint64_t *done_at, spent = 0, then, first = 0;
	CUevent event;

	OK(cuCtxSetCurrent, context);
	OK(cuMemHostAlloc, (void **)&done_at, sizeof(*done_at), 0);
	OK(cuEventCreate, &event, CU_EVENT_DISABLE_TIMING);
	for (unsigned int i = 0; i < n && !per_thread; i++)
		OK(cuStreamCreate, &s[i], CU_STREAM_NON_BLOCKING);
	if (get("graph"))
		graph = capture(s[0], done_at);
	for (unsigned long t = 0; t < get("tokens"); t++) {
		then = now_ns();
		if (get("apart")) {
			round_apart(done_at);
			continue;
		}
		for (unsigned long i = 0; i < get("launches") && !graph; i++) {
			launch(s[i % n], done_at);
			if (!i && get("trace"))
				first = now_ns();
		}
		spent += now_ns() - then;
		if (graph)
			OK(cuGraphLaunch, graph, s[0]);
		if (get("destroy")) {
			OK(cuStreamDestroy, s[0]);
			OK(cuStreamCreate, &s[0], CU_STREAM_NON_BLOCKING);
			continue;
		}
		wait_for(s, n, event);
		if (get("trace"))
			printf("%llu %llu\n", (unsigned long long)first,
			       (unsigned long long)*done_at);
		usleep(get("sleep_us"));
	}
	if (get("cost"))
		printf("%.1f ns\n", (double)spent / get("tokens") / get("launches"));
	for (unsigned int i = 0; i < n && !per_thread; i++)
		OK(cuStreamDestroy, s[i]);
	return arg;
}

static _Atomic int over;

static void *capture_all_the_time(void *arg)
{
	uint64_t *done_at;
	CUstream s;

	OK(cuCtxSetCurrent, context);
	OK(cuMemHostAlloc, (void **)&done_at, sizeof(*done_at), 0);
	OK(cuStreamCreate, &s, CU_STREAM_NON_BLOCKING);
	while (!over)
		capture(s, done_at);
	return arg;
}

/* The emulated driver has no context in a child. */
static void launch_late(void)
{
	uint64_t ns = 1, done_at = 0;
	CUdeviceptr out = (uintptr_t)&done_at;
	void *params[] = { &ns, &out };
	int err;

	if (!fork()) {
		err = cu.cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL);
		printf("late %d\n", err);
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
}

static void fork_beside(void)
{
	pid_t pid;

	usleep(300000);
	pid = fork();
	if (!pid)
		_exit(0);
	if (pid > 0 && waitpid(pid, NULL, 0) == pid)
		puts("forked");
	fflush(stdout);
}

static void all(void)
{
	static const char ptx[] = ".version 6.3\n.target sm_75\n.address_size 64\n"
		".visible .entry spin_ns(.param .u64 ns, .param .u64 done_at) { ret; }\n";
	pthread_t thread[64], capturer;
	CUmodule module;
	CUdevice dev;

	OK(cuInit, 0);
	OK(cuDeviceGet, &dev, 0);
	OK(cuCtxCreate, &context, 0, dev);
	OK(cuModuleLoadData, &module, ptx);
	OK(cuModuleGetFunction, &kernel, module, "spin_ns");
	if (get("capture"))
		pthread_create(&capturer, NULL, capture_all_the_time, NULL);
	for (unsigned long i = 0; i < get("threads"); i++)
		pthread_create(&thread[i], NULL, work, NULL);
	if (get("fork"))
		fork_beside();
	for (unsigned long i = 0; i < get("threads"); i++)
		pthread_join(thread[i], NULL);
	over = 1;
	if (get("capture"))
		pthread_join(capturer, NULL);
	if (get("late"))
		launch_late();
	OK(cuCtxDestroy, context);
}

static void set(char *arg)
{
	char *value = strchr(arg, '=');

	for (size_t i = 0; value && i < sizeof(option) / sizeof(option[0]); i++)
		if (!strncmp(option[i].key, arg, value - arg) && !option[i].key[value - arg]) {
			option[i].value = strtoul(value + 1, NULL, 10);
			return;
		}
	fprintf(stderr, "app: what is %s?\n", arg);
	exit(2);
}

int main(int argc, char **argv)
{
	int status = 0;

	if (argc < 2)
		return 2;
	for (int i = 2; i < argc; i++)
		set(argv[i]);
	find(argv[1]);
	if (get("child") && !fork()) {
		all();
		puts("child done");
		return 0;
	}
	if (get("child"))
		wait(&status);
	all();
	if (get("again"))
		execl("/proc/self/exe", argv[0], argv[1], NULL);
	puts("done");
	return status != 0;
}
