// SPDX-License-Identifier: GPL-2.0-only
/* What the driver says about itself and its one device, and error names. */
#include "emu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { DRIVER_VERSION = 12040 };

static const struct {
	CUresult code;
	const char *name, *text;
} errors[] = {
	{ CUDA_SUCCESS, "CUDA_SUCCESS", "no error" },
	{ CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument" },
	{ CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory" },
	{ CUDA_ERROR_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error" },
	{ CUDA_ERROR_DEINITIALIZED, "CUDA_ERROR_DEINITIALIZED", "driver shutting down" },
	{ CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected" },
	{ CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal" },
	{ CUDA_ERROR_INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE",
	  "device kernel image is invalid" },
	{ CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context" },
	{ CUDA_ERROR_OPERATING_SYSTEM, "CUDA_ERROR_OPERATING_SYSTEM",
	  "OS call failed or operation not supported on this OS" },
	{ CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle" },
	{ CUDA_ERROR_ILLEGAL_STATE, "CUDA_ERROR_ILLEGAL_STATE",
	  "the operation cannot be performed in the present state" },
	{ CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found" },
	{ CUDA_ERROR_NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready" },
	{ CUDA_ERROR_LAUNCH_TIMEOUT, "CUDA_ERROR_LAUNCH_TIMEOUT",
	  "the launch timed out and was terminated" },
	{ CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE, "CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE",
	  "cannot set while device is active in this process" },
	{ CUDA_ERROR_NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported" },
	{ CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
	  "system has unsupported display driver / cuda driver combination" },
	{ CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
	  "operation not permitted when stream is capturing" },
	{ CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
	  "operation failed due to a previous error during capture" },
	{ CUDA_ERROR_UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error" },
};

static const struct {
	int attr, value;
} attributes[] = {
	{ CU_ATTR_MAX_THREADS_PER_BLOCK, 1024 },
	{ CU_ATTR_WARP_SIZE, 32 },
	{ CU_ATTR_CLOCK_RATE, 2000000 },
	{ CU_ATTR_MULTIPROCESSOR_COUNT, 48 },
	{ CU_ATTR_INTEGRATED, 1 },
	{ CU_ATTR_CAN_MAP_HOST_MEMORY, 1 },
	{ CU_ATTR_CONCURRENT_KERNELS, 0 },
	{ CU_ATTR_PCI_BUS_ID, 1 },
	{ CU_ATTR_PCI_DEVICE_ID, 0 },
	{ CU_ATTR_UNIFIED_ADDRESSING, 1 },
	{ CU_ATTR_PCI_DOMAIN_ID, 0xffff },
	{ CU_ATTR_COMPUTE_CAPABILITY_MAJOR, 12 },
	{ CU_ATTR_COMPUTE_CAPABILITY_MINOR, 1 },
	{ CU_ATTR_MANAGED_MEMORY, 1 },
	{ CU_ATTR_COMPUTE_PREEMPTION_SUPPORTED, 0 },
	{ CU_ATTR_NUMA_ID, -1 },
	{ CU_ATTR_MPS_ENABLED, 0 },	/* see find_mps() */
	{ CU_ATTR_HOST_NUMA_ID, 0 },
};

/* -- devices: names of one, of which a program sees some ------------------------ */

enum { DEVICES_MAX = 8 };

static pthread_once_t once = PTHREAD_ONCE_INIT, mps_once = PTHREAD_ONCE_INIT;
static int visible[DEVICES_MAX], nvisible, mps;

static void make_uuid(char uuid[16], int n)
{
	memcpy(uuid, "starling-gpuemu", 16);
	uuid[15] = n;
}

static int is_named(const char *word, size_t len, int n)
{
	char uuid[16], text[41] = "GPU-";
	int at = 4;

	make_uuid(uuid, n);
	for (int i = 0; i < 16; i++)
		at += sprintf(text + at, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			      (unsigned char)uuid[i]);
	return len > 4 && len <= strlen(text) && !strncasecmp(word, text, len);
}

/* -1: no device has this name, or number. */
static int find_device(const char *word, size_t len, int count)
{
	for (int i = 0; i < count; i++)
		if ((len == 1 && word[0] == '0' + i) || is_named(word, len, i))
			return i;
	return -1;
}

/*
 * The driver decides when it starts, by who answers at these pipes. Here that something
 * of that name is there does; clients still have the device in turns.
 */
static void find_mps(void)
{
	const char *dir = getenv("CUDA_MPS_PIPE_DIRECTORY");
	char path[256];

	snprintf(path, sizeof(path), "%s/control", dir && *dir ? dir : "/tmp/nvidia-mps");
	mps = !access(path, F_OK);
}

/* As the driver reads it: up to the first word that is none. */
static void find_visible(void)
{
	const char *env = getenv("GPUEMU_DEVICES"), *at = getenv("CUDA_VISIBLE_DEVICES");
	int count = env ? atoi(env) : 1, n;

	count = count < 1 || count > DEVICES_MAX ? 1 : count;
	for (; !at && nvisible < count; nvisible++)
		visible[nvisible] = nvisible;
	while (at && nvisible < DEVICES_MAX) {
		n = find_device(at, strcspn(at, ","), count);
		if (n < 0)
			return;
		visible[nvisible++] = n;
		at = strchr(at, ',');
		at = at ? at + 1 : NULL;
	}
}

int emu_device_number(CUdevice dev)
{
	pthread_once(&once, find_visible);
	return dev >= 0 && dev < nvisible ? visible[dev] : -1;
}

EXPORT CUresult cuInit(unsigned int flags)
{
	if (flags)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_once(&mps_once, find_mps);
	return emu_device_number(0) < 0 ? CUDA_ERROR_NO_DEVICE : emu_client_init();
}

EXPORT CUresult cuDriverGetVersion(int *version)
{
	if (!version)
		return CUDA_ERROR_INVALID_VALUE;
	*version = DRIVER_VERSION;
	return CUDA_SUCCESS;
}

static CUresult error_row(CUresult code, size_t *row)
{
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (errors[i].code == code) {
			*row = i;
			return CUDA_SUCCESS;
		}
	}
	return CUDA_ERROR_INVALID_VALUE;
}

EXPORT CUresult cuGetErrorName(CUresult code, const char **out)
{
	size_t i;
	CUresult res = error_row(code, &i);

	*out = res ? NULL : errors[i].name;
	return res;
}

EXPORT CUresult cuGetErrorString(CUresult code, const char **out)
{
	size_t i;
	CUresult res = error_row(code, &i);

	*out = res ? NULL : errors[i].text;
	return res;
}

static CUresult check(CUdevice dev, const void *out)
{
	if (!emu_device())
		return CUDA_ERROR_NOT_INITIALIZED;
	if (emu_device_number(dev) < 0)
		return CUDA_ERROR_INVALID_DEVICE;
	return out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

EXPORT CUresult cuDeviceGetCount(int *count)
{
	CUresult res = check(0, count);

	if (!res)
		*count = nvisible;
	return res;
}

EXPORT CUresult cuDeviceGet(CUdevice *dev, int ordinal)
{
	CUresult res = check(ordinal, dev);

	if (!res)
		*dev = ordinal;
	return res;
}

EXPORT CUresult cuDeviceGetName(char *name, int len, CUdevice dev)
{
	CUresult res = check(dev, name);

	if (!res)
		snprintf(name, len, "%s", GPUEMU_NAME);
	return res;
}

EXPORT CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice dev)
{
	CUresult res = check(dev, uuid);

	if (!res)
		make_uuid(uuid->bytes, emu_device_number(dev));
	return res;
}

EXPORT CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice dev)
{
	CUresult res = check(dev, uuid);

	if (!res)
		make_uuid(uuid->bytes, emu_device_number(dev));
	return res;
}

EXPORT CUresult cuDeviceGetPCIBusId(char *id, int len, CUdevice dev)
{
	CUresult res = check(dev, id);

	if (!res)
		snprintf(id, len, "FFFF:%02x:00.0", 1 + emu_device_number(dev));
	return res;
}

EXPORT CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice dev)
{
	CUresult res = check(dev, bytes);

	if (!res)
		*bytes = gpuemu_mem_total();
	return res;
}

EXPORT CUresult cuDeviceGetAttribute(int *value, int attr, CUdevice dev)
{
	CUresult res = check(dev, value);
	size_t i;

	if (res)
		return res;
	for (i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		if (attributes[i].attr == attr) {
			*value = attributes[i].value;
			if (attr == CU_ATTR_PCI_BUS_ID)
				*value += emu_device_number(dev);
			else if (attr == CU_ATTR_INTEGRATED && getenv("GPUEMU_INTEGRATED"))
				*value = atoi(getenv("GPUEMU_INTEGRATED"));
			else if (attr == CU_ATTR_MPS_ENABLED)
				*value = mps;
			return CUDA_SUCCESS;
		}
	}
	return CUDA_ERROR_INVALID_VALUE;
}
