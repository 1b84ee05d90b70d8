/* SPDX-License-Identifier: GPL-2.0-only */
/* remains.h - what tasks used up to their very end. */
#ifndef STARLING_REMAINS_H
#define STARLING_REMAINS_H

#include <linux/types.h>

struct starling_member;

bool starling_remains_add(struct starling_member *m);
void starling_remains_exit(void);

#endif
