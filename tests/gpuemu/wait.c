// SPDX-License-Identifier: GPL-2.0-only
/*
 * The three ways a CUDA program waits for its device, each with the cost that
 * it has there: spinning and yielding burn the CPU until the device is done; a
 * blocking wait sleeps until the completion interrupt, for which a high
 * resolution timer stands in.
 */
#include "emu.h"

#include <errno.h>
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* An interrupt has no timer slack; the 50 us default would look like lateness. */
static void drop_timer_slack(void)
{
	static _Thread_local int done;

	if (!done)
		prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	done = 1;
}

static void wait_block(uint64_t when)
{
	struct timespec ts = {
		.tv_sec = when / 1000000000ULL,
		.tv_nsec = when % 1000000000ULL,
	};

	drop_timer_slack();
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static inline void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* CUDA's own rule for "auto": yield with more contexts than CPUs, else spin. */
static unsigned int resolve_auto(unsigned int sched)
{
	if (sched != CU_CTX_SCHED_AUTO)
		return sched;
	return emu_active_contexts() > sysconf(_SC_NPROCESSORS_ONLN) ?
	       CU_CTX_SCHED_YIELD : CU_CTX_SCHED_SPIN;
}

void emu_wait_until(uint64_t when, unsigned int sched)
{
	atomic_fetch_add_explicit(&emu_device()->waits, 1, memory_order_relaxed);
	if (gpuemu_now() >= when)
		return;
	switch (resolve_auto(sched)) {
	case CU_CTX_SCHED_BLOCKING_SYNC:
		wait_block(when);
		break;
	case CU_CTX_SCHED_YIELD:
		while (gpuemu_now() < when)
			sched_yield();
		break;
	default:
		while (gpuemu_now() < when)
			relax();
	}
}
