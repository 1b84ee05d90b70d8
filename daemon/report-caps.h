/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * report-caps.h - which source can tell what of a GPU here, as JSON: the same of
 * the daemon and of `starling check`.
 */
#ifndef STARLING_REPORT_CAPS_H
#define STARLING_REPORT_CAPS_H

#include <jansson.h>

struct gpu_caps;

/* One object a backend; a value that it does not tell anywhere is null. */
json_t *report_caps(const struct gpu_caps *caps);

#endif
