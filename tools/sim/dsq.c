// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tree is a treap: a search tree by virtual time that is a heap by a hash
 * of the task's number, so it needs no state to stay flat and is the same in
 * each run.
 */
#include "tools/sim/dsq.h"

#include "tools/sim/check.h"
#include "tools/sim/cpu.h"

static bool is_tree(const struct dsq *q)
{
	return q->root;
}

static bool is_less(const struct task *a, const struct task *b)
{
	int64_t d = a->node.vtime - b->node.vtime;

	return d ? d < 0 : a->node.seq < b->node.seq;
}

static uint64_t height_of(const struct task *t)
{
	return (t->tid * 0x9e3779b97f4a7c15ULL) ^ (t->node.seq * 0xbf58476d1ce4e5b9ULL);
}

static struct task *tree_merge(struct task *a, struct task *b)
{
	if (!a || !b)
		return a ? a : b;
	if (height_of(a) > height_of(b)) {
		a->node.next = tree_merge(a->node.next, b);
		return a;
	}
	b->node.prev = tree_merge(a, b->node.prev);
	return b;
}

/* All before @t, and all after it. */
static void tree_split(struct task *tree, const struct task *t, struct task **low,
		       struct task **high)
{
	if (!tree) {
		*low = *high = NULL;
	} else if (is_less(tree, t)) {
		*low = tree;
		tree_split(tree->node.next, t, &tree->node.next, high);
	} else {
		*high = tree;
		tree_split(tree->node.prev, t, low, &tree->node.prev);
	}
}

static struct task *tree_first_for(struct task *tree, int cpu)
{
	struct task *found;

	if (!tree)
		return NULL;
	found = tree_first_for(tree->node.prev, cpu);
	if (found)
		return found;
	return cpu_allowed(tree, cpu) ? tree : tree_first_for(tree->node.next, cpu);
}

static void count(struct dsq *q, struct task *t)
{
	if (t->node.dsq)
		check_failed("task %u is in two queues", t->tid);
	t->node = (struct node){ .dsq = q, .seq = q->seq++ };
	q->nr++;
}

void dsq_add(struct dsq *q, struct task *t, bool first)
{
	if (is_tree(q))
		check_failed("task %u is put in a queue by time as in a list", t->tid);
	count(q, t);
	if (first) {
		t->node.next = q->head;
		*(q->head ? &q->head->node.prev : &q->tail) = t;
		q->head = t;
	} else {
		t->node.prev = q->tail;
		*(q->tail ? &q->tail->node.next : &q->head) = t;
		q->tail = t;
	}
}

void dsq_add_vtime(struct dsq *q, struct task *t, uint64_t vtime)
{
	struct task *low, *high;

	if (q->head)
		check_failed("task %u is put in a list as in a queue by time", t->tid);
	count(q, t);
	t->node.vtime = vtime;
	tree_split(q->root, t, &low, &high);
	q->root = tree_merge(tree_merge(low, t), high);
}

static void tree_del(struct dsq *q, struct task *t)
{
	struct task **at = &q->root;

	while (*at && *at != t)
		at = is_less(t, *at) ? &(*at)->node.prev : &(*at)->node.next;
	if (*at)
		*at = tree_merge(t->node.prev, t->node.next);
	else
		check_failed("task %u is not where its virtual time says", t->tid);
}

void dsq_del(struct task *t)
{
	struct dsq *q = t->node.dsq;

	if (is_tree(q)) {
		tree_del(q, t);
	} else {
		*(t->node.prev ? &t->node.prev->node.next : &q->head) = t->node.next;
		*(t->node.next ? &t->node.next->node.prev : &q->tail) = t->node.prev;
	}
	q->nr--;
	t->node.dsq = NULL;
}

struct task *dsq_first_for(const struct dsq *q, int cpu)
{
	struct task *t;

	if (is_tree(q))
		return tree_first_for(q->root, cpu);
	for (t = q->head; t && !cpu_allowed(t, cpu); t = t->node.next)
		;
	return t;
}

struct task *dsq_first(const struct dsq *q)
{
	struct task *t = q->root;

	while (t && t->node.prev)
		t = t->node.prev;
	return t ? t : q->head;
}

struct task *dsq_next(const struct dsq *q, uint64_t vtime, uint64_t seq)
{
	const struct task place = { .node = { .vtime = vtime, .seq = seq } };
	struct task *t, *found = NULL;

	if (!is_tree(q)) {
		for (t = q->head; t && t->node.seq <= seq; t = t->node.next)
			;
		return t;
	}
	for (t = q->root; t; ) {
		if (is_less(&place, t)) {
			found = t;
			t = t->node.prev;
		} else {
			t = t->node.next;
		}
	}
	return found;
}
