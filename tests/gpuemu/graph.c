// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stream capture and graphs. An executable graph is the list of its kernels; a
 * launch reserves the device once for all of them.
 */
#include "emu.h"

#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct cu_stream *global;	/* one that is captured in global mode, or NULL */
static _Thread_local int own_mode;

CUresult emu_may_ask(struct cu_stream *s)
{
	struct cu_stream *hurt = s->capturing ? s : NULL;

	pthread_mutex_lock(&lock);
	if (!hurt && own_mode == CU_STREAM_CAPTURE_MODE_GLOBAL)
		hurt = global;
	if (hurt)
		hurt->capture_broken = 1;
	pthread_mutex_unlock(&lock);
	return hurt ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_SUCCESS;
}

EXPORT CUresult cuThreadExchangeStreamCaptureMode(int *mode)
{
	int old = own_mode;

	if (!mode || *mode < 0 || *mode > CU_STREAM_CAPTURE_MODE_RELAXED)
		return CUDA_ERROR_INVALID_VALUE;
	own_mode = *mode;
	*mode = old;
	return CUDA_SUCCESS;
}

static CUresult begin(CUstream h, int mode, int per_thread)
{
	CUresult res = emu_ready();
	struct cu_stream *s = emu_stream(h, per_thread);

	if (res || mode < 0 || mode > CU_STREAM_CAPTURE_MODE_RELAXED)
		return res ? res : CUDA_ERROR_INVALID_VALUE;
	/* the legacy stream cannot be captured */
	if (s->capturing || (!h && !per_thread) || h == CU_STREAM_LEGACY)
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	s->graph = calloc(1, sizeof(*s->graph));
	if (!s->graph)
		return CUDA_ERROR_OUT_OF_MEMORY;
	s->capturing = 1;
	s->capture_mode = mode;
	s->capture_broken = 0;
	pthread_mutex_lock(&lock);
	if (mode == CU_STREAM_CAPTURE_MODE_GLOBAL)
		global = s;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamBeginCapture_v2(CUstream s, int mode)
{
	return begin(s, mode, 0);
}

EXPORT CUresult cuStreamBeginCapture_v2_ptsz(CUstream s, int mode)
{
	return begin(s, mode, 1);
}

static CUresult end(CUstream h, CUgraph *out, int per_thread)
{
	struct cu_stream *s = emu_stream(h, per_thread);

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!s->capturing)
		return CUDA_ERROR_ILLEGAL_STATE;
	pthread_mutex_lock(&lock);
	if (global == s)
		global = NULL;
	pthread_mutex_unlock(&lock);
	if (s->capture_broken)
		free(s->graph);
	*out = s->capture_broken ? NULL : s->graph;
	s->graph = NULL;
	s->capturing = 0;
	return s->capture_broken ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
}

EXPORT CUresult cuStreamEndCapture(CUstream s, CUgraph *out)
{
	return end(s, out, 0);
}

EXPORT CUresult cuStreamEndCapture_ptsz(CUstream s, CUgraph *out)
{
	return end(s, out, 1);
}

EXPORT CUresult cuStreamIsCapturing(CUstream s, int *status)
{
	*status = emu_stream(s, 0)->capturing;
	return emu_ready();
}

EXPORT CUresult cuStreamIsCapturing_ptsz(CUstream s, int *status)
{
	*status = emu_stream(s, 1)->capturing;
	return emu_ready();
}

static CUresult instantiate(CUgraphExec *out, CUgraph g)
{
	struct cu_graph_exec *x;
	size_t i;

	if (!out || !g)
		return CUDA_ERROR_INVALID_VALUE;
	x = malloc(sizeof(*x) + g->count * sizeof(x->node[0]));
	if (!x)
		return CUDA_ERROR_OUT_OF_MEMORY;
	x->count = g->count;
	x->total_ns = 0;
	memcpy(x->node, g->node, g->count * sizeof(x->node[0]));
	for (i = 0; i < g->count; i++)
		x->total_ns += g->node[i].ns;
	*out = x;
	return CUDA_SUCCESS;
}

EXPORT CUresult cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph g,
					    unsigned long long flags)
{
	return flags > 15 ? CUDA_ERROR_INVALID_VALUE : instantiate(out, g);
}

EXPORT CUresult cuGraphInstantiate_v2(CUgraphExec *out, CUgraph g, void **bad_node,
				      char *log, size_t log_len)
{
	if (bad_node)
		*bad_node = NULL;
	if (log && log_len)
		*log = 0;
	return instantiate(out, g);
}

EXPORT CUresult cuGraphDestroy(CUgraph g)
{
	free(g);
	return g ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

EXPORT CUresult cuGraphExecDestroy(CUgraphExec x)
{
	free(x);
	return x ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* Each kernel of the graph gets its own completion time inside the reservation. */
static CUresult graph_launch(CUgraphExec x, struct cu_stream *s)
{
	CUresult res = emu_ready();
	uint64_t at;
	size_t i;

	if (res || !x)
		return res ? res : CUDA_ERROR_INVALID_HANDLE;
	if (s->capturing)
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	at = emu_reserve(x->total_ns, 1);
	atomic_fetch_add(&emu_device()->graph_launches, 1);
	emu_stream_submit(s, at);
	at -= x->total_ns;
	for (i = 0; i < x->count; i++) {
		at += x->node[i].ns;
		if (x->node[i].done_at)
			*x->node[i].done_at = at;
	}
	return CUDA_SUCCESS;
}

EXPORT CUresult cuGraphLaunch(CUgraphExec x, CUstream s)
{
	return graph_launch(x, emu_stream(s, 0));
}

EXPORT CUresult cuGraphLaunch_ptsz(CUgraphExec x, CUstream s)
{
	return graph_launch(x, emu_stream(s, 1));
}
