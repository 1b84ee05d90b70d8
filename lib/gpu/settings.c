// SPDX-License-Identifier: LGPL-2.1-only
/*
 * "fd=200,weight=100,priority=2,gpu=0,memory=0,turn-ns=10000000,block=1,name=coder-12":
 * numbers, and last the name, which may have commas. What is not understood is left
 * at its default.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/gpu/gpu.h"

#define TURN_NS	10000000ULL

static void set(struct gpu_settings *s, const char *key, unsigned long long n)
{
	if (!strcmp(key, "fd"))
		s->agent_fd = n;
	else if (!strcmp(key, "weight"))
		s->weight = n;
	else if (!strcmp(key, "priority"))
		s->priority = n;
	else if (!strcmp(key, "gpu"))
		s->gpu = n;
	else if (!strcmp(key, "class"))
		s->class = n;
	else if (!strcmp(key, "memory"))
		s->memory_bytes = n;
	else if (!strcmp(key, "turn-ns"))
		s->turn_ns = n;
	else if (!strcmp(key, "linger-ns"))
		s->linger_ns = n;
	else if (!strcmp(key, "block"))
		s->block = n;
}

bool gpu_settings_read(struct gpu_settings *s)
{
	const char *at = getenv(GPU_SETTINGS);
	char key[16];
	int len;

	*s = (struct gpu_settings){
		.agent_fd = -1, .turn_ns = TURN_NS, .linger_ns = GPU_LINGER_DEFAULT,
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
	char linger[48] = "";

	if (s->linger_ns != GPU_LINGER_DEFAULT)
		snprintf(linger, sizeof(linger), "linger-ns=%llu,",
			 (unsigned long long)s->linger_ns);
	snprintf(text, GPU_SETTINGS_MAX,
		 "fd=%d,weight=%u,priority=%u,gpu=%u,class=%u,memory=%llu,turn-ns=%llu,%sblock=%d,"
		 "name=%s", s->agent_fd, s->weight, s->priority, s->gpu, s->class,
		 (unsigned long long)s->memory_bytes, (unsigned long long)s->turn_ns, linger,
		 s->block, s->name);
}
