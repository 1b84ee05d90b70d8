/* SPDX-License-Identifier: GPL-2.0-only */
/* A false libnvidia-ml.so.1 that answers anything, within its interface. */
#ifndef STARLING_FUZZ_NVML_FALSE_H
#define STARLING_FUZZ_NVML_FALSE_H

#include <stdbool.h>
#include <stdint.h>

/* Answers depend on @seed from here on; @note is told of them. Pids are below @pids. */
typedef void nvml_false_begin_fn(uint64_t seed, unsigned int pids,
				 void (*note)(const char *format, ...));
/* Has @pid been said to have @used bytes since the last nvml_false_round()? */
typedef bool nvml_false_said_fn(unsigned int pid, uint64_t used);
typedef void nvml_false_round_fn(void);

#endif
