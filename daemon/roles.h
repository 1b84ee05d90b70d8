/* SPDX-License-Identifier: GPL-2.0-only */
/* roles.h - the words for roles, sources, wait styles and priorities, shared with the tools. */
#ifndef STARLING_ROLES_H
#define STARLING_ROLES_H

#include <linux/starling.h>

const char *role_name(unsigned int role);
const char *role_source_name(unsigned int source);
const char *wait_style_name(unsigned int style);
const char *priority_name(unsigned int class);
/* enum starling_class; -EINVAL. "default" is none to ask for. */
int priority_parse(const char *name);
/* The role with this name; -EINVAL. "none" is no role to ask for. */
int role_parse(const char *name);

#endif
