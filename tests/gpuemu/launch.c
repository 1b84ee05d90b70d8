// SPDX-License-Identifier: GPL-2.0-only
/*
 * Modules and launches. A module is PTX text, of which only the names of the
 * entries are read. The kernel spin_ns(u64 ns, u64 *done_at) occupies the device
 * for ns; any other occupies it for GPUEMU_KERNEL_NS (10 us).
 */
#include "emu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* the longest kernel the device lets run, like a display watchdog */
#define MAX_KERNEL_NS	10000000000ULL

/* the identifier at p, cut to what fits; returns what follows it */
static const char *read_name(const char *p, char *name)
{
	static const char chars[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$";
	size_t len;

	p += strspn(p, " \t\r\n");
	len = strspn(p, chars);
	snprintf(name, EMU_NAME, "%.*s", (int)len, p);
	return p + len;
}

static CUresult module_load(CUmodule *out, const void *image)
{
	CUresult res = emu_ready();
	const char *p = image;
	struct cu_module *m;

	if (res || !out || !image)
		return res ? res : CUDA_ERROR_INVALID_VALUE;
	if (!strstr(p, ".version"))
		return CUDA_ERROR_INVALID_IMAGE;
	m = calloc(1, sizeof(*m));
	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	while ((p = strstr(p, ".entry")) && m->count < EMU_MAX_ENTRIES)
		p = read_name(p + strlen(".entry"), m->entry[m->count++].name);
	*out = m;
	return CUDA_SUCCESS;
}

EXPORT CUresult cuModuleLoadData(CUmodule *out, const void *image)
{
	return module_load(out, image);
}

EXPORT CUresult cuModuleLoadDataEx(CUmodule *out, const void *image, unsigned int num,
				   int *options, void **values)
{
	return num && (!options || !values) ? CUDA_ERROR_INVALID_VALUE :
					      module_load(out, image);
}

EXPORT CUresult cuModuleUnload(CUmodule m)
{
	free(m);
	return m ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

static CUresult find_entry(CUfunction *out, CUmodule m, const char *name)
{
	int i;

	if (!out || !m || !name)
		return CUDA_ERROR_INVALID_VALUE;
	for (i = 0; i < m->count; i++) {
		if (!strcmp(m->entry[i].name, name)) {
			*out = &m->entry[i];
			return CUDA_SUCCESS;
		}
	}
	return CUDA_ERROR_NOT_FOUND;
}

EXPORT CUresult cuModuleGetFunction(CUfunction *out, CUmodule m, const char *name)
{
	return find_entry(out, m, name);
}

static uint64_t other_kernel_ns(void)
{
	const char *s = getenv("GPUEMU_KERNEL_NS");
	uint64_t ns = s ? strtoull(s, NULL, 10) : 0;

	return ns ? ns : 10000;
}

/* Arguments are read now, as the driver does: the caller may reuse their memory. */
static CUresult describe(struct emu_work *w, CUfunction f, void **params)
{
	if (!f)
		return CUDA_ERROR_INVALID_HANDLE;
	w->done_at = NULL;
	w->ns = 0;
	if (strcmp(f->name, "spin_ns")) {
		w->ns = other_kernel_ns();
		return CUDA_SUCCESS;
	}
	if (!params || !params[0] || !params[1])
		return CUDA_ERROR_INVALID_VALUE;
	w->ns = *(uint64_t *)params[0];
	w->done_at = (uint64_t *)(uintptr_t)*(CUdeviceptr *)params[1];
	return w->ns > MAX_KERNEL_NS ? CUDA_ERROR_LAUNCH_TIMEOUT : CUDA_SUCCESS;
}

static CUresult record(struct cu_stream *s, const struct emu_work *w)
{
	size_t n = s->graph->count;
	struct cu_graph *g = s->graph;

	if (n == EMU_MAX_NODES)
		return CUDA_ERROR_OUT_OF_MEMORY;
	/* grow at powers of two */
	if (!(n & (n - 1)) || !n) {
		g = realloc(g, sizeof(*g) + (n ? 2 * n : 1) * sizeof(g->node[0]));
		if (!g)
			return CUDA_ERROR_OUT_OF_MEMORY;
		s->graph = g;
	}
	g->node[g->count++] = *w;
	return CUDA_SUCCESS;
}

/* While the stream is captured nothing runs: the kernel goes into the graph. */
static CUresult launch(CUfunction f, struct cu_stream *s, void **params)
{
	CUresult res = emu_ready();
	struct emu_work w;
	uint64_t end;

	if (!res)
		res = describe(&w, f, params);
	if (res)
		return res;
	if (s->capturing)
		return record(s, &w);
	end = emu_reserve(w.ns, 1);
	if (w.done_at)
		*w.done_at = end;
	emu_stream_submit(s, end);
	return CUDA_SUCCESS;
}

#define GRID unsigned int gx, unsigned int gy, unsigned int gz, \
	unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared
#define NO_GRID(gx, gy, gz, bx, by, bz) (!(gx) || !(gy) || !(gz) || !(bx) || !(by) || !(bz))

EXPORT CUresult cuLaunchKernel(CUfunction f, GRID, CUstream s, void **params, void **extra)
{
	if (NO_GRID(gx, gy, gz, bx, by, bz) || extra || shared > 1 << 20)
		return CUDA_ERROR_INVALID_VALUE;
	return launch(f, emu_stream(s, 0), params);
}

EXPORT CUresult cuLaunchKernel_ptsz(CUfunction f, GRID, CUstream s, void **params, void **extra)
{
	if (NO_GRID(gx, gy, gz, bx, by, bz) || extra || shared > 1 << 20)
		return CUDA_ERROR_INVALID_VALUE;
	return launch(f, emu_stream(s, 1), params);
}

EXPORT CUresult cuLaunchCooperativeKernel(CUfunction f, GRID, CUstream s, void **params)
{
	if (NO_GRID(gx, gy, gz, bx, by, bz) || shared > 1 << 20)
		return CUDA_ERROR_INVALID_VALUE;
	return launch(f, emu_stream(s, 0), params);
}

EXPORT CUresult cuLaunchCooperativeKernel_ptsz(CUfunction f, GRID, CUstream s, void **params)
{
	if (NO_GRID(gx, gy, gz, bx, by, bz) || shared > 1 << 20)
		return CUDA_ERROR_INVALID_VALUE;
	return launch(f, emu_stream(s, 1), params);
}

static int bad_config(const CUlaunchConfig *c, void **extra)
{
	return !c || extra || NO_GRID(c->grid_x, c->grid_y, c->grid_z,
				      c->block_x, c->block_y, c->block_z);
}

EXPORT CUresult cuLaunchKernelEx(const CUlaunchConfig *c, CUfunction f, void **params,
				 void **extra)
{
	return bad_config(c, extra) ? CUDA_ERROR_INVALID_VALUE :
				      launch(f, emu_stream(c->stream, 0), params);
}

EXPORT CUresult cuLaunchKernelEx_ptsz(const CUlaunchConfig *c, CUfunction f, void **params,
				      void **extra)
{
	return bad_config(c, extra) ? CUDA_ERROR_INVALID_VALUE :
				      launch(f, emu_stream(c->stream, 1), params);
}
