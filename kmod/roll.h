/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * roll.h - lists that can be gone through a batch at a time, with the lock
 * dropped in between: entries are numbered as they come, and where one has got
 * to is a number, which stays what it is while others come and go.
 */
#ifndef STARLING_ROLL_H
#define STARLING_ROLL_H

#include <linux/rbtree.h>
#include <linux/types.h>

/* What is done, at most, before a lock is dropped for others. */
#define STARLING_BATCH	64

/**
 * struct starling_roll - a list
 * @last:	number that was given last
 */
struct starling_roll {
	struct rb_root root;
	u64 last;
};

/**
 * struct starling_link - of one entry in its list
 * @nr:		never 0, and never given again in this list
 */
struct starling_link {
	struct rb_node rb;
	u64 nr;
};

static inline struct starling_link *starling_link_of(struct rb_node *rb)
{
	return rb_entry_safe(rb, struct starling_link, rb);
}

/* The oldest one; NULL: there is none. */
static inline struct starling_link *starling_roll_first(const struct starling_roll *roll)
{
	return starling_link_of(rb_first(&roll->root));
}

/* As the last one. */
static inline void starling_roll_add(struct starling_roll *roll, struct starling_link *link)
{
	struct rb_node **at = &roll->root.rb_node, *parent = NULL;

	while (*at) {
		parent = *at;
		at = &parent->rb_right;
	}
	link->nr = ++roll->last;
	rb_link_node(&link->rb, parent, at);
	rb_insert_color(&link->rb, &roll->root);
}

static inline void starling_roll_del(struct starling_roll *roll, struct starling_link *link)
{
	rb_erase(&link->rb, &roll->root);
}

bool starling_roll_batch(const struct starling_roll *roll, u64 *after, unsigned int n,
			 void (*fn)(struct starling_link *link, void *arg), void *arg);

#endif
