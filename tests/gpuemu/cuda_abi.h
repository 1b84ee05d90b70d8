/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of the CUDA driver ABI that Starling's workload uses and the
 * emulator provides. Own declarations of a public ABI, so that nothing here
 * needs the CUDA headers; the library itself is found with dlopen().
 */
#ifndef GPUEMU_CUDA_ABI_H
#define GPUEMU_CUDA_ABI_H

#include <stddef.h>
#include <stdint.h>

typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct cu_ctx *CUcontext;
typedef struct cu_module *CUmodule;
typedef struct cu_function *CUfunction;
typedef struct cu_stream *CUstream;
typedef struct cu_event *CUevent;
typedef struct cu_graph *CUgraph;
typedef struct cu_graph_exec *CUgraphExec;
typedef struct cu_pool *CUmemoryPool;

enum {
	CUDA_SUCCESS = 0,
	CUDA_ERROR_INVALID_VALUE = 1,
	CUDA_ERROR_OUT_OF_MEMORY = 2,
	CUDA_ERROR_NOT_INITIALIZED = 3,
	CUDA_ERROR_DEINITIALIZED = 4,
	CUDA_ERROR_NO_DEVICE = 100,
	CUDA_ERROR_INVALID_DEVICE = 101,
	CUDA_ERROR_INVALID_IMAGE = 200,
	CUDA_ERROR_INVALID_CONTEXT = 201,
	CUDA_ERROR_OPERATING_SYSTEM = 304,
	CUDA_ERROR_INVALID_HANDLE = 400,
	CUDA_ERROR_ILLEGAL_STATE = 401,
	CUDA_ERROR_NOT_FOUND = 500,
	CUDA_ERROR_NOT_READY = 600,
	CUDA_ERROR_LAUNCH_TIMEOUT = 702,
	CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE = 708,
	CUDA_ERROR_NOT_SUPPORTED = 801,
	CUDA_ERROR_SYSTEM_DRIVER_MISMATCH = 803,
	CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
	CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901,
	CUDA_ERROR_UNKNOWN = 999,
};

enum {
	CU_CTX_SCHED_AUTO = 0,
	CU_CTX_SCHED_SPIN = 1,
	CU_CTX_SCHED_YIELD = 2,
	CU_CTX_SCHED_BLOCKING_SYNC = 4,
	CU_CTX_SCHED_MASK = 7,
	CU_CTX_FLAGS_MASK = 0xff,
};

enum {
	CU_STREAM_DEFAULT = 0,
	CU_STREAM_NON_BLOCKING = 1,
	CU_EVENT_DEFAULT = 0,
	CU_EVENT_BLOCKING_SYNC = 1,
	CU_EVENT_DISABLE_TIMING = 2,
	CU_EVENT_FLAGS_MASK = 7,
	CU_STREAM_CAPTURE_MODE_GLOBAL = 0,
	CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1,
	CU_STREAM_CAPTURE_MODE_RELAXED = 2,
};

#define CU_MEMHOSTALLOC_DEVICEMAP 2

enum { CU_MEMPOOL_RESERVED_CURRENT = 5, CU_MEMPOOL_USED_CURRENT = 7 };

#define CU_STREAM_LEGACY	((CUstream)0x1)
#define CU_STREAM_PER_THREAD	((CUstream)0x2)

/* cuGetProcAddress: flags and the status it returns beside the pointer */
enum {
	CU_GET_PROC_ADDRESS_DEFAULT = 0,
	CU_GET_PROC_ADDRESS_LEGACY_STREAM = 1,
	CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM = 2,
	CU_GET_PROC_ADDRESS_SUCCESS = 0,
	CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND = 1,
	CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT = 2,
};

enum {
	CU_ATTR_MAX_THREADS_PER_BLOCK = 1,
	CU_ATTR_WARP_SIZE = 10,
	CU_ATTR_CLOCK_RATE = 13,
	CU_ATTR_MULTIPROCESSOR_COUNT = 16,
	CU_ATTR_INTEGRATED = 18,
	CU_ATTR_CAN_MAP_HOST_MEMORY = 19,
	CU_ATTR_CONCURRENT_KERNELS = 31,
	CU_ATTR_PCI_BUS_ID = 33,
	CU_ATTR_PCI_DEVICE_ID = 34,
	CU_ATTR_UNIFIED_ADDRESSING = 41,
	CU_ATTR_PCI_DOMAIN_ID = 50,
	CU_ATTR_COMPUTE_CAPABILITY_MAJOR = 75,
	CU_ATTR_COMPUTE_CAPABILITY_MINOR = 76,
	CU_ATTR_MANAGED_MEMORY = 83,
	CU_ATTR_COMPUTE_PREEMPTION_SUPPORTED = 90,
	CU_ATTR_NUMA_ID = 131,
	CU_ATTR_MPS_ENABLED = 133,
	CU_ATTR_HOST_NUMA_ID = 134,
};

/* argument of cuLaunchKernelEx */
typedef struct {
	unsigned int grid_x, grid_y, grid_z;
	unsigned int block_x, block_y, block_z;
	unsigned int shared_bytes;
	CUstream stream;
	void *attrs;
	unsigned int num_attrs;
} CUlaunchConfig;

typedef struct {
	char bytes[16];
} CUuuid;

#ifdef __LP64__
_Static_assert(offsetof(CUlaunchConfig, stream) == 32, "CUlaunchConfig ABI");
_Static_assert(offsetof(CUlaunchConfig, num_attrs) == 48, "CUlaunchConfig ABI");
#endif

#endif
