// SPDX-License-Identifier: GPL-2.0-only
/*
 * It keeps to the memory it is given, and to nothing else: errors of any number,
 * counts that are not true, sizes that grow between two calls, texts without an
 * end, time stamps of any time.
 */
#include "tests/fuzz/nvml-false.h"

#include <string.h>
#include <time.h>

#include "daemon/sense/gpu/nvml-abi.h"
#include "tests/fuzz/chance.h"

#define EXPORT __attribute__((visibility("default")))

enum { DEVICES = 20, SAID_MAX = 20000 };

static uint64_t chance;
static unsigned int npids;
static void (*note)(const char *format, ...);
static char device[DEVICES];
static unsigned int nsaid;
static struct {
	unsigned int pid;
	uint64_t used;
} said[SAID_MAX];

EXPORT void nvml_false_begin(uint64_t seed, unsigned int pids,
			     void (*to)(const char *format, ...))
{
	chance = seed;
	npids = pids;
	note = to;
	nsaid = 0;
}

EXPORT void nvml_false_round(void)
{
	nsaid = 0;
}

EXPORT bool nvml_false_said(unsigned int pid, uint64_t used)
{
	for (unsigned int i = 0; i < nsaid; i++)
		if (said[i].pid == pid && said[i].used == used)
			return true;
	return false;
}

static uint32_t below(uint32_t n)
{
	return chance_below(&chance, n);
}

static bool one_in(uint32_t n)
{
	return !below(n);
}

/* Mostly it answers; else an error that there is, or one that there is not. */
static nvml_ret answer(const char *what, unsigned int often)
{
	static const nvml_ret errors[] = {
		NVML_NOT_SUPPORTED, NVML_NOT_SUPPORTED, NVML_NOT_FOUND, NVML_NOT_FOUND,
		NVML_INSUFFICIENT_SIZE, NVML_NO_PERMISSION, NVML_TIMEOUT, NVML_FUNCTION_NOT_FOUND,
		NVML_GPU_IS_LOST, NVML_UNINITIALIZED, NVML_DRIVER_NOT_LOADED, 999, -1, 0x7fffffff,
	};
	nvml_ret ret = one_in(often) ? errors[below(sizeof(errors) / sizeof(errors[0]))] : NVML_OK;

	note("%s %d\n", what, ret);
	return ret;
}

/* All of it, often without an end. */
static void put_text(char *text, unsigned int len, const char *what)
{
	memset(text, one_in(2) ? 'N' : 0x80 | below(128), len);
	if (one_in(2))
		memcpy(text, what, strlen(what) < len ? strlen(what) + 1 : len);
}

static unsigned int some_pid(void)
{
	return one_in(16) ? (unsigned int)chance_number(&chance) : below(npids);
}

/* Any number, or one that is in use by somebody. */
static uint64_t some_number(void)
{
	return one_in(3) ? chance_number(&chance) : below(1 << 30);
}

/* -- the library --------------------------------------------------------------------- */

EXPORT nvml_ret nvmlInit_v2(void)
{
	return answer("init", 40);
}

EXPORT nvml_ret nvmlShutdown(void)
{
	return NVML_OK;
}

EXPORT const char *nvmlErrorString(nvml_ret ret)
{
	return ret == 999 ? "Unknown error\n\xff" : "some error, the text of which is longer than "
		"anybody who reads it has provided for, so that it is cut off somewhere or worse";
}

EXPORT nvml_ret nvmlSystemGetDriverVersion(char *text, unsigned int len)
{
	put_text(text, len, "580.1");
	return answer("version", 8);
}

EXPORT nvml_ret nvmlDeviceGetCount_v2(unsigned int *n)
{
	*n = one_in(8) ? (unsigned int)chance_number(&chance) : 1 + below(3);
	note("count %u\n", *n);
	return answer("count", 40);
}

EXPORT nvml_ret nvmlDeviceGetHandleByIndex_v2(unsigned int i, nvml_dev *out)
{
	*out = (nvml_dev)(one_in(20) ? NULL : &device[i % DEVICES]);
	return answer("handle", 20);
}

EXPORT nvml_ret nvmlDeviceGetName(nvml_dev d, char *text, unsigned int len)
{
	(void)d;
	put_text(text, len, "NVIDIA GB10");
	return answer("name", 8);
}

EXPORT nvml_ret nvmlDeviceGetUUID(nvml_dev d, char *text, unsigned int len)
{
	(void)d;
	put_text(text, len, "GPU-73746172-6c69-6e67-2d67-7075656d7500");
	return answer("uuid", 8);
}

EXPORT nvml_ret nvmlDeviceGetPciInfo_v3(nvml_dev d, struct nvml_pci *out)
{
	memset(out, 0xff, sizeof(*out));
	out->domain = one_in(8) ? (unsigned int)chance_number(&chance) : 0;
	out->bus = one_in(8) ? (unsigned int)chance_number(&chance) : (uintptr_t)d & 7;
	out->device = one_in(8) ? (unsigned int)chance_number(&chance) : 0;
	return answer("pci", 8);
}

static nvml_ret running(unsigned int *n, struct nvml_process *p)
{
	unsigned int room = *n, have = one_in(8) ? room : below(8);
	nvml_ret ret = answer("processes", 8);

	for (unsigned int i = 0; i < have && i < room; i++) {
		p[i].pid = some_pid();
		p[i].used = one_in(8) ? NVML_NOT_AVAILABLE : some_number();
		if (nsaid < SAID_MAX) {
			said[nsaid].pid = p[i].pid;
			said[nsaid++].used = p[i].used;
		}
	}
	/* not as many as it says */
	*n = one_in(8) ? (unsigned int)chance_number(&chance) : have;
	note("%u of %u\n", *n, room);
	return ret;
}

EXPORT nvml_ret nvmlDeviceGetComputeRunningProcesses_v3(nvml_dev d, unsigned int *n,
							struct nvml_process *p)
{
	(void)d;
	return running(n, p);
}

EXPORT nvml_ret nvmlDeviceGetGraphicsRunningProcesses_v3(nvml_dev d, unsigned int *n,
							 struct nvml_process *p)
{
	(void)d;
	return running(n, p);
}

static uint64_t wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

static uint64_t some_stamp(uint64_t last_us)
{
	uint64_t now = wall_us();

	switch (below(6)) {
	case 0:
		return chance_number(&chance);
	case 1:
		return now + below(20000000);
	case 2:
		return last_us - below(3) + 1;
	default:
		return now - below(one_in(2) ? 1000000 : 20000000);
	}
}

EXPORT nvml_ret nvmlDeviceGetProcessUtilization(nvml_dev d, struct nvml_usage *u,
						unsigned int *n, unsigned long long last_us)
{
	unsigned int room = *n, have = one_in(8) ? room : below(80);
	nvml_ret ret = answer("usage", 8);

	(void)d;
	if (one_in(8)) {
		/* more the next time, too */
		*n = room + 1 + (one_in(4) ? (unsigned int)chance_number(&chance) : below(100));
		note("wants %u\n", *n);
		return NVML_INSUFFICIENT_SIZE;
	}
	for (unsigned int i = 0; i < have && i < room; i++)
		u[i] = (struct nvml_usage){
			.pid = some_pid(), .stamp_us = some_stamp(last_us),
			.sm = one_in(8) ? (unsigned int)chance_number(&chance) : below(101),
		};
	*n = one_in(8) ? (unsigned int)chance_number(&chance) : have < room ? have : room;
	note("%u of %u since %llu\n", *n, room, last_us);
	return ret;
}

EXPORT nvml_ret nvmlDeviceGetUtilizationRates(nvml_dev d, struct nvml_utilization *out)
{
	(void)d;
	out->gpu = one_in(4) ? (unsigned int)chance_number(&chance) : below(101);
	out->memory = 0;
	return answer("rates", 8);
}

EXPORT nvml_ret nvmlDeviceGetMemoryInfo(nvml_dev d, struct nvml_memory *out)
{
	(void)d;
	*out = (struct nvml_memory){ some_number(), some_number(), some_number() };
	return answer("memory", 4);
}

EXPORT nvml_ret nvmlDeviceGetMemoryInfo_v2(nvml_dev d, struct nvml_memory2 *out)
{
	(void)d;
	out->total = some_number();
	out->used = some_number();
	return answer("memory 2", 4);
}

EXPORT nvml_ret nvmlDeviceGetPowerUsage(nvml_dev d, unsigned int *mw)
{
	(void)d;
	*mw = chance_number(&chance);
	return answer("power", 8);
}

EXPORT nvml_ret nvmlDeviceGetTotalEnergyConsumption(nvml_dev d, unsigned long long *mj)
{
	static unsigned long long all;

	(void)d;
	all = one_in(8) ? chance_number(&chance) : all + below(1 << 20);
	*mj = all;
	note("%llu mJ\n", *mj);
	return answer("energy", 8);
}

EXPORT nvml_ret nvmlDeviceGetClockInfo(nvml_dev d, unsigned int which, unsigned int *mhz)
{
	(void)d;
	(void)which;
	*mhz = chance_number(&chance);
	return answer("clock", 8);
}

EXPORT nvml_ret nvmlEventSetCreate(nvml_set *out)
{
	*out = (nvml_set)&device;
	return answer("events", 8);
}

EXPORT nvml_ret nvmlDeviceRegisterEvents(nvml_dev d, unsigned long long types, nvml_set set)
{
	(void)d;
	(void)types;
	(void)set;
	return answer("register", 3);
}

/* Now and then they do not end. */
EXPORT nvml_ret nvmlEventSetWait_v2(nvml_set set, struct nvml_event *out, unsigned int ms)
{
	(void)set;
	(void)ms;
	*out = (struct nvml_event){
		.device = (nvml_dev)&device[below(4)], .data = some_number(),
		.type = one_in(4) ? some_number() : NVML_EVENT_XID,
	};
	return one_in(3) ? NVML_TIMEOUT : answer("event", 8);
}
