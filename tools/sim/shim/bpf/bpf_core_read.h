/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf_core_read.h - nothing has to be relocated in a native program. */
#ifndef SIM_BPF_CORE_READ_H
#define SIM_BPF_CORE_READ_H

#define BPF_CORE_READ(src, field, ...)	((src)->field __VA_OPT__(->) __VA_ARGS__)
#define bpf_core_field_exists(field)	(sizeof(field) > 0)

#endif
