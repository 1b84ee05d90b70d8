// SPDX-License-Identifier: GPL-2.0-only
/*
 * Energy of the CPU's package, and of the graphics inside it where the
 * processor counts that apart ("uncore" of a client's processor).
 */
#include "daemon/sense/gpu/gpu.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/sense/gpu/file.h"

/* Where Intel's graphics are on every machine that has them inside. */
#define INSIDE	"0000:00:02.0"

enum { DOMAINS_MAX = 16 };

struct domain {
	char dir[32];
	bool graphics;
	bool has;
	uint64_t uj;
	uint64_t range_uj;	/* wraps there */
};

struct rapl {
	const char *root;
	unsigned int n;
	struct domain domain[DOMAINS_MAX];
};

static int read_energy(const struct rapl *r, const struct domain *d, uint64_t *uj)
{
	return file_number(uj, r->root, "/sys/class/powercap/%s/energy_uj", d->dir);
}

/* What was used since the last time; false: not known. */
static bool step(const struct rapl *r, struct domain *d, uint64_t *out)
{
	uint64_t uj, was = d->uj;
	bool had = d->has;

	d->has = !read_energy(r, d, &uj);
	if (!d->has)
		return false;
	d->uj = uj;
	*out = uj - was;
	if (uj < was)
		*out = d->range_uj >= was ? d->range_uj - was + uj : 0;
	return had && (uj >= was || d->range_uj >= was);
}

static int rapl_sample(void *self, struct gpu_sample *s, struct gpu_caps *caps)
{
	struct rapl *r = self;
	uint64_t uj;

	(void)caps;
	for (unsigned int i = 0; i < r->n; i++) {
		struct domain *d = &r->domain[i];

		if (!step(r, d, &uj))
			continue;
		if (!d->graphics) {
			if (!s->package.known)
				gpu_tell(&s->package, 0, STARLING_FROM_KERNEL, false);
			if (uj <= GPU_VALUE_MAX - s->package.n)
				s->package.n += uj;
			continue;
		}
		for (uint32_t j = 0; j < s->ndevice; j++)
			if (!strcmp(s->device[j].pci, INSIDE))
				gpu_tell(&s->device[j].v[GPU_ENERGY], uj, STARLING_FROM_KERNEL,
					 false);
	}
	return 0;
}

static int add(struct rapl *r, const char *dir)
{
	struct domain *d = &r->domain[r->n];
	char name[32];
	int err;

	if (r->n == DOMAINS_MAX || strlen(dir) >= sizeof(d->dir) ||
	    file_text(name, sizeof(name), r->root, "/sys/class/powercap/%s/name", dir) <= 0)
		return 0;
	*d = (struct domain){ .graphics = !strcmp(name, "uncore") };
	if (!d->graphics && strncmp(name, "package-", 8))
		return 0;
	snprintf(d->dir, sizeof(d->dir), "%s", dir);
	if (file_number(&d->range_uj, r->root, "/sys/class/powercap/%s/max_energy_range_uj", dir))
		d->range_uj = 0;
	err = read_energy(r, d, &d->uj);
	d->has = !err;
	r->n += !err;
	return err;
}

static int find(struct rapl *r)
{
	char path[512];
	struct dirent *e;
	int err = -ENOENT;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/sys/class/powercap", r->root);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (!strncmp(e->d_name, "intel-rapl:", 11) && add(r, e->d_name) == -EACCES)
			err = -EACCES;
	if (dir)
		closedir(dir);
	return r->n ? 0 : err;
}

static int rapl_open(void **self, const char *root, struct gpu_caps *caps)
{
	struct rapl *r = calloc(1, sizeof(*r));
	bool graphics = false;
	int err;

	if (!r)
		return -ENOMEM;
	r->root = root;
	err = find(r);
	if (err) {
		snprintf(caps->why, sizeof(caps->why), err == -EACCES ?
			 "energy_uj may be read by root only" :
			 "no energy counters in /sys/class/powercap");
		caps->can[GPU_ENERGY] = err == -EACCES ? GPU_CAN_RIGHT : GPU_CAN_ABSENT;
		free(r);
		return err;
	}
	for (unsigned int i = 0; i < r->n; i++)
		graphics |= r->domain[i].graphics;
	caps->there = true;
	caps->can[GPU_ENERGY] = graphics ? GPU_CAN : GPU_CAN_NOT;
	snprintf(caps->why, sizeof(caps->why), "the CPU's package%s",
		 graphics ? " and its graphics" : ", not the GPU apart");
	*self = r;
	return 0;
}

const struct gpu_backend gpu_rapl = {
	.name = "rapl", .open = rapl_open, .sample = rapl_sample, .close = free,
};
