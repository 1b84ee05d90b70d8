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
#include "daemon/place/sysmask.h"

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

/* A mask of the machine's own that was changed, or is not to be taken for ours. */
struct journal_mask {
	char name[SYSMASK_NAME_LEN];	/* key */
	char id[SYSMASK_ID_LEN];
	cpu_set_t old;		/* before ours */
	cpu_set_t new;		/* ours */
	cpu_set_t prev;		/* ours before that: a crash leaves either */
	uint32_t look;		/* noise.c: the last look that found it */
	UT_hash_handle hh;
};

struct journal {
	char *path;
	const char *root;	/* of proc and sys, for masks; "" but for tests */
	int fd;
	int version;		/* of the file that was read */
	uint64_t since;		/* ticks of the first line; 0: file is empty */
	uint64_t seq;
	size_t lines;
	size_t bad_lines;	/* seen while reading, not understood */
	char *buf;
	size_t len;
	size_t cap;
	bool no_memory;		/* a line was lost: the next flush fails */
	bool torn;		/* the file lacks what could not be written */
	struct journal_entry *entry;
	struct journal_move *move;	/* newest first */
	struct journal_mask *mask;
};

/* Task @id gets @new in place of @old for the attributes in @bits. */
void journal_note(struct journal *j, const struct identity *id, unsigned int bits,
		  const struct attrs *old, const struct attrs *new);
/* Process @id moves from cgroup @from to @to; with @id NULL, @to is made. */
void journal_note_move(struct journal *j, const struct identity *id,
		       const char *from, const char *to);
/* @m, which is @old without us, gets @new. */
void journal_note_mask(struct journal *j, const struct sysmask *m, const cpu_set_t *old,
		       const cpu_set_t *new);
/* Write what was noted. Nothing may be changed when this fails. */
int journal_flush(struct journal *j);

/* The attributes in @bits are as they were, or no longer ours. */
void journal_back(struct journal *j, uint32_t tid, uint64_t start, unsigned int bits);
void journal_back_move(struct journal *j, uint32_t tid, uint64_t start);
/* The mask is as it was, somebody else's, or gone with what it was of. */
void journal_back_mask(struct journal *j, const char *name);
/* The task is gone. */
void journal_forget(struct journal *j, uint32_t tid, uint64_t start);

struct journal_entry *journal_find(struct journal *j, uint32_t tid, uint64_t start);

/* What memory holds of the file; used by its reader. */
enum { JOURNAL_VERSION = 3, JOURNAL_BOOT_ID_LEN = 40 };
int journal_boot_id(char *buf, size_t len);
struct journal_entry *journal_get(struct journal *j, const struct identity *id);
void journal_remember(struct journal *j, struct journal_entry *e, enum attr a,
		      const struct attrs *old, const struct attrs *new);
struct journal_move *journal_find_move(struct journal *j, uint32_t tid, uint64_t start);
void journal_remember_move(struct journal *j, const struct identity *id,
			   const char *from, const char *to);
void journal_remove_move(struct journal *j, struct journal_move *m);
struct journal_mask *journal_find_mask(const struct journal *j, const char *name);
bool journal_remember_mask(struct journal *j, const char *name, const char *id,
			   const cpu_set_t *old, const cpu_set_t *new);
void journal_remove_mask(struct journal *j, struct journal_mask *m);
/* Is @now what we made of it, or what the kernel had to make of that? */
bool journal_owns_mask(const struct journal_mask *m, const cpu_set_t *now,
		       const cpu_set_t *online);
/* Parse a line that begins with "k" or "u"; its words are taken apart. */
int journal_read_mask(struct journal *j, char *words);
/* Words with blanks in them, as they are in the file, and back again. */
void journal_escape(const char *in, char *out, size_t len);
void journal_unescape(char *s);
/* Read the file; cuts off what is torn or of another boot. 0 or -errno. */
int journal_read(struct journal *j);

/* Parts of journal_undo(): tasks restored; *@err gets the first failure. */
int journal_undo_tasks(struct journal *j, int *err);
int journal_undo_children(struct journal *j, int *err);
int journal_undo_moves(struct journal *j, int *err);
/* The same for masks, without the rest; also says so. */
int journal_undo_masks(struct journal *j, int *err);

#endif
