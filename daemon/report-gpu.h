/* SPDX-License-Identifier: GPL-2.0-only */
/* report-gpu.h - what is known of GPUs as JSON, each value with where it is from. */
#ifndef STARLING_REPORT_GPU_H
#define STARLING_REPORT_GPU_H

#include <jansson.h>

struct daemon;
struct gpu_value;

/* null, or an object: the value in units of @unit, its sources, whether estimated. */
json_t *report_value(const struct gpu_value *v, double unit);
json_t *report_sources(unsigned int source);
json_t *report_gpu(const struct daemon *d);

#endif
