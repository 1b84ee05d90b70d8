// SPDX-License-Identifier: LGPL-2.1-only
/*
 * The lease of this process. A launch goes through while the gate is open, and
 * counts itself there; whoever wants to shut it finds out that no launch is under
 * way, or waits. Parked, the lease keeps its memory.
 *
 * A program is never worse off than without us. A lease that cannot be had for
 * another reason than that others have the GPU leaves the gate open. And at the end
 * of a turn the gate is shut for a limited time: what the GPU does may wait for
 * what would be launched next.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <starling.h>

#include "lib/gpu/gpu.h"

#define LOOK_NS		1000000ULL	/* a turn that is over goes on while nobody waits */
#define RETRY_NS	1000000000ULL	/* after a lease could not be had */
#define PATIENCE_NS	1000000000ULL	/* with the gate shut, for what is under way */
#define PAUSE_US	50
/* A turn given to somebody who then did not want it, as who waits for memory. */
#define IN_VAIN_NS	50000ULL
#define STRETCH_MAX	32
/* Between two tokens for a person the host does not need as long. */
#define LINGER_NS	1000000ULL
/* So that nobody cancels our waits by chance. */
#define COOKIE		0x677075ULL

#define OPEN		(1U << 31)

/* Held by the one that waits for the GPU, perhaps for long. Taken before @lock. */
static pthread_mutex_t taker = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint gate;		/* OPEN, and launches under way */
static atomic_uint launches;		/* so far */
static atomic_bool offered;		/* somebody found the gate shut */
static _Atomic uint64_t turn_end;	/* CLOCK_MONOTONIC */
/* Launches from within a launch, as tools make them, are let through. */
static _Thread_local unsigned int depth __attribute__((tls_model("initial-exec")));

/* The rest is guarded by @lock; while the gate is shut it is the taker's. */
static struct gpu_settings settings;
static struct starling *device;
static struct starling_agent *agent;
static struct starling_lease *lease;
static bool ready;
static uint32_t class;			/* of the agent, or the lease's own */
static unsigned int stretch = 1;	/* of turns */

/* All is done, and in a moment others may have the GPU. */
static struct {
	pthread_cond_t changed;
	bool there;			/* a thread that looks after it */
	bool waiting;			/* and it has nothing to look after */
	bool on;
	unsigned int launches;
	uint64_t end;
} linger;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* -- the agent ------------------------------------------------------------------- */

/* The agent that we are in, if its descriptor came to us, else one for the lease. */
static int find_agent(void)
{
	struct starling_agent_opts opts = {
		.size = sizeof(opts), .weight = settings.weight, .priority = settings.priority,
	};

	if (settings.agent_fd >= 0 && !starling_agent_from_fd(settings.agent_fd, &agent))
		return 0;
	return starling_agent_create(device, settings.name, &opts, &agent);
}

static void find_class(void)
{
	struct starling_agent_record rec;

	class = settings.class;
	if (!class && !starling_agent_stat(agent, 0, &rec))
		class = rec.class;
	if (!class)
		class = STARLING_CLASS_NORMAL;
	if (settings.linger_ns == GPU_LINGER_DEFAULT)
		settings.linger_ns = class == STARLING_CLASS_INTERACTIVE ? LINGER_NS : 0;
}

/* What this process had as another program, before exec: nobody else would release it. */
static void release_left(void)
{
	struct starling_lease_id id = { .size = sizeof(id) };
	struct starling_lease_record rec[16];
	uint64_t cursor[2] = { 0 };
	ssize_t n;

	do {
		n = starling_agent_leases(agent, rec, 16, cursor);
		for (ssize_t i = 0; i < n; i++) {
			id.lease = rec[i].lease;
			if (id.lease && rec[i].tgid == (uint32_t)getpid())
				ioctl(starling_agent_fd(agent), STARLING_IOC_LEASE_RELEASE, &id);
		}
	} while (n == 16);
}

static void in_child(void)
{
	/* The parent's; this frees our copy. */
	starling_lease_release(lease);
	lease = NULL;
	linger.there = linger.waiting = linger.on = false;
	atomic_store(&gate, 0);
	gpu_busy_in_child();
	/* Whoever waited for the GPU does so in the parent. */
	pthread_mutex_init(&taker, NULL);
	pthread_mutex_unlock(&lock);
}

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void in_parent(void)
{
	pthread_mutex_unlock(&lock);
}

/* Once. No agent afterwards: not asked for, or no module. */
static void get_ready(void)
{
	if (ready)
		return;
	ready = true;
	if (!gpu_settings_read(&settings) || starling_open(&device))
		return;
	if (find_agent()) {
		starling_close(device);
		return;
	}
	find_class();
	release_left();
	pthread_atfork(before_fork, in_parent, in_child);
}

/* The program has closed descriptors, or put others in their place. */
static bool find_again(void)
{
	starling_close(device);
	starling_agent_close(agent);
	agent = NULL;
	settings.agent_fd = -1;
	return !starling_open(&device) && !find_agent();
}

/* -- the lease ------------------------------------------------------------------- */

static void set_lease(struct starling_lease *l)
{
	struct starling_lease *old;

	pthread_mutex_lock(&lock);
	old = lease;
	lease = l;
	pthread_mutex_unlock(&lock);
	starling_lease_release(old);
}

static int acquire(void)
{
	struct starling_lease_opts opts = {
		.size = sizeof(opts), .gpu = settings.gpu, .priority = settings.class,
		.memory_bytes = settings.memory_bytes, .cookie = COOKIE,
	};
	struct starling_lease *l = NULL;
	int err = starling_lease_acquire(agent, &opts, &l);

	if (!err)
		set_lease(l);
	return err;
}

static void complain(int err)
{
	static bool told;

	if (!told)
		fprintf(stderr, "starling: no lease of GPU %u (%s): going on without\n",
			(unsigned int)settings.gpu, strerror(-err));
	told = true;
}

/* Waits for the GPU. */
static int get(void)
{
	bool again = true;
	int err;

	for (;;) {
		err = lease ? starling_lease_unpark(lease, 0, 0, COOKIE) : acquire();
		if (!err || err == -EALREADY)
			return 0;
		if (err == -EINTR)
			continue;
		if (lease) {
			set_lease(NULL);
			continue;
		}
		if ((err != -EBADF && err != -ENOTTY) || !again || !find_again()) {
			complain(err);
			return err;
		}
		again = false;
	}
}

/* With @lock. */
static void give(void)
{
	linger.on = false;
	/* Its time was over, and somebody else has the GPU; or its descriptor is gone. */
	if (starling_lease_park(lease)) {
		starling_lease_release(lease);
		lease = NULL;
	}
}

/* @end, but not later than others may be given the GPU without a word. */
static void set_turn(uint64_t end)
{
	if (lease && starling_lease_expires_ns(lease) < end)
		end = starling_lease_expires_ns(lease);
	atomic_store(&turn_end, end);
}

/* @gave: it was others' turn. */
static void take(bool gave)
{
	uint64_t start = now_ns();

	get_ready();
	if (!agent) {
		atomic_store(&turn_end, UINT64_MAX);
	} else if (get()) {
		atomic_store(&turn_end, now_ns() + RETRY_NS);
	} else {
		if (gave && now_ns() - start < IN_VAIN_NS)
			stretch = stretch < STRETCH_MAX ? 2 * stretch : STRETCH_MAX;
		else
			stretch = 1;
		set_turn(now_ns() + stretch * settings.turn_ns);
	}
	atomic_fetch_or(&gate, OPEN);
}

/* -- the end of a turn ------------------------------------------------------------- */

/* Somebody with as good a claim, or anybody when the module is about to ask. */
static bool somebody_waits(void)
{
	struct starling_lease_stat stat;

	if (starling_gpu_stat(device, settings.gpu, &stat))
		return true;
	if (!stat.out_waiting[0])
		return false;
	for (uint32_t c = STARLING_CLASS_INTERACTIVE; c <= class; c++)
		if (stat.out_waiting[c])
			return true;
	return now_ns() + stat.out_notice_ns >= starling_lease_expires_ns(lease);
}

/* Its time may be over, and others may have the GPU without waiting for it. */
static bool is_ours(void)
{
	return lease && (now_ns() < starling_lease_expires_ns(lease) ||
			 starling_lease_unpark(lease, 0, 0, COOKIE) == -EALREADY);
}

static void shut(void)
{
	pthread_mutex_lock(&lock);
	atomic_fetch_and(&gate, ~OPEN);
	pthread_mutex_unlock(&lock);
}

static bool is_empty(void)
{
	return !atomic_load(&gate);
}

static bool wait_until(bool (*fn)(void), uint64_t end)
{
	while (!fn()) {
		if (now_ns() >= end)
			return false;
		usleep(PAUSE_US);
	}
	return true;
}

static void next_turn(void)
{
	uint64_t now = now_ns(), end = now + PATIENCE_NS;
	bool ours = is_ours();

	if (ours && !somebody_waits()) {
		atomic_store(&turn_end, now + LOOK_NS);
		return;
	}
	shut();
	if (ours && !(wait_until(is_empty, end) && wait_until(gpu_busy_is_done, end))) {
		/* As long again, lest a program that cannot stop hardly gets on. */
		atomic_store(&turn_end, 2 * now_ns() - now);
		atomic_fetch_or(&gate, OPEN);
		return;
	}
	pthread_mutex_lock(&lock);
	if (lease)
		give();
	pthread_mutex_unlock(&lock);
	take(true);
}

/* -- launches -------------------------------------------------------------------- */

/* Who shut it is through with it, and it is open again or shut until it is taken. */
static bool is_open(void)
{
	bool open;

	pthread_mutex_lock(&lock);
	open = atomic_load(&gate) & OPEN;
	pthread_mutex_unlock(&lock);
	return open;
}

/* True: the caller is counted, and the gate is open. */
static bool enter(void)
{
	bool open = atomic_fetch_add(&gate, 1) & OPEN;

	if (!open)
		atomic_fetch_sub(&gate, 1);
	return open;
}

static void begin_slowly(void)
{
	int saved = errno, cancel;

	atomic_fetch_sub(&gate, 1);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	pthread_mutex_lock(&taker);
	do {
		if (!is_open())
			take(false);
		else if (now_ns() >= atomic_load(&turn_end))
			next_turn();
	} while (!enter());
	pthread_mutex_unlock(&taker);
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
}

void gpu_hold_begin(void)
{
	unsigned int was;

	if (depth++)
		return;
	was = atomic_fetch_add_explicit(&gate, 1, memory_order_acquire);
	if (!(was & OPEN) ||
	    now_ns() >= atomic_load_explicit(&turn_end, memory_order_relaxed))
		begin_slowly();
}

void gpu_hold_end(gpu_stream s, CUresult res)
{
	if (res == CUDA_SUCCESS) {
		gpu_busy_note(s);
		atomic_fetch_add_explicit(&launches, 1, memory_order_relaxed);
	}
	if (--depth)
		return;
	atomic_fetch_sub_explicit(&gate, 1, memory_order_release);
	if (res != CUDA_SUCCESS)
		gpu_hold_offer(GPU_NO_STREAM, 0);
}

unsigned int gpu_hold_launches(void)
{
	return atomic_load(&launches);
}

/* -- lingering ------------------------------------------------------------------- */

/* True: the gate is shut, with nobody in it. */
static bool try_shut(void)
{
	unsigned int nobody = OPEN;

	return atomic_compare_exchange_strong(&gate, &nobody, 0);
}

static void end_linger(void)
{
	linger.on = false;
	/* Whoever launches meanwhile will wait again. */
	if (!lease || atomic_load(&launches) != linger.launches || !try_shut())
		return;
	if (atomic_load(&launches) == linger.launches)
		give();
	else
		atomic_fetch_or(&gate, OPEN);
}

static void *linger_loop(void *arg)
{
	struct timespec end;

	pthread_mutex_lock(&lock);
	for (;;) {
		if (!linger.on) {
			linger.waiting = true;
			pthread_cond_wait(&linger.changed, &lock);
			linger.waiting = false;
		} else if (now_ns() >= linger.end) {
			end_linger();
		} else {
			end.tv_sec = linger.end / 1000000000;
			end.tv_nsec = linger.end % 1000000000;
			pthread_cond_timedwait(&linger.changed, &lock, &end);
		}
	}
	return arg;
}

static bool start_linger(void)
{
	pthread_condattr_t attr;
	pthread_t thread;
	sigset_t all, old;
	int err;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&linger.changed, &attr);
	pthread_condattr_destroy(&attr);
	/* The program's signals are for its own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&thread, NULL, linger_loop, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return false;
	pthread_setname_np(thread, "starling-gpu");
	pthread_detach(thread);
	return true;
}

/* The gate stays open for a while. False: it cannot be had. */
static bool begin_linger(void)
{
	if (!settings.linger_ns)
		return false;
	if (!linger.there && !start_linger())
		return false;
	linger.there = true;
	/* Who asks again and again does not put it off. */
	if (linger.on && linger.launches == atomic_load(&launches))
		return true;
	linger.on = true;
	linger.launches = atomic_load(&launches);
	linger.end = now_ns() + settings.linger_ns;
	/* Else it wakes up at an earlier end, and looks again. */
	if (linger.waiting)
		pthread_cond_signal(&linger.changed);
	return true;
}

/* With @lock. */
static void offer(gpu_stream s, unsigned int before)
{
	if (!lease || !try_shut())
		return;
	if (s && atomic_load(&launches) == before)
		gpu_busy_done(s);
	if (!gpu_busy_is_done() || begin_linger())
		atomic_fetch_or(&gate, OPEN);
	else
		give();
}

void gpu_hold_offer(gpu_stream s, unsigned int before)
{
	/* Nobody else launches there. */
	if (s & 1 && s != GPU_ALL_STREAMS)
		gpu_busy_done(s);
	/* Who has the lock looks again before it goes; who is launching will wait. */
	atomic_store(&offered, true);
	while (atomic_load(&offered) && atomic_load(&gate) == OPEN &&
	       !pthread_mutex_trylock(&lock)) {
		atomic_store(&offered, false);
		offer(s, before);
		pthread_mutex_unlock(&lock);
	}
}
