// SPDX-License-Identifier: GPL-2.0-only
/*
 * The feeder and its neighbours. Everything between them is one lock and a list
 * of requests; the feeder holds the lock only to choose and to account, never
 * while the GPU works. Its thread does what feeders of real servers do in each
 * step: choose a batch, launch, wait, hand tokens over, prepare the next step.
 */
#include "engine.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spans.h"
#include "stats.h"
#include "util.h"

enum {
	GRAPH_KERNELS = 8,		/* kernels in the graph of a token */
	DETOK_NS = 20000,		/* output thread's CPU per token */
	LAUNCH_NS = 5200,		/* CPU of a launch on a real driver */
};

struct engine {
	struct engine_config cfg;
	struct gpu gpu;
	pthread_t feeder, output;
	pthread_mutex_t lock;
	pthread_cond_t work, tokens, changed;
	/* protected by lock */
	struct engine_request *list;	/* in order of arrival, running ones first */
	unsigned int listed;
	int stopping, ready, fresh_tokens;
	uint64_t arrived_idle;		/* when a request ended an idle phase */
	/* the feeder's own; read by others under lock */
	CUgraphExec graph[ENGINE_MAX_BATCH + 1];
	struct rng rng;
	struct hist late, host, wake;
	struct spans spans;
	uint64_t steps, launches, decoded, prefilled, requests;
	uint64_t gpu_ns, starved_ns, idle_ns, started;
	int tid, err;
};

/* one step of the feeder: what it put on the GPU and for whom */
struct step {
	struct engine_request *prefill, *decode[ENGINE_MAX_BATCH];
	unsigned int chunk, batch;
	uint64_t prefill_ns, decode_ns;
};

/* sub-linear in the batch, as measured on servers that are bound by memory */
static uint64_t decode_ns(const struct engine *e, unsigned int batch)
{
	return e->cfg.t1_ms * 1e6 * pow(batch, 0.53);
}

/* Called with the lock held: drop what was cancelled, then choose. */
static void choose(struct engine *e, struct step *st)
{
	struct engine_request **pp = &e->list, *rq;
	unsigned int running = 0;

	memset(st, 0, sizeof(*st));
	while ((rq = *pp)) {
		if (rq->cancelled) {
			*pp = rq->next;
			e->listed--;
			rq->done = rq->finished = 1;
			pthread_cond_broadcast(&e->changed);
			continue;
		}
		pp = &rq->next;
		if (rq->done || running++ >= e->cfg.max_batch)
			continue;
		if (rq->prefilled >= rq->prompt) {
			st->decode[st->batch++] = rq;
		} else if (!st->prefill) {
			st->prefill = rq;
			st->chunk = rq->prompt - rq->prefilled;
			if (st->chunk > PREFILL_CHUNK)
				st->chunk = PREFILL_CHUNK;
		}
	}
	st->prefill_ns = st->chunk / e->cfg.prefill_tps * 1e9;
	st->decode_ns = st->batch ? decode_ns(e, st->batch) : 0;
}

/*
 * Sleep while the queue is empty. The time from the arrival that ends an idle
 * phase to the feeder running again is starvation like any other.
 */
static int next_step(struct engine *e, struct step *st)
{
	uint64_t t = now_ns(), woken;
	int go_on;

	pthread_mutex_lock(&e->lock);
	choose(e, st);
	while (!e->stopping && !st->batch && !st->prefill) {
		e->arrived_idle = 0;
		pthread_cond_wait(&e->work, &e->lock);
		woken = now_ns();
		choose(e, st);
		if (e->arrived_idle && (st->batch || st->prefill)) {
			hist_add(&e->wake, woken - e->arrived_idle);
			e->starved_ns += woken - e->arrived_idle;
		}
		e->idle_ns += woken - t;
		spans_add(&e->spans, t, woken, "idle");
		t = woken;
	}
	go_on = !e->stopping;
	pthread_mutex_unlock(&e->lock);
	return go_on;
}

/* An emulated launch is far cheaper than a real one: pay the difference. */
static int launch_eager(struct engine *e, uint64_t ns)
{
	unsigned int left = e->cfg.eager, n;
	uint64_t each = ns / left;
	int err = 0;

	if (!e->gpu.emulated)
		return gpu_launch(&e->gpu, ns, left);
	while (left && !err) {
		n = left > 16 ? 16 : left;
		burn_cpu(n * LAUNCH_NS);
		err = gpu_launch(&e->gpu, n * each, n);
		left -= n;
	}
	return err;
}

static int launch_decode(struct engine *e, const struct step *st)
{
	CUgraphExec *g = &e->graph[st->batch];
	int err = 0;

	if (e->cfg.eager)
		return launch_eager(e, st->decode_ns);
	/* one graph per batch size, captured when first needed, as engines do */
	if (!*g)
		err = gpu_graph_make(&e->gpu, st->decode_ns, GRAPH_KERNELS, g);
	return err ? err : gpu_graph_launch(&e->gpu, *g);
}

/* Prefill and decode go to one stream: the GPU does them one after the other. */
static int submit(struct engine *e, const struct step *st)
{
	int err = 0;

	if (st->prefill)
		err = gpu_launch(&e->gpu, st->prefill_ns, GRAPH_KERNELS);
	if (!err && st->batch)
		err = launch_decode(e, st);
	return err;
}

/* Called with the lock held: tokens and shares of GPU time to their owners. */
static void account(struct engine *e, struct step *st)
{
	unsigned int i;

	if (st->prefill) {
		st->prefill->prefilled += st->chunk;
		st->prefill->gpu_ns += st->prefill_ns;
		e->prefilled += st->chunk;
	}
	for (i = 0; i < st->batch; i++) {
		st->decode[i]->gpu_ns += st->decode_ns / st->batch;
		st->decode[i]->produced++;
		st->decode[i]->done = st->decode[i]->produced >= st->decode[i]->max_tokens;
		e->decoded++;
	}
	e->steps++;
	e->launches = e->gpu.launches;
	e->gpu_ns += st->prefill_ns + st->decode_ns;
	if (st->batch) {
		e->fresh_tokens = 1;
		pthread_cond_signal(&e->tokens);
	}
}

/*
 * Tokens are handed over before the host's own work, so that clients are served
 * while the feeder prepares the next step; the GPU is idle until that step is
 * launched, which is why every delay of this thread costs the GPU's time.
 */
static int run_step(struct engine *e, struct step *st)
{
	uint64_t launched = now_ns(), done, at, end, cpu;

	if (submit(e, st) || gpu_sync(&e->gpu))
		return -EIO;
	done = now_ns();
	at = e->gpu.emulated ? *e->gpu.done_at : done;
	cpu = thread_cpu_ns();
	pthread_mutex_lock(&e->lock);
	if (e->gpu.emulated) {
		hist_add(&e->late, done > at ? done - at : 0);
		e->starved_ns += done > at ? done - at : 0;
	}
	account(e, st);
	pthread_mutex_unlock(&e->lock);
	/* sampling, scheduling: the GPU waits for this, so a preemption here starves it */
	burn_cpu(rng_lognormal(&e->rng, e->cfg.host_us * 1000.0, 0.5));
	end = now_ns();
	cpu = thread_cpu_ns() - cpu;
	pthread_mutex_lock(&e->lock);
	hist_add(&e->host, end - done);
	e->starved_ns += end - done > cpu ? end - done - cpu : 0;
	spans_add(&e->spans, launched, done, "gpu");
	spans_add(&e->spans, done, end, "host");
	pthread_mutex_unlock(&e->lock);
	return 0;
}

/*
 * Let go of every request. Only the feeder does this, between two steps, since
 * a step holds pointers to the requests it works for.
 */
static void fail_all(struct engine *e)
{
	struct engine_request *rq;

	pthread_mutex_lock(&e->lock);
	e->stopping = 1;
	for (rq = e->list; rq; rq = rq->next) {
		rq->cancelled = rq->done = rq->finished = 1;
		pthread_cond_broadcast(&rq->wake);
	}
	e->list = NULL;
	e->listed = 0;
	pthread_cond_broadcast(&e->changed);
	pthread_cond_broadcast(&e->tokens);
	pthread_mutex_unlock(&e->lock);
}

static void *feeder_main(void *arg)
{
	struct engine *e = arg;
	struct step st;
	int i;

	pthread_setname_np(pthread_self(), "feeder");
	e->err = gpu_open(&e->gpu, e->cfg.wait, 256 << 20);
	pthread_mutex_lock(&e->lock);
	e->tid = gettid();
	e->ready = 1;
	e->started = now_ns();
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
	if (e->err)
		return NULL;
	while (next_step(e, &st)) {
		e->err = run_step(e, &st);
		if (e->err)
			break;
	}
	/* a server without its GPU has nothing to serve: end it from its main thread */
	if (e->err)
		kill(getpid(), SIGTERM);
	fail_all(e);
	for (i = 0; i <= ENGINE_MAX_BATCH; i++)
		gpu_graph_free(&e->gpu, e->graph[i]);
	gpu_close(&e->gpu);
	return NULL;
}

/* Detokenise and hand over: one wake-up of ours, one of each waiting client. */
static void *output_main(void *arg)
{
	struct engine *e = arg;
	struct engine_request *rq;
	unsigned int fresh;

	pthread_setname_np(pthread_self(), "detokenizer");
	pthread_mutex_lock(&e->lock);
	for (;;) {
		while (!e->stopping && !e->fresh_tokens)
			pthread_cond_wait(&e->tokens, &e->lock);
		if (e->stopping)
			break;
		e->fresh_tokens = 0;
		fresh = 0;
		for (rq = e->list; rq; rq = rq->next)
			fresh += rq->produced - rq->published;
		/* the feeder must not wait for our work: the lock is free meanwhile */
		pthread_mutex_unlock(&e->lock);
		burn_cpu((uint64_t)fresh * DETOK_NS);
		pthread_mutex_lock(&e->lock);
		for (rq = e->list; rq; rq = rq->next) {
			if (rq->published == rq->produced)
				continue;
			rq->published = rq->produced;
			pthread_cond_signal(&rq->wake);
		}
	}
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

static void halt(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	e->stopping = 1;
	pthread_cond_broadcast(&e->work);
	pthread_cond_broadcast(&e->tokens);
	pthread_mutex_unlock(&e->lock);
}

static int start_threads(struct engine *e)
{
	int err = pthread_create(&e->feeder, NULL, feeder_main, e);

	if (err) {
		warn("cannot start the feeder thread: %s", strerror(err));
		return -err;
	}
	pthread_mutex_lock(&e->lock);
	while (!e->ready)
		pthread_cond_wait(&e->changed, &e->lock);
	pthread_mutex_unlock(&e->lock);
	if (!e->err) {
		err = pthread_create(&e->output, NULL, output_main, e);
		if (!err)
			return 0;
		warn("cannot start the output thread: %s", strerror(err));
		halt(e);
	}
	pthread_join(e->feeder, NULL);
	return e->err ? e->err : -err;
}

struct engine *engine_start(const struct engine_config *cfg)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->cfg = *cfg;
	e->spans.on = cfg->timeline;
	rng_seed(&e->rng, cfg->seed);
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->work, NULL);
	pthread_cond_init(&e->tokens, NULL);
	pthread_cond_init(&e->changed, NULL);
	if (start_threads(e)) {
		free(e);
		return NULL;
	}
	return e;
}

int engine_stop(struct engine *e)
{
	halt(e);
	pthread_join(e->feeder, NULL);
	pthread_join(e->output, NULL);
	return e->err;
}

void engine_free(struct engine *e)
{
	spans_free(&e->spans);
	free(e);
}

int engine_submit(struct engine *e, struct engine_request *rq)
{
	struct engine_request **pp;
	int err = 0;

	pthread_cond_init(&rq->wake, NULL);
	pthread_mutex_lock(&e->lock);
	if (e->stopping) {
		err = -ESHUTDOWN;
	} else if (e->listed >= ENGINE_MAX_QUEUE) {
		err = -EBUSY;
	} else {
		for (pp = &e->list; *pp;)
			pp = &(*pp)->next;
		rq->next = NULL;
		*pp = rq;
		rq->queued_at = now_ns();
		if (!e->listed++)
			e->arrived_idle = rq->queued_at;
		e->requests++;
		pthread_cond_signal(&e->work);
	}
	pthread_mutex_unlock(&e->lock);
	return err;
}

/*
 * A request whose last token was published is taken off the list here, by its
 * owner, so that the feeder needs no step to notice.
 */
static void unlink_done(struct engine *e, struct engine_request *rq)
{
	struct engine_request **pp;

	for (pp = &e->list; *pp && *pp != rq;)
		pp = &(*pp)->next;
	if (*pp) {
		*pp = rq->next;
		e->listed--;
	}
	rq->finished = 1;
}

unsigned int engine_wait(struct engine *e, struct engine_request *rq, unsigned int seen,
			 int *finished)
{
	unsigned int n;

	pthread_mutex_lock(&e->lock);
	while (!rq->finished && rq->published <= seen)
		pthread_cond_wait(&rq->wake, &e->lock);
	if (!rq->finished && rq->done && rq->published == rq->produced)
		unlink_done(e, rq);
	n = rq->published;
	*finished = rq->finished;
	pthread_mutex_unlock(&e->lock);
	return n;
}

void engine_cancel(struct engine *e, struct engine_request *rq)
{
	pthread_mutex_lock(&e->lock);
	rq->cancelled = 1;
	pthread_cond_signal(&e->work);
	while (!rq->finished)
		pthread_cond_wait(&e->changed, &e->lock);
	pthread_mutex_unlock(&e->lock);
}

const struct gpu *engine_gpu(const struct engine *e)
{
	return &e->gpu;
}

/* What it ran and what it queued for: together, what it wanted. */
static json_t *feeder_json(const struct engine *e)
{
	uint64_t run, wait;

	if (sched_times(e->tid, &run, &wait))
		return json_null();
	return json_pack("{s:i,s:f,s:f,s:f}", "tid", e->tid, "run_s", run / 1e9,
			 "queued_s", wait / 1e9,
			 "got_share", run + wait ? (double)run / (run + wait) : 1.0);
}

json_t *engine_stats(struct engine *e)
{
	int emu = e->gpu.emulated;
	json_t *j;

	pthread_mutex_lock(&e->lock);
	j = json_pack("{s:s,s:b,s:s,s:I,s:I,s:I,s:I,s:i,s:f,s:f,s:f}",
		"gpu", e->gpu.name, "emulated", emu, "wait", gpu_wait_name(e->cfg.wait),
		"steps", (json_int_t)e->steps, "tokens", (json_int_t)e->decoded,
		"prefill_tokens", (json_int_t)e->prefilled, "requests", (json_int_t)e->requests,
		"queued", e->listed, "uptime_s", (now_ns() - e->started) / 1e9,
		"gpu_busy_s", e->gpu_ns / 1e9, "idle_s", e->idle_ns / 1e9);
	json_object_set_new(j, "launches", json_integer(e->launches));
	json_object_set_new(j, "feeder", feeder_json(e));
	json_object_set_new(j, "host_us", hist_json(&e->host, 0));
	json_object_set_new(j, "wake_us", hist_json(&e->wake, 0));
	json_object_set_new(j, "lateness_us", emu ? hist_json(&e->late, 1) : json_null());
	json_object_set_new(j, "starved_s", emu ? json_real(e->starved_ns / 1e9) : json_null());
	if (emu)
		json_object_set_new(j, "note", json_string("EMULATED GPU"));
	pthread_mutex_unlock(&e->lock);
	return j;
}

json_t *engine_timeline(struct engine *e)
{
	json_t *j;

	pthread_mutex_lock(&e->lock);
	j = json_pack("{s:i,s:o,s:I}", "tid", e->tid, "spans", spans_json(&e->spans),
		      "lost", (json_int_t)e->spans.lost);
	pthread_mutex_unlock(&e->lock);
	return j;
}
