// SPDX-License-Identifier: GPL-2.0-only
/*
 * NVIDIA's management library. What it cannot do on a GPU it says by an error
 * at the first try, which is then an answer; on GB10 that is memory, and may be
 * more. A driver that was removed answers with errors of its own, and the
 * backend ends with them, so that the next try loads the library anew.
 */
#include "daemon/sense/gpu/gpu.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "daemon/sense/gpu/memory.h"
#include "daemon/sense/gpu/nvml-usage.h"
#include "daemon/sense/gpu/procs.h"

#define LIBRARY	"libnvidia-ml.so.1"

enum { USAGE_MAX = 4096, FAULTS_MAX = 32 };

struct functions {
	int (*init)(void);
	int (*shutdown)(void);
	int (*count)(unsigned int *n);
	int (*handle)(unsigned int i, nvml_dev *out);
	const char *(*error)(nvml_ret ret);
	int (*version)(char *text, unsigned int len);
	int (*name)(nvml_dev d, char *text, unsigned int len);
	int (*uuid)(nvml_dev d, char *text, unsigned int len);
	int (*pci)(nvml_dev d, struct nvml_pci *out);
	int (*compute)(nvml_dev d, unsigned int *n, struct nvml_process *p);
	int (*graphics)(nvml_dev d, unsigned int *n, struct nvml_process *p);
	int (*usage)(nvml_dev d, struct nvml_usage *u, unsigned int *n,
			  unsigned long long last_us);
	int (*rates)(nvml_dev d, struct nvml_utilization *out);
	int (*memory)(nvml_dev d, struct nvml_memory *out);
	int (*memory2)(nvml_dev d, struct nvml_memory2 *out);
	int (*power)(nvml_dev d, unsigned int *mw);
	int (*energy)(nvml_dev d, unsigned long long *mj);
	int (*clock)(nvml_dev d, unsigned int which, unsigned int *mhz);
	int (*set_create)(nvml_set *out);
	int (*set_add)(nvml_dev d, unsigned long long types, nvml_set set);
	int (*set_wait)(nvml_set set, struct nvml_event *out, unsigned int ms);
};

/* The newest name first; without those marked nothing works. */
static const struct {
	size_t at;
	bool needed;
	const char *name[2];
} symbols[] = {
#define FN(field) offsetof(struct functions, field)
	{ FN(init), true, { "nvmlInit_v2" } },
	{ FN(shutdown), true, { "nvmlShutdown" } },
	{ FN(count), true, { "nvmlDeviceGetCount_v2" } },
	{ FN(handle), true, { "nvmlDeviceGetHandleByIndex_v2" } },
	{ FN(error), false, { "nvmlErrorString" } },
	{ FN(version), false, { "nvmlSystemGetDriverVersion" } },
	{ FN(name), false, { "nvmlDeviceGetName" } },
	{ FN(uuid), false, { "nvmlDeviceGetUUID" } },
	{ FN(pci), false, { "nvmlDeviceGetPciInfo_v3" } },
	{ FN(compute), false, { "nvmlDeviceGetComputeRunningProcesses_v3",
				"nvmlDeviceGetComputeRunningProcesses_v2" } },
	{ FN(graphics), false, { "nvmlDeviceGetGraphicsRunningProcesses_v3",
				 "nvmlDeviceGetGraphicsRunningProcesses_v2" } },
	{ FN(usage), false, { "nvmlDeviceGetProcessUtilization" } },
	{ FN(rates), false, { "nvmlDeviceGetUtilizationRates" } },
	{ FN(memory), false, { "nvmlDeviceGetMemoryInfo" } },
	{ FN(memory2), false, { "nvmlDeviceGetMemoryInfo_v2" } },
	{ FN(power), false, { "nvmlDeviceGetPowerUsage" } },
	{ FN(energy), false, { "nvmlDeviceGetTotalEnergyConsumption" } },
	{ FN(clock), false, { "nvmlDeviceGetClockInfo" } },
	{ FN(set_create), false, { "nvmlEventSetCreate" } },
	{ FN(set_add), false, { "nvmlDeviceRegisterEvents" } },
	{ FN(set_wait), false, { "nvmlEventSetWait_v2" } },
#undef FN
};

struct device {
	nvml_dev handle;
	char pci[20];
	char name[44];
	char uuid[48];
	uint8_t number;		/* 1 + its index, by PCI address */
	struct nvml_read read;	/* how far utilization was read */
	uint64_t energy_mj;	/* at the last sample */
	bool has_energy;
	bool xid;		/* it tells faults */
	bool dead;		/* lost, or to be reset: not before the library is opened anew */
};

struct nvml {
	void *lib;
	struct functions fn;
	bool ready;		/* initialised, to be shut down */
	const char *root;
	nvml_set set;
	unsigned int ndevice;
	struct device device[GPU_DEVICES_MAX];
	struct nvml_usage *usage;
	unsigned int usage_room;
};

/* One device in one sample. */
struct look {
	struct nvml *n;
	struct device *d;
	struct gpu_device *out;
	struct gpu_sample *s;
	uint64_t dt;
	struct gpu_caps *caps;
	nvml_ret gone;		/* the error that says that the driver went */
	bool failed;		/* a list of processes was not told this time */
};

static uint64_t wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

/* -- errors ----------------------------------------------------------------- */

static const char *error_text(const struct nvml *n, nvml_ret ret)
{
	return n->fn.error ? n->fn.error(ret) : "error";
}

static bool means_gone(nvml_ret ret)
{
	return ret == NVML_UNINITIALIZED || ret == NVML_DRIVER_NOT_LOADED ||
		ret == NVML_RM_VERSION_MISMATCH;
}

/* Of one device: others go on. */
static bool means_dead(nvml_ret ret)
{
	return ret == NVML_GPU_IS_LOST || ret == NVML_RESET_REQUIRED;
}

static enum gpu_can can_of(nvml_ret ret)
{
	switch (ret) {
	case NVML_OK:
		return GPU_CAN;
	case NVML_NOT_FOUND:
		return GPU_CAN_LATER;
	case NVML_NO_PERMISSION:
		return GPU_CAN_RIGHT;
	case NVML_FUNCTION_NOT_FOUND:
		return GPU_CAN_OLD;
	}
	return GPU_CAN_UNSUPPORTED;
}

/* What is never told on this GPU, or to this user, is no failure. */
static bool is_failure(nvml_ret ret)
{
	return can_of(ret) == GPU_CAN_UNSUPPORTED && ret != NVML_NOT_SUPPORTED;
}

/* Whatever a call answers is an answer to whether it can be told. */
static bool heard(struct look *l, enum gpu_item item, nvml_ret ret)
{
	l->caps->can[item] = gpu_can_best(l->caps->can[item], can_of(ret));
	if (means_gone(ret))
		l->gone = ret;
	l->d->dead |= means_dead(ret);
	return ret == NVML_OK;
}

/* -- processes ---------------------------------------------------------------- */

static struct gpu_process *process_of(struct look *l, unsigned int pid)
{
	return gpu_sample_process(l->s, l->out, pid, procs_start(l->n->root, pid));
}

static void take_running(struct look *l, int (*fn)(nvml_dev, unsigned int *,
							 struct nvml_process *))
{
	/* zeroed: it may say that there are more than it has written */
	struct nvml_process p[GPU_PROCS_MAX] = { 0 };
	unsigned int n = GPU_PROCS_MAX;
	struct gpu_process *to;
	nvml_ret ret = fn ? fn(l->d->handle, &n, p) : NVML_FUNCTION_NOT_FOUND;

	if (ret == NVML_INSUFFICIENT_SIZE)
		l->s->lost++;
	l->failed |= is_failure(ret);
	if (!heard(l, GPU_PROC_MEMORY, ret))
		return;
	for (unsigned int i = 0; i < n && i < GPU_PROCS_MAX; i++) {
		to = process_of(l, p[i].pid);
		if (to && p[i].used != NVML_NOT_AVAILABLE)
			gpu_tell(&to->memory, p[i].used, STARLING_FROM_DRIVER, false);
	}
}

static void take_busy(void *ctx, unsigned int pid, uint64_t ns)
{
	struct look *l = ctx;
	struct gpu_process *to = process_of(l, pid);

	if (to)
		gpu_tell(&to->busy, ns, STARLING_FROM_DRIVER, true);
}

/* No samples at all is what an idle GPU says, and on some there never are any. */
static void idle_processes(struct look *l)
{
	uint32_t device = l->out - l->s->device;

	for (uint32_t i = 0; i < l->s->nproc; i++)
		if (l->s->proc[i].device == device)
			gpu_tell(&l->s->proc[i].busy, 0, STARLING_FROM_DRIVER, true);
}

static nvml_ret read_usage(struct nvml *n, struct device *d, unsigned int *have)
{
	nvml_ret ret;

	*have = n->usage_room;
	ret = n->fn.usage(d->handle, n->usage, have, d->read.last_us);
	if (ret != NVML_INSUFFICIENT_SIZE || *have <= n->usage_room || *have > USAGE_MAX)
		return ret;
	free(n->usage);
	n->usage_room = 0;
	n->usage = calloc(*have, sizeof(*n->usage));
	if (!n->usage)
		return NVML_INSUFFICIENT_SIZE;
	n->usage_room = *have;
	return n->fn.usage(d->handle, n->usage, have, d->read.last_us);
}

static void take_usage(struct look *l)
{
	struct device *d = l->d;
	unsigned int have = 0;
	nvml_ret ret;

	ret = l->n->fn.usage ? read_usage(l->n, d, &have) : NVML_FUNCTION_NOT_FOUND;
	if (!heard(l, GPU_PROC_BUSY, ret))
		have = 0;
	if (have > l->n->usage_room)
		have = l->n->usage_room;
	if (!nvml_usage_busy(l->n->usage, have, &d->read, wall_us(), take_busy, l))
		return;
	if (d->read.last_us && (ret == NVML_OK || ret == NVML_NOT_FOUND))
		idle_processes(l);
}

/* -- the device --------------------------------------------------------------- */

static void take_rates(struct look *l)
{
	struct nvml_utilization u;
	nvml_ret ret = l->n->fn.rates ? l->n->fn.rates(l->d->handle, &u) :
					NVML_FUNCTION_NOT_FOUND;

	if (heard(l, GPU_BUSY, ret) && u.gpu <= 100)
		gpu_tell(&l->out->v[GPU_BUSY], l->dt / 100 * u.gpu, STARLING_FROM_DRIVER, true);
}

static nvml_ret read_memory(struct look *l, uint64_t *total, uint64_t *used)
{
	struct nvml_memory2 m2 = { .version = NVML_MEMORY2_VERSION };
	struct nvml_memory m;
	nvml_ret ret = NVML_FUNCTION_NOT_FOUND;

	if (l->n->fn.memory2)
		ret = l->n->fn.memory2(l->d->handle, &m2);
	*total = m2.total;
	*used = m2.used;
	if (!ret || !l->n->fn.memory)
		return ret;
	ret = l->n->fn.memory(l->d->handle, &m);
	if (!ret) {
		*total = m.total;
		*used = m.used;
	}
	return ret;
}

/* Where CPU and GPU share memory the driver does not tell: the kernel does. */
static void take_memory(struct look *l)
{
	static const enum gpu_item items[] = { GPU_MEMORY, GPU_MEMORY_TOTAL };
	uint64_t total, used;
	nvml_ret ret = read_memory(l, &total, &used);

	if (ret == NVML_NOT_SUPPORTED && memory_tell(l->out, l->n->root)) {
		for (size_t i = 0; i < 2; i++)
			l->caps->can[items[i]] = gpu_can_best(l->caps->can[items[i]],
							      GPU_CAN_INSTEAD);
		if (l->out->v[GPU_PRESSURE].known)
			l->caps->can[GPU_PRESSURE] = GPU_CAN;
		return;
	}
	heard(l, GPU_MEMORY_TOTAL, ret);
	if (heard(l, GPU_MEMORY, ret) && used <= total && total <= GPU_VALUE_MAX) {
		gpu_tell(&l->out->v[GPU_MEMORY], used, STARLING_FROM_DRIVER, false);
		gpu_tell(&l->out->v[GPU_MEMORY_TOTAL], total, STARLING_FROM_DRIVER, false);
	}
}

/* The counter begins anew with the driver: then this interval is not known. */
static bool take_counter(struct look *l)
{
	unsigned long long mj;
	uint64_t uj;
	nvml_ret ret = l->n->fn.energy ? l->n->fn.energy(l->d->handle, &mj) :
					 NVML_FUNCTION_NOT_FOUND;

	if (!heard(l, GPU_ENERGY, ret))
		return false;
	if (l->d->has_energy && mj >= l->d->energy_mj &&
	    !__builtin_mul_overflow(mj - l->d->energy_mj, 1000, &uj))
		gpu_tell(&l->out->v[GPU_ENERGY], uj, STARLING_FROM_DRIVER, false);
	l->d->has_energy = true;
	l->d->energy_mj = mj;
	return true;
}

static void take_power(struct look *l)
{
	bool counter = take_counter(l);
	unsigned int mw;
	nvml_ret ret = l->n->fn.power ? l->n->fn.power(l->d->handle, &mw) :
					NVML_FUNCTION_NOT_FOUND;

	if (!heard(l, GPU_POWER, ret))
		return;
	gpu_tell(&l->out->v[GPU_POWER], mw, STARLING_FROM_DRIVER, false);
	if (counter)
		return;
	/* mW times ns is 1e-12 J */
	gpu_tell(&l->out->v[GPU_ENERGY], (double)mw * l->dt / 1e6, STARLING_FROM_MODEL, true);
	l->caps->can[GPU_ENERGY] = gpu_can_best(l->caps->can[GPU_ENERGY], GPU_CAN_INSTEAD);
}

static void take_clock(struct look *l)
{
	unsigned int mhz;
	nvml_ret ret = l->n->fn.clock ? l->n->fn.clock(l->d->handle, NVML_CLOCK_SM, &mhz) :
					NVML_FUNCTION_NOT_FOUND;

	if (heard(l, GPU_CLOCK, ret))
		gpu_tell(&l->out->v[GPU_CLOCK], mhz, STARLING_FROM_DRIVER, false);
}

static nvml_ret sample_one(struct nvml *n, struct device *d, struct gpu_sample *s,
			   struct gpu_caps *caps)
{
	struct look l = {
		.n = n, .d = d, .s = s, .caps = caps, .dt = s->to_ns - s->from_ns,
		.out = gpu_sample_device(s, d->pci),
	};

	if (!l.out)
		return NVML_OK;
	memcpy(l.out->name, d->name, sizeof(l.out->name));
	memcpy(l.out->uuid, d->uuid, sizeof(l.out->uuid));
	if (d->xid)
		gpu_tell(&l.out->v[GPU_FAULTS], 0, STARLING_FROM_DRIVER, false);
	take_running(&l, n->fn.compute);
	if (n->fn.graphics)
		take_running(&l, n->fn.graphics);
	l.out->number = d->number;
	l.out->complete = !l.failed;
	take_usage(&l);
	take_rates(&l);
	take_memory(&l);
	take_power(&l);
	take_clock(&l);
	return l.gone;
}

static void take_faults(struct nvml *n, struct gpu_sample *s)
{
	struct nvml_event ev;

	for (int i = 0; n->set && i < FAULTS_MAX; i++) {
		if (n->fn.set_wait(n->set, &ev, 0) != NVML_OK)
			return;
		for (unsigned int j = 0; j < n->ndevice; j++) {
			struct gpu_device *out;

			if (n->device[j].handle != ev.device || ev.type != NVML_EVENT_XID ||
			    !n->device[j].xid)
				continue;
			out = gpu_sample_device(s, n->device[j].pci);
			if (!out)
				continue;
			out->number = n->device[j].number;
			/* one that was lost meanwhile is in no other value */
			gpu_tell(&out->v[GPU_FAULTS], 0, STARLING_FROM_DRIVER, false);
			out->v[GPU_FAULTS].n++;
			out->last_fault = ev.data;
		}
	}
}

static int nvml_sample(void *self, struct gpu_sample *s, struct gpu_caps *caps)
{
	struct nvml *n = self;
	nvml_ret ret = NVML_OK;

	unsigned int alive = 0;

	for (unsigned int i = 0; !ret && i < n->ndevice; i++) {
		if (!n->device[i].dead)
			ret = sample_one(n, &n->device[i], s, caps);
		alive += !n->device[i].dead;
	}
	if (!ret && alive) {
		take_faults(n, s);
		return 0;
	}
	caps->there = false;
	snprintf(caps->why, sizeof(caps->why), "the driver went away: %s",
		 ret ? error_text(n, ret) : "no GPU is left, each is lost or to be reset");
	gpu_text(caps->why, sizeof(caps->why));
	return -ENODEV;
}

/* -- open --------------------------------------------------------------------- */

static int resolve(struct nvml *n, struct gpu_caps *caps)
{
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *fn = NULL;

		for (int j = 0; !fn && j < 2 && symbols[i].name[j]; j++)
			fn = dlsym(n->lib, symbols[i].name[j]);
		if (!fn && symbols[i].needed) {
			snprintf(caps->why, sizeof(caps->why),
				 "the driver's library is too old: it has no %s; update the driver",
				 symbols[i].name[0]);
			return -EPROTO;
		}
		memcpy((char *)&n->fn + symbols[i].at, &fn, sizeof(fn));
	}
	return 0;
}

/* As the kernel writes it: four digits of domain, lower case. */
static void set_pci(struct nvml *n, struct device *d, unsigned int index)
{
	struct nvml_pci pci = { 0 };

	if (n->fn.pci && !n->fn.pci(d->handle, &pci))
		snprintf(d->pci, sizeof(d->pci), "%04x:%02x:%02x.0", pci.domain,
			 pci.bus & 0xff, pci.device & 0x1f);
	else
		snprintf(d->pci, sizeof(d->pci), "nvidia%u", index);
}

static void open_device(struct nvml *n, unsigned int index, struct gpu_caps *caps)
{
	struct device *d = &n->device[n->ndevice];
	nvml_ret ret = n->fn.handle(index, &d->handle);

	/* one that this user may not use, or that fell off the bus */
	if (ret)
		return;
	n->ndevice++;
	d->number = index < UINT8_MAX ? index + 1 : 0;
	d->read.from_us = wall_us();
	set_pci(n, d, index);
	if (!n->fn.name || n->fn.name(d->handle, d->name, sizeof(d->name)))
		snprintf(d->name, sizeof(d->name), "NVIDIA GPU");
	gpu_text(d->name, sizeof(d->name));
	if (!n->fn.uuid || n->fn.uuid(d->handle, d->uuid, sizeof(d->uuid)))
		d->uuid[0] = '\0';
	gpu_text(d->uuid, sizeof(d->uuid));
	ret = n->set ? n->fn.set_add(d->handle, NVML_EVENT_XID, n->set) :
		       NVML_FUNCTION_NOT_FOUND;
	d->xid = !ret;
	caps->can[GPU_FAULTS] = gpu_can_best(caps->can[GPU_FAULTS], can_of(ret));
}

static int open_devices(struct nvml *n, struct gpu_caps *caps)
{
	char version[40] = "not known";
	unsigned int count = 0;

	if (n->fn.count(&count))
		count = 0;
	if (n->fn.set_create && n->fn.set_add && n->fn.set_wait && n->fn.set_create(&n->set))
		n->set = NULL;
	for (unsigned int i = 0; i < count && n->ndevice < GPU_DEVICES_MAX; i++)
		open_device(n, i, caps);
	if (!n->ndevice) {
		snprintf(caps->why, sizeof(caps->why),
			 "the driver has no GPU that this user may use");
		return -ENODEV;
	}
	if (n->fn.version)
		n->fn.version(version, sizeof(version));
	gpu_text(version, sizeof(version));
	snprintf(caps->why, sizeof(caps->why), "driver %s, %u GPU%s", version, n->ndevice,
		 n->ndevice == 1 ? "" : "s");
	return 0;
}

static int init(struct nvml *n, struct gpu_caps *caps)
{
	nvml_ret ret;
	int err;

	n->lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!n->lib) {
		/* the loader's own words say which library it is */
		snprintf(caps->why, sizeof(caps->why), "%s", dlerror());
		return -ENOENT;
	}
	err = resolve(n, caps);
	if (err)
		return err;
	ret = n->fn.init();
	n->ready = !ret;
	if (n->ready)
		return open_devices(n, caps);
	snprintf(caps->why, sizeof(caps->why), "%s%s", error_text(n, ret),
		 ret == NVML_RM_VERSION_MISMATCH ? "; the driver was updated: restart" :
		 ret == NVML_DRIVER_NOT_LOADED ? "; modprobe nvidia" : "");
	return ret == NVML_NO_PERMISSION ? -EACCES : -ENODEV;
}

/* Unloaded too: after an update the next try must find the new one. */
static void nvml_close(void *self)
{
	struct nvml *n = self;

	if (n->ready)
		n->fn.shutdown();
	if (n->lib)
		dlclose(n->lib);
	free(n->usage);
	free(n);
}

static int nvml_open(void **self, const char *root, struct gpu_caps *caps)
{
	struct nvml *n = calloc(1, sizeof(*n));
	int err;

	if (!n)
		return -ENOMEM;
	n->root = root;
	n->usage_room = GPU_PROCS_MAX;
	n->usage = calloc(n->usage_room, sizeof(*n->usage));
	err = n->usage ? init(n, caps) : -ENOMEM;
	gpu_text(caps->why, sizeof(caps->why));
	if (err) {
		nvml_close(n);
		return err;
	}
	caps->there = true;
	*self = n;
	return 0;
}

const struct gpu_backend gpu_nvml = {
	.name = "nvml", .open = nvml_open, .sample = nvml_sample, .close = nvml_close,
};
