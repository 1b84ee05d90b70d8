/* SPDX-License-Identifier: GPL-2.0-only */
/* standin.h - a function with the name of ggml's, that computes nothing by itself. */
#ifndef STARLING_TESTS_STANDIN_H
#define STARLING_TESTS_STANDIN_H

typedef void (*standin_work)(void *graph);

int ggml_graph_compute(void *graph, standin_work work);
typedef int (*standin_call)(void *graph, standin_work work);

#endif
