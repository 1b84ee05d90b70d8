/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * order.h - sorted sets in which the first entry that needs no more than
 * there is can be found without looking at those before it.
 */
#ifndef STARLING_ORDER_H
#define STARLING_ORDER_H

#include <linux/rbtree.h>
#include <linux/types.h>

/**
 * struct starling_entry - in a sorted set
 * @key:	place, the first word counts most; smaller goes first
 * @need:	what it needs; neither changes while it is in a set
 * @least:	least need of it and those below it in the tree
 */
struct starling_entry {
	struct rb_node rb;
	u64 key[3];
	u64 need;
	u64 least;
};

void starling_order_add(struct rb_root_cached *set, struct starling_entry *e);
void starling_order_del(struct rb_root_cached *set, struct starling_entry *e);
struct starling_entry *starling_order_fit(struct rb_root_cached *set, u64 room);

static inline struct starling_entry *starling_order_first(struct rb_root_cached *set)
{
	return rb_entry_safe(rb_first_cached(set), struct starling_entry, rb);
}

/* The least need in a set that is not empty. */
static inline u64 starling_order_least(struct rb_root_cached *set)
{
	return rb_entry(set->rb_root.rb_node, struct starling_entry, rb)->least;
}

#endif
