// SPDX-License-Identifier: GPL-2.0-only
/* Contexts: the primary one, those a program creates, and who is current. */
#include "emu.h"

#include <stdlib.h>

enum { CTX_DEPTH = 16 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct cu_ctx primary = { .primary = 1 };
static int primary_refs;
static _Atomic int active;
static _Thread_local struct cu_ctx *stack[CTX_DEPTH];
static _Thread_local int depth;

struct cu_ctx *emu_ctx(void)
{
	return depth ? stack[depth - 1] : NULL;
}

int emu_active_contexts(void)
{
	return atomic_load(&active);
}

/* at most one of spin, yield and blocking sync */
static int bad_flags(unsigned int flags)
{
	unsigned int sched = flags & CU_CTX_SCHED_MASK;

	return (flags & ~CU_CTX_FLAGS_MASK) || (sched & (sched - 1));
}

static CUresult check_device(CUdevice dev)
{
	if (!emu_device())
		return CUDA_ERROR_NOT_INITIALIZED;
	return emu_device_number(dev) < 0 ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}

EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice dev)
{
	CUresult res = check_device(dev);

	if (res || !out)
		return res ? res : CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	if (!primary_refs++)
		atomic_fetch_add(&active, 1);
	pthread_mutex_unlock(&lock);
	*out = &primary;
	return CUDA_SUCCESS;
}

static CUresult primary_release(CUdevice dev)
{
	CUresult res = check_device(dev);

	if (res)
		return res;
	pthread_mutex_lock(&lock);
	if (!primary_refs)
		res = CUDA_ERROR_INVALID_CONTEXT;
	else if (!--primary_refs)
		atomic_fetch_sub(&active, 1);
	pthread_mutex_unlock(&lock);
	return res;
}

/* Since CUDA 11 allowed while the context is active; takes effect at once. */
static CUresult primary_set_flags(CUdevice dev, unsigned int flags)
{
	CUresult res = check_device(dev);

	if (res || bad_flags(flags))
		return res ? res : CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	primary.flags = flags;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

EXPORT CUresult cuDevicePrimaryCtxRelease(CUdevice dev)
{
	return primary_release(dev);
}

EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice dev)
{
	return primary_release(dev);
}

EXPORT CUresult cuDevicePrimaryCtxSetFlags(CUdevice dev, unsigned int flags)
{
	return primary_set_flags(dev, flags);
}

EXPORT CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned int flags)
{
	return primary_set_flags(dev, flags);
}

EXPORT CUresult cuDevicePrimaryCtxGetState(CUdevice dev, unsigned int *flags, int *is_active)
{
	CUresult res = check_device(dev);

	if (res || !flags || !is_active)
		return res ? res : CUDA_ERROR_INVALID_VALUE;
	*flags = primary.flags;
	*is_active = primary_refs > 0;
	return CUDA_SUCCESS;
}

static CUresult ctx_create(CUcontext *out, unsigned int flags, CUdevice dev)
{
	CUresult res = check_device(dev);
	struct cu_ctx *ctx;

	if (res || !out || bad_flags(flags))
		return res ? res : CUDA_ERROR_INVALID_VALUE;
	if (depth == CTX_DEPTH)
		return CUDA_ERROR_OUT_OF_MEMORY;
	ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		return CUDA_ERROR_OUT_OF_MEMORY;
	ctx->flags = flags;
	atomic_fetch_add(&active, 1);
	stack[depth++] = ctx;
	*out = ctx;
	return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxCreate_v2(CUcontext *out, unsigned int flags, CUdevice dev)
{
	return ctx_create(out, flags, dev);
}

/* v3 and v4 differ in what we do not have: execution affinity, CIG parameters */
EXPORT CUresult cuCtxCreate_v3(CUcontext *out, void *affinity, int count,
			       unsigned int flags, CUdevice dev)
{
	if (affinity && count)
		return CUDA_ERROR_NOT_SUPPORTED;
	return ctx_create(out, flags, dev);
}

EXPORT CUresult cuCtxCreate_v4(CUcontext *out, void *params, unsigned int flags, CUdevice dev)
{
	if (params)
		return CUDA_ERROR_NOT_SUPPORTED;
	return ctx_create(out, flags, dev);
}

EXPORT CUresult cuCtxDestroy_v2(CUcontext ctx)
{
	if (!ctx || ctx->primary)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (emu_ctx() == ctx)
		depth--;
	atomic_fetch_sub(&active, 1);
	free(ctx);
	return CUDA_SUCCESS;
}

/* Replaces the top of the thread's stack; NULL pops it. */
EXPORT CUresult cuCtxSetCurrent(CUcontext ctx)
{
	if (!emu_device())
		return CUDA_ERROR_NOT_INITIALIZED;
	if (!depth)
		depth = 1;
	stack[depth - 1] = ctx;
	if (!ctx)
		depth--;
	return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxGetCurrent(CUcontext *out)
{
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	*out = emu_ctx();
	return emu_device() ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

EXPORT CUresult cuCtxPushCurrent_v2(CUcontext ctx)
{
	if (!ctx || depth == CTX_DEPTH)
		return CUDA_ERROR_INVALID_VALUE;
	stack[depth++] = ctx;
	return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxPopCurrent_v2(CUcontext *out)
{
	if (!depth)
		return CUDA_ERROR_INVALID_CONTEXT;
	depth--;
	if (out)
		*out = stack[depth];
	return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxGetDevice(CUdevice *dev)
{
	CUresult res = emu_ready();

	if (!res && dev)
		*dev = 0;
	return res;
}

EXPORT CUresult cuCtxGetFlags(unsigned int *flags)
{
	CUresult res = emu_ready();

	if (!res && flags)
		*flags = emu_ctx()->flags;
	return res;
}

EXPORT CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest)
{
	CUresult res = emu_ready();

	if (!res && least)
		*least = EMU_PRIORITY_LEAST;
	if (!res && greatest)
		*greatest = EMU_PRIORITY_GREATEST;
	return res;
}

EXPORT CUresult cuCtxSynchronize(void)
{
	CUresult res = emu_ready();
	struct cu_ctx *ctx = emu_ctx();

	if (!res)
		emu_wait_until(atomic_load(&ctx->done_at), ctx->flags & CU_CTX_SCHED_MASK);
	return res;
}
