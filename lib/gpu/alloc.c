// SPDX-License-Identifier: LGPL-2.1-only
/* The replaced functions that allocate memory and free it. */
#include "lib/gpu/gpu.h"
#include "lib/gpu/memory.h"

#define EXPORT __attribute__((visibility("default")))
#define REAL(name) ((typeof(name) *)gpu_real(CALL_##name))

/* So often one is tried that turned out to be given twice. */
enum { TRIES = 4 };

/* -- allocated ------------------------------------------------------------------ */

static CUresult done(enum gpu_memory_kind kind, size_t n, CUresult res, uint64_t key)
{
	gpu_memory_end(kind, n, res == CUDA_SUCCESS ? key : 0);
	return res;
}

static CUresult alloc_once(cu_alloc_fn *fn, CUdeviceptr *out, size_t n)
{
	CUresult res;

	if (!gpu_memory_begin(GPU_MEMORY_DEVICE, n, NULL))
		return CUDA_ERROR_OUT_OF_MEMORY;
	res = fn(out, n);
	return done(GPU_MEMORY_DEVICE, n, res, res ? 0 : *out);
}

EXPORT CUresult cuMemAlloc_v2(CUdeviceptr *out, size_t n)
{
	cu_alloc_fn *fn = REAL(cuMemAlloc_v2);
	CUdeviceptr p = 0;
	CUresult res;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	for (int i = 0; i < TRIES; i++) {
		res = alloc_once(fn, out ? &p : NULL, n);
		if (res)
			return res;
		if (!gpu_memory_is_overdrawn(GPU_MEMORY_DEVICE, n) || cuMemFree_v2(p)) {
			*out = p;
			return res;
		}
		gpu_memory_step_back(i);
	}
	gpu_memory_refuse(n);
	return CUDA_ERROR_OUT_OF_MEMORY;
}

/* Rows are made longer by as much as suits the device, which is not foreseen. */
EXPORT CUresult cuMemAllocPitch_v2(CUdeviceptr *out, size_t *pitch, size_t width, size_t height,
				   unsigned int element)
{
	cu_pitch_fn *fn = REAL(cuMemAllocPitch_v2);
	CUresult res;
	size_t n;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	if (__builtin_mul_overflow(width, height, &n) ||
	    !gpu_memory_begin(GPU_MEMORY_DEVICE, n, NULL))
		return CUDA_ERROR_OUT_OF_MEMORY;
	res = fn(out, pitch, width, height, element);
	return done(GPU_MEMORY_DEVICE, n, res, res ? 0 : *out);
}

EXPORT CUresult cuMemAllocManaged(CUdeviceptr *out, size_t n, unsigned int flags)
{
	cu_managed_fn *fn = REAL(cuMemAllocManaged);
	CUresult res;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	if (!gpu_memory_begin(GPU_MEMORY_MANAGED, n, NULL))
		return CUDA_ERROR_OUT_OF_MEMORY;
	res = fn(out, n, flags);
	return done(GPU_MEMORY_MANAGED, n, res, res ? 0 : *out);
}

/* Then nothing is had yet: the graph has it whenever it is launched. */
static bool is_captured(enum gpu_call call, CUstream s)
{
	cu_capturing_fn *fn = gpu_real(call);
	int status = 0;

	return fn && fn(s, &status) == CUDA_SUCCESS && status;
}

static CUresult alloc_async(cu_async_fn *fn, enum gpu_call capturing, CUdeviceptr *out, size_t n,
			    CUstream s)
{
	CUresult res;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	if (is_captured(capturing, s))
		return fn(out, n, s);
	if (!gpu_memory_begin(GPU_MEMORY_POOLED, n, NULL))
		return CUDA_ERROR_OUT_OF_MEMORY;
	res = fn(out, n, s);
	return done(GPU_MEMORY_POOLED, n, res, res ? 0 : *out);
}

EXPORT CUresult cuMemAllocAsync(CUdeviceptr *out, size_t n, CUstream s)
{
	return alloc_async(REAL(cuMemAllocAsync), CALL_cuStreamIsCapturing, out, n, s);
}

EXPORT CUresult cuMemAllocAsync_ptsz(CUdeviceptr *out, size_t n, CUstream s)
{
	return alloc_async(REAL(cuMemAllocAsync_ptsz), CALL_cuStreamIsCapturing_ptsz, out, n, s);
}

static CUresult from_pool(cu_from_pool_fn *fn, enum gpu_call capturing, CUdeviceptr *out,
			  size_t n, CUmemoryPool pool, CUstream s)
{
	CUresult res;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	if (is_captured(capturing, s))
		return fn(out, n, pool, s);
	if (!gpu_memory_begin(GPU_MEMORY_POOLED, n, pool))
		return CUDA_ERROR_OUT_OF_MEMORY;
	res = fn(out, n, pool, s);
	return done(GPU_MEMORY_POOLED, n, res, res ? 0 : *out);
}

EXPORT CUresult cuMemAllocFromPoolAsync(CUdeviceptr *out, size_t n, CUmemoryPool pool, CUstream s)
{
	return from_pool(REAL(cuMemAllocFromPoolAsync), CALL_cuStreamIsCapturing, out, n, pool, s);
}

EXPORT CUresult cuMemAllocFromPoolAsync_ptsz(CUdeviceptr *out, size_t n, CUmemoryPool pool,
					     CUstream s)
{
	return from_pool(REAL(cuMemAllocFromPoolAsync_ptsz), CALL_cuStreamIsCapturing_ptsz, out, n,
			 pool, s);
}

/* Of the host where it says so. */
EXPORT CUresult cuMemCreate(uint64_t *handle, size_t n, const struct cu_memory_prop *prop,
			    unsigned long long flags)
{
	enum gpu_memory_kind kind = GPU_MEMORY_DEVICE;
	cu_create_memory_fn *fn = REAL(cuMemCreate);
	CUresult res;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	if (prop && prop->location_type != CU_MEM_LOCATION_TYPE_DEVICE)
		kind = GPU_MEMORY_HOST;
	if (!gpu_memory_begin(kind, n, NULL))
		return CUDA_ERROR_OUT_OF_MEMORY;
	res = fn(handle, n, prop, flags);
	return done(kind, n, res, res ? 0 : *handle | GPU_KEY_HANDLE);
}

EXPORT CUresult cuMemHostAlloc(void **out, size_t n, unsigned int flags)
{
	cu_host_alloc_fn *fn = REAL(cuMemHostAlloc);

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	return gpu_memory_begin(GPU_MEMORY_HOST, n, NULL) ? fn(out, n, flags) :
							 CUDA_ERROR_OUT_OF_MEMORY;
}

EXPORT CUresult cuMemAllocHost_v2(void **out, size_t n)
{
	cu_alloc_host_fn *fn = REAL(cuMemAllocHost_v2);

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	return gpu_memory_begin(GPU_MEMORY_HOST, n, NULL) ? fn(out, n) : CUDA_ERROR_OUT_OF_MEMORY;
}

/* -- freed ------------------------------------------------------------------------ */

static CUresult freed(CUresult res, uint64_t key, size_t n)
{
	if (!n)
		return res;
	if (res == CUDA_SUCCESS)
		gpu_own_free(n);
	else
		gpu_own_end(n, key);
	return res;
}

EXPORT CUresult cuMemFree_v2(CUdeviceptr p)
{
	cu_free_fn *fn = REAL(cuMemFree_v2);
	size_t n;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	n = gpu_own_forget(p);
	return freed(fn(p), p, n);
}

static CUresult free_async(cu_free_async_fn *fn, CUdeviceptr p, CUstream s)
{
	size_t n;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	n = gpu_own_forget(p);
	return freed(fn(p, s), p, n);
}

EXPORT CUresult cuMemFreeAsync(CUdeviceptr p, CUstream s)
{
	return free_async(REAL(cuMemFreeAsync), p, s);
}

EXPORT CUresult cuMemFreeAsync_ptsz(CUdeviceptr p, CUstream s)
{
	return free_async(REAL(cuMemFreeAsync_ptsz), p, s);
}

/* What is still mapped stays until it is not, and is no longer counted. */
EXPORT CUresult cuMemRelease(uint64_t handle)
{
	cu_release_fn *fn = REAL(cuMemRelease);
	size_t n;

	if (!fn)
		return CUDA_ERROR_NOT_INITIALIZED;
	n = gpu_own_forget(handle | GPU_KEY_HANDLE);
	return freed(fn(handle), handle | GPU_KEY_HANDLE, n);
}
