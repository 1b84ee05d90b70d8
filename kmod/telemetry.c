// SPDX-License-Identifier: GPL-2.0-only
/*
 * Telemetry without system calls: an agent's pages are made when someone maps
 * them first and stay until the agent goes. Slots are written under the
 * agent's lock, so there is one writer at a time; readers use the sequence
 * counts and are never waited for. While there is a mapping a work item
 * refreshes the CPU values ten times a second.
 */
#include <linux/bitmap.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/pid_namespace.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "agent.h"
#include "compat.h"
#include "task.h"
#include "telemetry.h"

/**
 * struct starling_pages - the pages and what slots of them are taken
 * @head:	start of the memory that is mapped
 * @owner:	of each slot
 * @taken:	slots that have one
 */
struct starling_pages {
	struct starling_page *head;
	struct starling_member *owner[STARLING_NSLOTS];
	DECLARE_BITMAP(taken, STARLING_NSLOTS);
};

static struct starling_slot *slot_at(struct starling_pages *pages, int i)
{
	return (void *)pages->head + STARLING_SLOTS_OFFSET + i * STARLING_SLOT_SIZE;
}

static void write_begin(u32 *seq)
{
	WRITE_ONCE(*seq, *seq + 1);
	/* Odd before anything changes; readers load it before the record. */
	smp_wmb();
}

static void write_end(u32 *seq)
{
	/* Even after everything changed; readers load it after the record. */
	smp_wmb();
	WRITE_ONCE(*seq, *seq + 1);
}

void starling_slot_write(struct starling_member *m)
{
	struct starling_slot *slot;

	if (m->slot < 0)
		return;
	slot = slot_at(m->agent->pages, m->slot);
	write_begin(&slot->seq);
	slot->task = m->rec;
	write_end(&slot->seq);
}

/* A task that the creator's PID namespace does not know gets no slot. */
static bool slot_try(struct starling_member *m)
{
	struct starling_pages *pages = m->agent->pages;
	int i = find_first_zero_bit(pages->taken, STARLING_NSLOTS);

	if (i == STARLING_NSLOTS || !m->rec.tid)
		return false;
	__set_bit(i, pages->taken);
	pages->owner[i] = m;
	m->slot = i;
	starling_slot_write(m);
	return true;
}

void starling_slot_take(struct starling_member *m)
{
	struct starling_pages *pages = m->agent->pages;

	if (pages && !slot_try(m))
		WRITE_ONCE(pages->head->overflow, pages->head->overflow + 1);
}

void starling_slot_drop(struct starling_member *m)
{
	struct starling_pages *pages = m->agent->pages;
	struct starling_slot *slot;

	if (!pages)
		return;
	if (m->slot < 0) {
		WRITE_ONCE(pages->head->overflow, pages->head->overflow - 1);
		return;
	}
	slot = slot_at(pages, m->slot);
	write_begin(&slot->seq);
	memset(&slot->task, 0, sizeof(slot->task));
	write_end(&slot->seq);
	pages->owner[m->slot] = NULL;
	__clear_bit(m->slot, pages->taken);
	m->slot = -1;
}

void starling_pages_update(struct starling_agent *agent)
{
	struct starling_page *head;

	if (!agent->pages)
		return;
	head = agent->pages->head;
	write_begin(&head->agent_seq);
	head->agent = agent->rec;
	WRITE_ONCE(head->generation, agent->generation);
	write_end(&head->agent_seq);
}

/* Members that came while all slots were taken. */
static void slots_refill(struct starling_agent *agent)
{
	struct starling_page *head = agent->pages->head;
	struct starling_member *m;

	list_for_each_entry(m, &agent->members, link) {
		if (!head->overflow || bitmap_full(agent->pages->taken, STARLING_NSLOTS))
			break;
		if (m->slot < 0 && slot_try(m))
			WRITE_ONCE(head->overflow, head->overflow - 1);
	}
}

static void slots_sample(struct starling_agent *agent)
{
	struct starling_pages *pages = agent->pages;
	int i;

	for_each_set_bit(i, pages->taken, STARLING_NSLOTS) {
		starling_member_sample(pages->owner[i]);
		starling_slot_write(pages->owner[i]);
	}
	slots_refill(agent);
	starling_pages_update(agent);
	WRITE_ONCE(pages->head->sampled_ns, ktime_get_ns());
}

static void sample_work(struct work_struct *work)
{
	struct starling_agent *agent =
		container_of(to_delayed_work(work), struct starling_agent, sample);
	bool again;

	spin_lock(&agent->lock);
	slots_sample(agent);
	again = agent->maps;
	agent->sampling = again;
	spin_unlock(&agent->lock);
	if (again)
		queue_delayed_work(starling_wq, &agent->sample,
				   msecs_to_jiffies(STARLING_SAMPLE_MS));
	else
		starling_agent_put(agent);
}

void starling_pages_init(struct starling_agent *agent)
{
	INIT_DELAYED_WORK(&agent->sample, sample_work);
}

static struct starling_pages *pages_alloc(void)
{
	struct starling_pages *pages = kzalloc(sizeof(*pages), GFP_KERNEL_ACCOUNT);
	struct starling_page *head;

	if (!pages)
		return NULL;
	head = vmalloc_user(STARLING_MAP_SIZE);
	if (!head) {
		kfree(pages);
		return NULL;
	}
	head->magic = STARLING_PAGE_MAGIC;
	head->version = STARLING_ABI_VERSION;
	head->map_size = STARLING_MAP_SIZE;
	head->slots_offset = STARLING_SLOTS_OFFSET;
	head->slot_size = STARLING_SLOT_SIZE;
	head->record_size = sizeof(struct starling_task_record);
	head->nslots = STARLING_NSLOTS;
	pages->head = head;
	return pages;
}

void starling_pages_free(struct starling_pages *pages)
{
	if (!pages)
		return;
	vfree(pages->head);
	kfree(pages);
}

/* Two mappers may race to be the first. */
static int pages_provide(struct starling_agent *agent)
{
	struct starling_pages *pages;
	struct starling_member *m;

	if (READ_ONCE(agent->pages))
		return 0;
	pages = pages_alloc();
	if (!pages)
		return -ENOMEM;
	spin_lock(&agent->lock);
	if (!agent->pages) {
		WRITE_ONCE(agent->pages, pages);
		pages = NULL;
		list_for_each_entry(m, &agent->members, link)
			starling_slot_take(m);
		slots_sample(agent);
	}
	spin_unlock(&agent->lock);
	starling_pages_free(pages);
	return 0;
}

/* The file that is mapped holds the agent; the work needs its own reference. */
static void map_open(struct vm_area_struct *vma)
{
	struct starling_agent *agent = vma->vm_file->private_data;
	bool start;

	spin_lock(&agent->lock);
	agent->maps++;
	start = !agent->sampling;
	agent->sampling = true;
	spin_unlock(&agent->lock);
	if (!start)
		return;
	starling_agent_get(agent);
	queue_delayed_work(starling_wq, &agent->sample, msecs_to_jiffies(STARLING_SAMPLE_MS));
}

static void map_close(struct vm_area_struct *vma)
{
	struct starling_agent *agent = vma->vm_file->private_data;

	spin_lock(&agent->lock);
	agent->maps--;
	spin_unlock(&agent->lock);
}

static const struct vm_operations_struct map_ops = {
	.open	= map_open,
	.close	= map_close,
};

/* Pages show the task ids of the creator's namespace: not to its descendants. */
static bool may_see_ids(const struct starling_agent *agent)
{
	const struct pid_namespace *mine = task_active_pid_ns(current);
	const struct pid_namespace *ns;

	for (ns = agent->pid_ns; ns; ns = ns->parent)
		if (ns == mine)
			return true;
	return false;
}

int starling_pages_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct starling_agent *agent = file->private_data;
	int err;

	if (vma->vm_pgoff || vma->vm_end - vma->vm_start > PAGE_ALIGN(STARLING_MAP_SIZE))
		return -EINVAL;
	if (vma->vm_flags & (VM_WRITE | VM_EXEC) || !may_see_ids(agent))
		return -EACCES;
	err = pages_provide(agent);
	if (err)
		return err;
	starling_vm_flags(vma, VM_DONTEXPAND | VM_DONTDUMP, VM_MAYWRITE | VM_MAYEXEC);
	err = remap_vmalloc_range(vma, agent->pages->head, 0);
	if (err)
		return err;
	vma->vm_ops = &map_ops;
	map_open(vma);
	return 0;
}
