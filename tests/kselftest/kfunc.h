/* SPDX-License-Identifier: GPL-2.0-only */
/* kfunc.h - what a BPF program asks the module, and what it is told. */
#ifndef STARLING_TEST_KFUNC_H
#define STARLING_TEST_KFUNC_H

struct answers {
	int tid;
	unsigned int gpu;
	unsigned long long agent;
	unsigned int role;
	unsigned int weight;
	unsigned int holders;
	unsigned int waiting;
};

#endif
