/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * run-share.h - "starling run --gpu=share": at work on a GPU at the same time as others,
 * by NVIDIA's MPS. Nothing is put into the program: MPS is told by its environment.
 */
#ifndef TOOLS_RUN_SHARE_H
#define TOOLS_RUN_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include "tools/run-gpu.h"

/*
 * The environment of the command, and of whoever asks whether that works: MPS by the
 * pipes in @pipe, for an agent of @class (enum starling_class). @uuid: of the GPU, ""
 * where it is not known. What the environment says already stays, but for what an
 * option says otherwise. False: @why.
 */
bool run_share_environment(const struct run_gpu *g, const char *pipe, int class,
			   const char *uuid, char *why, size_t size);

#endif
