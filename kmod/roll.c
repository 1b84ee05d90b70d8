// SPDX-License-Identifier: GPL-2.0-only
/* Lists; see roll.h. Each is guarded by its user's lock. */
#include "roll.h"

static struct starling_link *first_after(const struct starling_roll *roll, u64 nr)
{
	struct starling_link *at = starling_link_of(roll->root.rb_node), *found = NULL;

	while (at) {
		if (at->nr > nr)
			found = at;
		at = starling_link_of(at->nr > nr ? at->rb.rb_left : at->rb.rb_right);
	}
	return found;
}

/*
 * Calls @fn for the next @n after *@after, which moves on. False: there are no
 * more. @fn leaves the list as it is.
 */
bool starling_roll_batch(const struct starling_roll *roll, u64 *after, unsigned int n,
			 void (*fn)(struct starling_link *link, void *arg), void *arg)
{
	struct starling_link *at = first_after(roll, *after);

	for (; at && n; n--, at = starling_link_of(rb_next(&at->rb))) {
		*after = at->nr;
		fn(at, arg);
	}
	return at;
}
