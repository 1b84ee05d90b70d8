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

enum {
	CUDA_SUCCESS = 0,
	CUDA_ERROR_NOT_INITIALIZED = 3,
	CUDA_ERROR_INVALID_CONTEXT = 201,
	CUDA_ERROR_INVALID_HANDLE = 400,
	CUDA_ERROR_NOT_READY = 600,
};

enum { CU_CTX_SCHED_BLOCKING_SYNC = 4, CU_CTX_SCHED_MASK = 7 };
enum { CU_STREAM_CAPTURE_MODE_RELAXED = 2 };

/* Of CUlaunchConfig: it may have grown at the end. */
struct cu_launch_config {
	unsigned int grid[3];
	unsigned int block[3];
	unsigned int shared_bytes;
	CUstream stream;
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
typedef CUresult cu_device_fn(CUdevice d);
typedef CUresult cu_none_fn(void);
typedef CUresult cu_init_fn(unsigned int flags);
typedef CUresult cu_to_host_fn(void *to, CUdeviceptr from, size_t n);
typedef CUresult cu_copy_fn(CUdeviceptr to, CUdeviceptr from, size_t n);
typedef CUresult cu_old_launch_fn(CUfunction f);
typedef CUresult cu_grid_async_fn(CUfunction f, int width, int height, CUstream s);
typedef CUresult cu_grid_fn(CUfunction f, int width, int height);
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
typedef CUresult cu_state_fn(CUdevice d, unsigned int *flags, int *active);

/*
 * Those that are replaced, each by a function of the same name in calls.c: the
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
	X(cuLaunch) \
	X(cuLaunchGrid) \
	X(cuLaunchGridAsync)

/* Those that are called beside them. */
#define GPU_USED(X) \
	X(cuDeviceGetCount) \
	X(cuDevicePrimaryCtxGetState) \
	X(cuDevicePrimaryCtxSetFlags_v2) \
	X(cuStreamIsCapturing) \
	X(cuStreamIsCapturing_ptsz) \
	X(cuThreadExchangeStreamCaptureMode)

#endif
