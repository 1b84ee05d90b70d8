// SPDX-License-Identifier: GPL-2.0-only
/*
 * Streams and events. The device runs one thing at a time in order of
 * submission, which satisfies every ordering that streams and events can ask
 * for: an event is just the time at which the work before it ends.
 */
#include "emu.h"

#include <stdlib.h>

/* The NULL stream of each kind; they borrow the context of the caller. */
static struct cu_stream legacy;
static _Thread_local struct cu_stream per_thread_stream;

struct cu_stream *emu_stream(CUstream s, int per_thread)
{
	if (s == CU_STREAM_PER_THREAD || (!s && per_thread))
		return &per_thread_stream;
	if (s == CU_STREAM_LEGACY || !s)
		return &legacy;
	return s;
}

static void raise_to(_Atomic uint64_t *v, uint64_t to)
{
	uint64_t was = atomic_load(v);

	while (was < to && !atomic_compare_exchange_weak(v, &was, to))
		;
}

/* Times only grow: an older thread's late update must not take work back. */
void emu_stream_submit(struct cu_stream *s, uint64_t done_at)
{
	struct cu_ctx *ctx = s->ctx ? s->ctx : emu_ctx();

	raise_to(&s->done_at, done_at);
	raise_to(&ctx->done_at, done_at);
}

/* the legacy stream waits for all streams of its context */
static uint64_t stream_end(const struct cu_stream *s)
{
	return s == &legacy ? atomic_load(&emu_ctx()->done_at) :
			      atomic_load(&s->done_at);
}

static CUresult stream_create(CUstream *out, unsigned int flags, int priority)
{
	CUresult res = emu_ready();
	struct cu_stream *s;

	if (res || !out || (flags & ~CU_STREAM_NON_BLOCKING))
		return res ? res : CUDA_ERROR_INVALID_VALUE;
	s = calloc(1, sizeof(*s));
	if (!s)
		return CUDA_ERROR_OUT_OF_MEMORY;
	s->ctx = emu_ctx();
	s->flags = flags;
	/* as the driver does with what is out of range */
	s->priority = priority > EMU_PRIORITY_LEAST ? EMU_PRIORITY_LEAST :
		priority < EMU_PRIORITY_GREATEST ? EMU_PRIORITY_GREATEST : priority;
	*out = s;
	return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamCreate(CUstream *out, unsigned int flags)
{
	return stream_create(out, flags, 0);
}

EXPORT CUresult cuStreamCreateWithPriority(CUstream *out, unsigned int flags, int priority)
{
	return stream_create(out, flags, priority);
}

EXPORT CUresult cuStreamGetPriority(CUstream s, int *priority)
{
	CUresult res = emu_ready();

	if (res || !priority)
		return res ? res : CUDA_ERROR_INVALID_VALUE;
	*priority = emu_stream(s, 0)->priority;
	return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamDestroy_v2(CUstream s)
{
	if (!s || s == CU_STREAM_LEGACY || s == CU_STREAM_PER_THREAD)
		return CUDA_ERROR_INVALID_HANDLE;
	free(s->graph);
	free(s);
	return CUDA_SUCCESS;
}

static CUresult stream_wait(CUstream h, int per_thread)
{
	CUresult res = emu_ready();
	struct cu_stream *s = emu_stream(h, per_thread);
	struct cu_ctx *ctx = s->ctx ? s->ctx : emu_ctx();

	if (res)
		return res;
	if (s->capturing)
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	emu_wait_until(stream_end(s), ctx->flags & CU_CTX_SCHED_MASK);
	return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamSynchronize(CUstream s)
{
	return stream_wait(s, 0);
}

EXPORT CUresult cuStreamSynchronize_ptsz(CUstream s)
{
	return stream_wait(s, 1);
}

static CUresult stream_query(CUstream h, int per_thread)
{
	CUresult res = emu_ready();

	if (!res)
		res = emu_may_ask(emu_stream(h, per_thread));
	if (res)
		return res;
	return gpuemu_now() >= stream_end(emu_stream(h, per_thread)) ?
	       CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

EXPORT CUresult cuStreamQuery(CUstream s)
{
	return stream_query(s, 0);
}

EXPORT CUresult cuStreamQuery_ptsz(CUstream s)
{
	return stream_query(s, 1);
}

static CUresult stream_wait_event(CUstream h, CUevent e, int per_thread)
{
	CUresult res = emu_ready();

	if (res || !e)
		return res ? res : CUDA_ERROR_INVALID_HANDLE;
	if (atomic_load(&e->recorded))
		emu_stream_submit(emu_stream(h, per_thread), atomic_load(&e->done_at));
	return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamWaitEvent(CUstream s, CUevent e, unsigned int flags)
{
	return flags > 1 ? CUDA_ERROR_INVALID_VALUE : stream_wait_event(s, e, 0);
}

EXPORT CUresult cuStreamWaitEvent_ptsz(CUstream s, CUevent e, unsigned int flags)
{
	return flags > 1 ? CUDA_ERROR_INVALID_VALUE : stream_wait_event(s, e, 1);
}

EXPORT CUresult cuEventCreate(CUevent *out, unsigned int flags)
{
	CUresult res = emu_ready();
	struct cu_event *e;

	if (res || !out || (flags & ~CU_EVENT_FLAGS_MASK))
		return res ? res : CUDA_ERROR_INVALID_VALUE;
	e = calloc(1, sizeof(*e));
	if (!e)
		return CUDA_ERROR_OUT_OF_MEMORY;
	e->flags = flags;
	*out = e;
	return CUDA_SUCCESS;
}

EXPORT CUresult cuEventDestroy_v2(CUevent e)
{
	if (!e)
		return CUDA_ERROR_INVALID_HANDLE;
	free(e);
	return CUDA_SUCCESS;
}

/* The event is complete when everything submitted so far is; nothing is queued. */
static CUresult event_record(CUevent e, CUstream h, int per_thread)
{
	CUresult res = emu_ready();

	if (res || !e)
		return res ? res : CUDA_ERROR_INVALID_HANDLE;
	atomic_store(&e->done_at, stream_end(emu_stream(h, per_thread)));
	atomic_store(&e->recorded, 1);
	return CUDA_SUCCESS;
}

EXPORT CUresult cuEventRecord(CUevent e, CUstream s)
{
	return event_record(e, s, 0);
}

EXPORT CUresult cuEventRecord_ptsz(CUevent e, CUstream s)
{
	return event_record(e, s, 1);
}

EXPORT CUresult cuEventQuery(CUevent e)
{
	CUresult res = emu_ready();

	if (res || !e)
		return res ? res : CUDA_ERROR_INVALID_HANDLE;
	return gpuemu_now() >= atomic_load(&e->done_at) ? CUDA_SUCCESS :
							  CUDA_ERROR_NOT_READY;
}

EXPORT CUresult cuEventSynchronize(CUevent e)
{
	CUresult res = emu_ready();
	unsigned int sched;

	if (res || !e)
		return res ? res : CUDA_ERROR_INVALID_HANDLE;
	sched = e->flags & CU_EVENT_BLOCKING_SYNC ? CU_CTX_SCHED_BLOCKING_SYNC :
						    emu_ctx()->flags & CU_CTX_SCHED_MASK;
	/* an event without the flag never blocks, as the documentation has it */
	if (!(e->flags & CU_EVENT_BLOCKING_SYNC) && sched == CU_CTX_SCHED_BLOCKING_SYNC)
		sched = CU_CTX_SCHED_SPIN;
	emu_wait_until(atomic_load(&e->done_at), sched);
	return CUDA_SUCCESS;
}

static CUresult event_elapsed(float *ms, CUevent a, CUevent b)
{
	int64_t d;

	if (!ms || !a || !b)
		return CUDA_ERROR_INVALID_VALUE;
	if (!atomic_load(&a->recorded) || !atomic_load(&b->recorded) ||
	    ((a->flags | b->flags) & CU_EVENT_DISABLE_TIMING))
		return CUDA_ERROR_INVALID_HANDLE;
	if (gpuemu_now() < atomic_load(&b->done_at))
		return CUDA_ERROR_NOT_READY;
	d = atomic_load(&b->done_at) - atomic_load(&a->done_at);
	*ms = d / 1e6f;
	return CUDA_SUCCESS;
}

EXPORT CUresult cuEventElapsedTime(float *ms, CUevent a, CUevent b)
{
	return event_elapsed(ms, a, b);
}

EXPORT CUresult cuEventElapsedTime_v2(float *ms, CUevent a, CUevent b)
{
	return event_elapsed(ms, a, b);
}
