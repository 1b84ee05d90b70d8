// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/procfs.h"

struct agent *agent_find(const struct agent_table *t, uint64_t id)
{
	struct agent *a;

	HASH_FIND(hh, t->head, &id, sizeof(id), a);
	return a;
}

struct agent *agent_get(struct agent_table *t, uint64_t id, uint64_t now_ns)
{
	struct agent *a = agent_find(t, id);

	if (a)
		return a;
	a = HASH_COUNT(t->head) < AGENT_TABLE_MAX ? calloc(1, sizeof(*a)) : NULL;
	if (!a) {
		t->overflow++;
		return NULL;
	}
	a->id = id;
	a->origin = id & AGENT_LOCAL_BIT ? AGENT_FROM_LINEAGE : AGENT_FROM_MODULE;
	a->weight = AGENT_WEIGHT_NORMAL;
	a->class = STARLING_CLASS_NORMAL;
	a->alive_ns = now_ns;
	HASH_ADD(hh, t->head, id, sizeof(a->id), a);
	return a;
}

struct agent *agent_make(struct agent_table *t, enum agent_origin origin,
			 uint32_t root, const char *name, uint64_t now_ns)
{
	struct agent *a = agent_get(t, AGENT_LOCAL_BIT | ++t->next_id, now_ns);
	struct proc_stat st;

	if (!a)
		return NULL;
	a->origin = origin;
	a->root = root;
	if (name && *name)
		snprintf(a->name, sizeof(a->name), "%s", name);
	else if (!proc_stat_read(root, &st))
		snprintf(a->name, sizeof(a->name), "%s-%u", st.comm, root);
	else
		snprintf(a->name, sizeof(a->name), "%u", root);
	return a;
}

void agent_drop(struct agent_table *t, struct agent *a)
{
	HASH_DELETE(hh, t->head, a);
	free(a);
}

void agent_table_free(struct agent_table *t)
{
	struct agent *a, *next;

	HASH_ITER(hh, t->head, a, next)
		agent_drop(t, a);
}

void agent_expire(struct agent_table *t, uint64_t now_ns, uint64_t keep_ns)
{
	struct agent *a, *next;

	HASH_ITER(hh, t->head, a, next)
		if (!a->tasks && now_ns - a->alive_ns > keep_ns)
			agent_drop(t, a);
}

char *agent_label(uint64_t id, char *buf, size_t len)
{
	snprintf(buf, len, "%c%llu", id & AGENT_LOCAL_BIT ? 'd' : 'm',
		 (unsigned long long)(id & ~AGENT_LOCAL_BIT));
	return buf;
}

struct agent *agent_by_label(const struct agent_table *t, const char *label)
{
	char own[24];

	for (struct agent *a = t->head; a; a = a->hh.next)
		if (!strcmp(agent_label(a->id, own, sizeof(own)), label))
			return a;
	return NULL;
}

const char *agent_origin_text(enum agent_origin origin)
{
	static const char *const text[] = {
		[AGENT_FROM_MODULE] = "module",
		[AGENT_FROM_RUN] = "run",
		[AGENT_FROM_LINEAGE] = "lineage",
	};

	return text[origin];
}

uint32_t agent_weight(const struct agent_table *t, uint64_t id)
{
	const struct agent *a = id ? agent_find(t, id) : NULL;

	return a ? a->weight : AGENT_WEIGHT_NORMAL;
}
