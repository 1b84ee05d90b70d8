// SPDX-License-Identifier: GPL-2.0-only
/*
 * infer-engine: threads as an engine for models on CPUs has them. Some compute in
 * step, meeting some hundred times a token; others sleep and look up now and then.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "tests/inference/standin.h"

enum { THREADS_MAX = 64, OPERATIONS = 100, ROUNDS_OF_ONE = 16000, IDLE_US = 50000 };

static const char usage[] =
	"usage: infer-engine LIBRARY THREADS SECONDS [IDLE]\n"
	"Compute with THREADS in step beside IDLE threads that sleep, by LIBRARY's\n"
	"ggml_graph_compute(). Prints who they are, at the end how much was computed.\n"
	"SIGUSR1 makes it pause or go on.\n";

struct engine {
	unsigned int threads;
	unsigned int idle;
	pid_t tid[THREADS_MAX];
	atomic_uint born;
	pthread_mutex_t lock;	/* of token */
	pthread_cond_t begins;
	unsigned long token;
	atomic_uint arrived;	/* at the meeting of this number: */
	atomic_ulong meeting;
};

static atomic_bool paused;

static void on_signal(int signo)
{
	(void)signo;
	atomic_store(&paused, !atomic_load(&paused));
}

static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void meet(struct engine *e)
{
	unsigned long now = atomic_load(&e->meeting);

	if (atomic_fetch_add(&e->arrived, 1) + 1 == e->threads) {
		atomic_store(&e->arrived, 0);
		atomic_fetch_add(&e->meeting, 1);
		return;
	}
	while (atomic_load(&e->meeting) == now)
		relax();
}

static void compute(struct engine *e)
{
	volatile double x = 1;

	for (int op = 0; op < OPERATIONS; op++) {
		for (int i = 0; i < ROUNDS_OF_ONE; i++)
			x = x * 1.0000001 + 1e-9;
		meet(e);
	}
}

static void be_born(struct engine *e)
{
	e->tid[atomic_fetch_add(&e->born, 1)] = gettid();
}

static void *work(void *arg)
{
	struct engine *e = arg;
	unsigned long done = 0;

	be_born(e);
	for (;;) {
		pthread_mutex_lock(&e->lock);
		while (e->token == done)
			pthread_cond_wait(&e->begins, &e->lock);
		done = e->token;
		pthread_mutex_unlock(&e->lock);
		compute(e);
	}
	return NULL;
}

static void *sleep_on(void *arg)
{
	be_born(arg);
	for (;;)
		usleep(IDLE_US);
	return NULL;
}

/* What the library calls: one token. */
static void graph(void *arg)
{
	struct engine *e = arg;

	pthread_mutex_lock(&e->lock);
	e->token++;
	pthread_cond_broadcast(&e->begins);
	pthread_mutex_unlock(&e->lock);
	compute(e);
}

/* Computing ones first, so that who is who can be told. */
static int start(struct engine *e)
{
	pthread_t thread;
	int err = 0;

	be_born(e);
	for (unsigned int i = 1; i < e->threads + e->idle && !err; i++) {
		err = pthread_create(&thread, NULL, i < e->threads ? work : sleep_on, e);
		while (!err && atomic_load(&e->born) <= i)
			usleep(100);
	}
	return err;
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void list(const char *name, const pid_t *tid, unsigned int n)
{
	printf("\"%s\": [", name);
	for (unsigned int i = 0; i < n; i++)
		printf("%s%d", i ? ", " : "", tid[i]);
	printf("]");
}

static void run(struct engine *e, standin_call call, double seconds)
{
	double begin = now_s(), busy = 0, at;
	unsigned long tokens = 0;

	while (now_s() - begin < seconds) {
		if (atomic_load(&paused)) {
			usleep(1000);
			continue;
		}
		at = now_s();
		call(e, graph);
		busy += now_s() - at;
		tokens++;
	}
	printf("{\"tokens\": %lu, \"seconds\": %.6f}\n", tokens, busy);
}

int main(int argc, char **argv)
{
	static struct engine e = { .lock = PTHREAD_MUTEX_INITIALIZER,
				   .begins = PTHREAD_COND_INITIALIZER };
	standin_call call;
	void *lib;

	if (argc < 4 || argc > 5) {
		fputs(usage, stderr);
		return 2;
	}
	e.threads = strtoul(argv[2], NULL, 0);
	e.idle = argc > 4 ? strtoul(argv[4], NULL, 0) : 0;
	lib = dlopen(argv[1], RTLD_NOW);
	call = lib ? (standin_call)dlsym(lib, "ggml_graph_compute") : NULL;
	if (!call || !e.threads || e.threads + e.idle > THREADS_MAX || start(&e)) {
		fprintf(stderr, "infer-engine: %s\n", call ? "cannot start" : dlerror());
		return 1;
	}
	signal(SIGUSR1, on_signal);
	printf("{");
	list("compute", e.tid, e.threads);
	printf(", ");
	list("idle", e.tid + e.threads, e.idle);
	printf("}\n");
	fflush(stdout);
	run(&e, call, atof(argv[3]));
	return 0;
}
