// SPDX-License-Identifier: GPL-2.0-only
/* What elf.c makes of good libraries and of files that only look like one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "daemon/sense/elf.h"

static const char *const names[] = { "qsort", "no_such_function", "getenv" };

enum { NAMES = sizeof(names) / sizeof(names[0]) };

/* A library with one function, as small as they get. */
struct image {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr;
	Elf64_Shdr shdr[3];
	Elf64_Sym sym[2];
	char strings[16];
	char code[64];
};

static void image_make(struct image *im)
{
	memset(im, 0, sizeof(*im));
	memcpy(im->ehdr.e_ident, ELFMAG, SELFMAG);
	im->ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	im->ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	im->ehdr.e_phoff = offsetof(struct image, phdr);
	im->ehdr.e_phnum = 1;
	im->ehdr.e_phentsize = sizeof(Elf64_Phdr);
	im->ehdr.e_shoff = offsetof(struct image, shdr);
	im->ehdr.e_shnum = 3;
	im->ehdr.e_shentsize = sizeof(Elf64_Shdr);
	im->phdr.p_type = PT_LOAD;
	im->phdr.p_flags = PF_R | PF_X;
	im->phdr.p_vaddr = 0x10000;
	im->phdr.p_filesz = im->phdr.p_memsz = sizeof(*im);
	im->shdr[1].sh_type = SHT_DYNSYM;
	im->shdr[1].sh_link = 2;
	im->shdr[1].sh_offset = offsetof(struct image, sym);
	im->shdr[1].sh_size = sizeof(im->sym);
	im->shdr[1].sh_entsize = sizeof(Elf64_Sym);
	im->shdr[2].sh_type = SHT_STRTAB;
	im->shdr[2].sh_offset = offsetof(struct image, strings);
	im->shdr[2].sh_size = sizeof(im->strings);
	strcpy(im->strings + 1, "getenv");
	im->sym[1].st_name = 1;
	im->sym[1].st_shndx = 1;
	im->sym[1].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
	im->sym[1].st_value = 0x10000 + offsetof(struct image, code);
}

static int look(const void *data, size_t len, uint64_t *offset)
{
	int fd = memfd_create("elf-test", MFD_CLOEXEC), n;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	n = elf_offsets(fd, names, NAMES, offset);
	close(fd);
	return n;
}

static void real_library(void **state)
{
	uint64_t offset[NAMES];
	Dl_info info;
	int fd;

	(void)state;
	assert_true(dladdr((void *)(uintptr_t)getenv, &info));
	fd = open(info.dli_fname, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(elf_offsets(fd, names, NAMES, offset), 2);
	assert_true(offset[0] && !offset[1] && offset[2]);
	close(fd);
}

static void small_library(void **state)
{
	uint64_t offset[NAMES];
	struct image im;

	(void)state;
	image_make(&im);
	assert_int_equal(look(&im, sizeof(im), offset), 1);
	assert_int_equal(offset[2], offsetof(struct image, code));
}

/* Every prefix of a good one: refused or harmless. */
static void cut_short(void **state)
{
	uint64_t offset[NAMES];
	struct image im;

	(void)state;
	image_make(&im);
	for (size_t len = 0; len < offsetof(struct image, code); len++)
		assert_true(look(&im, len, offset) < 0);
}

static void not_a_library(void **state)
{
	uint64_t offset[NAMES];
	struct image im;

	(void)state;
	assert_int_equal(look("#!/bin/sh\n", 10, offset), -ENOEXEC);
	image_make(&im);
	im.ehdr.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(look(&im, sizeof(im), offset), -ENOEXEC);
	image_make(&im);
	im.shdr[1].sh_type = SHT_NULL;
	assert_int_equal(look(&im, sizeof(im), offset), -ENOENT);
}

/* Sizes and positions from a file are not to be believed. */
static void hostile(void **state)
{
	uint64_t offset[NAMES];
	struct image im;

	(void)state;
	image_make(&im);
	im.shdr[2].sh_size = UINT64_MAX;
	assert_int_equal(look(&im, sizeof(im), offset), -ENOEXEC);
	image_make(&im);
	im.shdr[1].sh_link = 200;
	assert_int_equal(look(&im, sizeof(im), offset), -ENOEXEC);
	image_make(&im);
	im.shdr[1].sh_size = UINT64_MAX;
	assert_int_equal(look(&im, sizeof(im), offset), -ENOEXEC);
	image_make(&im);
	im.ehdr.e_shoff = UINT64_MAX - 8;
	assert_true(look(&im, sizeof(im), offset) < 0);
	image_make(&im);
	im.sym[1].st_name = UINT32_MAX;
	assert_int_equal(look(&im, sizeof(im), offset), 0);
	image_make(&im);
	im.sym[1].st_value = UINT64_MAX;
	assert_int_equal(look(&im, sizeof(im), offset), 0);
	image_make(&im);
	im.phdr.p_flags = PF_R;
	assert_int_equal(look(&im, sizeof(im), offset), 0);
	image_make(&im);
	memset(im.strings, 'x', sizeof(im.strings));
	assert_int_equal(look(&im, sizeof(im), offset), 0);
}

/* The same damage each time: a failure can be repeated. */
static void damaged(void **state)
{
	uint64_t offset[NAMES];
	struct image im;

	(void)state;
	srand(1);
	for (int i = 0; i < 20000; i++) {
		image_make(&im);
		for (int k = rand() % 4; k >= 0; k--)
			((unsigned char *)&im)[rand() % sizeof(im)] = rand();
		assert_true(look(&im, sizeof(im), offset) <= 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_library), cmocka_unit_test(small_library),
		cmocka_unit_test(cut_short), cmocka_unit_test(not_a_library),
		cmocka_unit_test(hostile), cmocka_unit_test(damaged),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
