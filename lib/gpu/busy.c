// SPDX-License-Identifier: LGPL-2.1-only
/*
 * Streams that were given work which is perhaps not done yet. There are few at a
 * time. What cannot be found out by asking about streams, because there are too
 * many or one went while it was busy, is known again when a program has waited
 * for its whole context.
 *
 * Streams are taken to be of one context, the program's. A process with several
 * may have the GPU for too short: a default stream is asked about in the context
 * that the asking thread uses.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/gpu/gpu.h"

enum { NSTREAMS = 64 };

/* No handle has these numbers; the driver's own for NULL are 1 and 2. */
static const gpu_stream legacy = 2;
#define LEGACY_HANDLE		((CUstream)1)
#define PER_THREAD_HANDLE	((CUstream)2)

/* Held by who asks the driver about streams and by who is about to destroy one. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic gpu_stream busy[NSTREAMS];
static atomic_bool unknown;

static gpu_stream this_thread(void)
{
	static _Thread_local gpu_stream own __attribute__((tls_model("initial-exec")));

	if (!own)
		own = (gpu_stream)gettid() << 1 | 1;
	return own;
}

gpu_stream gpu_stream_of(CUstream s, bool per_thread)
{
	if (s == PER_THREAD_HANDLE || (!s && per_thread))
		return this_thread();
	return !s || s == LEGACY_HANDLE ? legacy : (gpu_stream)s;
}

void gpu_busy_note(gpu_stream s)
{
	gpu_stream there;

	for (int i = 0; i < NSTREAMS; i++) {
		there = atomic_load_explicit(&busy[i], memory_order_relaxed);
		if (there == s)
			return;
		if (!there && atomic_compare_exchange_strong(&busy[i], &there, s))
			return;
	}
	atomic_store(&unknown, true);
}

/* True: it was there. */
static bool forget(gpu_stream s)
{
	gpu_stream there;
	bool was = false;

	for (int i = 0; i < NSTREAMS; i++) {
		there = s;
		was |= atomic_compare_exchange_strong(&busy[i], &there, 0);
	}
	return was;
}

static void forget_all(void)
{
	for (int i = 0; i < NSTREAMS; i++)
		atomic_store(&busy[i], 0);
	atomic_store(&unknown, false);
}

void gpu_busy_done(gpu_stream s)
{
	pthread_mutex_lock(&lock);
	if (s == GPU_ALL_STREAMS)
		forget_all();
	else
		forget(s);
	pthread_mutex_unlock(&lock);
}

void gpu_busy_lock(void)
{
	pthread_mutex_lock(&lock);
}

void gpu_busy_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

void gpu_busy_in_child(void)
{
	pthread_mutex_init(&lock, NULL);
	forget_all();
}

static bool is_capturing(gpu_stream s, bool own)
{
	cu_capturing_fn *capturing = gpu_real(own ? CALL_cuStreamIsCapturing_ptsz :
						    CALL_cuStreamIsCapturing);
	int status = 0;

	return capturing && (capturing(own || s == legacy ? NULL : (CUstream)s, &status) ||
			     status);
}

/* Another thread's own stream is for that thread to ask about. */
static bool is_done(gpu_stream s)
{
	bool own = s == this_thread();
	cu_stream_fn *query = gpu_real(own ? CALL_cuStreamQuery_ptsz : CALL_cuStreamQuery);
	CUresult res;

	if ((s & 1 && !own) || !query || is_capturing(s, own))
		return false;
	res = query(own || s == legacy ? NULL : (CUstream)s);
	/* After any other error nothing runs there any more. */
	return res != CUDA_ERROR_NOT_READY && res != CUDA_ERROR_INVALID_CONTEXT &&
	       res != CUDA_ERROR_INVALID_HANDLE;
}

/* Nobody will ask any more what its own stream does. */
static bool is_of_the_dead(gpu_stream s)
{
	return s & 1 && syscall(SYS_tgkill, getpid(), (int)(s >> 1), 0) && errno == ESRCH;
}

static bool all_done(void)
{
	gpu_stream s;

	for (int i = 0; i < NSTREAMS; i++) {
		s = atomic_load(&busy[i]);
		if (s && is_of_the_dead(s))
			atomic_store(&unknown, true);
		else if (s && !is_done(s))
			return false;
		atomic_store(&busy[i], 0);
	}
	return !atomic_load(&unknown);
}

/* Else a question would spoil what another thread is capturing. */
static int set_mode(int mode)
{
	cu_capture_mode_fn *exchange = gpu_real(CALL_cuThreadExchangeStreamCaptureMode);

	if (exchange)
		exchange(&mode);
	return mode;
}

bool gpu_busy_is_done(void)
{
	int saved = errno, mode;
	bool all;

	if (atomic_load(&unknown))
		return false;
	pthread_mutex_lock(&lock);
	mode = set_mode(CU_STREAM_CAPTURE_MODE_RELAXED);
	all = all_done();
	set_mode(mode);
	pthread_mutex_unlock(&lock);
	errno = saved;
	return all;
}

void gpu_busy_drop(gpu_stream s)
{
	int mode;

	pthread_mutex_lock(&lock);
	if (forget(s)) {
		mode = set_mode(CU_STREAM_CAPTURE_MODE_RELAXED);
		if (!is_done(s))
			atomic_store(&unknown, true);
		set_mode(mode);
	}
	pthread_mutex_unlock(&lock);
}
