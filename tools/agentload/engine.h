/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The engine of the inference server: a queue of requests, continuous batching,
 * one feeder thread that drives the GPU and one output thread that hands tokens
 * to whoever waits for them. A token takes T(b) = t1 * b^0.53 for a batch of b;
 * prefill goes in chunks of 512 tokens, in line with decoding.
 */
#ifndef AGENTLOAD_ENGINE_H
#define AGENTLOAD_ENGINE_H

#include <jansson.h>
#include <pthread.h>
#include <stdint.h>

#include "gpu.h"

enum { ENGINE_MAX_BATCH = 64, ENGINE_MAX_QUEUE = 256, PREFILL_CHUNK = 512 };

struct engine_config {
	enum gpu_wait wait;
	double t1_ms;			/* decode time of a batch of one */
	double prefill_tps;		/* prefill rate, tokens/s */
	double host_us;			/* host work per step, median */
	unsigned int eager;		/* kernels per token, 0: one graph */
	unsigned int max_batch;
	uint64_t seed;
	int timeline;			/* record what the feeder did when */
};

/*
 * Owned by the caller of engine_submit(); the engine holds a pointer until
 * finished is set. published, finished and gpu_ns: protected by the engine's lock.
 */
struct engine_request {
	struct engine_request *next;
	unsigned int prompt, max_tokens;
	unsigned int prefilled, produced, published;
	int cancelled, done, finished;
	uint64_t gpu_ns, queued_at;
	pthread_cond_t wake;
};

struct engine;

struct engine *engine_start(const struct engine_config *cfg);	/* NULL: said why */
/*
 * End the threads; every request is finished then and new ones are refused.
 * Returns why the engine had already ended by itself (with SIGTERM), or 0.
 */
int engine_stop(struct engine *e);
void engine_free(struct engine *e);	/* once no caller is left inside */
/* 0, -EBUSY when the queue is full, -ESHUTDOWN */
int engine_submit(struct engine *e, struct engine_request *rq);
/* wait for more than seen tokens or the end; returns how many there are now */
unsigned int engine_wait(struct engine *e, struct engine_request *rq, unsigned int seen,
			 int *finished);
/* give a request up; returns when the engine has let go of it */
void engine_cancel(struct engine *e, struct engine_request *rq);
const struct gpu *engine_gpu(const struct engine *e);
json_t *engine_stats(struct engine *e);
/* {"spans":[[start_ns,end_ns,"gpu"|"host"|"idle"],...],"lost":n} */
json_t *engine_timeline(struct engine *e);

#endif
