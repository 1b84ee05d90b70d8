// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe-feeder STYLE TOKEN-MS WAITS: a thread that feeds the GPU and waits for
 * it, and knows exactly when it first did. Waits are by cuStreamSynchronize; the
 * library is the libcuda.so.1 that the loader finds.
 *
 * With PROBE_SECCOMP set, like a program in a container, it is killed for system
 * calls that its filter's author had not heard of: those of return probes. With
 * PROBE_LOADER=FILE that library's mappings come and go for a while before it is
 * loaded, as they do, in a shorter time, while a loader puts its segments in place.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char ptx[] =
	".version 6.0\n.target sm_50\n.address_size 64\n"
	".visible .entry spin_ns(.param .u64 ns, .param .u64 done_at)\n{\nret;\n}\n";

/* CU_CTX_SCHED_x */
static const struct { const char *name; unsigned int flags; } styles[] = {
	{ "spin", 1 }, { "yield", 2 }, { "block", 4 },
};

static struct {
	int (*init)(unsigned int flags);
	int (*ctx_create)(void **ctx, unsigned int flags, int dev);
	int (*load)(void **module, const void *image);
	int (*get)(void **function, void *module, const char *name);
	int (*stream)(void **stream, unsigned int flags);
	int (*launch)(void *f, unsigned int gx, unsigned int gy, unsigned int gz,
		      unsigned int bx, unsigned int by, unsigned int bz,
		      unsigned int shared, void *stream, void **params, void **extra);
	int (*sync)(void *stream);
} cu;

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

#define PIECE	4096UL
enum { PIECES = 8, BEFORE_NS = 2000000, LOADER_NS = 50000000 };

/* A mapping that is another one each time somebody looks at it. */
static void *split(void *at)
{
	uint64_t end = clock_ns() + BEFORE_NS + LOADER_NS;

	for (unsigned long i = 0; clock_ns() < end; i++) {
		mprotect(at, (1 + i % (PIECES - 1)) * PIECE, PROT_NONE);
		mprotect(at, PIECES * PIECE, PROT_READ);
	}
	return NULL;
}

/*
 * The splitter is at work before the library is mapped: whoever looks at it then
 * may take this thread's CPU.
 */
static int restless_loader(void)
{
	const struct timespec before = { .tv_nsec = BEFORE_NS };
	const char *path = getenv("PROBE_LOADER");
	pthread_t splitter;
	char *at, header[64];
	int fd;

	if (!path)
		return 0;
	at = mmap(NULL, PIECES * PIECE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (at == MAP_FAILED || fd < 0 || pthread_create(&splitter, NULL, split, at))
		return -1;
	nanosleep(&before, NULL);
	/* what is seen of a loader where its mappings are not */
	if (read(fd, header, sizeof(header)) < 0)
		return -1;
	at = mmap(at, PIECES * PIECE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
	close(fd);
	pthread_join(splitter, NULL);
	return at == MAP_FAILED || munmap(at, PIECES * PIECE);
}

static int resolve(void)
{
	const struct { void **at; const char *name; } table[] = {
		{ (void **)&cu.init, "cuInit" },
		{ (void **)&cu.ctx_create, "cuCtxCreate_v2" },
		{ (void **)&cu.load, "cuModuleLoadData" },
		{ (void **)&cu.get, "cuModuleGetFunction" },
		{ (void **)&cu.stream, "cuStreamCreate" },
		{ (void **)&cu.launch, "cuLaunchKernel" },
		{ (void **)&cu.sync, "cuStreamSynchronize" },
	};
	void *lib = dlopen("libcuda.so.1", RTLD_NOW);

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		*table[i].at = lib ? dlsym(lib, table[i].name) : NULL;
		if (!*table[i].at) {
			fprintf(stderr, "probe-feeder: %s: %s\n", table[i].name, dlerror());
			return -1;
		}
	}
	return 0;
}

enum { NR_URETPROBE = 335, NR_UPROBE = 336 };

static int filter_calls(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_URETPROBE, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_UPROBE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	if (!getenv("PROBE_SECCOMP"))
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static unsigned int flags_of(const char *style)
{
	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++)
		if (!strcmp(style, styles[i].name))
			return styles[i].flags;
	fprintf(stderr, "probe-feeder: no style '%s': use block, spin or yield\n", style);
	exit(2);
}

int main(int argc, char **argv)
{
	void *ctx, *module, *spin, *stream, *params[2];
	uint64_t ns, *done = NULL, first = 0, launches = 0, waited = 0, at;
	int waits;

	if (argc < 4) {
		fprintf(stderr, "usage: probe-feeder STYLE TOKEN-MS WAITS\n");
		return 2;
	}
	ns = atof(argv[2]) * 1e6;
	waits = atoi(argv[3]);
	params[0] = &ns;
	params[1] = &done;
	if (filter_calls() || restless_loader() || resolve() || cu.init(0) ||
	    cu.ctx_create(&ctx, flags_of(argv[1]), 0) || cu.load(&module, ptx) ||
	    cu.get(&spin, module, "spin_ns") ||
	    cu.stream(&stream, 1))
		return 1;
	for (int i = 0; i < waits; i++) {
		if (cu.launch(spin, 1, 1, 1, 1, 1, 1, 0, stream, params, NULL))
			return 1;
		launches++;
		at = clock_ns();
		if (!first)
			first = at;
		if (cu.sync(stream))
			return 1;
		waited += clock_ns() - at;
	}
	printf("{\"tid\":%ld,\"first_ns\":%" PRIu64 ",\"waits\":%d,\"launches\":%" PRIu64
	       ",\"waited_ns\":%" PRIu64 "}\n", syscall(SYS_gettid), first, waits,
	       launches, waited);
	return 0;
}
