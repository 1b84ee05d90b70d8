/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One GPU stream of this process, through the CUDA driver API found with
 * dlopen("libcuda.so.1"): a real driver or tests/gpuemu, whichever the dynamic
 * linker finds. To be used by one thread, the feeder.
 */
#ifndef AGENTLOAD_GPU_H
#define AGENTLOAD_GPU_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/gpuemu/cuda_abi.h"

enum gpu_wait { GPU_WAIT_AUTO, GPU_WAIT_SPIN, GPU_WAIT_YIELD, GPU_WAIT_BLOCK, GPU_WAIT_EVENT };

struct gpu {
	enum gpu_wait wait;
	bool emulated;
	char name[128];
	CUcontext ctx;
	CUstream stream;
	CUevent event;			/* GPU_WAIT_EVENT only */
	CUmodule module;
	CUfunction spin;
	volatile uint64_t *done_at;	/* host memory the kernel writes to */
	CUdeviceptr done_at_dev;
	CUdeviceptr weights;
	uint64_t launches;
};

/* the value of --wait; another one ends the program with a line */
enum gpu_wait opt_gpu_wait(const char *name);
const char *gpu_wait_name(enum gpu_wait wait);

/* All return 0 or -errno; what failed has then been said on stderr. */
int gpu_open(struct gpu *g, enum gpu_wait wait, uint64_t weight_bytes);
void gpu_close(struct gpu *g);
/* work of ns in all, launched as so many kernels one by one */
int gpu_launch(struct gpu *g, uint64_t ns, unsigned int kernels);
/* the same as an executable graph, to be launched with one call */
int gpu_graph_make(struct gpu *g, uint64_t ns, unsigned int kernels, CUgraphExec *out);
int gpu_graph_launch(struct gpu *g, CUgraphExec x);
void gpu_graph_free(struct gpu *g, CUgraphExec x);
/* wait in the chosen style until all that was launched is complete */
int gpu_sync(struct gpu *g);

#endif
