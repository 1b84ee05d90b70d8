// SPDX-License-Identifier: GPL-2.0-only
/*
 * Energy, power and clock as GPU drivers give them to hwmon, and the rails of
 * boards on which a GPU has one.
 */
#include "daemon/sense/gpu/gpu.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/sense/gpu/file.h"

enum { SENSORS_MAX = 16, CHANNELS_MAX = 16 };

/* A megawatt is no GPU's. */
#define POWER_MAX_UW	1000000000000ULL

enum sensor_kind { SENSOR_ENERGY, SENSOR_POWER, SENSOR_RAIL };

struct sensor {
	char dir[32];		/* below /sys/class/hwmon */
	char pci[20];		/* "": that of a board */
	enum sensor_kind kind;
	unsigned int channel;
	bool shared;		/* feeds others than the GPU too */
	const char *file;	/* of SENSOR_POWER */
	uint64_t energy_uj;	/* at the last sample */
	bool has_energy;
};

struct hwmon {
	const char *root;
	unsigned int n;
	struct sensor sensor[SENSORS_MAX];
};

/* Labels of channels that are a GPU's, wholly or with others. */
static const struct {
	const char *label;
	bool shared;
} rails[] = {
	{ "gpu", false }, { "GPU", false }, { "VDD_GPU", false },
	{ "VDD_GPU_SOC", true }, { "VDD_CPU_GPU_CV", true },
};

static const char *const gpu_drivers[] = { "amdgpu", "i915", "xe", "nouveau" };

static bool is_gpu_driver(const char *name)
{
	for (size_t i = 0; i < sizeof(gpu_drivers) / sizeof(gpu_drivers[0]); i++)
		if (!strcmp(gpu_drivers[i], name))
			return true;
	return false;
}

static int rail_of(const char *label)
{
	for (size_t i = 0; i < sizeof(rails) / sizeof(rails[0]); i++)
		if (!strcmp(rails[i].label, label))
			return i;
	return -1;
}

static bool has_file(const struct hwmon *h, const char *dir, const char *file)
{
	uint64_t n;

	return !file_number(&n, h->root, "/sys/class/hwmon/%s/%s", dir, file);
}

static struct sensor *add(struct hwmon *h, const char *dir, enum sensor_kind kind)
{
	struct sensor *s = &h->sensor[h->n];

	if (h->n == SENSORS_MAX)
		return NULL;
	h->n++;
	*s = (struct sensor){ .kind = kind, .channel = 1 };
	snprintf(s->dir, sizeof(s->dir), "%s", dir);
	return s;
}

static void add_driver(struct hwmon *h, const char *dir)
{
	static const char *const powers[] = { "power1_average", "power1_input" };
	struct sensor *s = NULL;
	const char *file = NULL;

	for (int i = 0; !file && i < 2; i++)
		file = has_file(h, dir, powers[i]) ? powers[i] : NULL;
	if (has_file(h, dir, "energy1_input"))
		s = add(h, dir, SENSOR_ENERGY);
	else if (file)
		s = add(h, dir, SENSOR_POWER);
	if (!s)
		return;
	s->file = file;
	file_link(s->pci, sizeof(s->pci), h->root, "/sys/class/hwmon/%s/device", dir);
}

/* A channel with a label of @what: a rail of voltage and current, or power. */
static void add_rail(struct hwmon *h, const char *dir, const char *what, unsigned int channel)
{
	char label[32];
	struct sensor *s;
	int rail;

	if (file_text(label, sizeof(label), h->root, "/sys/class/hwmon/%s/%s%u_label", dir,
		      what, channel) <= 0)
		return;
	rail = rail_of(label);
	if (rail < 0)
		return;
	s = add(h, dir, !strcmp(what, "in") ? SENSOR_RAIL : !strcmp(what, "power") ?
		SENSOR_POWER : SENSOR_ENERGY);
	if (!s)
		return;
	s->channel = channel;
	s->shared = rails[rail].shared;
	s->file = "power1_input";
}

static void add_board(struct hwmon *h, const char *dir)
{
	static const char *const kinds[] = { "energy", "power", "in" };

	/* of one board the best kind only: they are the same energy */
	for (size_t k = 0; k < 3; k++) {
		unsigned int had = h->n;

		for (unsigned int c = 1; c <= CHANNELS_MAX; c++)
			add_rail(h, dir, kinds[k], c);
		if (h->n > had)
			return;
	}
}

static void find(struct hwmon *h)
{
	char path[512], name[32];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/sys/class/hwmon", h->root);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		if (strncmp(e->d_name, "hwmon", 5) || strlen(e->d_name) > 16 ||
		    file_text(name, sizeof(name), h->root, "/sys/class/hwmon/%s/name",
			      e->d_name) <= 0)
			continue;
		if (is_gpu_driver(name))
			add_driver(h, e->d_name);
		else
			add_board(h, e->d_name);
	}
	if (dir)
		closedir(dir);
}

/* -- values ------------------------------------------------------------------- */

/* Reading would wake a GPU that sleeps to save power. */
static bool asleep(const struct hwmon *h, const struct sensor *s)
{
	char text[16];

	return s->pci[0] && file_text(text, sizeof(text), h->root,
		"/sys/bus/pci/devices/%s/power/runtime_status", s->pci) > 0 &&
		!strcmp(text, "suspended");
}

static bool read_power(const struct hwmon *h, const struct sensor *s, uint64_t *uw)
{
	uint64_t mv, ma;

	if (s->kind == SENSOR_RAIL) {
		if (file_number(&mv, h->root, "/sys/class/hwmon/%s/in%u_input", s->dir,
				s->channel) ||
		    file_number(&ma, h->root, "/sys/class/hwmon/%s/curr%u_input", s->dir,
				s->channel))
			return false;
		return !__builtin_mul_overflow(mv, ma, uw);
	}
	if (s->channel == 1 && s->file)
		return !file_number(uw, h->root, "/sys/class/hwmon/%s/%s", s->dir, s->file);
	return !file_number(uw, h->root, "/sys/class/hwmon/%s/power%u_input", s->dir, s->channel);
}

static void tell_energy(const struct hwmon *h, struct sensor *s, struct gpu_device *dev)
{
	uint64_t uj;

	if (file_number(&uj, h->root, "/sys/class/hwmon/%s/energy%u_input", s->dir, s->channel)) {
		s->has_energy = false;
		return;
	}
	/* a counter that went back began anew: this interval is not known */
	if (s->has_energy && uj >= s->energy_uj)
		gpu_tell(&dev->v[GPU_ENERGY], uj - s->energy_uj, STARLING_FROM_DRIVER, s->shared);
	s->has_energy = true;
	s->energy_uj = uj;
}

/* A board's sensor is of its only GPU, whoever found that. */
static struct gpu_device *device_of(const struct sensor *s, struct gpu_sample *sample)
{
	if (s->pci[0])
		return gpu_sample_device(sample, s->pci);
	return sample->ndevice == 1 ? &sample->device[0] : NULL;
}

static void sample_one(const struct hwmon *h, struct sensor *s, struct gpu_sample *sample,
		       struct gpu_caps *caps)
{
	struct gpu_device *dev = device_of(s, sample);
	uint64_t uw, mhz;

	if (!dev || asleep(h, s))
		return;
	if (s->kind == SENSOR_ENERGY)
		tell_energy(h, s, dev);
	if (read_power(h, s, &uw) && uw <= POWER_MAX_UW) {
		gpu_tell(&dev->v[GPU_POWER], uw / 1000, STARLING_FROM_DRIVER, s->shared);
		if (s->kind != SENSOR_ENERGY)
			gpu_tell(&dev->v[GPU_ENERGY],
				 (double)uw * (sample->to_ns - sample->from_ns) / 1e9,
				 STARLING_FROM_MODEL, true);
		caps->can[GPU_POWER] = GPU_CAN;
	}
	/* Hz */
	if (s->pci[0] && !file_number(&mhz, h->root, "/sys/class/hwmon/%s/freq1_input", s->dir)) {
		gpu_tell(&dev->v[GPU_CLOCK], mhz / 1000000, STARLING_FROM_DRIVER, false);
		caps->can[GPU_CLOCK] = GPU_CAN;
	}
}

static int hwmon_sample(void *self, struct gpu_sample *s, struct gpu_caps *caps)
{
	struct hwmon *h = self;

	for (unsigned int i = 0; i < h->n; i++)
		sample_one(h, &h->sensor[i], s, caps);
	return 0;
}

static void say(const struct hwmon *h, struct gpu_caps *caps)
{
	const struct sensor *s = &h->sensor[0];

	for (unsigned int i = 0; i < h->n; i++)
		caps->can[GPU_ENERGY] = gpu_can_best(caps->can[GPU_ENERGY],
			h->sensor[i].kind == SENSOR_ENERGY ? GPU_CAN : GPU_CAN_INSTEAD);
	caps->there = true;
	snprintf(caps->why, sizeof(caps->why), "%u sensor%s: %s%s%s", h->n, h->n == 1 ? "" : "s",
		 s->dir, s->pci[0] ? " of " : "", s->pci);
}

static int hwmon_open(void **self, const char *root, struct gpu_caps *caps)
{
	struct hwmon *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->root = root;
	find(h);
	if (!h->n) {
		snprintf(caps->why, sizeof(caps->why), "no sensor of a GPU in /sys/class/hwmon");
		caps->can[GPU_ENERGY] = caps->can[GPU_POWER] = GPU_CAN_ABSENT;
		free(h);
		return -ENODEV;
	}
	say(h, caps);
	*self = h;
	return 0;
}

const struct gpu_backend gpu_hwmon = {
	.name = "hwmon", .open = hwmon_open, .sample = hwmon_sample, .close = free,
};
