// SPDX-License-Identifier: GPL-2.0-only
/*
 * The journal's file.
 *
 *   starling-journal 3 BOOT-ID TICKS
 *   t TID TGID START PGID SID UID CGROUP ATTRIBUTE OLD NEW
 *   b TID START ATTRIBUTES		is back (bits, see enum attr)
 *   m PID START FROM TO		process moved between cgroups
 *   r PID START			... is back
 *   g GROUP [HOME]			cgroup made; HOME of those born in it
 *   k NAME ID OLD NEW			mask of the machine's own, see sysmask.h
 *   u NAME				... is back
 *
 * Lines are only ever appended, so a crash can tear but the last one, whose
 * change has then not been made. A file of another boot speaks of no task
 * that lives. Words are separated by a blank; blanks in paths are written as
 * "\040", as in /proc/mounts.
 *
 * Version 1 had no masks, version 2 neither slices nor clamps. What reads those
 * alone would pass the rest over and then empty the file, so the number tells it to
 * leave the file alone.
 */
#include "daemon/place/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "daemon/topology.h"

enum {
	LINE_USUAL_LEN = 256,
	LINE_MAX_LEN = 16384,
	LINES_KEEP = 4096,	/* rewritten when longer than this and ... */
	LINES_PER_ENTRY = 8,	/* ... than this for each live entry */
	DEAD_KEEP = 256,
};

/* -- memory ---------------------------------------------------------------- */

static struct journal_key key_of(uint32_t tid, uint64_t start)
{
	return (struct journal_key){ .start = start, .tid = tid };
}

struct journal_entry *journal_find(struct journal *j, uint32_t tid, uint64_t start)
{
	struct journal_key key = key_of(tid, start);
	struct journal_entry *e;

	HASH_FIND(hh, j->entry, &key, sizeof(key), e);
	return e;
}

struct journal_entry *journal_get(struct journal *j, const struct identity *id)
{
	struct journal_entry *e = journal_find(j, id->tid, id->start);

	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->key = key_of(id->tid, id->start);
	e->id = *id;
	HASH_ADD(hh, j->entry, key, sizeof(e->key), e);
	return e;
}

static void drop(struct journal *j, struct journal_entry *e)
{
	HASH_DELETE(hh, j->entry, e);
	free(e);
}

void journal_remember(struct journal *j, struct journal_entry *e, enum attr a,
		      const struct attrs *old, const struct attrs *new)
{
	unsigned int bit = ATTR_BIT(a);

	if (!(e->active & bit))
		attr_copy(a, &e->old, old);
	attr_copy(a, &e->prev, e->ever & bit ? &e->new : new);
	attr_copy(a, &e->new, new);
	e->active |= bit;
	e->ever |= bit;
	e->seq = ++j->seq;
}

struct journal_move *journal_find_move(struct journal *j, uint32_t tid, uint64_t start)
{
	struct journal_move *m;

	for (m = j->move; m; m = m->next)
		if (!m->group && m->id.tid == tid && m->id.start == start)
			return m;
	return NULL;
}

void journal_remove_move(struct journal *j, struct journal_move *m)
{
	struct journal_move **at = &j->move;

	while (*at && *at != m)
		at = &(*at)->next;
	if (*at)
		*at = m->next;
	free(m->from);
	free(m->to);
	free(m);
}

static void set_home(struct journal *j, const char *group, const char *home)
{
	struct journal_move *m;

	for (m = j->move; m; m = m->next)
		if (m->group && !m->from && !strcmp(m->to, group))
			m->from = strdup(home);
}

static bool add_move(struct journal *j, const struct identity *id,
		     const char *from, const char *to)
{
	struct journal_move *m = calloc(1, sizeof(*m));

	if (!m)
		return false;
	m->group = !id;
	if (id)
		m->id = *id;
	m->to = strdup(to);
	m->from = from ? strdup(from) : NULL;
	m->next = j->move;
	j->move = m;
	return m->to && !m->from == !from;
}

/* A second move keeps the first origin: undo goes all the way back. */
void journal_remember_move(struct journal *j, const struct identity *id,
			   const char *from, const char *to)
{
	struct journal_move *m = id ? journal_find_move(j, id->tid, id->start) : NULL;
	char *copy;

	if (id)
		set_home(j, to, from);
	if (!m) {
		j->no_memory |= !add_move(j, id, from, to);
		return;
	}
	copy = strdup(to);
	if (!copy) {
		j->no_memory = true;
		return;
	}
	free(m->to);
	m->to = copy;
}

static void clear(struct journal *j)
{
	struct journal_entry *e, *next;

	HASH_ITER(hh, j->entry, e, next)
		drop(j, e);
	while (j->move)
		journal_remove_move(j, j->move);
	while (j->mask)
		journal_remove_mask(j, j->mask);
	j->since = 0;
	j->lines = 0;
	j->len = 0;
}

/* -- writing ---------------------------------------------------------------- */

int journal_boot_id(char *buf, size_t len)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	char *got = f ? fgets(buf, len, f) : NULL;

	if (f)
		fclose(f);
	if (!got)
		return -ENOENT;
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

static bool make_room(struct journal *j, size_t n)
{
	size_t cap = j->cap ? j->cap : 4096;
	char *buf;

	while (cap < j->len + n)
		cap *= 2;
	if (cap == j->cap)
		return true;
	buf = realloc(j->buf, cap);
	if (!buf)
		return false;
	j->buf = buf;
	j->cap = cap;
	return true;
}

__attribute__((format(printf, 2, 3)))
static void put(struct journal *j, const char *fmt, ...)
{
	size_t room = LINE_USUAL_LEN;
	va_list args;
	int n = -1;

	for (int look = 0; look < 2 && make_room(j, room); look++) {
		va_start(args, fmt);
		n = vsnprintf(j->buf + j->len, room, fmt, args);
		va_end(args);
		if (n < 0 || (size_t)n < room || n >= LINE_MAX_LEN)
			break;
		room = n + 1;
		n = -1;
	}
	if (n < 0 || n >= LINE_MAX_LEN) {
		j->no_memory = true;
		return;
	}
	j->len += n;
	j->lines++;
}

static void put_header(struct journal *j)
{
	char id[JOURNAL_BOOT_ID_LEN];

	if (j->lines)
		return;
	if (journal_boot_id(id, sizeof(id)))
		snprintf(id, sizeof(id), "unknown");
	if (!j->since)
		j->since = ident_now();
	put(j, "starling-journal %d %s %llu\n", JOURNAL_VERSION, id, (unsigned long long)j->since);
}

static void put_attr(struct journal *j, const struct identity *id, enum attr a,
		     const struct attrs *old, const struct attrs *new)
{
	char was[4096], is[4096];

	put(j, "t %u %u %llu %u %u %u %x %s %s %s\n", id->tid, id->tgid,
	    (unsigned long long)id->start, id->pgid, id->sid, id->uid, id->cgroup,
	    attr_name(a), attr_format(a, old, was, sizeof(was)),
	    attr_format(a, new, is, sizeof(is)));
}

void journal_escape(const char *in, char *out, size_t len)
{
	size_t at = 0;

	for (; *in && at + 5 < len; in++) {
		if (*in == ' ' || *in == '\n' || *in == '\\')
			at += snprintf(out + at, len - at, "\\%03o", *in);
		else
			out[at++] = *in;
	}
	out[at] = '\0';
}

static void put_move(struct journal *j, const struct identity *id,
		     const char *from, const char *to)
{
	char a[4096], b[4096];

	journal_escape(to, b, sizeof(b));
	journal_escape(from ? from : "", a, sizeof(a));
	if (!id)
		put(j, "g %s%s%s\n", b, *a ? " " : "", a);
	else
		put(j, "m %u %llu %s %s\n", id->tid, (unsigned long long)id->start, a, b);
}

static void put_mask(struct journal *j, const char *name, const char *id,
		     const cpu_set_t *old, const cpu_set_t *new)
{
	char word[4 * SYSMASK_ID_LEN], was[4096], is[4096];

	journal_escape(id, word, sizeof(word));
	put(j, "k %s %s %s %s\n", name, word, cpuset_format(old, was, sizeof(was)),
	    cpuset_format(new, is, sizeof(is)));
}

void journal_note(struct journal *j, const struct identity *id, unsigned int bits,
		  const struct attrs *old, const struct attrs *new)
{
	struct journal_entry *e = journal_get(j, id);

	if (!e) {
		j->no_memory = true;
		return;
	}
	put_header(j);
	for (int a = 0; a < __ATTR_MAX; a++) {
		if (!(bits & ATTR_BIT(a)))
			continue;
		journal_remember(j, e, a, old, new);
		put_attr(j, id, a, &e->old, new);
	}
}

void journal_note_move(struct journal *j, const struct identity *id,
		       const char *from, const char *to)
{
	put_header(j);
	journal_remember_move(j, id, from, to);
	put_move(j, id, from, to);
}

void journal_note_mask(struct journal *j, const struct sysmask *m, const cpu_set_t *old,
		       const cpu_set_t *new)
{
	put_header(j);
	j->no_memory |= !journal_remember_mask(j, m->name, m->id, old, new);
	put_mask(j, m->name, m->id, old, new);
}

void journal_back_mask(struct journal *j, const char *name)
{
	struct journal_mask *m = journal_find_mask(j, name);

	if (!m)
		return;
	put(j, "u %s\n", name);
	journal_remove_mask(j, m);
}

void journal_back(struct journal *j, uint32_t tid, uint64_t start, unsigned int bits)
{
	struct journal_entry *e = journal_find(j, tid, start);

	if (!e || !(e->active & bits))
		return;
	e->active &= ~bits;
	put(j, "b %u %llu %u\n", tid, (unsigned long long)start, bits);
}

void journal_back_move(struct journal *j, uint32_t tid, uint64_t start)
{
	struct journal_move *m = journal_find_move(j, tid, start);

	if (!m)
		return;
	journal_remove_move(j, m);
	put(j, "r %u %llu\n", tid, (unsigned long long)start);
}

void journal_forget(struct journal *j, uint32_t tid, uint64_t start)
{
	struct journal_entry *e = journal_find(j, tid, start);
	struct journal_move *m = journal_find_move(j, tid, start);

	if (e)
		e->dead = true;
	if (m)
		journal_remove_move(j, m);
}

static int write_all(int fd, const char *buf, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, buf, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf += n;
		len -= n;
	}
	return 0;
}

/* -- keeping the file short -------------------------------------------------- */

static int newest_first(const struct journal_entry *a, const struct journal_entry *b)
{
	return (a->seq < b->seq) - (a->seq > b->seq);
}

static void drop_old_dead(struct journal *j)
{
	struct journal_entry *e, *next;
	unsigned int dead = 0;

	HASH_SRT(hh, j->entry, newest_first);
	HASH_ITER(hh, j->entry, e, next)
		if ((e->dead || !e->active) && ++dead > DEAD_KEEP)
			drop(j, e);
}

static void put_entry(struct journal *j, const struct journal_entry *e)
{
	for (int a = 0; a < __ATTR_MAX; a++)
		if (e->ever & ATTR_BIT(a))
			put_attr(j, &e->id, a, &e->old, &e->new);
	if (e->ever != e->active)
		put(j, "b %u %llu %u\n", e->id.tid, (unsigned long long)e->id.start,
		    e->ever & ~e->active);
}

/* Oldest first: reading puts each in front of the ones before. */
static void put_moves(struct journal *j, const struct journal_move *m)
{
	const struct journal_move *last = NULL, *at;

	while (last != m) {
		for (at = m; at->next != last; at = at->next)
			;
		put_move(j, at->group ? NULL : &at->id, at->from, at->to);
		last = at;
	}
}

static void put_everything(struct journal *j)
{
	const struct journal_mask *m;
	struct journal_entry *e;

	j->len = 0;
	j->lines = 0;
	put_header(j);	/* the old time: children may be as old as that */
	for (e = j->entry; e; e = e->hh.next)
		put_entry(j, e);
	put_moves(j, j->move);
	for (m = j->mask; m; m = m->hh.next)
		put_mask(j, m->name, m->id, &m->old, &m->new);
}

/* The new file replaces the old one whole, or not at all. */
static int rewrite(struct journal *j)
{
	char *tmp = NULL;
	int fd, err;

	drop_old_dead(j);
	put_everything(j);
	if (asprintf(&tmp, "%s.new", j->path) < 0)
		return -ENOMEM;
	fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	err = fd < 0 ? -errno : write_all(fd, j->buf, j->len);
	if (!err && rename(tmp, j->path))
		err = -errno;
	j->len = 0;
	if (!err) {
		close(j->fd);
		j->fd = fd;
	} else if (fd >= 0) {
		close(fd);
		unlink(tmp);
	}
	free(tmp);
	return err;
}

static bool too_long(const struct journal *j)
{
	const struct journal_entry *e;
	size_t live = HASH_COUNT(j->mask);

	if (j->lines < LINES_KEEP)
		return false;
	for (e = j->entry; e; e = e->hh.next)
		live += !e->dead && e->active;
	return j->lines > LINES_PER_ENTRY * live;
}

int journal_flush(struct journal *j)
{
	int err = j->no_memory ? -ENOMEM : 0;

	j->no_memory = false;
	if (!err && j->torn)	/* memory has it all */
		err = rewrite(j);
	else if (!err && j->len)
		err = write_all(j->fd, j->buf, j->len);
	j->torn = err;
	j->len = 0;
	/* a rewrite that fails leaves the long file, which is as good */
	if (!err && too_long(j) && rewrite(j))
		j->lines = 0;
	return err;
}

/* -- from outside --------------------------------------------------------------- */

static int make_dir(const char *dir)
{
	char path[512], *slash;

	if (snprintf(path, sizeof(path), "%s", dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	for (slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(path, 0755) && errno != EEXIST ? -errno : 0;
}

int journal_open(struct journal **out, const char *dir)
{
	struct journal *j = calloc(1, sizeof(*j));
	int err;

	if (!j)
		return -ENOMEM;
	j->fd = -1;
	j->root = "";
	err = make_dir(dir);
	if (!err && asprintf(&j->path, "%s/journal", dir) < 0) {
		j->path = NULL;
		err = -ENOMEM;
	}
	if (err)
		goto out_free;
	j->fd = open(j->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (j->fd < 0) {
		err = -errno;
		goto out_free;
	}
	err = journal_read(j);
	/* what an older version kept is ours now, and may get lines new to that */
	if (!err && j->since && j->version != JOURNAL_VERSION)
		err = rewrite(j);
	if (err)
		goto out_free;
	*out = j;
	return 0;

out_free:
	journal_close(j);
	return err;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	if (j->len)
		journal_flush(j);
	clear(j);
	if (j->fd >= 0)
		close(j->fd);
	free(j->buf);
	free(j->path);
	free(j);
}

size_t journal_count(const struct journal *j)
{
	const struct journal_mask *mask;
	const struct journal_entry *e;
	const struct journal_move *m;
	size_t n = 0;

	for (e = j->entry; e; e = e->hh.next)
		if (!e->dead)
			n += __builtin_popcount(e->active);
	for (m = j->move; m; m = m->next)
		n += !m->group;
	for (mask = j->mask; mask; mask = mask->hh.next)
		n += !CPU_EQUAL(&mask->old, &mask->new);
	return n;
}

int journal_undo(struct journal *j)
{
	int err = 0, n;

	/* groups first: inside of one, no mask can be given back */
	n = journal_undo_moves(j, &err);
	n += journal_undo_tasks(j, &err);
	n += journal_undo_children(j, &err);
	journal_undo_masks(j, &err);
	if (err) {
		journal_flush(j);
		return err;
	}
	clear(j);
	return ftruncate(j->fd, 0) ? -errno : n;
}
