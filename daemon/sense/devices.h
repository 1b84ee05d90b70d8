/* SPDX-License-Identifier: GPL-2.0-only */
/* devices.h - processes that have a GPU driver's device open. */
#ifndef STARLING_SENSE_DEVICES_H
#define STARLING_SENSE_DEVICES_H

#include <stdint.h>

/* Call @fn for each. Nothing is looked at on a machine without such devices. */
void devices_openers(void (*fn)(void *ctx, uint32_t tgid), void *ctx);

#endif
