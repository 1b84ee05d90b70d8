// SPDX-License-Identifier: GPL-2.0-only
/*
 * libggml-cpu for tests: what starlingd looks for in an engine's memory is a library
 * of that name with a function of this name.
 */
#include "tests/inference/standin.h"

/* Real ones are megabytes: what is less than 16 KiB is not looked at when it is read. */
__attribute__((used)) static const char size[1 << 16] = { 1 };

__attribute__((visibility("default")))
int ggml_graph_compute(void *graph, standin_work work)
{
	work(graph);
	return 0;
}
