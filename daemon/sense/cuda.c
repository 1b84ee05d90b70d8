// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/cuda.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "daemon/sense/elf.h"
#include "daemon/sense/uprobe.h"
#include "daemon/sense/window.h"

enum {
	LIBS_MAX = 64,
	PENDING_MAX = 16,
	PENDING_TRIES = 64,
	PENDING_OTHERS = 16,	/* tries where others than the reported one are found */
};
enum { RETURNS_NONE = -1, RETURNS_FAILED = -2 };	/* else a link */

#define MS			1000000ULL
#define WINDOW_FIRST_NS		(200 * MS)	/* after a new GPU thread */
#define WINDOW_NS		(50 * MS)	/* after that ... */
#define WINDOW_EVERY_NS		(10000 * MS)	/* ... this often */
#define SWEEP_EVERY_NS		(10000 * MS)	/* look for copies out of use ... */
#define SWEEP_AGAIN_NS		(1000 * MS)	/* ... and before they are let go */
#define POLL_EVERY_NS		(2000 * MS)	/* where mappings are not seen */
#define RETRY_NS		(2 * MS)	/* doubles ... */
#define RETRY_DOUBLINGS		3	/* ... so many times */

/* All variants: those for the per-thread default stream are other functions. */
static const struct call {
	const char *symbol;
	enum probe_call call;
	bool counted;		/* its return is of interest */
} calls[] = {
	{ "cuStreamSynchronize", PROBE_CALL_WAIT, true },
	{ "cuStreamSynchronize_ptsz", PROBE_CALL_WAIT, true },
	{ "cuEventSynchronize", PROBE_CALL_WAIT, true },
	{ "cuCtxSynchronize", PROBE_CALL_WAIT, true },
	{ "cuMemcpyDtoH_v2", PROBE_CALL_WAIT, true },
	{ "cuMemcpyDtoH_v2_ptds", PROBE_CALL_WAIT, true },
	{ "cuMemcpyHtoD_v2", PROBE_CALL_WAIT, true },
	{ "cuMemcpyHtoD_v2_ptds", PROBE_CALL_WAIT, true },
	{ "cuMemAlloc_v2", PROBE_CALL_ALLOC, false },
	{ "cuMemAllocManaged", PROBE_CALL_ALLOC, false },
	{ "cuMemAllocAsync", PROBE_CALL_ALLOC, false },
	{ "cuMemAllocAsync_ptsz", PROBE_CALL_ALLOC, false },
	{ "cuMemAllocFromPoolAsync", PROBE_CALL_ALLOC, false },
	{ "cuMemAllocFromPoolAsync_ptsz", PROBE_CALL_ALLOC, false },
	{ "cuMemCreate", PROBE_CALL_ALLOC, false },
	{ "cuMemHostAlloc", PROBE_CALL_ALLOC, false },
	{ "cuMemAllocHost_v2", PROBE_CALL_ALLOC, false },
	{ "cuLaunchKernel", PROBE_CALL_LAUNCH, false },
	{ "cuLaunchKernel_ptsz", PROBE_CALL_LAUNCH, false },
	{ "cuLaunchKernelEx", PROBE_CALL_LAUNCH, false },
	{ "cuLaunchKernelEx_ptsz", PROBE_CALL_LAUNCH, false },
	{ "cuLaunchCooperativeKernel", PROBE_CALL_LAUNCH, false },
	{ "cuLaunchCooperativeKernel_ptsz", PROBE_CALL_LAUNCH, false },
	{ "cuGraphLaunch", PROBE_CALL_GRAPH, false },
	{ "cuGraphLaunch_ptsz", PROBE_CALL_GRAPH, false },
	{ "cuCtxCreate_v2", PROBE_CALL_CONTEXT, false },
	{ "cuCtxCreate_v3", PROBE_CALL_CONTEXT, false },
	{ "cuCtxCreate_v4", PROBE_CALL_CONTEXT, false },
	{ "cuDevicePrimaryCtxRetain", PROBE_CALL_CONTEXT, false },
	/* no GPU's: the part of ggml that computes on CPUs */
	{ "ggml_graph_compute", PROBE_CALL_COMPUTE, false },
};

#define NCALLS (sizeof(calls) / sizeof(calls[0]))

/* How the names of the files begin that have any of these. */
static const char *const lib_names[] = { "/libcuda.so", "/libggml-cpu" };

/* Where the driver's installers put it. */
static const char *const known_paths[] = {
	"/usr/lib/x86_64-linux-gnu/libcuda.so.1",
	"/usr/lib/aarch64-linux-gnu/libcuda.so.1",
	"/usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1",
	"/usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1",
	"/usr/lib64/libcuda.so.1",
	"/usr/lib/wsl/lib/libcuda.so.1",
	"/usr/local/cuda/compat/libcuda.so.1",
};

/* One copy. @witness: a process that maps it; 0: kept without one. */
struct lib {
	bool used;
	bool kept;
	bool gpu;		/* a GPU driver's */
	bool lonely;		/* nobody mapped it at the last look */
	uint64_t serial;	/* never used again, as slots are */
	uint64_t dev;		/* as in the kernel, not as in stat() */
	uint64_t ino;
	int fd;
	pid_t witness;
	uint64_t offset[NCALLS];
	int link;		/* entries of what is always probed */
	int returns;		/* of waits, beyond windows */
};

/* Reported before it is in the process's maps. */
struct pending {
	pid_t tgid;
	unsigned int tries;
	uint64_t at;		/* look again then */
	uint64_t dev;
	uint64_t ino;
};

struct cuda {
	struct probe *probe;
	int timer;
	struct lib lib[LIBS_MAX];
	struct pending pending[PENDING_MAX];
	struct window *window;
	uint64_t window_last;	/* opened then */
	uint64_t serial;
	uint64_t sweep_at;
	bool full;		/* no room for one: look at all again ... */
	uint64_t full_at;	/* ... from then on */
	uint64_t poll_at;
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* -- one copy -------------------------------------------------------------- */

/* Where in @l program @prog goes. */
static unsigned int lib_functions(const struct lib *l, enum probe_gpu_prog prog,
				  uint64_t *offset, uint64_t *cookie, unsigned int max)
{
	bool returns = prog == PROBE_PROG_RETURN;
	unsigned int n = 0;

	for (size_t i = 0; i < NCALLS && n < max; i++) {
		bool launch = calls[i].call == PROBE_CALL_LAUNCH;

		if (!l->offset[i] || (returns && !calls[i].counted) ||
		    (!returns && launch != (prog == PROBE_PROG_LAUNCH)))
			continue;
		offset[n] = l->offset[i];
		cookie[n++] = calls[i].call;
	}
	return n;
}

static void lib_drop(struct cuda *c, struct lib *l)
{
	window_retire(c->window, l->link);
	if (l->returns >= 0)
		window_retire(c->window, l->returns);
	close(l->fd);
	probe_lib_known(c->probe, l->dev, l->ino, false);
	memset(l, 0, sizeof(*l));
}

static struct lib *lib_find(struct cuda *c, uint64_t dev, uint64_t ino)
{
	for (int i = 0; i < LIBS_MAX; i++)
		if (c->lib[i].used && c->lib[i].dev == dev && c->lib[i].ino == ino)
			return &c->lib[i];
	return NULL;
}

static struct lib *lib_free(struct cuda *c)
{
	for (int i = 0; i < LIBS_MAX; i++)
		if (!c->lib[i].used)
			return &c->lib[i];
	return NULL;
}

static int lib_find_calls(struct lib *l)
{
	const char *name[NCALLS];
	int n;

	for (size_t i = 0; i < NCALLS; i++)
		name[i] = calls[i].symbol;
	n = elf_offsets(l->fd, name, NCALLS, l->offset);
	if (n <= 0)
		return n ? n : -ENOENT;
	for (size_t i = 0; i < NCALLS; i++)
		l->gpu |= l->offset[i] && calls[i].call != PROBE_CALL_COMPUTE;
	return 0;
}

static int lib_attach(struct cuda *c, struct lib *l)
{
	uint64_t offset[NCALLS], cookie[NCALLS];
	unsigned int used;
	int err = lib_find_calls(l);

	if (err)
		return err;
	used = lib_functions(l, PROBE_PROG_CALL, offset, cookie, NCALLS);
	if (!used)
		return -ENOENT;
	l->link = uprobe_link(probe_gpu_prog(c->probe, PROBE_PROG_CALL), l->fd,
			      offset, cookie, used, false);
	return l->link < 0 ? l->link : 0;
}

/* Takes over @fd. A file without any of the functions stays known: no lib. */
static int lib_add(struct cuda *c, int fd, uint64_t dev, uint64_t ino, pid_t witness)
{
	bool known = lib_find(c, dev, ino);
	struct lib *l = known ? NULL : lib_free(c);
	int err;

	if (!l) {
		close(fd);
		c->full |= !known;
		return known ? 0 : -ENOSPC;
	}
	*l = (struct lib){
		.serial = ++c->serial, .dev = dev, .ino = ino, .fd = fd, .witness = witness,
		.kept = !witness, .returns = RETURNS_NONE,
	};
	probe_lib_known(c->probe, dev, ino, true);
	err = lib_attach(c, l);
	if (!err) {
		l->used = true;
		if (l->gpu)
			probe_gpu_seen(c->probe, true);
		return 0;
	}
	close(fd);
	memset(l, 0, sizeof(*l));
	if (err != -ENOENT && err != -ENOEXEC)
		probe_lib_known(c->probe, dev, ino, false);
	return err;
}

/* -- finding them ---------------------------------------------------------- */

struct mapping {
	unsigned long from;
	unsigned long to;
	uint64_t dev;
	uint64_t ino;
};

static bool has_lib_name(const char *name)
{
	for (size_t i = 0; i < sizeof(lib_names) / sizeof(lib_names[0]); i++)
		if (!strncmp(name, lib_names[i], strlen(lib_names[i])))
			return true;
	return false;
}

/* The next mapping of a library of those names in a process's maps. */
static bool next_mapping(FILE *maps, struct mapping *m)
{
	unsigned int major, minor;
	unsigned long ino;
	char line[4200];
	const char *name;

	while (fgets(line, sizeof(line), maps)) {
		name = strrchr(line, '/');
		if (!name || !has_lib_name(name) ||
		    sscanf(line, "%lx-%lx %*s %*s %x:%x %lu", &m->from, &m->to,
			   &major, &minor, &ino) != 5)
			continue;
		m->dev = (uint64_t)major << 20 | minor;
		m->ino = ino;
		return true;
	}
	return false;
}

static FILE *open_maps(pid_t tgid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/maps", tgid);
	return fopen(path, "re");
}

/* Through map_files: right in any mount namespace, deleted or not. */
static int open_mapping(pid_t tgid, const struct mapping *m)
{
	struct stat st;
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", tgid, m->from, m->to);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -EINVAL;
}

/*
 * Probe all copies that @tgid maps. True when it maps some and none is left: a
 * loader that is still at work splits a mapping between the look at the maps and
 * the open, and then that one is to be looked for again.
 */
static bool look_at(struct cuda *c, pid_t tgid)
{
	FILE *maps = open_maps(tgid);
	bool found = false, left = false;
	struct mapping m;
	struct lib *l;
	int fd;

	while (maps && next_mapping(maps, &m)) {
		l = lib_find(c, m.dev, m.ino);
		found = true;
		if (l) {
			l->witness = tgid;
			l->lonely = false;
			probe_lib_known(c->probe, m.dev, m.ino, true);
			continue;
		}
		fd = open_mapping(tgid, &m);
		if (fd < 0 || lib_add(c, fd, m.dev, m.ino, tgid) == -ENOSPC)
			left = true;
	}
	if (maps)
		fclose(maps);
	return found && !left;
}

static void look_at_all(struct cuda *c)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	int pid;

	while (proc && (e = readdir(proc))) {
		pid = atoi(e->d_name);
		if (pid > 0 && pid != getpid())
			look_at(c, pid);
	}
	if (proc)
		closedir(proc);
}

/* Probed before anybody uses it: then even the first call is seen. */
static int look_at_path(struct cuda *c, const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	return lib_add(c, fd, (uint64_t)major(st.st_dev) << 20 | minor(st.st_dev),
		       st.st_ino, 0);
}

/* -- windows --------------------------------------------------------------- */

static void plan_add(struct cuda *c, struct window_plan *plan, const struct lib *l,
		     enum probe_gpu_prog prog)
{
	struct window_link *link = &plan->link[plan->n];

	if (plan->n >= WINDOW_LINKS_MAX)
		return;
	link->key = l->serial << 2 | prog;
	link->prog = probe_gpu_prog(c->probe, prog);
	link->file = l->fd;
	link->returns = prog == PROBE_PROG_RETURN;
	link->n = lib_functions(l, prog, link->offset, link->cookie,
				WINDOW_FUNCTIONS_MAX);
	plan->n += link->n > 0;
}

/* Returns first: how a thread waits is wanted sooner than what it launches. */
static void window_open(struct cuda *c, uint64_t now, uint64_t len)
{
	static struct window_plan plan;

	plan.n = 0;
	for (int i = 0; i < LIBS_MAX && probe_returns_usable(c->probe); i++)
		if (c->lib[i].used && c->lib[i].gpu)
			plan_add(c, &plan, &c->lib[i], PROBE_PROG_RETURN);
	for (int i = 0; i < LIBS_MAX; i++)
		if (c->lib[i].used && c->lib[i].gpu)
			plan_add(c, &plan, &c->lib[i], PROBE_PROG_LAUNCH);
	if (!plan.n)
		return;
	window_want(c->window, &plan, now + len);
	c->window_last = now;
}

/* For as long as each end of a wait is wanted. One that fails is not tried again. */
static int returns_attach(struct cuda *c, const struct lib *l)
{
	uint64_t offset[NCALLS], cookie[NCALLS];
	unsigned int n = lib_functions(l, PROBE_PROG_RETURN, offset, cookie, NCALLS);
	int link;

	if (!n)
		return RETURNS_NONE;
	link = uprobe_link(probe_gpu_prog(c->probe, PROBE_PROG_RETURN), l->fd, offset, cookie,
			   n, true);
	return link < 0 ? RETURNS_FAILED : link;
}

bool cuda_returns(struct cuda *c, bool on)
{
	on = on && probe_returns_usable(c->probe);
	for (int i = 0; i < LIBS_MAX; i++) {
		struct lib *l = &c->lib[i];

		if (!l->used || !l->gpu)
			continue;
		if (on && l->returns == RETURNS_NONE)
			l->returns = returns_attach(c, l);
		if (!on && l->returns >= 0)
			window_retire(c->window, l->returns);
		if (!on)
			l->returns = RETURNS_NONE;
	}
	for (int i = 0; i < LIBS_MAX && on; i++)
		on = !c->lib[i].used || c->lib[i].returns != RETURNS_FAILED;
	return on;
}

static void timer_set(struct cuda *c)
{
	struct itimerspec it = { 0 };
	uint64_t at = 0;

	for (int i = 0; i < PENDING_MAX; i++)
		if (c->pending[i].tgid && (!at || c->pending[i].at < at))
			at = c->pending[i].at;
	it.it_value.tv_sec = at / 1000000000ULL;
	it.it_value.tv_nsec = at % 1000000000ULL;
	timerfd_settime(c->timer, TFD_TIMER_ABSTIME, &it, NULL);
}

/* -- what the daemon calls ------------------------------------------------- */

int cuda_open(struct cuda **out, struct probe *p, const char *extra)
{
	struct window_setup setup;
	struct cuda *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->probe = p;
	c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	probe_window(p, &setup);
	err = c->timer < 0 ? -errno : window_new(&c->window, &setup);
	if (err) {
		if (c->timer >= 0)
			close(c->timer);
		free(c);
		return err;
	}
	if (extra)
		look_at_path(c, extra);
	for (size_t i = 0; i < sizeof(known_paths) / sizeof(known_paths[0]); i++)
		look_at_path(c, known_paths[i]);
	look_at_all(c);
	*out = c;
	return 0;
}

void cuda_close(struct cuda *c)
{
	if (!c)
		return;
	for (int i = 0; i < LIBS_MAX; i++)
		if (c->lib[i].used)
			lib_drop(c, &c->lib[i]);
	window_free(c->window);
	close(c->timer);
	free(c);
}

bool cuda_usable(const struct cuda *c)
{
	return uprobe_usable(probe_gpu_prog(c->probe, PROBE_PROG_CALL));
}

unsigned int cuda_libs(const struct cuda *c)
{
	unsigned int n = 0;

	for (int i = 0; i < LIBS_MAX; i++)
		n += c->lib[i].used && c->lib[i].gpu;
	return n;
}

int cuda_fd(const struct cuda *c)
{
	return c->timer;
}

/*
 * A copy whose witness is gone and that nobody maps any more is let go, as probes
 * hold its file system; where there is no room, one that its witness maps no more.
 * Forgotten first and looked for after that: one that comes between is
 * reported. Looked for twice: where reads are what is reported, a program may have
 * read the file before it was forgotten, and map it after the first look.
 */
static void sweep(struct cuda *c, uint64_t now)
{
	bool gone = false, all = c->full && now >= c->full_at;
	char path[32];

	if (now < c->sweep_at && !all)
		return;
	c->sweep_at = now + SWEEP_EVERY_NS;
	if (all)
		c->full_at = c->sweep_at;
	c->full = false;
	for (int i = 0; i < LIBS_MAX; i++) {
		struct lib *l = &c->lib[i];

		if (!l->used || l->kept)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/maps", l->witness);
		if (l->witness && !all && !access(path, F_OK))
			continue;
		l->witness = 0;
		gone = true;
		probe_lib_known(c->probe, l->dev, l->ino, false);
	}
	if (!gone)
		return;
	look_at_all(c);
	for (int i = 0; i < LIBS_MAX; i++) {
		struct lib *l = &c->lib[i];

		if (!l->used || l->kept || l->witness)
			continue;
		if (l->lonely || all) {
			lib_drop(c, l);
		} else {
			l->lonely = true;
			c->sweep_at = now + SWEEP_AGAIN_NS;
		}
	}
}

static void pending_add(struct cuda *c, const struct probe_event *ev)
{
	for (int i = 0; i < PENDING_MAX; i++)
		if (c->pending[i].tgid == (pid_t)ev->tgid && c->pending[i].dev == ev->dev &&
		    c->pending[i].ino == ev->ino)
			return;
	for (int i = 0; i < PENDING_MAX; i++) {
		if (c->pending[i].tgid)
			continue;
		c->pending[i] = (struct pending){
			.tgid = ev->tgid, .at = clock_ns() + RETRY_NS,
			.dev = ev->dev, .ino = ev->ino,
		};
		return;
	}
	/* no room: report its next mapping again */
	probe_lib_known(c->probe, ev->dev, ev->ino, false);
}

void cuda_mapped(struct cuda *c, const struct probe_event *ev)
{
	if (look_at(c, ev->tgid) && probe_lib_is_known(c->probe, ev->dev, ev->ino))
		return;
	pending_add(c, ev);
	timer_set(c);
}

/*
 * A loader that tries several copies has let go of the reported one when others are
 * found, or has yet to map it; in some containers it has another number there.
 */
static void pending_look(struct cuda *c, struct pending *p, uint64_t now)
{
	bool found = look_at(c, p->tgid);

	if (found && probe_lib_is_known(c->probe, p->dev, p->ino)) {
		p->tgid = 0;
		return;
	}
	p->tries += found ? PENDING_TRIES / PENDING_OTHERS : 1;
	if (p->tries >= PENDING_TRIES || (kill(p->tgid, 0) && errno == ESRCH)) {
		probe_lib_known(c->probe, p->dev, p->ino, false);
		p->tgid = 0;
		return;
	}
	p->at = now + (RETRY_NS << (p->tries < RETRY_DOUBLINGS ? p->tries : RETRY_DOUBLINGS));
}

static void pending_retry(struct cuda *c, uint64_t now)
{
	sweep(c, now);
	for (int i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &c->pending[i];

		if (p->tgid && now >= p->at)
			pending_look(c, p, now);
	}
}

void cuda_timer(struct cuda *c)
{
	uint64_t ticks;

	if (read(c->timer, &ticks, sizeof(ticks)) < 0 && errno == EAGAIN)
		return;
	pending_retry(c, clock_ns());
	timer_set(c);
}

void cuda_active(struct cuda *c, bool first)
{
	uint64_t now = clock_ns();

	if (first)
		window_open(c, now, WINDOW_FIRST_NS);
	else if (now - c->window_last >= WINDOW_EVERY_NS)
		window_open(c, now, WINDOW_NS);
}

void cuda_tick(struct cuda *c, uint64_t now, bool active)
{
	if (active && now - c->window_last >= WINDOW_EVERY_NS)
		window_open(c, now, WINDOW_NS);
	sweep(c, now);
	if (!probe_sees_mappings(c->probe) && now >= c->poll_at) {
		c->poll_at = now + POLL_EVERY_NS;
		look_at_all(c);
	}
}
