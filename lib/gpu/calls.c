// SPDX-License-Identifier: LGPL-2.1-only
/*
 * The replaced functions. Arguments and results are the driver's; the only thing
 * that a program can see is that a launch may take longer.
 */
#include <stdatomic.h>

#include "lib/gpu/gpu.h"
#include "lib/gpu/memory.h"

#define EXPORT __attribute__((visibility("default")))
/* The function behind ours. */
#define REAL(name) ((typeof(name) *)gpu_real(CALL_##name))

/* Those with a name that ends so take NULL for the thread's own stream. */
enum { LEGACY = false, PER_THREAD = true };

/* -- launches ------------------------------------------------------------------ */

static CUresult launch(cu_launch_fn *fn, bool ptsz, CUfunction f, unsigned int gx,
		       unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by,
		       unsigned int bz, unsigned int shared, CUstream s, void **params,
		       void **extra)
{
	CUresult res;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	gpu_hold_begin();
	res = fn(f, gx, gy, gz, bx, by, bz, shared, s, params, extra);
	gpu_hold_end(gpu_stream_of(s, ptsz), res);
	return res;
}

EXPORT CUresult cuLaunchKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
			       unsigned int bx, unsigned int by, unsigned int bz,
			       unsigned int shared, CUstream s, void **params, void **extra)
{
	return launch(REAL(cuLaunchKernel), LEGACY, f, gx, gy, gz, bx, by, bz, shared, s,
		      params, extra);
}

EXPORT CUresult cuLaunchKernel_ptsz(CUfunction f, unsigned int gx, unsigned int gy,
				    unsigned int gz, unsigned int bx, unsigned int by,
				    unsigned int bz, unsigned int shared, CUstream s,
				    void **params, void **extra)
{
	return launch(REAL(cuLaunchKernel_ptsz), PER_THREAD, f, gx, gy, gz, bx, by, bz, shared,
		      s, params, extra);
}

static CUresult cooperative(cu_cooperative_fn *fn, bool ptsz, CUfunction f, unsigned int gx,
			    unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by,
			    unsigned int bz, unsigned int shared, CUstream s, void **params)
{
	CUresult res;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	gpu_hold_begin();
	res = fn(f, gx, gy, gz, bx, by, bz, shared, s, params);
	gpu_hold_end(gpu_stream_of(s, ptsz), res);
	return res;
}

EXPORT CUresult cuLaunchCooperativeKernel(CUfunction f, unsigned int gx, unsigned int gy,
					  unsigned int gz, unsigned int bx, unsigned int by,
					  unsigned int bz, unsigned int shared, CUstream s,
					  void **params)
{
	return cooperative(REAL(cuLaunchCooperativeKernel), LEGACY, f, gx, gy, gz, bx, by, bz,
			   shared, s, params);
}

EXPORT CUresult cuLaunchCooperativeKernel_ptsz(CUfunction f, unsigned int gx, unsigned int gy,
					       unsigned int gz, unsigned int bx,
					       unsigned int by, unsigned int bz,
					       unsigned int shared, CUstream s, void **params)
{
	return cooperative(REAL(cuLaunchCooperativeKernel_ptsz), PER_THREAD, f, gx, gy, gz,
			   bx, by, bz, shared, s, params);
}

static CUresult launch_ex(cu_launch_ex_fn *fn, bool ptsz, const struct cu_launch_config *c,
			  CUfunction f, void **params, void **extra)
{
	CUresult res;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	gpu_hold_begin();
	res = fn(c, f, params, extra);
	gpu_hold_end(gpu_stream_of(c ? c->stream : NULL, ptsz), res);
	return res;
}

EXPORT CUresult cuLaunchKernelEx(const struct cu_launch_config *c, CUfunction f, void **params,
				 void **extra)
{
	return launch_ex(REAL(cuLaunchKernelEx), LEGACY, c, f, params, extra);
}

EXPORT CUresult cuLaunchKernelEx_ptsz(const struct cu_launch_config *c, CUfunction f,
				      void **params, void **extra)
{
	return launch_ex(REAL(cuLaunchKernelEx_ptsz), PER_THREAD, c, f, params, extra);
}

static CUresult graph_launch(cu_graph_launch_fn *fn, bool ptsz, CUgraphExec g, CUstream s)
{
	CUresult res;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	gpu_hold_begin();
	res = fn(g, s);
	gpu_hold_end(gpu_stream_of(s, ptsz), res);
	return res;
}

EXPORT CUresult cuGraphLaunch(CUgraphExec g, CUstream s)
{
	return graph_launch(REAL(cuGraphLaunch), LEGACY, g, s);
}

EXPORT CUresult cuGraphLaunch_ptsz(CUgraphExec g, CUstream s)
{
	return graph_launch(REAL(cuGraphLaunch_ptsz), PER_THREAD, g, s);
}

/* The first version's: what was asked for before is launched. */
static CUresult launch_grid(cu_grid_fn *fn, CUfunction f, int width, int height)
{
	CUresult res;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	gpu_hold_begin();
	res = fn(f, width, height);
	gpu_hold_end(gpu_stream_of(NULL, LEGACY), res);
	return res;
}

EXPORT CUresult cuLaunch(CUfunction f)
{
	cu_old_launch_fn *fn = REAL(cuLaunch);
	CUresult res;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	gpu_hold_begin();
	res = fn(f);
	gpu_hold_end(gpu_stream_of(NULL, LEGACY), res);
	return res;
}

EXPORT CUresult cuLaunchGrid(CUfunction f, int width, int height)
{
	return launch_grid(REAL(cuLaunchGrid), f, width, height);
}

EXPORT CUresult cuLaunchGridAsync(CUfunction f, int width, int height, CUstream s)
{
	cu_grid_async_fn *fn = REAL(cuLaunchGridAsync);
	CUresult res;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	gpu_hold_begin();
	res = fn(f, width, height, s);
	gpu_hold_end(gpu_stream_of(s, LEGACY), res);
	return res;
}

/* -- waits --------------------------------------------------------------------- */

/*
 * @s: what was waited for. What was launched there before the wait began need not be
 * asked about any more.
 */
static CUresult waited(CUresult res, gpu_stream s, unsigned int launches)
{
	/* After an error, too: it may be that nothing runs any more. */
	if (res != CUDA_ERROR_NOT_READY)
		gpu_hold_offer(res == CUDA_SUCCESS ? s : GPU_NO_STREAM, launches);
	return res;
}

static CUresult wait_stream(cu_stream_fn *fn, bool ptsz, CUstream s)
{
	unsigned int launches = gpu_hold_launches();

	return fn ? waited(fn(s), gpu_stream_of(s, ptsz), launches) : CUDA_ERROR_NOT_INITIALIZED;
}

EXPORT CUresult cuStreamSynchronize(CUstream s)
{
	return wait_stream(REAL(cuStreamSynchronize), LEGACY, s);
}

EXPORT CUresult cuStreamSynchronize_ptsz(CUstream s)
{
	return wait_stream(REAL(cuStreamSynchronize_ptsz), PER_THREAD, s);
}

EXPORT CUresult cuStreamQuery(CUstream s)
{
	return wait_stream(REAL(cuStreamQuery), LEGACY, s);
}

EXPORT CUresult cuStreamQuery_ptsz(CUstream s)
{
	return wait_stream(REAL(cuStreamQuery_ptsz), PER_THREAD, s);
}

static CUresult wait_event(cu_event_fn *fn, CUevent e)
{
	return fn ? waited(fn(e), GPU_NO_STREAM, 0) : CUDA_ERROR_NOT_INITIALIZED;
}

EXPORT CUresult cuEventSynchronize(CUevent e)
{
	return wait_event(REAL(cuEventSynchronize), e);
}

EXPORT CUresult cuEventQuery(CUevent e)
{
	return wait_event(REAL(cuEventQuery), e);
}

EXPORT CUresult cuCtxSynchronize(void)
{
	cu_none_fn *fn = REAL(cuCtxSynchronize);
	unsigned int launches = gpu_hold_launches();

	return fn ? waited(fn(), GPU_ALL_STREAMS, launches) : CUDA_ERROR_NOT_INITIALIZED;
}

static CUresult to_host(cu_to_host_fn *fn, bool ptds, void *to, CUdeviceptr from, size_t n)
{
	unsigned int launches = gpu_hold_launches();

	return fn ? waited(fn(to, from, n), gpu_stream_of(NULL, ptds), launches) :
		    CUDA_ERROR_NOT_INITIALIZED;
}

EXPORT CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t n)
{
	return to_host(REAL(cuMemcpyDtoH_v2), LEGACY, to, from, n);
}

EXPORT CUresult cuMemcpyDtoH_v2_ptds(void *to, CUdeviceptr from, size_t n)
{
	return to_host(REAL(cuMemcpyDtoH_v2_ptds), PER_THREAD, to, from, n);
}

static CUresult copy(cu_copy_fn *fn, bool ptds, CUdeviceptr to, CUdeviceptr from, size_t n)
{
	unsigned int launches = gpu_hold_launches();

	return fn ? waited(fn(to, from, n), gpu_stream_of(NULL, ptds), launches) :
		    CUDA_ERROR_NOT_INITIALIZED;
}

EXPORT CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t n)
{
	return copy(REAL(cuMemcpy), LEGACY, to, from, n);
}

EXPORT CUresult cuMemcpy_ptds(CUdeviceptr to, CUdeviceptr from, size_t n)
{
	return copy(REAL(cuMemcpy_ptds), PER_THREAD, to, from, n);
}

/* -- streams ------------------------------------------------------------------- */

/* What the driver does not take with our priority it gets as the program meant it. */
EXPORT CUresult cuStreamCreateWithPriority(CUstream *out, unsigned int flags, int priority)
{
	cu_create_priority_fn *fn = REAL(cuStreamCreateWithPriority);
	int ours;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	ours = gpu_priority(priority);
	if (ours != priority && fn(out, flags, ours) == CUDA_SUCCESS)
		return CUDA_SUCCESS;
	return fn(out, flags, priority);
}

EXPORT CUresult cuStreamCreate(CUstream *out, unsigned int flags)
{
	cu_create_priority_fn *with = gpu_real(CALL_cuStreamCreateWithPriority);
	cu_create_fn *fn = REAL(cuStreamCreate);
	int ours;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	ours = with ? gpu_priority(0) : 0;
	if (ours && with(out, flags, ours) == CUDA_SUCCESS)
		return CUDA_SUCCESS;
	return fn(out, flags);
}

/* -- captures ------------------------------------------------------------------ */

/* Not between the question whether a stream is captured and that whether it is done. */
static CUresult begin_capture(cu_begin_capture_fn *fn, CUstream s, int mode)
{
	CUresult res;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	gpu_busy_lock();
	res = fn(s, mode);
	gpu_busy_unlock();
	return res;
}

EXPORT CUresult cuStreamBeginCapture_v2(CUstream s, int mode)
{
	return begin_capture(REAL(cuStreamBeginCapture_v2), s, mode);
}

EXPORT CUresult cuStreamBeginCapture_v2_ptsz(CUstream s, int mode)
{
	return begin_capture(REAL(cuStreamBeginCapture_v2_ptsz), s, mode);
}

/* The first version. */
static CUresult begin_global(cu_stream_fn *fn, CUstream s)
{
	CUresult res;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	gpu_busy_lock();
	res = fn(s);
	gpu_busy_unlock();
	return res;
}

EXPORT CUresult cuStreamBeginCapture(CUstream s)
{
	return begin_global(REAL(cuStreamBeginCapture), s);
}

EXPORT CUresult cuStreamBeginCapture_ptsz(CUstream s)
{
	return begin_global(REAL(cuStreamBeginCapture_ptsz), s);
}

static CUresult begin_to_graph(cu_begin_to_graph_fn *fn, CUstream s, void *graph,
			       const void *nodes, const void *edges, size_t n, int mode)
{
	CUresult res;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	gpu_busy_lock();
	res = fn(s, graph, nodes, edges, n, mode);
	gpu_busy_unlock();
	return res;
}

EXPORT CUresult cuStreamBeginCaptureToGraph(CUstream s, void *graph, const void *nodes,
					    const void *edges, size_t n, int mode)
{
	return begin_to_graph(REAL(cuStreamBeginCaptureToGraph), s, graph, nodes, edges, n, mode);
}

EXPORT CUresult cuStreamBeginCaptureToGraph_ptsz(CUstream s, void *graph, const void *nodes,
						 const void *edges, size_t n, int mode)
{
	return begin_to_graph(REAL(cuStreamBeginCaptureToGraph_ptsz), s, graph, nodes, edges, n,
			      mode);
}

/* -- what goes away ------------------------------------------------------------- */

/* A handle must not be asked about any more, before it is none. */
static CUresult stream_destroy(cu_stream_fn *fn, CUstream s)
{
	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	gpu_busy_drop(gpu_stream_of(s, LEGACY));
	return fn(s);
}

EXPORT CUresult cuStreamDestroy_v2(CUstream s)
{
	return stream_destroy(REAL(cuStreamDestroy_v2), s);
}

EXPORT CUresult cuStreamDestroy(CUstream s)
{
	return stream_destroy(REAL(cuStreamDestroy), s);
}

/* What runs there ends with it, and what it has is given back. */
static CUresult context_destroy(cu_context_fn *fn, CUcontext c)
{
	CUresult res;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	gpu_busy_done(GPU_ALL_STREAMS);
	res = fn(c);
	if (res == CUDA_SUCCESS)
		gpu_own_clear(c);
	return waited(res, GPU_NO_STREAM, 0);
}

EXPORT CUresult cuCtxDestroy_v2(CUcontext c)
{
	return context_destroy(REAL(cuCtxDestroy_v2), c);
}

EXPORT CUresult cuCtxDestroy(CUcontext c)
{
	return context_destroy(REAL(cuCtxDestroy), c);
}

/* False, too, where the driver does not say. */
static bool primary_is(CUdevice d, bool there)
{
	cu_state_fn *state = gpu_real(CALL_cuDevicePrimaryCtxGetState);
	unsigned int flags;
	int active;

	return state && state(d, &flags, &active) == CUDA_SUCCESS && !active == !there;
}

/* It has no name but that which who takes it is told. */
static CUcontext primary_of(CUdevice d)
{
	cu_retain_fn *retain = gpu_real(CALL_cuDevicePrimaryCtxRetain);
	cu_device_fn *release = gpu_real(CALL_cuDevicePrimaryCtxRelease_v2);
	CUcontext c;

	if (!retain || !release || !primary_is(d, true) || retain(&c, d) != CUDA_SUCCESS)
		return NULL;
	release(d);
	return c;
}

/* Counted: it may be there afterwards, and so are its streams. */
static CUresult primary_release(cu_device_fn *fn, CUdevice d)
{
	CUcontext c = fn ? primary_of(d) : NULL;
	CUresult res = fn ? fn(d) : CUDA_ERROR_NOT_INITIALIZED;

	if (fn && primary_is(d, false)) {
		gpu_busy_done(GPU_ALL_STREAMS);
		gpu_own_clear(c);
	}
	return waited(res, GPU_NO_STREAM, 0);
}

EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice d)
{
	return primary_release(REAL(cuDevicePrimaryCtxRelease_v2), d);
}

EXPORT CUresult cuDevicePrimaryCtxRelease(CUdevice d)
{
	return primary_release(REAL(cuDevicePrimaryCtxRelease), d);
}

EXPORT CUresult cuDevicePrimaryCtxReset_v2(CUdevice d)
{
	return primary_release(REAL(cuDevicePrimaryCtxReset_v2), d);
}

EXPORT CUresult cuDevicePrimaryCtxReset(CUdevice d)
{
	return primary_release(REAL(cuDevicePrimaryCtxReset), d);
}

/* -- how it begins --------------------------------------------------------------- */

/*
 * Who is not the one that feeds the GPU sleeps while it waits, and leaves the core;
 * what the program has chosen itself stays.
 */
static void block(CUdevice d)
{
	cu_state_fn *state = gpu_real(CALL_cuDevicePrimaryCtxGetState);
	cu_flags_fn *set = gpu_real(CALL_cuDevicePrimaryCtxSetFlags_v2);
	unsigned int flags;
	int active;

	if (state && set && state(d, &flags, &active) == CUDA_SUCCESS &&
	    !(flags & CU_CTX_SCHED_MASK))
		set(d, flags | CU_CTX_SCHED_BLOCKING_SYNC);
}

static void block_all(void)
{
	cu_count_fn *count = gpu_real(CALL_cuDeviceGetCount);
	struct gpu_settings settings;
	int n = 0;

	if (!gpu_settings_read(&settings) || !settings.block || !count || count(&n))
		return;
	for (CUdevice d = 0; d < n; d++)
		block(d);
}

EXPORT CUresult cuInit(unsigned int flags)
{
	static atomic_flag once = ATOMIC_FLAG_INIT;
	cu_init_fn *fn = REAL(cuInit);
	CUresult res = fn ? fn(flags) : CUDA_ERROR_NOT_INITIALIZED;

	if (res == CUDA_SUCCESS && !atomic_flag_test_and_set(&once))
		block_all();
	return res;
}

static CUresult replaced(CUresult res, void **out)
{
	void *ours = res == CUDA_SUCCESS && out ? gpu_ours(*out) : NULL;

	if (ours)
		*out = ours;
	return res;
}

EXPORT CUresult cuGetProcAddress(const char *name, void **out, int version, uint64_t flags)
{
	cu_address_fn *fn = REAL(cuGetProcAddress);

	return fn ? replaced(fn(name, out, version, flags), out) : CUDA_ERROR_NOT_INITIALIZED;
}

EXPORT CUresult cuGetProcAddress_v2(const char *name, void **out, int version, uint64_t flags,
				    int *status)
{
	cu_address2_fn *fn = REAL(cuGetProcAddress_v2);

	return fn ? replaced(fn(name, out, version, flags, status), out) :
		    CUDA_ERROR_NOT_INITIALIZED;
}

const struct gpu_entry gpu_entries[GPU_NCALLS] = {
#define X(fn) { #fn, (void *)fn },
	GPU_CALLS(X)
#undef X
#define X(fn) { #fn, NULL },
	GPU_USED(X)
#undef X
};
