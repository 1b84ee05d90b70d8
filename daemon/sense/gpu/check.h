/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * check.h - whether a sample makes sense, whoever sent it.
 *
 * A reader holds a vendor's library, and what that writes where it should not is
 * the reader's memory: the daemon takes none of it on trust.
 */
#ifndef STARLING_GPU_CHECK_H
#define STARLING_GPU_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gpu_sample;

/*
 * False: @s, of which @n bytes came, is no sample of the time between @after_ns and
 * @now_ns. Else single values in it that cannot be are now unknown ones, and its
 * texts are texts.
 */
bool gpu_sample_check(struct gpu_sample *s, size_t n, uint64_t after_ns, uint64_t now_ns);

#endif
