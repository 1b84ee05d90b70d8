/* SPDX-License-Identifier: GPL-2.0-only */
/* agent.h - agents: sets of tasks that live as long as someone refers to them. */
#ifndef STARLING_AGENT_H
#define STARLING_AGENT_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/workqueue.h>
#include <uapi/linux/starling.h>

#include "event.h"
#include "roll.h"

struct pid_namespace;
struct starling_pages;
struct starling_request;
struct starling_share;

/**
 * struct starling_user - what a user has
 * @node, @uid, @count: of agents; in agent.c
 * @leases:	and requests of these agents; under starling_lease_lock
 */
struct starling_user {
	struct hlist_node node;
	kuid_t uid;
	unsigned int count;
	unsigned int leases;
};

/**
 * struct starling_agent - an agent
 * @id:		index in the registry, never used twice
 * @ref:	its open file, which descriptors and mappings hold; members, those that
 *		left by exit until all is counted; sub-agents; the sampling work
 *		while it runs; whoever looks at it meanwhile
 * @user:	whose share of agents this one counts in
 * @pid_ns:	creator's, in which mapped records give task ids; counted
 * @parent:	counted; NULL for a root agent
 * @root:	of its tree; kept by @parent
 * @depth:	levels below @root
 * @tree:	of the root: the tree's sums stay where they are while it is held
 * @sibling:	in the @subs of @parent, under its lock
 * @lock:	guards all below and the fields of the members; taken in
 *		process context only; inside it only those of @events and of
 *		@waits; of two the one nearer to the root first. Never held for
 *		longer than a batch of members takes: see starling_members_do()
 * @subs:	sub-agents, oldest first
 * @closed:	a sub-agent whose file was closed: its members are becoming its
 *		parent's, and it gets no new ones
 * @members:	in the order in which they came
 * @generation:	members that came or left, ever
 * @rec:	name, weight, counts, and sums of members that left
 * @living:	only sums: of @members, as of the last look at each of them
 * @pages:	what readers map; NULL until someone maps it, then until the end
 * @maps:	mappings there are
 * @sampling:	@sample is queued or runs, and holds a reference
 * @wait_lock:	of @waits; innermost
 * @waits:	commands that wait; see wait.h
 * @leases:	requests and leases, as they came; under starling_lease_lock
 * @shares:	what it has had of each GPU; NULL: nothing; likewise
 * @spare:	a spent request, so that the next needs no memory; likewise
 * @events:	with a lock of their own
 */
struct starling_agent {
	u64 id;
	struct kref ref;
	struct starling_user *user;
	struct pid_namespace *pid_ns;
	struct starling_agent *parent;
	struct starling_agent *root;
	unsigned int depth;
	struct mutex tree;
	struct list_head sibling;
	struct rcu_work free;

	spinlock_t lock;	/* all below */
	struct list_head subs;
	bool closed;
	struct starling_roll members;
	u64 generation;
	struct starling_agent_record rec;
	struct starling_agent_record living;
	struct starling_pages *pages;
	u32 maps;
	bool sampling;
	struct delayed_work sample;

	spinlock_t wait_lock;
	struct list_head waits;

	struct starling_roll leases;
	struct starling_share *shares[STARLING_GPUS_MAX];
	struct starling_request *spare;
	struct starling_events events;
};

extern struct workqueue_struct *starling_wq;
extern unsigned int starling_max_agents;
extern unsigned int starling_max_user_agents;

struct starling_agent *starling_agent_next(u64 id);
struct starling_agent *starling_agent_lock(struct starling_agent *agent)
	__acquires(&agent->lock);
void starling_agent_put(struct starling_agent *agent);
void starling_agent_read(struct starling_agent *agent, struct starling_agent_record *rec);

long starling_agent_create(struct file *file, void *arg);
long starling_agent_set(struct file *file, void *arg);
long starling_agent_stat(struct file *file, void *arg);

extern const struct file_operations starling_agent_fops;

/* NULL: it is the device. */
static inline struct starling_agent *starling_agent_of(const struct file *file)
{
	return file->f_op == &starling_agent_fops ? file->private_data : NULL;
}

static inline void starling_agent_get(struct starling_agent *agent)
{
	kref_get(&agent->ref);
}

/* For pointers found under rcu_read_lock(): false when it is on its way out. */
static inline bool starling_agent_tryget(struct starling_agent *agent)
{
	return kref_get_unless_zero(&agent->ref);
}

#endif
