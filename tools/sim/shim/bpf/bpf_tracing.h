/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf_tracing.h - a program of a struct_ops table is a plain function here. */
#ifndef SIM_BPF_TRACING_H
#define SIM_BPF_TRACING_H

#define BPF_PROG(name, args...)	name(args)

#endif
