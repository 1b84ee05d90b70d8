// SPDX-License-Identifier: GPL-2.0-only
/*
 * The values of a member's record: read from the task, handed in by the
 * daemon, added up in its agent. All under the agent's lock, while the member
 * is linked there, which keeps its task from being freed.
 */
#include <linux/pid_namespace.h>
#include <linux/stddef.h>

#include "agent.h"
#include "task.h"

/*
 * What an agent sums up; those from STARLING_SUM_GPU on are published, those
 * from STARLING_SUM_GAUGE on are in use now and no counters.
 */
static const struct {
	u16 task;
	u16 agent;
	u32 valid;
} sums[] = {
#define SUM(_field, _val) {						\
	.task = offsetof(struct starling_task_record, _field),		\
	.agent = offsetof(struct starling_agent_record, _field),	\
	.valid = BIT(STARLING_VAL_##_val),				\
}
	SUM(run_ns, RUN),
	SUM(wait_ns, WAIT),
	SUM(nvcsw, SWITCHES),
	SUM(nivcsw, SWITCHES),
	SUM(migrations, MIGRATIONS),
	SUM(role_run_ns[STARLING_ROLE_NONE], ROLES),
	SUM(role_run_ns[STARLING_ROLE_FEEDER], ROLES),
	SUM(role_run_ns[STARLING_ROLE_SERVICE], ROLES),
	SUM(role_run_ns[STARLING_ROLE_ORCHESTRATOR], ROLES),
	SUM(role_run_ns[STARLING_ROLE_TOOL], ROLES),
	SUM(role_run_ns[STARLING_ROLE_BACKGROUND], ROLES),
	SUM(role_run_ns[STARLING_ROLE_INFERENCE], ROLES),
	SUM(gpu_wait_ns, GPU_WAIT),
	SUM(gpu_waits, GPU_WAIT),
	SUM(gpu_launches, GPU_LAUNCH),
	SUM(gpu_alloc_bytes, GPU_ALLOC),
	SUM(starved_ns, STARVED),
	SUM(gpu_busy_ns, GPU_BUSY),
	SUM(energy_uj, ENERGY),
	SUM(gpu_memory_bytes, GPU_MEMORY),
#undef SUM
};

static_assert(ARRAY_SIZE(sums) == STARLING_NSUMS);
static_assert(__STARLING_ROLE_MAX == 7 && __STARLING_VAL_MAX <= 16);

static u64 *task_value(const struct starling_task_record *rec, int i)
{
	return (u64 *)((char *)rec + sums[i].task);
}

static u64 *agent_value(const struct starling_agent_record *rec, int i)
{
	return (u64 *)((char *)rec + sums[i].agent);
}

/* What it ran since the last look was in the role it has had since then. */
static void read_counters(const struct task_struct *task, struct starling_task_record *rec)
{
	u64 run_ns = starling_task_run_ns(task);

	rec->role_run_ns[rec->role] += run_ns - rec->run_ns;
	rec->run_ns = run_ns;
#ifdef CONFIG_SCHED_INFO
	rec->wait_ns = READ_ONCE(task->sched_info.run_delay);
#endif
	rec->nvcsw = READ_ONCE(task->nvcsw);
	rec->nivcsw = READ_ONCE(task->nivcsw);
	rec->migrations = READ_ONCE(task->se.nr_migrations);
	rec->last_cpu = task_cpu(task);
}

/* The identity too: exec of a thread gives it its leader's id and start. */
void starling_member_read(struct starling_member *m)
{
	struct starling_task_record *rec = &m->rec;
	struct pid_namespace *ns = m->agent->pid_ns;

	read_counters(m->task, rec);
	rec->tid = task_pid_nr_ns(m->task, ns);
	rec->tgid = task_tgid_nr_ns(m->task, ns);
	rec->start_ns = m->task->start_time;
	strscpy_pad(rec->comm, m->task->comm, sizeof(rec->comm));
}

static void living_add(struct starling_member *m, s64 times)
{
	struct starling_agent_record *living = &m->agent->living;
	int i;

	for (i = 0; i < STARLING_NSUMS; i++)
		*agent_value(living, i) += times * (*task_value(&m->rec, i) - m->base[i]);
}

/*
 * From when it is linked until it is not, a member counts in the sums of its
 * agent's living: whoever changes its values takes the old ones out before.
 */
void starling_member_count(struct starling_member *m)
{
	living_add(m, 1);
}

void starling_member_discount(struct starling_member *m)
{
	living_add(m, -1);
}

/* Of a member that counts. */
void starling_member_sample(struct starling_member *m)
{
	starling_member_discount(m);
	starling_member_read(m);
	starling_member_count(m);
}

/* The same for AGENT_STAT, which is to be told what is known of anyone. */
void starling_member_stat(struct starling_link *link, void *arg)
{
	struct starling_member *m = starling_member_at(link);
	struct starling_agent_record *known = arg;

	starling_member_sample(m);
	known->valid |= m->rec.valid;
	known->estimated |= m->rec.estimated;
	known->stale |= m->rec.stale;
	known->source |= m->rec.source;
}

/* A copy with the ids of @ns; false when the task cannot be seen there. */
bool starling_member_record(struct starling_member *m, struct pid_namespace *ns,
			    struct starling_task_record *rec)
{
	starling_member_sample(m);
	*rec = m->rec;
	rec->tid = task_pid_nr_ns(m->task, ns);
	rec->tgid = task_tgid_nr_ns(m->task, ns);
	return rec->tid;
}

/* Published values that are known, @pub, are so from now on; others no more. */
static void set_known(struct starling_task_record *rec, u32 known,
		      const struct starling_task_record *pub)
{
	u64 nibbles = 0;
	int val;

	for (val = 0; val < __STARLING_VAL_MAX; val++)
		if (known & BIT(val))
			nibbles |= STARLING_SOURCE(val, 15);
	rec->stale = (rec->stale | (rec->valid & STARLING_VALID_GPU)) & ~known;
	rec->valid = STARLING_VALID_CPU | known;
	rec->estimated = (rec->estimated & rec->stale) | (pub->estimated & known);
	rec->source = (rec->source & ~nibbles) | (pub->source & nibbles);
}

/* Unknown is not zero, and the daemon's view may be an older one. */
void starling_member_publish(struct starling_member *m, const struct starling_task_record *pub)
{
	struct starling_task_record *rec = &m->rec;
	int i;

	starling_member_discount(m);
	for (i = STARLING_SUM_GPU; i < STARLING_NSUMS; i++)
		if (pub->valid & sums[i].valid)
			*task_value(rec, i) = i < STARLING_SUM_GAUGE ?
				max(*task_value(rec, i), *task_value(pub, i)) :
				*task_value(pub, i);
	starling_member_count(m);
	rec->gpu_last_ns = max(rec->gpu_last_ns, pub->gpu_last_ns);
	rec->wait_style = pub->wait_style;
	set_known(rec, pub->valid & STARLING_VALID_GPU, pub);
	starling_member_place(m, pub->placement);
}

/* The publisher is gone: what it said is kept but no longer vouched for. */
void starling_member_unpublish(struct starling_member *m)
{
	set_known(&m->rec, 0, &m->rec);
	m->rec.wait_style = STARLING_WAIT_UNKNOWN;
	starling_member_place(m, STARLING_PLACEMENT_UNKNOWN);
	if (m->rec.role_source == STARLING_BY_DETECTION)
		starling_member_role(m, STARLING_ROLE_NONE, STARLING_BY_DETECTION);
}

/* What a task did before it was a member is not its agent's. */
void starling_member_rebase(struct starling_member *m)
{
	int i;

	for (i = 0; i < STARLING_SUM_GAUGE; i++)
		m->base[i] = *task_value(&m->rec, i);
}

/* Back to what they were when another one took over. */
void starling_member_set(struct starling_member *m, const u64 *counters)
{
	int i;

	for (i = 0; i < STARLING_SUM_GAUGE; i++)
		*task_value(&m->rec, i) = counters[i];
}

/* Counts and sums of @from, which stay there, on top of those of @to. */
void starling_record_add(struct starling_agent_record *to,
			 const struct starling_agent_record *from)
{
	int i;

	to->tasks += from->tasks;
	to->forks += from->forks;
	to->joins += from->joins;
	to->exits += from->exits;
	to->lost += from->lost;
	for (i = 0; i < STARLING_NSUMS; i++)
		*agent_value(to, i) += *agent_value(from, i);
	to->valid |= from->valid;
	to->estimated |= from->estimated;
	to->stale |= from->stale;
	to->source |= from->source;
}

/* As of an agent that never had a member. */
void starling_record_clear(struct starling_agent_record *rec)
{
	struct starling_agent_record clear = {
		.id = rec->id,
		.weight = rec->weight,
		.class = rec->class,
		.parent_id = rec->parent_id,
		.valid = STARLING_VALID_CPU,
		.source = STARLING_SOURCES_CPU,
	};

	strscpy_pad(clear.name, rec->name, sizeof(clear.name));
	*rec = clear;
}

/* Who has left uses no memory any more. */
void starling_member_add_to(struct starling_member *m, struct starling_agent_record *sum)
{
	const u32 counters = ~(u32)BIT(STARLING_VAL_GPU_MEMORY);
	int i;

	for (i = 0; i < STARLING_SUM_GAUGE; i++)
		*agent_value(sum, i) += *task_value(&m->rec, i) - m->base[i];
	sum->valid |= m->rec.valid & counters;
	sum->estimated |= m->rec.estimated & counters;
	sum->stale |= m->rec.stale & counters;
	sum->source |= m->rec.source & ~STARLING_SOURCE(STARLING_VAL_GPU_MEMORY, 15);
}
