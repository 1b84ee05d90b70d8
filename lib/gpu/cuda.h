/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * cuda.h - the part of the CUDA driver API that submits work to a GPU or waits
 * for it, and the calls that make or unmake what these work on. Own declarations
 * of a public ABI: the library is the program's, nothing is linked.
 */
#ifndef STARLING_GPU_CUDA_H
#define STARLING_GPU_CUDA_H

#include <stddef.h>
#include <stdint.h>

typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct cu_ctx *CUcontext;
typedef struct cu_function *CUfunction;
typedef struct cu_stream *CUstream;
typedef struct cu_event *CUevent;
typedef struct cu_graph_exec *CUgraphExec;
typedef struct cu_pool *CUmemoryPool;

enum {
	CUDA_SUCCESS = 0,
	CUDA_ERROR_OUT_OF_MEMORY = 2,
	CUDA_ERROR_NOT_INITIALIZED = 3,
	CUDA_ERROR_INVALID_CONTEXT = 201,
	CUDA_ERROR_INVALID_HANDLE = 400,
	CUDA_ERROR_NOT_READY = 600,
};

enum { CU_CTX_SCHED_BLOCKING_SYNC = 4, CU_CTX_SCHED_MASK = 7 };
enum { CU_STREAM_CAPTURE_MODE_RELAXED = 2 };
enum { CU_DEVICE_ATTRIBUTE_INTEGRATED = 18 };
enum { CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT = 5, CU_MEMPOOL_ATTR_USED_MEM_CURRENT = 7 };
enum { CU_MEM_LOCATION_TYPE_DEVICE = 1 };

/* Of CUlaunchConfig: it may have grown at the end. */
struct cu_launch_config {
	unsigned int grid[3];
	unsigned int block[3];
	unsigned int shared_bytes;
	CUstream stream;
};

/* Of CUmemAllocationProp: the part before what is not looked at. */
struct cu_memory_prop {
	int type;
	int handle_types;
	int location_type;
	int location_id;
};

typedef CUresult cu_launch_fn(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
			      unsigned int bx, unsigned int by, unsigned int bz,
			      unsigned int shared, CUstream s, void **params, void **extra);
typedef CUresult cu_cooperative_fn(CUfunction f, unsigned int gx, unsigned int gy,
				   unsigned int gz, unsigned int bx, unsigned int by,
				   unsigned int bz, unsigned int shared, CUstream s,
				   void **params);
typedef CUresult cu_launch_ex_fn(const struct cu_launch_config *c, CUfunction f, void **params,
				 void **extra);
typedef CUresult cu_graph_launch_fn(CUgraphExec g, CUstream s);
typedef CUresult cu_stream_fn(CUstream s);
typedef CUresult cu_event_fn(CUevent e);
typedef CUresult cu_context_fn(CUcontext c);
typedef CUresult cu_out_context_fn(struct cu_ctx **out);
typedef CUresult cu_retain_fn(struct cu_ctx **out, CUdevice d);
typedef CUresult cu_device_fn(CUdevice d);
typedef CUresult cu_none_fn(void);
typedef CUresult cu_init_fn(unsigned int flags);
typedef CUresult cu_to_host_fn(void *to, CUdeviceptr from, size_t n);
typedef CUresult cu_copy_fn(CUdeviceptr to, CUdeviceptr from, size_t n);
typedef CUresult cu_old_launch_fn(CUfunction f);
typedef CUresult cu_grid_async_fn(CUfunction f, int width, int height, CUstream s);
typedef CUresult cu_grid_fn(CUfunction f, int width, int height);
typedef CUresult cu_create_fn(CUstream *out, unsigned int flags);
typedef CUresult cu_create_priority_fn(CUstream *out, unsigned int flags, int priority);
typedef CUresult cu_range_fn(int *least, int *greatest);
typedef CUresult cu_begin_capture_fn(CUstream s, int mode);
typedef CUresult cu_begin_to_graph_fn(CUstream s, void *graph, const void *nodes,
				      const void *edges, size_t n, int mode);
typedef CUresult cu_capturing_fn(CUstream s, int *status);
typedef CUresult cu_capture_mode_fn(int *mode);
typedef CUresult cu_address_fn(const char *name, void **out, int version, uint64_t flags);
typedef CUresult cu_address2_fn(const char *name, void **out, int version, uint64_t flags,
				int *status);
typedef CUresult cu_count_fn(int *n);
typedef CUresult cu_flags_fn(CUdevice d, unsigned int flags);
typedef CUresult cu_attribute_fn(int *value, int attribute, CUdevice d);
typedef CUresult cu_current_fn(int *device);
typedef CUresult cu_alloc_fn(unsigned long long *out, size_t n);
typedef CUresult cu_pitch_fn(unsigned long long *out, size_t *pitch, size_t width,
			     size_t height, unsigned int element);
typedef CUresult cu_managed_fn(unsigned long long *out, size_t n, unsigned int flags);
typedef CUresult cu_async_fn(unsigned long long *out, size_t n, CUstream s);
typedef CUresult cu_from_pool_fn(unsigned long long *out, size_t n, CUmemoryPool pool,
				 CUstream s);
typedef CUresult cu_create_memory_fn(uint64_t *handle, size_t n, const struct cu_memory_prop *prop,
				     unsigned long long flags);
typedef CUresult cu_host_alloc_fn(void **out, size_t n, unsigned int flags);
typedef CUresult cu_alloc_host_fn(void **out, size_t n);
typedef CUresult cu_free_fn(CUdeviceptr p);
typedef CUresult cu_free_async_fn(CUdeviceptr p, CUstream s);
typedef CUresult cu_release_fn(uint64_t handle);
typedef CUresult cu_device_pool_fn(struct cu_pool **out, CUdevice d);
typedef CUresult cu_pool_attribute_fn(CUmemoryPool pool, int attribute, void *value);
typedef CUresult cu_state_fn(CUdevice d, unsigned int *flags, int *active);

/*
 * Those that are replaced, each by a function of the same name in calls.c or alloc.c: the
 * exported names, as programs get them by linking, dlsym() or cuGetProcAddress.
 */
#define GPU_CALLS(X) \
	X(cuInit) \
	X(cuGetProcAddress) \
	X(cuGetProcAddress_v2) \
	X(cuLaunchKernel) \
	X(cuLaunchKernel_ptsz) \
	X(cuLaunchCooperativeKernel) \
	X(cuLaunchCooperativeKernel_ptsz) \
	X(cuLaunchKernelEx) \
	X(cuLaunchKernelEx_ptsz) \
	X(cuGraphLaunch) \
	X(cuGraphLaunch_ptsz) \
	X(cuStreamCreate) \
	X(cuStreamCreateWithPriority) \
	X(cuStreamSynchronize) \
	X(cuStreamSynchronize_ptsz) \
	X(cuStreamQuery) \
	X(cuStreamQuery_ptsz) \
	X(cuEventSynchronize) \
	X(cuEventQuery) \
	X(cuCtxSynchronize) \
	X(cuMemcpyDtoH_v2) \
	X(cuMemcpyDtoH_v2_ptds) \
	X(cuMemcpy) \
	X(cuMemcpy_ptds) \
	X(cuStreamBeginCapture) \
	X(cuStreamBeginCapture_ptsz) \
	X(cuStreamBeginCapture_v2) \
	X(cuStreamBeginCapture_v2_ptsz) \
	X(cuStreamBeginCaptureToGraph) \
	X(cuStreamBeginCaptureToGraph_ptsz) \
	X(cuStreamDestroy_v2) \
	X(cuStreamDestroy) \
	X(cuCtxDestroy_v2) \
	X(cuCtxDestroy) \
	X(cuDevicePrimaryCtxRelease_v2) \
	X(cuDevicePrimaryCtxRelease) \
	X(cuDevicePrimaryCtxReset_v2) \
	X(cuDevicePrimaryCtxReset) \
	X(cuMemAlloc_v2) \
	X(cuMemAllocPitch_v2) \
	X(cuMemAllocManaged) \
	X(cuMemAllocAsync) \
	X(cuMemAllocAsync_ptsz) \
	X(cuMemAllocFromPoolAsync) \
	X(cuMemAllocFromPoolAsync_ptsz) \
	X(cuMemCreate) \
	X(cuMemHostAlloc) \
	X(cuMemAllocHost_v2) \
	X(cuMemFree_v2) \
	X(cuMemFreeAsync) \
	X(cuMemFreeAsync_ptsz) \
	X(cuMemRelease) \
	X(cuLaunch) \
	X(cuLaunchGrid) \
	X(cuLaunchGridAsync)

/* Those that are called beside them. */
#define GPU_USED(X) \
	X(cuCtxGetCurrent) \
	X(cuCtxGetDevice) \
	X(cuCtxGetStreamPriorityRange) \
	X(cuDeviceGetAttribute) \
	X(cuDeviceGetCount) \
	X(cuDeviceGetMemPool) \
	X(cuDevicePrimaryCtxGetState) \
	X(cuDevicePrimaryCtxRetain) \
	X(cuDevicePrimaryCtxSetFlags_v2) \
	X(cuMemPoolGetAttribute) \
	X(cuStreamIsCapturing) \
	X(cuStreamIsCapturing_ptsz) \
	X(cuThreadExchangeStreamCaptureMode)

/* In alloc.c, as the driver has them. */
cu_alloc_fn cuMemAlloc_v2;
cu_pitch_fn cuMemAllocPitch_v2;
cu_managed_fn cuMemAllocManaged;
cu_async_fn cuMemAllocAsync, cuMemAllocAsync_ptsz;
cu_from_pool_fn cuMemAllocFromPoolAsync, cuMemAllocFromPoolAsync_ptsz;
cu_create_memory_fn cuMemCreate;
cu_host_alloc_fn cuMemHostAlloc;
cu_alloc_host_fn cuMemAllocHost_v2;
cu_free_fn cuMemFree_v2;
cu_free_async_fn cuMemFreeAsync, cuMemFreeAsync_ptsz;
cu_release_fn cuMemRelease;

#endif
