// SPDX-License-Identifier: LGPL-2.1-only
/*
 * "fd=200,weight=100,priority=2,...,name=coder-12": numbers, and last the name, which
 * may have commas. What is not understood is left at its default.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/gpu/gpu.h"

#define TURN_NS	10000000ULL
/* Others' memory may come free; a program that can do with less is not to wait for long. */
#define PATIENCE_NS	5000000000ULL

static const struct {
	const char *key;
	size_t offset;		/* of 64 bits */
} numbers[] = {
	{ "fd", offsetof(struct gpu_settings, agent_fd) },
	{ "weight", offsetof(struct gpu_settings, weight) },
	{ "priority", offsetof(struct gpu_settings, priority) },
	{ "gpu", offsetof(struct gpu_settings, gpu) },
	{ "class", offsetof(struct gpu_settings, class) },
	{ "turn-ns", offsetof(struct gpu_settings, turn_ns) },
	{ "linger-ns", offsetof(struct gpu_settings, linger_ns) },
	{ "memory", offsetof(struct gpu_settings, memory_bytes) },
	{ "reserve", offsetof(struct gpu_settings, reserve_bytes) },
	{ "patience-ns", offsetof(struct gpu_settings, patience_ns) },
	{ "block", offsetof(struct gpu_settings, block) },
};

enum { NNUMBERS = sizeof(numbers) / sizeof(numbers[0]) };

static void set(struct gpu_settings *s, const char *key, uint64_t n)
{
	for (int i = 0; i < NNUMBERS; i++)
		if (!strcmp(numbers[i].key, key))
			memcpy((char *)s + numbers[i].offset, &n, sizeof(n));
}

bool gpu_settings_read(struct gpu_settings *s)
{
	const char *at = getenv(GPU_SETTINGS);
	char key[16];
	int len;

	*s = (struct gpu_settings){
		.agent_fd = -1, .turn_ns = TURN_NS, .linger_ns = GPU_LINGER_DEFAULT,
		.reserve_bytes = GPU_RESERVE_DEFAULT, .patience_ns = PATIENCE_NS,
	};
	if (!at)
		return false;
	while (sscanf(at, "%15[a-z-]=%n", key, &len) == 1) {
		at += len;
		if (!strcmp(key, "name")) {
			snprintf(s->name, sizeof(s->name), "%s", at);
			break;
		}
		set(s, key, strtoull(at, NULL, 10));
		at += strcspn(at, ",");
		at += *at == ',';
	}
	return true;
}

void gpu_settings_write(const struct gpu_settings *s, char text[GPU_SETTINGS_MAX])
{
	unsigned long long n;
	int len = 0;

	for (int i = 0; i < NNUMBERS; i++) {
		memcpy(&n, (const char *)s + numbers[i].offset, sizeof(n));
		len += snprintf(text + len, GPU_SETTINGS_MAX - len, "%s=%llu,", numbers[i].key, n);
	}
	snprintf(text + len, GPU_SETTINGS_MAX - len, "name=%s", s->name);
}
