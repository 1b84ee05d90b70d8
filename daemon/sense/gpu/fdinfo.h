/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fdinfo.h - what /proc/PID/fdinfo/N says of a GPU's file, as a pure function
 * over text (the kernel's Documentation/gpu/drm-usage-stats.rst).
 */
#ifndef STARLING_GPU_FDINFO_H
#define STARLING_GPU_FDINFO_H

#include <stdbool.h>
#include <stdint.h>

enum { FDINFO_ENGINES_MAX = 16, FDINFO_NAME_LEN = 24 };

struct fdinfo_engine {
	char name[FDINFO_NAME_LEN];
	bool has_ns;
	bool has_cycles;	/* with @total_cycles: else they say nothing of time */
	bool has_total;
	uint64_t ns;
	uint64_t cycles;
	uint64_t total_cycles;
	uint32_t capacity;	/* engines of this name; 0: not said, 1 */
};

struct fdinfo {
	char driver[FDINFO_NAME_LEN];
	char pdev[20];		/* "" where the GPU is not on PCI */
	bool has_client;
	uint64_t client;
	bool has_memory;
	uint64_t memory;	/* bytes: of its own where it has such, else all */
	unsigned int nengine;
	struct fdinfo_engine engine[FDINFO_ENGINES_MAX];
};

/*
 * Lines that are not known or not whole are passed over, whatever they hold.
 * False when the text is not that of a GPU's file: no driver, or no client.
 */
bool fdinfo_parse(struct fdinfo *out, const char *text);

/*
 * Time a client had the GPU busy between two of its texts, in an interval of
 * @dt ns: of the engine that worked longest, as engines run side by side.
 * @several: more than one worked, so it may be more. False: it does not say.
 */
bool fdinfo_busy(const struct fdinfo *before, const struct fdinfo *now, uint64_t dt,
		 uint64_t *ns, bool *several);

#endif
