/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * journal.h - the journal as placers use it; place.h has the rest.
 *
 * Noting only fills a buffer. A placer notes all that it is about to do,
 * flushes once, and then does it: so the file is always ahead of the tasks.
 */
#ifndef STARLING_PLACE_JOURNAL_H
#define STARLING_PLACE_JOURNAL_H

#include <uthash.h>
#include "daemon/place/attr.h"
#include "daemon/place/ident.h"
#include "daemon/place/place.h"

struct journal_key {
	uint64_t start;
	uint32_t tid;
	uint32_t zero;	/* hashed as bytes: no padding */
};

/* What we did to one task. Dead ones are kept a while for their children. */
struct journal_entry {
	struct journal_key key;
	struct identity id;
	unsigned int active;	/* ATTR_BITs in effect */
	unsigned int ever;	/* ATTR_BITs that once were */
	bool dead;
	uint64_t seq;
	struct attrs old;	/* before ours */
	struct attrs new;	/* ours */
	struct attrs prev;	/* ours before that: a crash leaves either */
	UT_hash_handle hh;
};

/* A process that was moved, or a group that was made. */
struct journal_move {
	bool group;
	struct identity id;	/* of the process */
	char *from;		/* a group: home of those born in it, may be NULL */
	char *to;		/* the group */
	struct journal_move *next;
};

struct journal {
	char *path;
	int fd;
	uint64_t since;		/* ticks of the first line; 0: file is empty */
	uint64_t seq;
	size_t lines;
	size_t bad_lines;	/* seen while reading, not understood */
	char *buf;
	size_t len;
	size_t cap;
	bool no_memory;		/* a line was lost: the next flush fails */
	struct journal_entry *entry;
	struct journal_move *move;	/* newest first */
};

/* Task @id gets @new in place of @old for the attributes in @bits. */
void journal_note(struct journal *j, const struct identity *id, unsigned int bits,
		  const struct attrs *old, const struct attrs *new);
/* Process @id moves from cgroup @from to @to; with @id NULL, @to is made. */
void journal_note_move(struct journal *j, const struct identity *id,
		       const char *from, const char *to);
/* Write what was noted. Nothing may be changed when this fails. */
int journal_flush(struct journal *j);

/* The attributes in @bits are as they were, or no longer ours. */
void journal_back(struct journal *j, uint32_t tid, uint64_t start, unsigned int bits);
void journal_back_move(struct journal *j, uint32_t tid, uint64_t start);
/* The task is gone. */
void journal_forget(struct journal *j, uint32_t tid, uint64_t start);

struct journal_entry *journal_find(struct journal *j, uint32_t tid, uint64_t start);

/* What memory holds of the file; used by its reader. */
enum { JOURNAL_VERSION = 1, JOURNAL_BOOT_ID_LEN = 40 };
int journal_boot_id(char *buf, size_t len);
struct journal_entry *journal_get(struct journal *j, const struct identity *id);
void journal_remember(struct journal *j, struct journal_entry *e, enum attr a,
		      const struct attrs *old, const struct attrs *new);
struct journal_move *journal_find_move(struct journal *j, uint32_t tid, uint64_t start);
void journal_remember_move(struct journal *j, const struct identity *id,
			   const char *from, const char *to);
void journal_remove_move(struct journal *j, struct journal_move *m);
/* Read the file; cuts off what is torn or of another boot. 0 or -errno. */
int journal_read(struct journal *j);

/* Parts of journal_undo(): tasks restored; *@err gets the first failure. */
int journal_undo_tasks(struct journal *j, int *err);
int journal_undo_children(struct journal *j, int *err);
int journal_undo_moves(struct journal *j, int *err);

#endif
