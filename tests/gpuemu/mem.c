// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory. "Device" memory is host memory that is only backed when touched, so
 * a server may allocate its gigabytes of weights. Copies take time on the
 * device; their bytes move at once, which no program that synchronises before
 * it looks can tell from the real order.
 */
#include "emu.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { COPY_BYTES_PER_US = 24000, COPY_FIXED_NS = 1500, MAX_ALLOCS = 65536 };

/* one entry per allocation, in no order; bounded by MAX_ALLOCS */
struct alloc {
	struct alloc *next;
	void *ptr;
	size_t len;
	int host;
	int pooled;
};

/* The one pool keeps what was freed, as far as what it says goes. */
static _Atomic uint64_t pool_has, pool_used;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct alloc *allocs;
static int count;

static CUresult alloc_new(void **out, size_t n, int host)
{
	CUresult res = emu_ready();
	struct alloc *a;

	if (res || !out || !n)
		return res ? res : CUDA_ERROR_INVALID_VALUE;
	a = calloc(1, sizeof(*a));
	if (!a)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&lock);
	if (count >= MAX_ALLOCS || (!host && emu_charge_memory(n)))
		goto err_free;
	a->ptr = mmap(NULL, n, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a->ptr == MAP_FAILED)
		goto err_release;
	a->len = n;
	a->host = host;
	a->next = allocs;
	allocs = a;
	count++;
	*out = a->ptr;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;

err_release:
	if (!host)
		emu_release_memory(n);
err_free:
	pthread_mutex_unlock(&lock);
	free(a);
	return CUDA_ERROR_OUT_OF_MEMORY;
}

/* Freeing NULL is allowed; what is not ours or was freed is an error, not a crash. */
static CUresult alloc_free(void *ptr, int host)
{
	CUresult res = emu_ready();
	struct alloc **pp, *a;

	if (res || !ptr)
		return res;
	pthread_mutex_lock(&lock);
	for (pp = &allocs; *pp && ((*pp)->ptr != ptr || (*pp)->host != host);)
		pp = &(*pp)->next;
	a = *pp;
	if (a) {
		*pp = a->next;
		count--;
		munmap(a->ptr, a->len);
		if (!host)
			emu_release_memory(a->len);
		if (a->pooled)
			pool_used -= a->len;
		free(a);
	}
	pthread_mutex_unlock(&lock);
	return a ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult device_alloc(CUdeviceptr *out, size_t n)
{
	void *p;
	CUresult res = out ? alloc_new(&p, n, 0) : CUDA_ERROR_INVALID_VALUE;

	if (!res)
		*out = (uintptr_t)p;
	return res;
}

EXPORT CUresult cuMemAlloc_v2(CUdeviceptr *out, size_t n)
{
	return device_alloc(out, n);
}

EXPORT CUresult cuMemAllocManaged(CUdeviceptr *out, size_t n, unsigned int flags)
{
	return flags > 4 ? CUDA_ERROR_INVALID_VALUE : device_alloc(out, n);
}

static CUresult pool_alloc(CUdeviceptr *out, size_t n, struct cu_stream *s)
{
	CUresult res = device_alloc(out, n);

	if (res)
		return res;
	pthread_mutex_lock(&lock);
	for (struct alloc *a = allocs; a; a = a->next)
		a->pooled |= a->ptr == (void *)(uintptr_t)*out;
	pool_used += n;
	if (pool_used > pool_has)
		pool_has = pool_used;
	pthread_mutex_unlock(&lock);
	emu_stream_submit(s, emu_reserve(0, 0));
	return CUDA_SUCCESS;
}

EXPORT CUresult cuMemAllocAsync(CUdeviceptr *out, size_t n, CUstream s)
{
	return pool_alloc(out, n, emu_stream(s, 0));
}

EXPORT CUresult cuMemAllocAsync_ptsz(CUdeviceptr *out, size_t n, CUstream s)
{
	return pool_alloc(out, n, emu_stream(s, 1));
}

EXPORT CUresult cuDeviceGetMemPool(CUmemoryPool *out, CUdevice dev)
{
	if (emu_device_number(dev) < 0 || !out)
		return CUDA_ERROR_INVALID_VALUE;
	*out = (CUmemoryPool)&pool_has;
	return CUDA_SUCCESS;
}

EXPORT CUresult cuMemPoolGetAttribute(CUmemoryPool pool, int attr, void *value)
{
	if (pool != (CUmemoryPool)&pool_has || !value ||
	    (attr != CU_MEMPOOL_RESERVED_CURRENT && attr != CU_MEMPOOL_USED_CURRENT))
		return CUDA_ERROR_INVALID_VALUE;
	*(uint64_t *)value = attr == CU_MEMPOOL_USED_CURRENT ? pool_used : pool_has;
	return CUDA_SUCCESS;
}

EXPORT CUresult cuMemAllocFromPoolAsync(CUdeviceptr *out, size_t n, CUmemoryPool pool, CUstream s)
{
	return pool == (CUmemoryPool)&pool_has ? pool_alloc(out, n, emu_stream(s, 0)) :
						 CUDA_ERROR_INVALID_VALUE;
}

EXPORT CUresult cuMemAllocFromPoolAsync_ptsz(CUdeviceptr *out, size_t n, CUmemoryPool pool,
					     CUstream s)
{
	return pool == (CUmemoryPool)&pool_has ? pool_alloc(out, n, emu_stream(s, 1)) :
						 CUDA_ERROR_INVALID_VALUE;
}

/* A handle is the address that it would have. */
EXPORT CUresult cuMemCreate(unsigned long long *handle, size_t n, const void *prop,
			    unsigned long long flags)
{
	return !prop || flags ? CUDA_ERROR_INVALID_VALUE : device_alloc(handle, n);
}

EXPORT CUresult cuMemFree_v2(CUdeviceptr ptr)
{
	return alloc_free((void *)(uintptr_t)ptr, 0);
}

EXPORT CUresult cuMemRelease(unsigned long long handle)
{
	return handle ? alloc_free((void *)(uintptr_t)handle, 0) : CUDA_ERROR_INVALID_VALUE;
}

EXPORT CUresult cuMemFreeAsync(CUdeviceptr ptr, CUstream s)
{
	emu_stream(s, 0);
	return alloc_free((void *)(uintptr_t)ptr, 0);
}

EXPORT CUresult cuMemFreeAsync_ptsz(CUdeviceptr ptr, CUstream s)
{
	emu_stream(s, 1);
	return alloc_free((void *)(uintptr_t)ptr, 0);
}

EXPORT CUresult cuMemHostAlloc(void **out, size_t n, unsigned int flags)
{
	return flags > 7 ? CUDA_ERROR_INVALID_VALUE : alloc_new(out, n, 1);
}

EXPORT CUresult cuMemAllocHost_v2(void **out, size_t n)
{
	return alloc_new(out, n, 1);
}

EXPORT CUresult cuMemFreeHost(void *ptr)
{
	return alloc_free(ptr, 1);
}

EXPORT CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *out, void *host, unsigned int flags)
{
	if (!out || !host || flags)
		return CUDA_ERROR_INVALID_VALUE;
	*out = (uintptr_t)host;
	return emu_ready();
}

EXPORT CUresult cuMemGetInfo_v2(size_t *avail, size_t *total)
{
	CUresult res = emu_ready();
	uint64_t all = gpuemu_mem_total(), used;

	if (res || !avail || !total)
		return res ? res : CUDA_ERROR_INVALID_VALUE;
	used = emu_memory_used();
	*total = all;
	*avail = all > used ? all - used : 0;
	return CUDA_SUCCESS;
}

/* the bandwidth of a PCIe 4 link, and what starting a copy costs */
static uint64_t copy_ns(size_t n)
{
	return COPY_FIXED_NS + n * 1000 / COPY_BYTES_PER_US;
}

CUresult emu_copy_async(void *dst, const void *src, size_t n, struct cu_stream *s)
{
	CUresult res = emu_ready();

	if (res || !dst || !src)
		return res ? res : CUDA_ERROR_INVALID_VALUE;
	if (s->capturing)
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	memmove(dst, src, n);
	emu_stream_submit(s, emu_reserve(copy_ns(n), 0));
	return CUDA_SUCCESS;
}

static CUresult copy_sync(void *dst, const void *src, size_t n, struct cu_stream *s)
{
	CUresult res = emu_copy_async(dst, src, n, s);

	if (!res)
		emu_wait_until(atomic_load(&emu_ctx()->done_at),
			       emu_ctx()->flags & CU_CTX_SCHED_MASK);
	return res;
}

#define PTR(x) ((void *)(uintptr_t)(x))

/* each name twice: with the legacy and with the per-thread default stream */
#define SYNC_COPY(name, dst_t, src_t)						\
EXPORT CUresult name(dst_t dst, src_t src, size_t n)				\
{										\
	return copy_sync(PTR(dst), PTR(src), n, emu_stream(NULL, 0));		\
}										\
EXPORT CUresult name##_ptds(dst_t dst, src_t src, size_t n)			\
{										\
	return copy_sync(PTR(dst), PTR(src), n, emu_stream(NULL, 1));		\
}

#define ASYNC_COPY(name, dst_t, src_t)						\
EXPORT CUresult name(dst_t dst, src_t src, size_t n, CUstream s)		\
{										\
	return emu_copy_async(PTR(dst), PTR(src), n, emu_stream(s, 0));		\
}										\
EXPORT CUresult name##_ptsz(dst_t dst, src_t src, size_t n, CUstream s)		\
{										\
	return emu_copy_async(PTR(dst), PTR(src), n, emu_stream(s, 1));		\
}

SYNC_COPY(cuMemcpy, CUdeviceptr, CUdeviceptr)
SYNC_COPY(cuMemcpyHtoD_v2, CUdeviceptr, const void *)
SYNC_COPY(cuMemcpyDtoH_v2, void *, CUdeviceptr)
ASYNC_COPY(cuMemcpyAsync, CUdeviceptr, CUdeviceptr)
ASYNC_COPY(cuMemcpyHtoDAsync_v2, CUdeviceptr, const void *)
ASYNC_COPY(cuMemcpyDtoHAsync_v2, void *, CUdeviceptr)
ASYNC_COPY(cuMemcpyDtoDAsync_v2, CUdeviceptr, CUdeviceptr)

static CUresult set_async(CUdeviceptr dst, unsigned char v, size_t n, struct cu_stream *s)
{
	CUresult res = emu_ready();

	if (res || !dst)
		return res ? res : CUDA_ERROR_INVALID_VALUE;
	memset(PTR(dst), v, n);
	emu_stream_submit(s, emu_reserve(copy_ns(n), 0));
	return CUDA_SUCCESS;
}

EXPORT CUresult cuMemsetD8_v2(CUdeviceptr dst, unsigned char v, size_t n)
{
	return set_async(dst, v, n, emu_stream(NULL, 0));
}

EXPORT CUresult cuMemsetD8Async(CUdeviceptr dst, unsigned char v, size_t n, CUstream s)
{
	return set_async(dst, v, n, emu_stream(s, 0));
}

EXPORT CUresult cuMemsetD8Async_ptsz(CUdeviceptr dst, unsigned char v, size_t n, CUstream s)
{
	return set_async(dst, v, n, emu_stream(s, 1));
}
