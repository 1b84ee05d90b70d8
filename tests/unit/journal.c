// SPDX-License-Identifier: GPL-2.0-only
/* The journal as a file: torn, old, foreign, long, full. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/unit/unit.h"
#include "tests/unit/kid.h"
#include "daemon/place/journal.h"

static char *dir;
static struct journal *j;
static struct kid kid;
static struct identity id;
static struct attrs before, ours;

static int set_up(void **x)
{
	dir = dir_make();
	assert_int_equal(journal_open(&j, dir), 0);
	kid = kid_start();
	assert_int_equal(ident_read(kid.pid, kid.pid, &id), 0);
	id.cgroup = ident_cgroup(kid.pid);
	before = kid_attrs(kid.pid);
	ours = before;
	ours.nice = 7;
	(void)x;
	return 0;
}

static int tear_down(void **x)
{
	kid_end(&kid);
	journal_close(j);
	dir_remove(dir);
	(void)x;
	return 0;
}

/* As a new process would see it; the old one's memory is not asked. */
static void reopen(void)
{
	journal_close(j);
	assert_int_equal(journal_open(&j, dir), 0);
}

static void add_text(const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/journal", dir);
	f = fopen(path, "a");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static long file_size(void)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/journal", dir);
	return stat(path, &st) ? -1 : st.st_size;
}

static void note_nice(int nice)
{
	ours.nice = nice;
	journal_note(j, &id, ATTR_BIT(ATTR_NICE), &before, &ours);
	assert_int_equal(journal_flush(j), 0);
}

static void set_nice(int nice)
{
	assert_int_equal(setpriority(PRIO_PROCESS, kid.pid, nice), 0);
}

static void empty(void **x)
{
	assert_int_equal(journal_count(j), 0);
	assert_int_equal(journal_undo(j), 0);
	assert_int_equal(file_size(), 0);
	(void)x;
}

static void undo_in_a_new_process(void **x)
{
	note_nice(7);
	set_nice(7);
	reopen();
	assert_int_equal(journal_count(j), 1);
	assert_int_equal(journal_undo(j), 1);
	assert_attrs_equal(kid_attrs(kid.pid), before);
	assert_int_equal(file_size(), 0);
	assert_int_equal(journal_count(j), 0);
	assert_int_equal(journal_undo(j), 0);
	(void)x;
}

static void noted_but_not_done(void **x)
{
	note_nice(7);
	reopen();
	assert_int_equal(journal_undo(j), 0);
	assert_attrs_equal(kid_attrs(kid.pid), before);
	(void)x;
}

/* The second change was noted, and the daemon died before it was made. */
static void noted_twice_done_once(void **x)
{
	note_nice(7);
	set_nice(7);
	note_nice(9);
	reopen();
	assert_int_equal(journal_undo(j), 1);
	assert_attrs_equal(kid_attrs(kid.pid), before);
	(void)x;
}

static void changed_by_others_since(void **x)
{
	note_nice(7);
	set_nice(11);
	reopen();
	assert_int_equal(journal_undo(j), 0);
	assert_int_equal(kid_attrs(kid.pid).nice, 11);
	assert_int_equal(file_size(), 0);
	(void)x;
}

static void back_is_back(void **x)
{
	note_nice(7);
	set_nice(7);
	journal_back(j, id.tid, id.start, ATTR_BIT(ATTR_NICE));
	assert_int_equal(journal_flush(j), 0);
	reopen();
	assert_int_equal(journal_count(j), 0);
	assert_int_equal(journal_undo(j), 0);
	assert_int_equal(kid_attrs(kid.pid).nice, 7);	/* somebody else's 7 */
	(void)x;
}

static void a_tid_used_again(void **x)
{
	id.start -= 5;		/* an earlier task of the same tid */
	note_nice(7);
	set_nice(7);
	reopen();
	assert_int_equal(journal_undo(j), 0);
	assert_int_equal(kid_attrs(kid.pid).nice, 7);
	(void)x;
}

static void torn_last_line(void **x)
{
	long whole;

	note_nice(7);
	set_nice(7);
	whole = file_size();
	add_text("t 4711 4711 99 1 1 0 abc nice 0");
	reopen();
	assert_int_equal(file_size(), whole);
	assert_int_equal(journal_count(j), 1);
	assert_int_equal(j->bad_lines, 0);
	note_nice(8);		/* starts at a line of its own */
	set_nice(8);
	reopen();
	assert_int_equal(j->bad_lines, 0);
	assert_int_equal(journal_undo(j), 1);
	assert_attrs_equal(kid_attrs(kid.pid), before);
	(void)x;
}

static void lines_not_understood(void **x)
{
	note_nice(7);
	set_nice(7);
	add_text("t 1 2 3\nz\nt 1 1 1 1 1 0 0 colour red blue\nb\nm 1\ng \n\n"
		 "t 1 1 1 1 1 0 0 mask 0-x 1\nt 1 1 1 1 1 0 0 nice 0\n");
	reopen();
	assert_int_equal(j->bad_lines, 9);
	assert_int_equal(journal_undo(j), 1);
	assert_attrs_equal(kid_attrs(kid.pid), before);
	(void)x;
}

/* Any byte may be wrong: it is read without harm. */
static void damaged(void **x)
{
	char path[128], text[8192], copy[8192];
	struct journal *other;
	size_t len;
	FILE *f;

	for (int i = 0; i < 8; i++)
		note_nice(i);
	journal_note_move(j, NULL, NULL, "/nowhere/a group");
	journal_note_move(j, &id, "/nowhere/old", "/nowhere/a group");
	assert_int_equal(journal_flush(j), 0);
	snprintf(path, sizeof(path), "%s/journal", dir);
	f = fopen(path, "r");
	assert_non_null(f);
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	srandom(1);
	for (int i = 0; i < 2000; i++) {
		memcpy(copy, text, len);
		for (long n = 1 + random() % 4; n; n--)
			copy[random() % len] = random() % 3 ? '0' + random() % 75 : random();
		f = fopen(path, "w");
		assert_non_null(f);
		fwrite(copy, 1, len, f);
		fclose(f);
		if (!journal_open(&other, dir))
			journal_close(other);
	}
	(void)x;
}

static void another_boot(void **x)
{
	char text[256];

	snprintf(text, sizeof(text), "starling-journal 1 %s 17\nt %u %u %llu 1 1 0 0 nice 0 7\n",
		 "00000000-0000-0000-0000-000000000000", id.tid, id.tgid,
		 (unsigned long long)id.start);
	add_text(text);
	set_nice(7);
	reopen();
	assert_int_equal(journal_count(j), 0);
	assert_int_equal(file_size(), 0);
	assert_int_equal(journal_undo(j), 0);
	assert_int_equal(kid_attrs(kid.pid).nice, 7);
	(void)x;
}

static void another_version(void **x)
{
	struct journal *other = NULL;

	add_text("starling-journal 99 x 17\nz 1 2 3\n");
	assert_int_equal(journal_open(&other, dir), -EPROTONOSUPPORT);
	assert_true(file_size() > 0);	/* left for the version that wrote it */
	(void)x;
}

static void no_space_left(void **x)
{
	int fd = j->fd;

	j->fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	journal_note(j, &id, ATTR_BIT(ATTR_NICE), &before, &ours);
	assert_int_equal(journal_flush(j), -ENOSPC);
	close(j->fd);
	j->fd = fd;
	/* once there is room, the file has all of it, the first line included */
	note_nice(7);
	set_nice(7);
	reopen();
	assert_int_equal(j->bad_lines, 0);
	assert_int_equal(journal_count(j), 1);
	assert_int_equal(journal_undo(j), 1);
	assert_attrs_equal(kid_attrs(kid.pid), before);
	(void)x;
}

/* Thousands of tools come and go; the one that stays is not lost. */
static void it_stays_short(void **x)
{
	struct identity tool = id;

	note_nice(7);
	set_nice(7);
	for (int i = 0; i < 20000; i++) {
		tool.tid = 100000 + i;
		journal_note(j, &tool, ATTR_ALL, &before, &ours);
		assert_int_equal(journal_flush(j), 0);
		journal_forget(j, tool.tid, tool.start);
	}
	assert_true(file_size() < 2 * 1024 * 1024);
	assert_true(HASH_COUNT(j->entry) < 3000);
	reopen();
	assert_int_equal(j->bad_lines, 0);
	assert_int_equal(journal_undo(j), 1);
	assert_attrs_equal(kid_attrs(kid.pid), before);
	(void)x;
}

static void moves_survive(void **x)
{
	journal_note_move(j, NULL, NULL, "/nowhere/a group");
	journal_note_move(j, &id, "/nowhere/o\\ld", "/nowhere/a group");
	journal_note_move(j, &id, "/nowhere/a group", "/nowhere/b");
	assert_int_equal(journal_flush(j), 0);
	reopen();
	assert_int_equal(j->bad_lines, 0);
	assert_int_equal(journal_count(j), 1);
	assert_string_equal(j->move->from, "/nowhere/o\\ld");
	assert_string_equal(j->move->to, "/nowhere/b");
	assert_true(j->move->next->group);
	assert_string_equal(j->move->next->to, "/nowhere/a group");
	assert_string_equal(j->move->next->from, "/nowhere/o\\ld");
	journal_back_move(j, id.tid, id.start);
	assert_int_equal(journal_count(j), 0);
	(void)x;
}

#define with_kid(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_kid(empty),
		with_kid(undo_in_a_new_process),
		with_kid(noted_but_not_done),
		with_kid(noted_twice_done_once),
		with_kid(changed_by_others_since),
		with_kid(back_is_back),
		with_kid(a_tid_used_again),
		with_kid(torn_last_line),
		with_kid(lines_not_understood),
		with_kid(damaged),
		with_kid(another_boot),
		with_kid(another_version),
		with_kid(no_space_left),
		with_kid(it_stays_short),
		with_kid(moves_survive),
	};

	/* to lower a nice value again takes the right to */
	if (geteuid()) {
		printf("1..0 # SKIP needs root\n");
		return 0;
	}
	return unit_run(tests);
}
