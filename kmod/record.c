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

/* What an agent sums up; those from STARLING_SUM_GPU on are published. */
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
	SUM(gpu_wait_ns, GPU_WAIT),
	SUM(gpu_waits, GPU_WAIT),
	SUM(gpu_launches, GPU_LAUNCH),
	SUM(gpu_alloc_bytes, GPU_ALLOC),
	SUM(starved_ns, STARVED),
#undef SUM
};

static_assert(ARRAY_SIZE(sums) == STARLING_NSUMS);

static u64 task_value(const struct starling_task_record *rec, int i)
{
	return *(const u64 *)((const char *)rec + sums[i].task);
}

static u64 *agent_value(const struct starling_agent_record *rec, int i)
{
	return (u64 *)((char *)rec + sums[i].agent);
}

static void read_counters(const struct task_struct *task, struct starling_task_record *rec)
{
	rec->run_ns = READ_ONCE(task->se.sum_exec_runtime);
#ifdef CONFIG_SCHED_INFO
	rec->wait_ns = READ_ONCE(task->sched_info.run_delay);
#endif
	rec->nvcsw = READ_ONCE(task->nvcsw);
	rec->nivcsw = READ_ONCE(task->nivcsw);
	rec->migrations = READ_ONCE(task->se.nr_migrations);
	rec->last_cpu = task_cpu(task);
}

/* The identity too: exec of a thread gives it its leader's id and start. */
void starling_member_sample(struct starling_member *m)
{
	struct starling_task_record *rec = &m->rec;
	struct pid_namespace *ns = m->agent->pid_ns;

	read_counters(m->task, rec);
	rec->tid = task_pid_nr_ns(m->task, ns);
	rec->tgid = task_tgid_nr_ns(m->task, ns);
	rec->start_ns = m->task->start_time;
	strscpy_pad(rec->comm, m->task->comm, sizeof(rec->comm));
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

/* Unknown is not zero, and the daemon's view may be an older one. */
void starling_member_publish(struct starling_member *m, const struct starling_task_record *pub)
{
	struct starling_task_record *rec = &m->rec;
	u64 *value;
	int i;

	for (i = STARLING_SUM_GPU; i < STARLING_NSUMS; i++) {
		if (!(pub->valid & sums[i].valid))
			continue;
		value = (u64 *)((char *)rec + sums[i].task);
		*value = max(*value, task_value(pub, i));
	}
	rec->gpu_last_ns = max(rec->gpu_last_ns, pub->gpu_last_ns);
	rec->wait_style = pub->wait_style;
	rec->valid = STARLING_VALID_CPU | (pub->valid & STARLING_VALID_GPU);
	rec->estimated = pub->estimated & rec->valid & STARLING_VALID_GPU;
}

/* The publisher is gone: what it said is kept but no longer vouched for. */
void starling_member_unpublish(struct starling_member *m)
{
	m->rec.valid = STARLING_VALID_CPU;
	m->rec.estimated = 0;
	m->rec.wait_style = STARLING_WAIT_UNKNOWN;
	if (m->rec.role_source == STARLING_BY_DETECTION)
		starling_member_role(m, STARLING_ROLE_NONE, STARLING_BY_DETECTION);
}

/* What a task did before it was a member is not its agent's. */
void starling_member_rebase(struct starling_member *m)
{
	int i;

	for (i = 0; i < STARLING_NSUMS; i++)
		m->base[i] = task_value(&m->rec, i);
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
}

/* As of an agent that never had a member. */
void starling_record_clear(struct starling_agent_record *rec)
{
	int i;

	rec->tasks = 0;
	rec->forks = 0;
	rec->joins = 0;
	rec->exits = 0;
	rec->lost = 0;
	for (i = 0; i < STARLING_NSUMS; i++)
		*agent_value(rec, i) = 0;
	rec->valid = STARLING_VALID_CPU;
	rec->estimated = 0;
}

void starling_member_add_to(struct starling_member *m, struct starling_agent_record *sum)
{
	int i;

	for (i = 0; i < STARLING_NSUMS; i++)
		*agent_value(sum, i) += task_value(&m->rec, i) - m->base[i];
	sum->valid |= m->rec.valid;
	sum->estimated |= m->rec.estimated;
}
