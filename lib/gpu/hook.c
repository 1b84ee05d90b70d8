// SPDX-License-Identifier: LGPL-2.1-only
/*
 * A program comes to the driver's functions by three ways. What it was linked with
 * finds the functions of calls.c, which have the same names, first. dlsym() is ours,
 * too, and cuGetProcAddress, by which the CUDA runtime asks for all it needs, is
 * one of those functions; both look up the real address and, when that is one of
 * the replaced ones, give ours. Which version or variant was meant is the driver's
 * to say.
 */
#include <dlfcn.h>
#include <stdatomic.h>

#include "lib/gpu/gpu.h"

#define DRIVER "libcuda.so.1"

typedef void *(*dlsym_fn)(void *handle, const char *name);

static _Atomic(void *) real[GPU_NCALLS];
static atomic_bool found;

/* The C library's; jumped to by the code below, which has to find it set. */
__attribute__((visibility("hidden"))) dlsym_fn gpu_dlsym;

static void find_dlsym(void)
{
	/* The name it has had since the loader's functions are in libc, and before. */
	static const char *const versions[] = { "GLIBC_2.34", "GLIBC_2.17", "GLIBC_2.2.5" };

	for (size_t i = 0; !gpu_dlsym && i < sizeof(versions) / sizeof(versions[0]); i++)
		gpu_dlsym = (dlsym_fn)dlvsym(RTLD_NEXT, "dlsym", versions[i]);
}

__attribute__((constructor)) static void set_up(void)
{
	find_dlsym();
}

/*
 * Never loads it: a program that does not use the GPU has to stay without. Once it
 * is there it stays, as its addresses have been handed out. Several threads may do
 * this at once, and find the same; a lock would be taken in a library's constructor.
 */
static bool find_all(void)
{
	void *handle;

	if (atomic_load_explicit(&found, memory_order_acquire))
		return true;
	handle = gpu_dlsym ? dlopen(DRIVER, RTLD_LAZY | RTLD_NOLOAD) : NULL;
	if (!handle)
		return false;
	for (int i = 0; i < GPU_NCALLS; i++)
		real[i] = gpu_dlsym(handle, gpu_entries[i].name);
	/* That an old driver lacks some is nothing that the program asked about. */
	dlerror();
	atomic_store_explicit(&found, true, memory_order_release);
	return true;
}

void *gpu_real(enum gpu_call call)
{
	return find_all() ? atomic_load_explicit(&real[call], memory_order_relaxed) : NULL;
}

void *gpu_ours(const void *address)
{
	if (!address || !find_all())
		return NULL;
	for (int i = 0; i < GPU_NCALLS; i++)
		if (real[i] == address)
			return gpu_entries[i].ours;
	return NULL;
}

/* cuLaunchKernel and not curl_easy_init; what comes after the caller is not for us. */
static bool may_be_driver(const void *handle, const char *name)
{
	return handle != RTLD_NEXT && handle != RTLD_DEFAULT && name[0] == 'c' && name[1] == 'u' &&
	       name[2] >= 'A' && name[2] <= 'Z';
}

/* For dlsym() below: ours, or NULL where the C library has to answer. */
__attribute__((visibility("hidden"), used)) void *gpu_pick(void *handle, const char *name)
{
	if (!gpu_dlsym)
		find_dlsym();
	return name && may_be_driver(handle, name) ? gpu_ours(gpu_dlsym(handle, name)) : NULL;
}

/*
 * The C library finds out by the return address who asks (RTLD_NEXT): so it is
 * jumped to, and no call in C is sure to become a jump.
 */
#if defined(__x86_64__)
__asm__(".text\n"
	".globl dlsym\n"
	".type dlsym, @function\n"
	"dlsym:\n"
	"	endbr64\n"
	"	push %rdi\n"
	"	push %rsi\n"
	"	sub $8, %rsp\n"
	"	call gpu_pick\n"
	"	add $8, %rsp\n"
	"	pop %rsi\n"
	"	pop %rdi\n"
	"	test %rax, %rax\n"
	"	jnz 1f\n"
	"	jmp *gpu_dlsym(%rip)\n"
	"1:	ret\n"
	".size dlsym, . - dlsym\n");
#elif defined(__aarch64__)
__asm__(".text\n"
	".globl dlsym\n"
	".type dlsym, %function\n"
	"dlsym:\n"
	"	hint #34\n"	/* bti c */
	"	stp x29, x30, [sp, #-32]!\n"
	"	stp x0, x1, [sp, #16]\n"
	"	bl gpu_pick\n"
	"	mov x16, x0\n"
	"	ldp x0, x1, [sp, #16]\n"
	"	ldp x29, x30, [sp], #32\n"
	"	cbnz x16, 1f\n"
	"	adrp x16, gpu_dlsym\n"
	"	ldr x16, [x16, :lo12:gpu_dlsym]\n"
	"	br x16\n"
	"1:	mov x0, x16\n"
	"	ret\n"
	".size dlsym, . - dlsym\n");
#endif
