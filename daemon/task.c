// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/task.h"

#include <stdlib.h>
#include <string.h>
#include "daemon/procfs.h"

struct task *task_find(const struct task_table *t, uint32_t tid)
{
	struct task *task;

	HASH_FIND(hh, t->head, &tid, sizeof(tid), task);
	return task;
}

struct task *task_get(struct task_table *t, uint32_t tid)
{
	struct task *task = task_find(t, tid);

	if (task)
		return task;
	task = task_count(t) < TASK_TABLE_MAX ? calloc(1, sizeof(*task)) : NULL;
	if (!task) {
		t->overflow++;
		return NULL;
	}
	task->tid = tid;
	task->tgid = tid;
	HASH_ADD(hh, t->head, tid, sizeof(task->tid), task);
	return task;
}

void task_drop(struct task_table *t, struct task *task)
{
	HASH_DELETE(hh, t->head, task);
	free(task);
}

size_t task_count(const struct task_table *t)
{
	return HASH_COUNT(t->head);
}

void task_table_free(struct task_table *t)
{
	struct task *task, *next;

	HASH_ITER(hh, t->head, task, next)
		task_drop(t, task);
}

/* The tid was used again: nothing of the old task may be taken for the new. */
static void task_reset(struct task *task)
{
	uint32_t tid = task->tid;
	UT_hash_handle hh = task->hh;

	*task = (struct task){ .tid = tid, .tgid = tid, .hh = hh };
}

/* Counters never go back; a source that restarts counts from zero again. */
static double delta(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

void task_update(struct task *task, const struct starling_task_record *rec)
{
	const struct starling_task_record *old = &task->rec;
	uint64_t gpu_last_ns = old->gpu_last_ns;

	if (task->has_base && old->start_ns && rec->start_ns &&
	    old->start_ns != rec->start_ns) {
		task_reset(task);
		gpu_last_ns = 0;
	}
	if (task->has_base) {
		task->recent_wait_ns = delta(rec->wait_ns, old->wait_ns);
		task->recent_ns = delta(rec->run_ns, old->run_ns) + task->recent_wait_ns;
		task->late_ns += delta(rec->run_ns, old->run_ns);
		task->d_run_ns += delta(rec->run_ns, old->run_ns);
		task->d_wait_ns += delta(rec->wait_ns, old->wait_ns);
		task->d_nvcsw += delta(rec->nvcsw, old->nvcsw);
		task->d_gpu_waits += delta(rec->gpu_waits, old->gpu_waits);
	}
	task->rec = *rec;
	task->has_base = true;
	/* an event may be newer than the record that was read */
	if (gpu_last_ns > rec->gpu_last_ns)
		task->rec.gpu_last_ns = gpu_last_ns;
	task->tgid = rec->tgid;
	if (rec->role_source == STARLING_BY_LINEAGE &&
	    rec->role == STARLING_ROLE_TOOL)
		task->execed = true;
}

void task_look_up(struct task *task)
{
	struct proc_stat st;

	if (task->has_proc)
		return;
	task->has_proc = true;
	if (proc_stat_read(task->tid, &st))
		return;
	task->tgid = st.tgid ? st.tgid : task->tgid;
	task->ppid = st.ppid;
	task->kthread = st.kthread;
	if (!task->rec.comm[0])
		memcpy(task->rec.comm, st.comm, sizeof(st.comm));
}
