/* SPDX-License-Identifier: GPL-2.0-only */
/* report-driver.h - what threads do with NVIDIA's kernel driver, as JSON. */
#ifndef STARLING_REPORT_DRIVER_H
#define STARLING_REPORT_DRIVER_H

#include <jansson.h>
#include <stdint.h>

struct daemon;

json_t *report_driver(const struct daemon *d);
/* Of one thread; null: it has nothing to do with it, or that is not known. */
json_t *report_driver_thread(const struct daemon *d, uint32_t tid);

#endif
