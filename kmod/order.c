// SPDX-License-Identifier: GPL-2.0-only
/* Sorted sets; see order.h. Each is guarded by its user's lock. */
#include <linux/minmax.h>
#include <linux/rbtree_augmented.h>

#include "order.h"

static struct starling_entry *entry_of(struct rb_node *rb)
{
	return rb_entry_safe(rb, struct starling_entry, rb);
}

static bool update_least(struct starling_entry *e, bool stop_if_same)
{
	struct starling_entry *left = entry_of(e->rb.rb_left), *right = entry_of(e->rb.rb_right);
	u64 least = e->need;

	if (left)
		least = min(least, left->least);
	if (right)
		least = min(least, right->least);
	if (stop_if_same && e->least == least)
		return true;
	e->least = least;
	return false;
}

RB_DECLARE_CALLBACKS(static, callbacks, struct starling_entry, rb, least, update_least);

static bool before(const struct starling_entry *a, const struct starling_entry *b)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(a->key) - 1; i++)
		if (a->key[i] != b->key[i])
			break;
	return a->key[i] < b->key[i];
}

void starling_order_add(struct rb_root_cached *set, struct starling_entry *e)
{
	struct rb_node **link = &set->rb_root.rb_node, *parent = NULL;
	bool first = true;

	e->least = e->need;
	while (*link) {
		struct starling_entry *p = entry_of(*link);

		parent = *link;
		p->least = min(p->least, e->need);
		if (before(e, p)) {
			link = &parent->rb_left;
		} else {
			link = &parent->rb_right;
			first = false;
		}
	}
	rb_link_node(&e->rb, parent, link);
	rb_insert_augmented_cached(&e->rb, set, first, &callbacks);
}

void starling_order_del(struct rb_root_cached *set, struct starling_entry *e)
{
	rb_erase_augmented_cached(&e->rb, set, &callbacks);
}

/* The first that needs no more than @room, or NULL. */
struct starling_entry *starling_order_fit(struct rb_root_cached *set, u64 room)
{
	struct starling_entry *e = entry_of(set->rb_root.rb_node), *left;

	if (!e || e->least > room)
		return NULL;
	/* There is one in the tree below @e. */
	for (;;) {
		left = entry_of(e->rb.rb_left);
		if (left && left->least <= room) {
			e = left;
			continue;
		}
		if (e->need <= room)
			return e;
		e = entry_of(e->rb.rb_right);
	}
}
