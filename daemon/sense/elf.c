// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/elf.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SECTIONS_MAX = 256,
	SEGMENTS_MAX = 64,
	SYMBOLS_MAX = 1 << 20,
	STRINGS_MAX = 64 << 20,
	SYMBOLS_READ = 512,
};

struct elf {
	int fd;
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr[SEGMENTS_MAX];
	Elf64_Shdr syms;
	char *strings;
	size_t strings_len;
};

static int read_at(int fd, void *buf, size_t len, uint64_t off)
{
	ssize_t n = pread(fd, buf, len, off);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -ENOEXEC;
}

static int read_header(struct elf *e)
{
	const Elf64_Ehdr *h = &e->ehdr;
	int err = read_at(e->fd, &e->ehdr, sizeof(e->ehdr), 0);

	if (err)
		return err;
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) || h->e_ident[EI_CLASS] != ELFCLASS64 ||
	    h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_phnum > SEGMENTS_MAX ||
	    h->e_shnum > SECTIONS_MAX || h->e_phentsize != sizeof(Elf64_Phdr) ||
	    h->e_shentsize != sizeof(Elf64_Shdr))
		return -ENOEXEC;
	return read_at(e->fd, e->phdr, h->e_phnum * sizeof(Elf64_Phdr), h->e_phoff);
}

static int read_strings(struct elf *e, const Elf64_Shdr *sh)
{
	int err;

	if (sh->sh_type != SHT_STRTAB || sh->sh_size > STRINGS_MAX)
		return -ENOEXEC;
	e->strings = malloc(sh->sh_size + 1);
	if (!e->strings)
		return -ENOMEM;
	err = read_at(e->fd, e->strings, sh->sh_size, sh->sh_offset);
	if (err)
		return err;
	e->strings[sh->sh_size] = 0;
	e->strings_len = sh->sh_size;
	return 0;
}

static int find_symbols(struct elf *e)
{
	Elf64_Shdr sh[SECTIONS_MAX];
	int err = read_at(e->fd, sh, e->ehdr.e_shnum * sizeof(*sh), e->ehdr.e_shoff);

	if (err)
		return err;
	for (int i = 0; i < e->ehdr.e_shnum; i++) {
		if (sh[i].sh_type != SHT_DYNSYM)
			continue;
		if (sh[i].sh_entsize != sizeof(Elf64_Sym) ||
		    sh[i].sh_size / sizeof(Elf64_Sym) > SYMBOLS_MAX ||
		    sh[i].sh_link >= e->ehdr.e_shnum)
			return -ENOEXEC;
		e->syms = sh[i];
		return read_strings(e, &sh[sh[i].sh_link]);
	}
	return -ENOENT;
}

/* Only code can carry a probe. */
static uint64_t file_offset(const struct elf *e, uint64_t addr)
{
	for (int i = 0; i < e->ehdr.e_phnum; i++) {
		const Elf64_Phdr *ph = &e->phdr[i];

		if (ph->p_type == PT_LOAD && ph->p_flags & PF_X &&
		    addr >= ph->p_vaddr && addr - ph->p_vaddr < ph->p_filesz)
			return addr - ph->p_vaddr + ph->p_offset;
	}
	return 0;
}

static int match(const struct elf *e, const Elf64_Sym *sym,
		 const char *const *name, size_t n, uint64_t *offset)
{
	if (ELF64_ST_TYPE(sym->st_info) != STT_FUNC || !sym->st_value ||
	    sym->st_name >= e->strings_len)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (offset[i] || strcmp(e->strings + sym->st_name, name[i]))
			continue;
		offset[i] = file_offset(e, sym->st_value);
		return !!offset[i];
	}
	return 0;
}

static int match_all(const struct elf *e, const char *const *name, size_t n,
		     uint64_t *offset)
{
	size_t left = e->syms.sh_size / sizeof(Elf64_Sym), take;
	uint64_t at = e->syms.sh_offset;
	Elf64_Sym sym[SYMBOLS_READ];
	int found = 0, err;

	for (; left; left -= take, at += take * sizeof(*sym)) {
		take = left < SYMBOLS_READ ? left : SYMBOLS_READ;
		err = read_at(e->fd, sym, take * sizeof(*sym), at);
		if (err)
			return err;
		for (size_t i = 0; i < take; i++)
			found += match(e, &sym[i], name, n, offset);
	}
	return found;
}

int elf_offsets(int fd, const char *const *name, size_t n, uint64_t *offset)
{
	struct elf e = { .fd = fd };
	int err;

	memset(offset, 0, n * sizeof(*offset));
	err = read_header(&e);
	if (!err)
		err = find_symbols(&e);
	if (!err)
		err = match_all(&e, name, n, offset);
	free(e.strings);
	return err;
}
