// SPDX-License-Identifier: GPL-2.0-only
/*
 * cuGetProcAddress: a name without suffix and a flag give the address of one
 * of the exported symbols, as the real driver does, so that a uprobe on the
 * exported symbol sees callers that never use its name.
 */
#include "emu.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* newest first: what a caller of any CUDA version since 12 would get */
static const char *const versions[] = { "_v2", "" };
static const char *const variants[] = { "_ptsz", "_ptds", "" };

static void *lookup(const char *name, const char *version, const char *variant)
{
	static void *self;
	char full[128];

	if (!self) {
		Dl_info info;

		/* an exported one may be another library's, which was preloaded */
		if (!dladdr((void *)lookup, &info))
			return NULL;
		self = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
	}
	if (!self || snprintf(full, sizeof(full), "%s%s%s", name, version, variant) >=
		     (int)sizeof(full))
		return NULL;
	return dlsym(self, full);
}

static void *find(const char *name, int per_thread)
{
	size_t v, t;
	void *p;

	/* the context calls have a newer version each; none newer than asked */
	for (t = per_thread ? 0 : 2; t < 3; t++)
		for (v = 0; v < 2; v++) {
			p = lookup(name, versions[v], variants[t]);
			if (p)
				return p;
		}
	return NULL;
}

static CUresult get(const char *name, void **out, int version, uint64_t flags, int *status)
{
	int found;

	if (!name || !out || flags > CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM)
		return CUDA_ERROR_INVALID_VALUE;
	*out = NULL;
	/* the ABI of this call changed with 12.0; older callers get the first */
	if (!strcmp(name, "cuGetProcAddress") && version < 12000)
		*out = lookup(name, "", "");
	else if (!strncmp(name, "cu", 2))
		*out = find(name, flags == CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM);
	found = *out != NULL;
	if (status)
		*status = found ? CU_GET_PROC_ADDRESS_SUCCESS :
				  CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
	return found ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

EXPORT CUresult cuGetProcAddress_v2(const char *name, void **out, int version, uint64_t flags,
				    int *status)
{
	return get(name, out, version, flags, status);
}

EXPORT CUresult cuGetProcAddress(const char *name, void **out, int version, uint64_t flags)
{
	return get(name, out, version, flags, NULL);
}
