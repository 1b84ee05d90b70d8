// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every driver that tells through fdinfo: amdgpu, i915, xe, msm, panfrost,
 * panthor, v3d. The files of GPUs that processes have open are looked for now
 * and then, which costs a readlink each; after that only those are read, one for
 * each client.
 */
#include "daemon/sense/gpu/gpu.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "daemon/sense/gpu/fdinfo.h"
#include "daemon/sense/gpu/file.h"
#include "daemon/sense/gpu/procs.h"

enum { CLIENTS_MAX = 512 };

/*
 * All processes are gone through for new files this often, which takes some 10 ms
 * where there are many; sooner when somebody is known to have opened one.
 */
#define LOOK_NS		(30 * 1000000000ULL)
#define LOOK_SOON_NS	(2 * 1000000000ULL)

struct client {
	uint32_t pid;
	uint32_t fd;
	uint64_t start_ticks;
	struct fdinfo info;	/* at the last sample */
};

struct drm {
	const char *root;
	uint64_t looked_ns;
	unsigned int n;
	bool full;
	bool want;		/* somebody has begun to use a GPU since the last look */
	struct client client[CLIENTS_MAX];
};

static bool read_info(const struct drm *d, uint32_t pid, uint32_t fd, struct fdinfo *out)
{
	char text[16384], *end;
	int n = file_text(text, sizeof(text), d->root, "/proc/%u/fdinfo/%u", pid, fd);

	if (n <= 0)
		return false;
	/* the last line may be half of one: a number that is another */
	end = n == sizeof(text) - 1 ? strrchr(text, '\n') : NULL;
	if (end)
		*end = '\0';
	return fdinfo_parse(out, text);
}

static bool same_client(const struct fdinfo *a, const struct fdinfo *b)
{
	return a->client == b->client && !strcmp(a->pdev, b->pdev) &&
		!strcmp(a->driver, b->driver);
}

/* A file may be shared and a client have several: the first one found has it. */
static bool is_known(const struct drm *d, const struct fdinfo *info)
{
	for (unsigned int i = 0; i < d->n; i++)
		if (same_client(&d->client[i].info, info))
			return true;
	return false;
}

static void add_client(struct drm *d, uint32_t pid, uint32_t fd)
{
	struct client *c = &d->client[d->n];

	if (d->n == CLIENTS_MAX) {
		d->full = true;
		return;
	}
	if (!read_info(d, pid, fd, &c->info) || is_known(d, &c->info))
		return;
	c->pid = pid;
	c->fd = fd;
	c->start_ticks = procs_start(d->root, pid);
	d->n += c->start_ticks != 0;
}

static bool is_drm(int dir, const char *name)
{
	char target[24];
	ssize_t n = readlinkat(dir, name, target, sizeof(target));

	/* longer ones are cut: only the beginning matters */
	return n > 9 && !memcmp(target, "/dev/dri/", 9);
}

static void look_at(struct drm *d, uint32_t pid)
{
	char path[512];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/proc/%u/fd", d->root, pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.' && is_drm(dirfd(dir), e->d_name))
			add_client(d, pid, strtoul(e->d_name, NULL, 10));
	if (dir)
		closedir(dir);
}

static void look(struct drm *d)
{
	char path[512];
	struct dirent *e;
	uint32_t pid;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/proc", d->root);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		pid = strtoul(e->d_name, NULL, 10);
		if (pid)
			look_at(d, pid);
	}
	if (dir)
		closedir(dir);
}

/* -- values ------------------------------------------------------------------- */

static const char *place_of(const struct fdinfo *f)
{
	return f->pdev[0] ? f->pdev : f->driver;
}

static void tell_device(const struct drm *d, struct gpu_device *dev, const struct fdinfo *f,
			struct gpu_caps *caps)
{
	static const struct {
		enum gpu_item item;
		const char *file;
	} files[] = {
		{ GPU_MEMORY_TOTAL, "mem_info_vram_total" }, { GPU_MEMORY, "mem_info_vram_used" },
	};
	uint64_t n;

	if (!dev->name[0])
		snprintf(dev->name, sizeof(dev->name), "%s", f->driver);
	for (size_t i = 0; i < 2 && f->pdev[0]; i++) {
		if (file_number(&n, d->root, "/sys/bus/pci/devices/%s/%s", f->pdev, files[i].file))
			continue;
		gpu_tell(&dev->v[files[i].item], n, STARLING_FROM_DRIVER, false);
		caps->can[files[i].item] = GPU_CAN;
	}
}

/* A process may have several clients; what one cannot have does not count. */
static void add_value(struct gpu_value *v, uint64_t n, bool estimated)
{
	if (n > GPU_VALUE_MAX - v->n)
		return;
	if (!v->known)
		gpu_tell(v, 0, STARLING_FROM_DRIVER, false);
	v->n += n;
	v->estimated |= estimated;
}

static void tell_client(struct client *c, const struct fdinfo *now, struct gpu_sample *s,
			struct gpu_device *dev, struct gpu_caps *caps)
{
	struct gpu_process *p = gpu_sample_process(s, dev, c->pid, c->start_ticks);
	uint64_t dt = s->to_ns - s->from_ns, ns;
	bool several;

	if (now->has_memory)
		caps->can[GPU_PROC_MEMORY] = GPU_CAN;
	if (p && now->has_memory)
		add_value(&p->memory, now->memory, false);
	if (!fdinfo_busy(&c->info, now, dt, &ns, &several))
		return;
	caps->can[GPU_PROC_BUSY] = GPU_CAN;
	caps->can[GPU_BUSY] = gpu_can_best(caps->can[GPU_BUSY], GPU_CAN_INSTEAD);
	if (p)
		add_value(&p->busy, ns, several);
	/* what all clients had it for; work of two side by side counts twice */
	if (dev->v[GPU_BUSY].known && dev->v[GPU_BUSY].source != STARLING_FROM_MODEL)
		return;
	gpu_tell(&dev->v[GPU_BUSY], 0, STARLING_FROM_MODEL, true);
	dev->v[GPU_BUSY].n += ns;
	if (dev->v[GPU_BUSY].n > dt)
		dev->v[GPU_BUSY].n = dt;
}

/* False: the file is closed or the process gone. */
static bool sample_client(const struct drm *d, struct client *c, struct gpu_sample *s,
			  struct gpu_caps *caps)
{
	struct gpu_device *dev;
	struct fdinfo now;

	if (!read_info(d, c->pid, c->fd, &now) || !same_client(&now, &c->info)) {
		/* named once more, to tell that this process uses it no longer */
		gpu_sample_device(s, place_of(&c->info));
		return false;
	}
	dev = gpu_sample_device(s, place_of(&now));
	if (dev) {
		tell_device(d, dev, &now, caps);
		tell_client(c, &now, s, dev, caps);
	}
	c->info = now;
	return true;
}

/* What comes too soon after a look is not forgotten: it waits for its time. */
static bool time_to_look(struct drm *d, const struct gpu_sample *s)
{
	uint64_t ago = s->to_ns - d->looked_ns;

	d->want |= s->look;
	return !d->looked_ns || ago >= LOOK_NS || (d->want && ago >= LOOK_SOON_NS);
}

static int drm_sample(void *self, struct gpu_sample *s, struct gpu_caps *caps)
{
	uint32_t first = s->ndevice;
	struct drm *d = self;

	for (unsigned int i = 0; i < d->n;) {
		if (sample_client(d, &d->client[i], s, caps))
			i++;
		else
			d->client[i] = d->client[--d->n];
	}
	s->lost += d->full;
	/* a device that another backend has named is that one's to vouch for */
	while (first < s->ndevice)
		s->device[first++].complete = true;
	/* behind the others: a new one has nothing to compare with before next time */
	if (time_to_look(d, s)) {
		d->looked_ns = s->to_ns;
		d->full = d->want = false;
		look(d);
	}
	return 0;
}

/* nvidia-drm and others that tell nothing have the directory as well. */
static int drm_open(void **self, const char *root, struct gpu_caps *caps)
{
	struct drm *d;
	char path[512];

	snprintf(path, sizeof(path), "%s/dev/dri", root);
	if (access(path, F_OK)) {
		snprintf(caps->why, sizeof(caps->why), "no /dev/dri");
		caps->can[GPU_PROC_BUSY] = caps->can[GPU_PROC_MEMORY] = GPU_CAN_ABSENT;
		return -ENODEV;
	}
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->root = root;
	caps->can[GPU_PROC_BUSY] = caps->can[GPU_PROC_MEMORY] = GPU_CAN_LATER;
	caps->can[GPU_BUSY] = GPU_CAN_LATER;
	caps->there = true;
	snprintf(caps->why, sizeof(caps->why), "render nodes in /dev/dri");
	*self = d;
	return 0;
}

const struct gpu_backend gpu_drm = {
	.name = "drm", .open = drm_open, .sample = drm_sample, .close = free,
};
