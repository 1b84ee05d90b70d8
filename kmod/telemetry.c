// SPDX-License-Identifier: GPL-2.0-only
/*
 * Telemetry without system calls: an agent's pages are made when someone maps
 * them first and stay until the agent goes. Slots are written under the
 * agent's lock, so there is one writer at a time; readers use the sequence
 * counts and are never waited for. While there is a mapping a work item
 * refreshes the CPU values ten times a second.
 *
 * The memory is made of chunks, of which there are as many as the agent's
 * members have needed so far. Mappings have room for all; what they show is
 * looked up when it is touched. Members come where nobody may sleep: those
 * that find no slot are counted, and the work item adds a chunk for them.
 */
#include <linux/bitmap.h>
#include <linux/ktime.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/pid_namespace.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "agent.h"
#include "compat.h"
#include "task.h"
#include "telemetry.h"

#define CHUNK		max_t(size_t, PAGE_SIZE, SZ_16K)
#define CHUNKS_MAX	(STARLING_MAP_SIZE / SZ_16K)
/* In units of a slot, the first chunk has the header too. */
#define CHUNK_UNITS	(CHUNK / STARLING_SLOT_SIZE)
#define HEAD_UNITS	(STARLING_SLOTS_OFFSET / STARLING_SLOT_SIZE)

static_assert(sizeof(struct starling_slot) <= STARLING_SLOT_SIZE);

/**
 * struct starling_pages - the pages and what slots of them are taken
 * @head:	start of the first chunk
 * @memcg:	who pays for them: who mapped them first; counted
 * @nchunks:	how many there are; only grows
 * @hint:	no slot below it is free
 * @ntaken:	bits in @taken
 * @taken:	slots that have an owner
 * @chunk:	what is mapped, CHUNK bytes each; behind that, for each unit, the
 *		member that has the slot
 */
struct starling_pages {
	struct starling_page *head;
	struct mem_cgroup *memcg;
	unsigned int nchunks;
	unsigned int hint;
	unsigned int ntaken;
	DECLARE_BITMAP(taken, STARLING_NSLOTS);
	void *chunk[CHUNKS_MAX];
};

static struct starling_slot *slot_at(struct starling_pages *pages, unsigned int i)
{
	i += HEAD_UNITS;
	return pages->chunk[i / CHUNK_UNITS] + i % CHUNK_UNITS * STARLING_SLOT_SIZE;
}

static struct starling_member **owner_of(struct starling_pages *pages, unsigned int i)
{
	i += HEAD_UNITS;
	return (struct starling_member **)(pages->chunk[i / CHUNK_UNITS] + CHUNK) + i % CHUNK_UNITS;
}

static unsigned int nslots(const struct starling_pages *pages)
{
	return pages->nchunks * CHUNK_UNITS - HEAD_UNITS;
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

static bool slot_try(struct starling_member *m)
{
	struct starling_pages *pages = m->agent->pages;
	unsigned int i;

	if (pages->ntaken == nslots(pages))
		return false;
	i = find_next_zero_bit(pages->taken, nslots(pages), pages->hint);
	pages->hint = i + 1;
	pages->ntaken++;
	__set_bit(i, pages->taken);
	*owner_of(pages, i) = m;
	m->slot = i;
	starling_slot_write(m);
	return true;
}

/*
 * For one that has none yet, and perhaps waits for one. A task that the
 * creator's PID namespace does not know gets none and waits for none.
 */
void starling_slot_take(struct starling_member *m)
{
	struct starling_pages *pages = m->agent->pages;
	bool waited = m->slot == STARLING_SLOT_WAITS, waits;

	if (!pages || !m->rec.tid || m->slot >= 0)
		return;
	waits = !slot_try(m);
	if (waits)
		m->slot = STARLING_SLOT_WAITS;
	WRITE_ONCE(pages->head->overflow, pages->head->overflow + waits - waited);
}

static void slot_free(struct starling_pages *pages, unsigned int i)
{
	struct starling_slot *slot = slot_at(pages, i);

	write_begin(&slot->seq);
	memset(&slot->task, 0, sizeof(slot->task));
	write_end(&slot->seq);
	__clear_bit(i, pages->taken);
	pages->ntaken--;
	pages->hint = min(pages->hint, i);
}

/* By what it has: its id may be gone by now. */
void starling_slot_drop(struct starling_member *m)
{
	struct starling_pages *pages = m->agent->pages;

	if (m->slot == STARLING_SLOT_WAITS)
		WRITE_ONCE(pages->head->overflow, pages->head->overflow - 1);
	else if (m->slot >= 0)
		slot_free(pages, m->slot);
	m->slot = STARLING_SLOT_NONE;
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

static void member_slot_take(struct starling_link *link, void *unused)
{
	starling_slot_take(starling_member_at(link));
}

static bool chunk_wanted(const struct starling_pages *pages)
{
	return pages->head->overflow > nslots(pages) - pages->ntaken &&
	       nslots(pages) < STARLING_NSLOTS;
}

/* Fails rather than have the OOM killer look for somebody in @memcg: it can wait. */
static void *chunk_alloc(struct mem_cgroup *memcg)
{
	struct mem_cgroup *old = set_active_memcg(memcg);
	void *chunk = __vmalloc(CHUNK + CHUNK_UNITS * sizeof(struct starling_member *),
				GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN | __GFP_NORETRY);

	set_active_memcg(old);
	return chunk;
}

/* Under the agent's lock. */
static void chunk_add(struct starling_pages *pages, void *chunk)
{
	/* Who touches it before it is announced finds it zeroed, too. */
	smp_store_release(&pages->chunk[pages->nchunks], chunk);
	pages->nchunks++;
	/* Readers that see the larger number find the memory. */
	smp_store_release(&pages->head->nslots, nslots(pages));
}

/*
 * Room for all who wait; without memory it is tried again at the next sample.
 * True: there is room for some of them.
 */
static bool pages_grow(struct starling_agent *agent)
{
	struct starling_pages *pages = agent->pages;
	void *chunk = NULL;
	bool wanted, room;

	do {
		spin_lock(&agent->lock);
		if (chunk && chunk_wanted(pages)) {
			chunk_add(pages, chunk);
			chunk = NULL;
		}
		wanted = chunk_wanted(pages);
		room = pages->head->overflow && pages->ntaken < nslots(pages);
		spin_unlock(&agent->lock);
		if (wanted && !chunk)
			chunk = chunk_alloc(pages->memcg);
	} while (wanted && chunk);
	vfree(chunk);
	return room;
}

/* The members with slots in one chunk, @from is the first of them; the next one's first. */
static unsigned int chunk_sample(struct starling_pages *pages, unsigned int from)
{
	unsigned int end = round_down(from + HEAD_UNITS, CHUNK_UNITS) + CHUNK_UNITS - HEAD_UNITS;
	struct starling_member *m;

	for_each_set_bit_from(from, pages->taken, end) {
		m = *owner_of(pages, from);
		starling_member_sample(m);
		starling_slot_write(m);
	}
	return end;
}

static void pages_sample(struct starling_agent *agent)
{
	struct starling_pages *pages = agent->pages;
	unsigned int i = 0;

	do {
		spin_lock(&agent->lock);
		i = chunk_sample(pages, i);
		spin_unlock(&agent->lock);
		cond_resched();
	} while (i < nslots(pages));
	if (pages_grow(agent))
		starling_members_do(agent, member_slot_take, NULL);
	spin_lock(&agent->lock);
	starling_pages_update(agent);
	WRITE_ONCE(pages->head->sampled_ns, ktime_get_ns());
	spin_unlock(&agent->lock);
}

static void sample_work(struct work_struct *work)
{
	struct starling_agent *agent =
		container_of(to_delayed_work(work), struct starling_agent, sample);
	bool again;

	pages_sample(agent);
	spin_lock(&agent->lock);
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

void starling_pages_free(struct starling_pages *pages)
{
	if (!pages)
		return;
	while (pages->nchunks)
		vfree(pages->chunk[--pages->nchunks]);
	mem_cgroup_put(pages->memcg);
	vfree(pages);
}

static struct starling_pages *pages_alloc(void)
{
	struct starling_pages *pages = __vmalloc(sizeof(*pages), GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	struct starling_page *head;

	if (!pages)
		return NULL;
	pages->memcg = get_mem_cgroup_from_mm(current->mm);
	head = chunk_alloc(pages->memcg);
	if (!head) {
		starling_pages_free(pages);
		return NULL;
	}
	head->magic = STARLING_PAGE_MAGIC;
	head->version = STARLING_ABI_VERSION;
	head->map_size = STARLING_MAP_SIZE;
	head->slots_offset = STARLING_SLOTS_OFFSET;
	head->slot_size = STARLING_SLOT_SIZE;
	head->record_size = sizeof(struct starling_task_record);
	pages->head = head;
	chunk_add(pages, head);
	return pages;
}

/*
 * Two mappers may race to be the first: the other one may look before all
 * members have their slots, as it may when they come later.
 */
static int pages_provide(struct starling_agent *agent)
{
	struct starling_pages *pages;

	if (READ_ONCE(agent->pages))
		return 0;
	pages = pages_alloc();
	if (!pages)
		return -ENOMEM;
	spin_lock(&agent->lock);
	if (!agent->pages) {
		WRITE_ONCE(agent->pages, pages);
		/* Whoever maps them now finds an agent there. */
		starling_pages_update(agent);
		pages = NULL;
	}
	spin_unlock(&agent->lock);
	if (pages) {
		starling_pages_free(pages);
		return 0;
	}
	starling_members_do(agent, member_slot_take, NULL);
	pages_sample(agent);
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

/* What there is stays there for longer than the mapping. */
static vm_fault_t map_fault(struct vm_fault *vmf)
{
	struct starling_agent *agent = vmf->vma->vm_file->private_data;
	size_t at = (size_t)vmf->pgoff << PAGE_SHIFT;
	void *chunk;

	/* Pairs with that in chunk_add(). */
	chunk = at < STARLING_MAP_SIZE ? smp_load_acquire(&agent->pages->chunk[at / CHUNK]) : NULL;
	if (!chunk)
		return VM_FAULT_SIGBUS;
	vmf->page = vmalloc_to_page(chunk + at % CHUNK);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct map_ops = {
	.open	= map_open,
	.close	= map_close,
	.fault	= map_fault,
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

	if (vma->vm_pgoff || vma->vm_end - vma->vm_start > STARLING_MAP_SIZE)
		return -EINVAL;
	if (vma->vm_flags & (VM_WRITE | VM_EXEC) || !may_see_ids(agent))
		return -EACCES;
	err = pages_provide(agent);
	if (err)
		return err;
	starling_vm_flags(vma, VM_DONTEXPAND | VM_DONTDUMP, VM_MAYWRITE | VM_MAYEXEC);
	vma->vm_ops = &map_ops;
	map_open(vma);
	return 0;
}
