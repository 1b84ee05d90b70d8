// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/roles.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const char *const roles[__STARLING_ROLE_MAX] = {
	[STARLING_ROLE_NONE] = "none",
	[STARLING_ROLE_FEEDER] = "feeder",
	[STARLING_ROLE_SERVICE] = "service",
	[STARLING_ROLE_ORCHESTRATOR] = "orchestrator",
	[STARLING_ROLE_TOOL] = "tool",
	[STARLING_ROLE_BACKGROUND] = "background",
	[STARLING_ROLE_INFERENCE] = "inference",
};

static const char *const sources[] = {
	[STARLING_BY_NONE] = "none",
	[STARLING_BY_LINEAGE] = "lineage",
	[STARLING_BY_DETECTION] = "detection",
	[STARLING_BY_OWNER] = "owner",
	[STARLING_BY_SELF] = "self",
};

static const char *const styles[] = {
	[STARLING_WAIT_UNKNOWN] = "unknown",
	[STARLING_WAIT_BLOCK] = "block",
	[STARLING_WAIT_SPIN] = "spin",
	[STARLING_WAIT_YIELD] = "yield",
};

static const char *const priorities[__STARLING_CLASS_MAX] = {
	[STARLING_CLASS_DEFAULT] = "default",
	[STARLING_CLASS_INTERACTIVE] = "interactive",
	[STARLING_CLASS_NORMAL] = "normal",
	[STARLING_CLASS_BATCH] = "batch",
};

#define NAME_OF(table, i) \
	((i) < sizeof(table) / sizeof((table)[0]) ? (table)[i] : "unknown")

const char *role_name(unsigned int role)
{
	return NAME_OF(roles, role);
}

const char *role_source_name(unsigned int source)
{
	return NAME_OF(sources, source);
}

const char *wait_style_name(unsigned int style)
{
	return NAME_OF(styles, style);
}

int role_parse(const char *name)
{
	for (int i = STARLING_ROLE_FEEDER; i < __STARLING_ROLE_MAX; i++)
		if (!strcmp(roles[i], name))
			return i;
	return -EINVAL;
}

const char *priority_name(unsigned int class)
{
	return NAME_OF(priorities, class);
}

int priority_parse(const char *name)
{
	for (int i = STARLING_CLASS_INTERACTIVE; i < __STARLING_CLASS_MAX; i++)
		if (!strcmp(priorities[i], name))
			return i;
	return -EINVAL;
}
