// SPDX-License-Identifier: LGPL-2.1-only
/*
 * Two processes that ask at the same time both see the same memory available, and
 * nothing is locked: so who has got what it asked for looks again, and where the
 * reserve is half gone steps back. That is seen only of what the driver takes before
 * it answers, as for cuMemAlloc, and not of memory that is taken when it is used.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/gpu/gpu.h"
#include "lib/gpu/memory.h"
#include "lib/gpu/reserve.h"

#define MIB		(1ULL << 20)
/* Smaller ones are counted until there are so many: the kernel is not asked for each. */
#define LARGE		(2 * MIB)
#define SMALL_SUM	(16 * MIB)
#define LOOK_US		50000
/* Between two lines on stderr; who allocates in a loop is told once. */
#define QUIET_NS	10000000000ULL

struct host {
	uint64_t available, reserve;	/* bytes */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct gpu_settings settings;
static _Atomic uint64_t small;
static _Atomic uint64_t told_ns;

static void read_settings(void)
{
	/* Not asked for: nothing is refused. */
	if (!gpu_settings_read(&settings))
		settings.reserve_bytes = 0;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* A thread does not end here, where the driver has no point to: it has memory in hand. */
static int keep_thread(void)
{
	int was;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &was);
	return was;
}

static void let_thread(int was)
{
	pthread_setcancelstate(was, NULL);
}

/* One line of what was wrong, unless there was one just now. */
bool gpu_memory_may_tell(void)
{
	uint64_t now = now_ns(), last = atomic_load(&told_ns);

	return (!last || now - last >= QUIET_NS) &&
		atomic_compare_exchange_strong(&told_ns, &last, now);
}

/* -- the machine's memory --------------------------------------------------------- */

/* Replaced in tests. */
__attribute__((weak)) bool gpu_meminfo(char *text, size_t size)
{
	int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	if (n > 0)
		text[n] = '\0';
	return n > 0;
}

/* KiB, or a number of pages. */
static uint64_t field(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at && (at == text || at[-1] == '\n') ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* False: not known, and nobody is refused for that. */
static bool look(struct host *h)
{
	char text[8192];
	uint64_t total, huge;

	if (!gpu_meminfo(text, sizeof(text)))
		return false;
	total = field(text, "MemTotal:") << 10;
	h->available = field(text, "MemAvailable:") << 10;
	/* The driver can use huge pages, which the kernel does not count as available. */
	huge = field(text, "HugePages_Free:") * field(text, "Hugepagesize:") << 10;
	if (huge > h->available)
		h->available = huge;
	h->reserve = settings.reserve_bytes == GPU_RESERVE_DEFAULT ? gpu_reserve_default(total) :
								     settings.reserve_bytes;
	return total > 0;
}

/* None of its GPUs has memory of its own; it sees one, mostly. */
static bool is_unified(void)
{
	static _Atomic int known;	/* 1: no, 2: yes */
	cu_attribute_fn *attribute = gpu_real(CALL_cuDeviceGetAttribute);
	cu_count_fn *count = gpu_real(CALL_cuDeviceGetCount);
	int n = 0, one, unified;

	if (atomic_load(&known))
		return atomic_load(&known) == 2;
	if (!attribute || !count || count(&n) != CUDA_SUCCESS)
		return false;
	unified = n > 0;
	for (CUdevice d = 0; d < n; d++)
		unified &= attribute(&one, CU_DEVICE_ATTRIBUTE_INTEGRATED, d) == CUDA_SUCCESS &&
			one == 1;
	atomic_store(&known, 1 + unified);
	return unified;
}

/*
 * On a GPU with memory of its own only what is the host's, and only if that was asked.
 * So it is with managed memory anywhere: it takes nothing until it is touched.
 */
static bool is_for_host(enum gpu_memory_kind kind)
{
	bool asked = settings.reserve_bytes != GPU_RESERVE_DEFAULT;

	if (!settings.reserve_bytes || (kind == GPU_MEMORY_MANAGED && !asked))
		return false;
	return is_unified() ||
		(asked && (kind == GPU_MEMORY_MANAGED || kind == GPU_MEMORY_HOST));
}

/* What a pool keeps of what was freed need not be had anew. */
static size_t beyond_pool(CUmemoryPool pool, size_t n)
{
	cu_pool_attribute_fn *get = gpu_real(CALL_cuMemPoolGetAttribute);
	uint64_t has = 0, in_use = 0;

	if (!pool || !get || get(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &has) ||
	    get(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &in_use) || has <= in_use)
		return n;
	return n > has - in_use ? n - (has - in_use) : 0;
}

static CUmemoryPool current_pool(void)
{
	cu_device_pool_fn *get = gpu_real(CALL_cuDeviceGetMemPool);
	cu_current_fn *current = gpu_real(CALL_cuCtxGetDevice);
	CUmemoryPool pool;
	CUdevice d;

	return get && current && !current(&d) && !get(&pool, d) ? pool : NULL;
}

/*
 * Is it time to look? What small ones have in common may have been freed meanwhile: the
 * one that is looked for stands for itself alone.
 */
static bool is_due(size_t n)
{
	if (n >= LARGE)
		return true;
	if (atomic_fetch_add(&small, n) + n < SMALL_SUM)
		return false;
	atomic_store(&small, 0);
	return true;
}

static bool fits(struct host *h, size_t n)
{
	return !look(h) || (h->available >= h->reserve && h->available - h->reserve >= n);
}

static void tell_host(const struct host *h, size_t n)
{
	if (gpu_memory_may_tell())
		fprintf(stderr, "starling: %s[%d] asks for %.1f MiB: %.1f MiB are available, "
			"%.1f MiB of which stay in reserve; end something, or give "
			"--gpu=lease,reserve=\n", settings.name, (int)getpid(), (double)n / MIB,
			(double)h->available / MIB, (double)h->reserve / MIB);
}

/* While it waits others may have the GPU, who may be those that have the memory. */
static bool wait_host(struct host *h, size_t n)
{
	uint64_t end = now_ns() + settings.patience_ns;
	bool got;

	while (!(got = fits(h, n)) && now_ns() < end) {
		/* Each time: what was launched before may be done only now. */
		gpu_hold_offer(GPU_NO_STREAM, 0);
		usleep(LOOK_US);
	}
	return got;
}

/* How much of the machine's memory is to be looked for; 0: none this time. */
static size_t wanted(enum gpu_memory_kind kind, size_t n, CUmemoryPool pool)
{
	if (!is_due(n))
		return 0;
	return kind == GPU_MEMORY_POOLED ? beyond_pool(pool ? pool : current_pool(), n) : n;
}

static bool host_has(enum gpu_memory_kind kind, size_t n, CUmemoryPool pool)
{
	int saved = errno;
	struct host h;
	bool got;

	n = is_for_host(kind) ? wanted(kind, n, pool) : 0;
	got = !n || fits(&h, n) || wait_host(&h, n);
	if (!got)
		tell_host(&h, n);
	errno = saved;
	return got;
}

bool gpu_memory_is_overdrawn(enum gpu_memory_kind kind, size_t n)
{
	int cancel = keep_thread();
	struct host h;
	bool is;

	is = n >= LARGE && is_for_host(kind) && look(&h) && h.available < h.reserve / 2;
	let_thread(cancel);
	return is;
}

void gpu_memory_refuse(size_t n)
{
	int cancel = keep_thread();
	struct host h;

	if (look(&h))
		tell_host(&h, n);
	let_thread(cancel);
}

/* For different times, as the others do the same. */
void gpu_memory_step_back(int tries)
{
	int saved = errno, cancel = keep_thread();

	usleep(1000 + (now_ns() ^ (uint64_t)getpid() << 8) % (50000U << tries));
	let_thread(cancel);
	errno = saved;
}

/* -- both --------------------------------------------------------------------------- */

static bool is_limited(enum gpu_memory_kind kind)
{
	return settings.memory_bytes && kind != GPU_MEMORY_HOST;
}

static bool begin(enum gpu_memory_kind kind, size_t n, CUmemoryPool pool)
{
	pthread_once(&once, read_settings);
	if (is_limited(kind) && !gpu_own_take(n, &settings))
		return false;
	if (host_has(kind, n, pool))
		return true;
	if (is_limited(kind))
		gpu_own_end(n, 0);
	return false;
}

bool gpu_memory_begin(enum gpu_memory_kind kind, size_t n, CUmemoryPool pool)
{
	int cancel = keep_thread();
	bool may = begin(kind, n, pool);

	let_thread(cancel);
	return may;
}

void gpu_memory_end(enum gpu_memory_kind kind, size_t n, uint64_t key)
{
	if (is_limited(kind))
		gpu_own_end(n, key);
}
