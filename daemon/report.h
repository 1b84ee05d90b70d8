/* SPDX-License-Identifier: GPL-2.0-only */
/* report.h - what the daemon knows, as JSON for people and tools. */
#ifndef STARLING_REPORT_H
#define STARLING_REPORT_H

#include <jansson.h>
#include "daemon/daemon.h"

enum { REPORT_VERSION = 1 };

/* New references; NULL when out of memory. */
json_t *report_status(struct daemon *d);
/* NULL and -ESRCH in *@err when there is no such task. */
json_t *report_explain(struct daemon *d, uint32_t pid, int *err);
/* What was decided after entry @after, as far as it is still known. */
json_t *report_log(const struct daemon *d, uint64_t after);

#endif
