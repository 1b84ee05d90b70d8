/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rung.h - what each placer cannot do on this machine, in plain sentences.
 *
 * Shared by the daemon and `starling check`, which has no placers.
 */
#ifndef STARLING_PLACE_RUNG_H
#define STARLING_PLACE_RUNG_H

#include <stddef.h>

enum { RUNG_LACKS_MAX = 16 };

/* Names of the placers there may be, best first, NULL-terminated. */
extern const char *const rung_names[];

/*
 * What placer @name lacks here, as static texts; returns how many. What this
 * process may not do counts as lacking.
 */
size_t rung_lacks(const char *name, const char *out[RUNG_LACKS_MAX]);

#endif
