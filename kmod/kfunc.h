/* SPDX-License-Identifier: GPL-2.0-only */
/* kfunc.h - what BPF programs may ask the module. */
#ifndef STARLING_KFUNC_H
#define STARLING_KFUNC_H

/* Debian has module BTF only for kernels that have these macros. */
#ifdef HAVE_KFUNCS
void starling_kfuncs_init(void);
#else
static inline void starling_kfuncs_init(void)
{
}
#endif

#endif
