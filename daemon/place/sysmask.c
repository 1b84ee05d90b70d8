// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/place/sysmask.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "daemon/topology.h"

static const struct sysmask_ops *const kinds[__SYSMASK_MAX] = {
	[SYSMASK_IRQ] = &sysmask_irq,
	[SYSMASK_IRQ_DEFAULT] = &sysmask_irq_default,
	[SYSMASK_WORKQUEUE] = &sysmask_workqueue,
	[SYSMASK_KTHREAD] = &sysmask_kthread,
};

/* -- files --------------------------------------------------------------------- */

static int open_file(int flags, const char *fmt, va_list args)
{
	char path[SYSMASK_PATH_LEN];
	int fd;

	if (vsnprintf(path, sizeof(path), fmt, args) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysmask_get(char *buf, size_t len, const char *fmt, ...)
{
	va_list args;
	ssize_t n;
	int fd;

	va_start(args, fmt);
	fd = open_file(O_RDONLY, fmt, args);
	va_end(args);
	if (fd < 0)
		return fd;
	n = read(fd, buf, len - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return n;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

int sysmask_put(const char *word, const char *fmt, ...)
{
	va_list args;
	int fd, err = 0;

	va_start(args, fmt);
	fd = open_file(O_WRONLY | O_TRUNC, fmt, args);
	va_end(args);
	if (fd < 0)
		return fd;
	if (write(fd, word, strlen(word)) < 0)
		err = -errno;
	close(fd);
	return err;
}

void sysmask_each_number(const char *dir, void (*fn)(void *ctx, unsigned int nr), void *ctx)
{
	DIR *d = opendir(dir);
	struct dirent *de;

	if (!d)
		return;
	while ((de = readdir(d)))
		if (isdigit((unsigned char)de->d_name[0]))
			fn(ctx, strtoul(de->d_name, NULL, 10));
	closedir(d);
}

/* -- masks as text --------------------------------------------------------------- */

enum { WORD_BITS = 32, WORDS = CPU_SETSIZE / WORD_BITS };

int sysmask_parse_hex(const char *text, cpu_set_t *out)
{
	unsigned int nwords = 1, word;
	const char *at;
	unsigned long bits;
	char *end;

	for (at = text; *at; at++)
		nwords += *at == ',';
	CPU_ZERO(out);
	for (word = nwords; word--; text = end + 1) {
		bits = strtoul(text, &end, 16);
		if (end == text || bits > UINT32_MAX || *end != (word ? ',' : '\0'))
			return -EINVAL;
		for (unsigned int bit = 0; bit < WORD_BITS; bit++) {
			if (!(bits >> bit & 1))
				continue;
			if (word >= WORDS)
				return -ERANGE;
			CPU_SET(word * WORD_BITS + bit, out);
		}
	}
	return 0;
}

static uint32_t word_of(const cpu_set_t *mask, int word)
{
	uint32_t bits = 0;

	for (int bit = 0; bit < WORD_BITS; bit++)
		if (CPU_ISSET(word * WORD_BITS + bit, mask))
			bits |= UINT32_C(1) << bit;
	return bits;
}

/* No word more than needed: the kernel refuses those that it has no CPUs for. */
char *sysmask_format_hex(const cpu_set_t *mask, char *buf, size_t len)
{
	int word = WORDS - 1;
	size_t at = 0;

	while (word && !word_of(mask, word))
		word--;
	buf[0] = '\0';
	for (; word >= 0 && at + 10 < len; word--)
		at += snprintf(buf + at, len - at, at ? ",%08x" : "%x", word_of(mask, word));
	return buf;
}

/* -- by name ------------------------------------------------------------------------ */

static const struct sysmask_ops *find(const char *name, enum sysmask_kind *kind,
				      unsigned int *nr)
{
	const char *slash = strchr(name, '/');
	size_t len = slash ? (size_t)(slash - name) : strlen(name);
	char *end = NULL;

	*nr = slash ? strtoul(slash + 1, &end, 10) : 0;
	for (int k = 0; k < __SYSMASK_MAX; k++) {
		if (strlen(kinds[k]->word) != len || strncmp(kinds[k]->word, name, len))
			continue;
		if (!kinds[k]->each != !slash || (slash && (end == slash + 1 || *end)))
			return NULL;
		*kind = k;
		return kinds[k];
	}
	return NULL;
}

int sysmask_read(const char *root, const char *name, struct sysmask *out)
{
	const struct sysmask_ops *ops;
	unsigned int nr;

	memset(out, 0, sizeof(*out));
	ops = find(name, &out->kind, &nr);
	if (!ops)
		return -ENOENT;
	snprintf(out->name, sizeof(out->name), "%s", name);
	snprintf(out->id, sizeof(out->id), "-");
	return ops->read(root, nr, out);
}

int sysmask_write(const char *root, const char *name, const cpu_set_t *mask)
{
	const struct sysmask_ops *ops;
	enum sysmask_kind kind;
	unsigned int nr;

	ops = find(name, &kind, &nr);
	return ops ? ops->write(root, nr, mask) : -ENOENT;
}

struct each {
	const char *root;
	const struct sysmask_ops *ops;
	sysmask_fn *fn;
	void *ctx;
};

static void each_one(const struct each *e, const char *name)
{
	struct sysmask m;

	if (!sysmask_read(e->root, name, &m))
		e->fn(e->ctx, &m);
}

static void each_numbered(void *ctx, unsigned int nr)
{
	const struct each *e = ctx;
	char name[SYSMASK_NAME_LEN];

	snprintf(name, sizeof(name), "%s/%u", e->ops->word, nr);
	each_one(e, name);
}

void sysmask_each(const char *root, sysmask_fn *fn, void *ctx)
{
	struct each e = { .root = root, .fn = fn, .ctx = ctx };

	for (int k = 0; k < __SYSMASK_MAX; k++) {
		e.ops = kinds[k];
		if (e.ops->each)
			e.ops->each(root, each_numbered, &e);
		else
			each_one(&e, e.ops->word);
	}
}

int sysmask_online(const char *root, cpu_set_t *out)
{
	char text[4096];
	int err = sysmask_get(text, sizeof(text), "%s/sys/devices/system/cpu/online", root);

	return err ? err : cpuset_parse(text, out);
}
