// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading a journal that a dead daemon left, as journal.c describes it.
 *
 * A line that is not understood is counted and passed over: what the others
 * say is still true, and must be undone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "daemon/place/journal.h"

static bool is_octal(const char *s)
{
	for (int i = 0; i < 3; i++)
		if (s[i] < '0' || s[i] > '7')
			return false;
	return true;
}

void journal_unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (s[0] == '\\' && is_octal(s + 1)) {
			*out++ = (s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0');
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

static int parse_attr(const char *name)
{
	for (int a = 0; a < __ATTR_MAX; a++)
		if (!strcmp(name, attr_name(a)))
			return a;
	return -EINVAL;
}

static int read_task(struct journal *j, char *line)
{
	struct attrs old = { 0 }, new = { 0 };
	struct identity id = { 0 };
	unsigned long long start;
	struct journal_entry *e;
	char name[16], *was, *is;
	int at = 0, a;

	if (sscanf(line, "t %u %u %llu %u %u %u %x %15s %n", &id.tid, &id.tgid, &start,
		   &id.pgid, &id.sid, &id.uid, &id.cgroup, name, &at) != 8 || !at)
		return -EINVAL;
	id.start = start;
	was = strtok_r(line + at, " ", &is);
	a = parse_attr(name);
	if (a < 0 || !was || !is || attr_parse(a, was, &old) || attr_parse(a, is, &new))
		return -EINVAL;
	e = journal_get(j, &id);
	if (!e)
		return -ENOMEM;
	journal_remember(j, e, a, &old, &new);
	return 0;
}

static int read_back(struct journal *j, const char *line)
{
	unsigned long long start;
	unsigned int tid, bits;
	struct journal_entry *e;

	if (sscanf(line, "b %u %llu %u", &tid, &start, &bits) != 3)
		return -EINVAL;
	e = journal_find(j, tid, start);
	if (e)
		e->active &= ~bits;
	return 0;
}

static int read_move(struct journal *j, char *line)
{
	struct identity id = { 0 };
	unsigned long long start;
	char *from, *to;
	int at = 0;

	if (sscanf(line, "m %u %llu %n", &id.tid, &start, &at) != 2 || !at)
		return -EINVAL;
	from = strtok_r(line + at, " ", &to);
	if (!from || !to || !*to)
		return -EINVAL;
	id.start = start;
	id.tgid = id.tid;
	journal_unescape(from);
	journal_unescape(to);
	journal_remember_move(j, &id, from, to);
	return 0;
}

static int read_group(struct journal *j, char *line)
{
	char *dir, *home;

	if (line[1] != ' ')
		return -EINVAL;
	dir = strtok_r(line + 2, " ", &home);
	if (!dir)
		return -EINVAL;
	journal_unescape(dir);
	journal_unescape(home);
	journal_remember_move(j, NULL, *home ? home : NULL, dir);
	return 0;
}

static int read_line(struct journal *j, char *line)
{
	unsigned long long start;
	struct journal_move *m;
	unsigned int tid;

	switch (line[0]) {
	case 't':
		return read_task(j, line);
	case 'b':
		return read_back(j, line);
	case 'm':
		return read_move(j, line);
	case 'r':
		if (sscanf(line, "r %u %llu", &tid, &start) != 2)
			return -EINVAL;
		m = journal_find_move(j, tid, start);
		if (m)
			journal_remove_move(j, m);
		return 0;
	case 'g':
		return read_group(j, line);
	case 'k':
	case 'u':
		return line[1] == ' ' ? journal_read_mask(j, line) : -EINVAL;
	default:
		return -EINVAL;
	}
}

/* 1: read on; 0: nothing that concerns us; -errno. */
static int read_header(struct journal *j, const char *line)
{
	char id[JOURNAL_BOOT_ID_LEN], now[JOURNAL_BOOT_ID_LEN];
	unsigned long long since;
	int version;

	if (sscanf(line, "starling-journal %d %39s %llu", &version, id, &since) != 3)
		return 0;
	if (version < 1 || version > JOURNAL_VERSION)
		return -EPROTONOSUPPORT;
	if (!journal_boot_id(now, sizeof(now)) && strcmp(id, now))
		return 0;
	j->since = since ? since : 1;
	j->version = version;
	j->lines = 1;
	return 1;
}

/* Cuts a torn last line off, so that the next one starts at its own. */
int journal_read(struct journal *j)
{
	FILE *f = fopen(j->path, "re");
	char *line = NULL;
	size_t cap = 0;
	off_t good = 0;
	ssize_t n;
	int more = 1;

	if (!f)
		return -errno;
	while (more > 0 && (n = getline(&line, &cap, f)) > 0 && line[n - 1] == '\n') {
		line[n - 1] = '\0';
		good += n;
		if (!j->since)
			more = read_header(j, line);
		else if (read_line(j, line))
			j->bad_lines++;
		else
			j->lines++;
	}
	free(line);
	fclose(f);
	if (more < 0)
		return more;
	if (!j->since)
		good = 0;
	return ftruncate(j->fd, good) ? -errno : 0;
}
