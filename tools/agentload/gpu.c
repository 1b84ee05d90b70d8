// SPDX-License-Identifier: GPL-2.0-only
/*
 * The GPU by dlopen(): no CUDA headers, no link to a driver, so that agentload
 * builds and starts everywhere and the dynamic linker alone decides between a
 * real GPU and the emulated one.
 */
#include "gpu.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "util.h"

static const char *const wait_names[] = {
	[GPU_WAIT_AUTO] = "auto",   [GPU_WAIT_SPIN] = "spin",	[GPU_WAIT_YIELD] = "yield",
	[GPU_WAIT_BLOCK] = "block", [GPU_WAIT_EVENT] = "event",
};

/* GPU_WAIT_EVENT leaves the context alone: its event asks for the blocking wait */
static const unsigned int wait_flags[] = {
	[GPU_WAIT_AUTO] = CU_CTX_SCHED_AUTO,
	[GPU_WAIT_SPIN] = CU_CTX_SCHED_SPIN,
	[GPU_WAIT_YIELD] = CU_CTX_SCHED_YIELD,
	[GPU_WAIT_BLOCK] = CU_CTX_SCHED_BLOCKING_SYNC,
	[GPU_WAIT_EVENT] = CU_CTX_SCHED_AUTO,
};

/*
 * Occupies one multiprocessor for ns by the GPU's own clock, then says when it
 * ended. On the emulator that clock is CLOCK_MONOTONIC.
 */
static const char ptx[] =
	".version 6.3\n"
	".target sm_75\n"
	".address_size 64\n"
	".visible .entry spin_ns(.param .u64 ns, .param .u64 done_at)\n"
	"{\n"
	"	.reg .pred %p<3>;\n"
	"	.reg .b64 %rd<7>;\n"
	"	ld.param.u64 %rd1, [ns];\n"
	"	ld.param.u64 %rd2, [done_at];\n"
	"	mov.u64 %rd3, %globaltimer;\n"
	"	add.u64 %rd4, %rd3, %rd1;\n"
	"again:\n"
	"	mov.u64 %rd5, %globaltimer;\n"
	"	setp.lt.u64 %p1, %rd5, %rd4;\n"
	"	@%p1 bra again;\n"
	"	setp.eq.u64 %p2, %rd2, 0;\n"
	"	@%p2 bra out;\n"
	"	cvta.to.global.u64 %rd6, %rd2;\n"
	"	st.global.u64 [%rd6], %rd5;\n"
	"out:\n"
	"	ret;\n"
	"}\n";

#define ENTRY(name, ...) CUresult(*name)(__VA_ARGS__)

/* driver entry points; resolved once per process, never unloaded */
static struct {
	ENTRY(init, unsigned int);
	ENTRY(error_name, CUresult, const char **);
	ENTRY(device_get, CUdevice *, int);
	ENTRY(device_name, char *, int, CUdevice);
	ENTRY(set_flags, CUdevice, unsigned int);
	ENTRY(retain, CUcontext *, CUdevice);
	ENTRY(release, CUdevice);
	ENTRY(set_current, CUcontext);
	ENTRY(stream_create, CUstream *, unsigned int);
	ENTRY(stream_destroy, CUstream);
	ENTRY(stream_sync, CUstream);
	ENTRY(event_create, CUevent *, unsigned int);
	ENTRY(event_destroy, CUevent);
	ENTRY(event_record, CUevent, CUstream);
	ENTRY(event_sync, CUevent);
	ENTRY(mem_alloc, CUdeviceptr *, size_t);
	ENTRY(mem_free, CUdeviceptr);
	ENTRY(host_alloc, void **, size_t, unsigned int);
	ENTRY(host_free, void *);
	ENTRY(host_pointer, CUdeviceptr *, void *, unsigned int);
	ENTRY(module_load, CUmodule *, const void *);
	ENTRY(module_unload, CUmodule);
	ENTRY(get_function, CUfunction *, CUmodule, const char *);
	ENTRY(launch, CUfunction, unsigned int, unsigned int, unsigned int, unsigned int,
			   unsigned int, unsigned int, unsigned int, CUstream, void **, void **);
	ENTRY(begin_capture, CUstream, int);
	ENTRY(end_capture, CUstream, CUgraph *);
	ENTRY(instantiate, CUgraphExec *, CUgraph, unsigned long long);
	ENTRY(graph_destroy, CUgraph);
	ENTRY(graph_launch, CUgraphExec, CUstream);
	ENTRY(exec_destroy, CUgraphExec);
} cu;

static const struct {
	void **fn;
	const char *symbol;
} symbols[] = {
	{ (void **)&cu.init, "cuInit" },
	{ (void **)&cu.error_name, "cuGetErrorName" },
	{ (void **)&cu.device_get, "cuDeviceGet" },
	{ (void **)&cu.device_name, "cuDeviceGetName" },
	{ (void **)&cu.set_flags, "cuDevicePrimaryCtxSetFlags_v2" },
	{ (void **)&cu.retain, "cuDevicePrimaryCtxRetain" },
	{ (void **)&cu.release, "cuDevicePrimaryCtxRelease_v2" },
	{ (void **)&cu.set_current, "cuCtxSetCurrent" },
	{ (void **)&cu.stream_create, "cuStreamCreate" },
	{ (void **)&cu.stream_destroy, "cuStreamDestroy_v2" },
	{ (void **)&cu.stream_sync, "cuStreamSynchronize" },
	{ (void **)&cu.event_create, "cuEventCreate" },
	{ (void **)&cu.event_destroy, "cuEventDestroy_v2" },
	{ (void **)&cu.event_record, "cuEventRecord" },
	{ (void **)&cu.event_sync, "cuEventSynchronize" },
	{ (void **)&cu.mem_alloc, "cuMemAlloc_v2" },
	{ (void **)&cu.mem_free, "cuMemFree_v2" },
	{ (void **)&cu.host_alloc, "cuMemHostAlloc" },
	{ (void **)&cu.host_free, "cuMemFreeHost" },
	{ (void **)&cu.host_pointer, "cuMemHostGetDevicePointer_v2" },
	{ (void **)&cu.module_load, "cuModuleLoadData" },
	{ (void **)&cu.module_unload, "cuModuleUnload" },
	{ (void **)&cu.get_function, "cuModuleGetFunction" },
	{ (void **)&cu.launch, "cuLaunchKernel" },
	{ (void **)&cu.begin_capture, "cuStreamBeginCapture_v2" },
	{ (void **)&cu.end_capture, "cuStreamEndCapture" },
	{ (void **)&cu.instantiate, "cuGraphInstantiateWithFlags" },
	{ (void **)&cu.graph_destroy, "cuGraphDestroy" },
	{ (void **)&cu.graph_launch, "cuGraphLaunch" },
	{ (void **)&cu.exec_destroy, "cuGraphExecDestroy" },
};

enum gpu_wait opt_gpu_wait(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wait_names); i++)
		if (!strcmp(name, wait_names[i]))
			return i;
	bad_usage("--wait %s: must be spin, yield, block, event or auto", name);
}

const char *gpu_wait_name(enum gpu_wait wait)
{
	return wait_names[wait];
}

/* Never dlclose()d: a driver keeps threads that run its code. */
static int load_driver(void)
{
	static void *lib;
	size_t i;

	if (lib)
		return 0;
	lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		warn("no libcuda.so.1: install the NVIDIA driver, or use the emulated GPU with "
		     "LD_LIBRARY_PATH=build/gpuemu");
		return -ENODEV;
	}
	for (i = 0; i < ARRAY_SIZE(symbols); i++) {
		*symbols[i].fn = dlsym(lib, symbols[i].symbol);
		if (!*symbols[i].fn) {
			warn("libcuda.so.1 has no %s: a CUDA 12 driver is needed",
			     symbols[i].symbol);
			return -ENOSYS;
		}
	}
	return 0;
}

static int failed(const char *what, CUresult res)
{
	const char *name = NULL;

	if (!res)
		return 0;
	cu.error_name(res, &name);
	warn("GPU: %s: %s", what, name ? name : "unknown error");
	return -EIO;
}

static int open_context(struct gpu *g)
{
	CUdevice dev;
	int err;

	err = failed("cuInit", cu.init(0));
	if (!err)
		err = failed("cuDeviceGet", cu.device_get(&dev, 0));
	if (!err)
		err = failed("cuDeviceGetName", cu.device_name(g->name, sizeof(g->name), dev));
	if (!err)
		err = failed("cuDevicePrimaryCtxSetFlags", cu.set_flags(dev, wait_flags[g->wait]));
	if (!err)
		err = failed("cuDevicePrimaryCtxRetain", cu.retain(&g->ctx, dev));
	if (!err)
		err = failed("cuCtxSetCurrent", cu.set_current(g->ctx));
	/* the double says so in its name, and every report repeats it */
	g->emulated = strcasestr(g->name, "emulat") != NULL;
	return err;
}

static int open_stream(struct gpu *g, uint64_t weight_bytes)
{
	void *host = NULL;
	int err;

	err = failed("cuStreamCreate", cu.stream_create(&g->stream, CU_STREAM_NON_BLOCKING));
	if (!err && g->wait == GPU_WAIT_EVENT)
		err = failed("cuEventCreate",
			     cu.event_create(&g->event, CU_EVENT_BLOCKING_SYNC |
							CU_EVENT_DISABLE_TIMING));
	if (!err)
		err = failed("cuModuleLoadData", cu.module_load(&g->module, ptx));
	if (!err)
		err = failed("cuModuleGetFunction",
			     cu.get_function(&g->spin, g->module, "spin_ns"));
	if (!err)
		err = failed("cuMemHostAlloc", cu.host_alloc(&host, sizeof(uint64_t),
							   CU_MEMHOSTALLOC_DEVICEMAP));
	g->done_at = host;
	if (!err)
		err = failed("cuMemHostGetDevicePointer",
			     cu.host_pointer(&g->done_at_dev, host, 0));
	if (!err && weight_bytes)
		err = failed("cuMemAlloc", cu.mem_alloc(&g->weights, weight_bytes));
	return err;
}

int gpu_open(struct gpu *g, enum gpu_wait wait, uint64_t weight_bytes)
{
	int err;

	memset(g, 0, sizeof(*g));
	g->wait = wait;
	err = load_driver();
	if (err)
		return err;
	err = open_context(g);
	if (!err)
		err = open_stream(g, weight_bytes);
	if (err)
		gpu_close(g);
	return err;
}

void gpu_close(struct gpu *g)
{
	if (g->weights)
		cu.mem_free(g->weights);
	if (g->done_at)
		cu.host_free((void *)g->done_at);
	if (g->module)
		cu.module_unload(g->module);
	if (g->event)
		cu.event_destroy(g->event);
	if (g->stream)
		cu.stream_destroy(g->stream);
	if (g->ctx)
		cu.release(0);
	g->ctx = NULL;
}

/* Only the last kernel of a batch says when it was done: one write, one cache line. */
static CUresult launch_one(struct gpu *g, uint64_t ns, bool last)
{
	CUdeviceptr out = last ? g->done_at_dev : 0;
	void *params[] = { &ns, &out };

	return cu.launch(g->spin, 1, 1, 1, 1, 1, 1, 0, g->stream, params, NULL);
}

int gpu_launch(struct gpu *g, uint64_t ns, unsigned int kernels)
{
	unsigned int i;
	CUresult res = CUDA_SUCCESS;

	for (i = 0; i < kernels && !res; i++) {
		/* the last one takes the remainder */
		bool last = i == kernels - 1;

		res = launch_one(g, last ? ns - ns / kernels * i : ns / kernels, last);
		g->launches++;
	}
	return failed("cuLaunchKernel", res);
}

int gpu_graph_make(struct gpu *g, uint64_t ns, unsigned int kernels, CUgraphExec *out)
{
	uint64_t launches = g->launches;
	CUgraph graph;
	int err;

	err = failed("cuStreamBeginCapture",
		     cu.begin_capture(g->stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
	if (err)
		return err;
	err = gpu_launch(g, ns, kernels);
	g->launches = launches;
	/* the capture must be ended even if a launch failed, or the stream stays unusable */
	if (failed("cuStreamEndCapture", cu.end_capture(g->stream, &graph)))
		return -EIO;
	if (!err)
		err = failed("cuGraphInstantiate", cu.instantiate(out, graph, 0));
	cu.graph_destroy(graph);
	return err;
}

int gpu_graph_launch(struct gpu *g, CUgraphExec x)
{
	g->launches++;
	return failed("cuGraphLaunch", cu.graph_launch(x, g->stream));
}

void gpu_graph_free(struct gpu *g, CUgraphExec x)
{
	(void)g;
	if (x)
		cu.exec_destroy(x);
}

int gpu_sync(struct gpu *g)
{
	CUresult res;

	if (g->wait != GPU_WAIT_EVENT)
		return failed("cuStreamSynchronize", cu.stream_sync(g->stream));
	res = cu.event_record(g->event, g->stream);
	if (!res)
		res = cu.event_sync(g->event);
	return failed("cuEventSynchronize", res);
}
