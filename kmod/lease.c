// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leases: asked for, granted, parked, given back, taken back.
 *
 * All of it happens under one lock, in turns: what a turn changes may let
 * somebody else be next, which is looked after at its end, and whom it ended
 * waiting for is told when the lock is dropped.
 *
 * Who waits may be granted the GPU and give up at the same time: see wait.h.
 * A request that lost its wait to the one who gives up, and that ends
 * meanwhile, is dead, and left to that one.
 *
 * Lock order: starling_lease_lock, then those of waits and of events.
 */
#include <linux/capability.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "agent.h"
#include "event.h"
#include "lease.h"
#include "trace.h"
#include "wait.h"

static DEFINE_HASHTABLE(leases, 10);	/* by id, held or parked */
static LIST_HEAD(waiters);
unsigned int starling_nleases;
static u64 last_id;
static u64 last_arrival;

static void gpu_next(struct starling_gpu *gpu, struct starling_turn *turn);

static noinline void turn_next(struct starling_turn *turn)
{
	u32 i;

	while (turn->gpus) {
		i = __ffs(turn->gpus);
		turn->gpus &= ~BIT(i);
		gpu_next(&starling_gpus[i], turn);
	}
	starling_gpus_trim();
}

void starling_turn_end(struct starling_turn *turn) __releases(&starling_lease_lock)
{
	struct starling_wait *wait, *next;

	if (turn->gpus || starling_ngpus > 1)
		turn_next(turn);
	spin_unlock(&starling_lease_lock);
	/* The structure may go with its call. */
	list_for_each_entry_safe(wait, next, &turn->ended, link)
		wait->done(wait, wait->ret);
}

/* Somebody may be next for @gpu when the turn ends. */
static void turn_gpu(struct starling_turn *turn, const struct starling_gpu *gpu)
{
	if (gpu->waiting[0])
		turn->gpus |= BIT(gpu->index);
}

static void turn_ended(struct starling_turn *turn, struct starling_wait *wait, long ret)
{
	wait->ret = ret;
	list_add_tail(&wait->link, &turn->ended);
}

static struct starling_ticket *ticket_for(struct starling_request *r, u32 gpu)
{
	return &r->tickets[r->gpu ? 0 : gpu];
}

static bool waits_for(struct starling_request *r, const struct starling_gpu *gpu)
{
	if (r->gpu)
		return r->gpu == gpu;
	return gpu->index < r->ntickets;
}

/* Those past their limit need not care that others waited once. */
static void gpu_forgive(struct starling_gpu *gpu, u64 now)
{
	struct starling_request *r;

	hlist_for_each_entry(r, &gpu->held, held_link)
		if (r->asked && now >= r->end)
			r->asked = false;
}

/* False: it can never be had there, or for the moment not for lack of memory. */
static bool request_queue_on(struct starling_request *r, struct starling_gpu *gpu,
			     struct starling_turn *turn)
{
	struct starling_share **share = &r->agent->shares[gpu->index];
	struct starling_ticket *t = ticket_for(r, gpu->index);

	if (r->state == STARLING_LEASE_WAITING && !starling_gpu_can_fit(gpu, r->memory))
		return false;
	/* A GPU that came after the request did. */
	if (!*share)
		*share = starling_share_alloc(r->agent, gpu, GFP_ATOMIC | __GFP_NOWARN);
	if (!*share)
		return false;
	if (!gpu->waiting[0])
		gpu_forgive(gpu, turn->now);
	t->share = *share;
	t->request = r;
	starling_ticket_add(t, turn->now);
	turn->gpus |= BIT(gpu->index);
	return true;
}

static bool request_queue(struct starling_request *r, struct starling_turn *turn)
{
	bool queued = false;
	u32 i;

	r->arrival = ++last_arrival;
	r->waiting_since = turn->now;
	for (i = 0; i < starling_ngpus; i++)
		if (waits_for(r, &starling_gpus[i]))
			queued |= request_queue_on(r, &starling_gpus[i], turn);
	if (queued)
		list_add_tail(&r->wait_link, &waiters);
	return queued;
}

/* A request of a wait that is being given up is not queued any more. */
static void request_unqueue(struct starling_request *r, struct starling_turn *turn)
{
	struct starling_ticket *t;

	for (t = r->tickets; t < r->tickets + r->ntickets; t++)
		if (t->share) {
			turn->gpus |= BIT(t->share->gpu->index);
			starling_ticket_del(t, turn->now);
		}
	list_del_init(&r->wait_link);
}

/* An agent that comes back all the time finds one that need not be allocated. */
static void request_free(struct starling_request *r)
{
	if (r->ntickets > 1 || r->agent->spare)
		kfree(r);
	else
		r->agent->spare = r;
}

/*
 * Takes @r from wherever it is. Who waits for it is told @ret, or that there is
 * no such lease. @r is gone when this returns.
 */
void starling_request_end(struct starling_request *r, enum starling_lease_end how, long ret,
			  struct starling_turn *turn)
{
	struct starling_wait *wait = r->wait;

	if (r->state == STARLING_LEASE_HELD)
		starling_hold_stop(r, turn->now);
	else
		request_unqueue(r, turn);
	if (r->state != STARLING_LEASE_WAITING) {
		trace_starling_lease_end(r->agent->id, r->id, r->gpu->index, how, r->held_ns);
		r->gpu->nparked -= r->state == STARLING_LEASE_PARKED;
		r->gpu->used -= r->memory;
		hash_del(&r->id_link);
		turn_gpu(turn, r->gpu);
	}
	starling_roll_del(&r->agent->leases, &r->agent_link);
	hash_del(&r->tgid_link);
	WRITE_ONCE(starling_nleases, starling_nleases - 1);
	r->agent->user->leases--;
	r->wait = NULL;
	if (wait && !starling_wait_del(wait)) {
		r->dead = true;
		return;
	}
	if (wait)
		turn_ended(turn, wait, r->state == STARLING_LEASE_PARKED ? -ENOENT : ret);
	request_free(r);
}

static inline void tell(struct starling_request *r, u32 type, u64 value)
{
	if (!(READ_ONCE(r->agent->events.mask) & BIT(type)))
		return;
	starling_event_push(r->agent, type, starling_holder_tgid(r, r->agent->pid_ns),
			    r->id, r->gpu->index, r->cookie, value);
}

/* What the one who waited gets. */
static void grant_out(const struct starling_request *r, void *arg, bool unparked, u64 waited)
{
	struct starling_lease_acquire *acquire = arg;
	struct starling_lease_unpark *unpark = arg;

	if (unparked) {
		unpark->out_expires_ns = r->end;
		unpark->out_waited_ns = waited;
		return;
	}
	acquire->out_lease = r->id;
	acquire->out_gpu = r->gpu->index;
	acquire->out_expires_ns = r->end;
	acquire->out_waited_ns = waited;
}

static void count_grant(struct starling_gpu *gpu, u64 waited)
{
	struct starling_lease_stat *sums = &gpu->sums;

	sums->out_grants++;
	sums->out_wait_ns += waited;
	sums->out_wait_max_ns = max(sums->out_wait_max_ns, waited);
}

/* @r is in no queue any more, and its share is here. */
static void request_hold(struct starling_request *r, struct starling_gpu *gpu,
			 struct starling_wait *wait, u64 now)
{
	bool unparked = r->state == STARLING_LEASE_PARKED;
	u64 waited = now - r->waiting_since;

	r->wait = NULL;
	r->gpu = gpu;
	if (unparked) {
		gpu->nparked--;
	} else {
		r->id = ++last_id;
		hash_add(leases, &r->id_link, r->id);
		gpu->used += r->memory;
	}
	r->state = STARLING_LEASE_HELD;
	r->asked = false;
	r->end = now + min_not_zero(r->hold_ns, gpu->rules.max_hold_ns);
	starling_hold_start(r, now);
	count_grant(gpu, waited);
	grant_out(r, wait->arg, unparked, waited);
	trace_starling_lease_grant(r->agent->id, r->id, gpu->index, r->class, waited);
	tell(r, STARLING_EVENT_LEASE_GRANTED, r->end);
}

static void request_grant(struct starling_request *r, struct starling_gpu *gpu,
			  struct starling_turn *turn)
{
	struct starling_wait *wait = r->wait;

	request_unqueue(r, turn);
	/* Else somebody gives up and comes for @r as soon as we are through. */
	if (!r->starting && !starling_wait_del(wait))
		return;
	/* It has been all the time. */
	r->agent->shares[gpu->index]->here++;
	request_hold(r, gpu, wait, turn->now);
	if (!r->starting)
		turn_ended(turn, wait, 0);
}

static void gpu_dispatch(struct starling_gpu *gpu, struct starling_turn *turn)
{
	struct starling_request *r;

	while (gpu->waiting[0] && gpu->nheld < gpu->rules.slots) {
		r = starling_queue_first(gpu, turn->now);
		if (!r)
			break;
		request_grant(r, gpu, turn);
	}
}

static void request_ask(struct starling_request *r, u64 now)
{
	r->asked = true;
	r->end = max(r->end, now + r->gpu->rules.notice_ns);
	trace_starling_lease_ask(r->agent->id, r->id, r->gpu->index, r->end);
	tell(r, STARLING_EVENT_LEASE_GIVE_BACK, r->end);
}

static u64 ask_at(const struct starling_request *r)
{
	u64 notice = r->gpu->rules.notice_ns;

	return r->end > notice ? r->end - notice : 0;
}

/* The oldest grant whose time is over; NULL: none, or nobody waits. */
static struct starling_request *gpu_overdue(struct starling_gpu *gpu, u64 now)
{
	struct starling_request *r, *oldest = NULL;

	if (gpu->waiting[0])
		hlist_for_each_entry(r, &gpu->held, held_link)
			if (r->asked && now >= r->end)
				oldest = r;
	return oldest;
}

/* Asks whom it is time to ask, and sets the timer to what is due next. */
static void gpu_ask(struct starling_gpu *gpu, u64 now)
{
	struct starling_request *r;
	u64 due = U64_MAX;

	if (!gpu->waiting[0])
		return;
	hlist_for_each_entry(r, &gpu->held, held_link) {
		if (!r->asked && now >= ask_at(r))
			request_ask(r, now);
		due = min(due, r->asked ? r->end : ask_at(r));
	}
	if (due >= gpu->armed)
		return;
	gpu->armed = due;
	mod_delayed_work(starling_wq, &gpu->timer, nsecs_to_jiffies(due - min(due, now)) + 1);
}

/* One is taken back at a time: nobody may be waiting after that. */
static void gpu_next(struct starling_gpu *gpu, struct starling_turn *turn)
{
	struct starling_request *r;

	gpu_dispatch(gpu, turn);
	while ((r = gpu_overdue(gpu, turn->now))) {
		gpu->sums.out_expired++;
		tell(r, STARLING_EVENT_LEASE_EXPIRED, 0);
		starling_request_end(r, STARLING_END_EXPIRED, 0, turn);
		gpu_dispatch(gpu, turn);
	}
	gpu_ask(gpu, turn->now);
}

void starling_gpu_timer(struct work_struct *work)
{
	struct starling_gpu *gpu = container_of(to_delayed_work(work), struct starling_gpu, timer);
	struct starling_turn turn;

	starling_turn_begin(&turn);
	gpu->armed = U64_MAX;
	turn.gpus = BIT(gpu->index);
	starling_turn_end(&turn);
}

/* The rules of a GPU have changed: who waits for it is sorted in anew. */
void starling_leases_ruled(u32 index, struct starling_turn *turn)
{
	struct starling_gpu *gpu = &starling_gpus[index];
	struct starling_request *r, *next;
	struct starling_ticket *t;
	u32 queued;

	list_for_each_entry_safe(r, next, &waiters, wait_link) {
		if (!waits_for(r, gpu))
			continue;
		t = ticket_for(r, index);
		if (t->share)
			starling_ticket_del(t, turn->now);
		if (request_queue_on(r, gpu, turn))
			continue;
		for (queued = 0, t = r->tickets; t < r->tickets + r->ntickets; t++)
			queued += !!t->share;
		if (!queued)
			starling_request_end(r, STARLING_END_WAIT, -EINVAL, turn);
	}
	turn->gpus |= BIT(index);
}

/* The wait was taken off its agent by who calls this. */
static void lease_wait_cancel(struct starling_wait *wait, long ret)
{
	struct starling_request *r = wait->priv;
	struct starling_turn turn;

	starling_turn_begin(&turn);
	if (r->dead) {
		kfree(r);
	} else {
		struct starling_gpu *gpu = r->gpu ?: &starling_gpus[0];

		gpu->sums.out_timeouts += ret == -ETIMEDOUT;
		gpu->sums.out_cancels += ret == -ECANCELED;
		r->wait = NULL;
		request_unqueue(r, &turn);
		if (r->state == STARLING_LEASE_WAITING)
			starling_request_end(r, STARLING_END_WAIT, 0, &turn);
	}
	starling_turn_end(&turn);
	wait->done(wait, ret);
}

/* Where @r would be served soonest, of those not yet tried. */
static struct starling_gpu *freest(struct starling_request *r, u32 tried)
{
	struct starling_gpu *gpu, *best = NULL;
	int free, most = 0;
	u32 i;

	for (i = 0; i < starling_ngpus; i++) {
		gpu = &starling_gpus[i];
		if (tried & BIT(i) || !waits_for(r, gpu) || !ticket_for(r, i)->share)
			continue;
		free = (int)gpu->rules.slots - (int)gpu->nheld;
		if (free > most) {
			most = free;
			best = gpu;
		}
	}
	return best;
}

/* Without a queue, where that makes no difference to anybody. */
static bool request_start_free(struct starling_request *r, struct starling_wait *wait,
			       struct starling_turn *turn)
{
	u64 memory = r->state == STARLING_LEASE_PARKED ? 0 : r->memory;
	struct starling_gpu *gpu = r->gpu;

	if (!gpu || !starling_gpu_is_free(gpu, memory))
		return false;
	r->waiting_since = turn->now;
	starling_share_come(r->agent->shares[gpu->index], turn->now);
	request_hold(r, gpu, wait, turn->now);
	return true;
}

/* @r is queued and perhaps granted at once, else @wait stays. */
static noinline long request_start_queued(struct starling_request *r, struct starling_wait *wait,
					  bool try, struct starling_turn *turn)
{
	struct starling_gpu *gpu;
	u32 tried = 0;

	if (!request_queue(r, turn))
		return -EINVAL;
	r->wait = wait;
	r->starting = true;
	while (r->state != STARLING_LEASE_HELD && (gpu = freest(r, tried))) {
		gpu_dispatch(gpu, turn);
		tried |= BIT(gpu->index);
	}
	r->starting = false;
	if (r->state == STARLING_LEASE_HELD)
		return 0;
	if (try) {
		r->wait = NULL;
		return -EAGAIN;
	}
	wait->priv = r;
	wait->cancel = lease_wait_cancel;
	starling_wait_add(r->agent, wait);
	return -EIOCBQUEUED;
}

static long request_start(struct starling_request *r, struct starling_wait *wait, bool try,
			  struct starling_turn *turn)
{
	if (request_start_free(r, wait, turn))
		return 0;
	return request_start_queued(r, wait, try, turn);
}

static bool acquire_ok(const struct starling_lease_acquire *a)
{
	return a->class < __STARLING_CLASS_MAX && a->memory_bytes <= STARLING_MEMORY_MAX;
}

/* So that it need not be made with the lock held. */
static int share_make(struct starling_agent *agent, u32 gpu)
{
	struct starling_share *share;

	share = starling_share_alloc(agent, &starling_gpus[gpu], GFP_KERNEL_ACCOUNT);
	if (!share)
		return -ENOMEM;
	spin_lock(&starling_lease_lock);
	if (!agent->shares[gpu])
		swap(agent->shares[gpu], share);
	spin_unlock(&starling_lease_lock);
	kfree(share);
	return 0;
}

static int shares_make(struct starling_agent *agent, u32 gpu)
{
	bool any = gpu == STARLING_GPU_ANY;
	u32 i = any ? 0 : gpu;
	int err = 0;

	do {
		if (!READ_ONCE(agent->shares[i]))
			err = share_make(agent, i);
	} while (!err && any && ++i < READ_ONCE(starling_ngpus));
	return err;
}

static bool over_limit(const struct starling_agent *agent)
{
	return agent->user->leases >= READ_ONCE(starling_max_user_leases);
}

/**
 * struct prepared - what an ACQUIRE needs
 * @r:		not initialized
 * @privileged:	the caller; not asked while it does not matter
 */
struct prepared {
	struct starling_request *r;
	bool privileged;
};

/* False: the lock must be dropped for it. */
static bool prepare_at_once(struct starling_agent *agent, u32 gpu, struct prepared *p)
{
	if (gpu == STARLING_GPU_ANY || !agent->shares[gpu] || !agent->spare || over_limit(agent))
		return false;
	p->r = agent->spare;
	p->privileged = false;
	agent->spare = NULL;
	return true;
}

/* May sleep, and who is not privileged may be reported for being asked. */
static int prepare(struct starling_agent *agent, u32 gpu, struct prepared *p)
{
	u32 n = gpu == STARLING_GPU_ANY ? STARLING_GPUS_MAX : 1;
	int err = shares_make(agent, gpu);

	if (err)
		return err;
	p->r = kzalloc(struct_size(p->r, tickets, n), GFP_KERNEL_ACCOUNT);
	if (!p->r)
		return -ENOMEM;
	p->r->agent = agent;
	p->r->ntickets = n;
	p->privileged = capable(CAP_SYS_RESOURCE);
	return 0;
}

/* A spent one is as it was left: in no list, and nobody waits for it. */
static void request_init(struct starling_request *r, const struct starling_lease_acquire *a,
			 u64 now)
{
	r->id = 0;
	r->gpu = r->ntickets == 1 ? &starling_gpus[a->gpu] : NULL;
	INIT_LIST_HEAD(&r->wait_link);
	r->asked = false;
	r->pressed = false;
	r->state = STARLING_LEASE_WAITING;
	r->class = a->class ?: READ_ONCE(r->agent->rec.class);
	r->cookie = a->cookie;
	r->memory = a->memory_bytes;
	r->hold_ns = a->max_hold_ns;
	r->deadline = a->deadline_ns;
	r->since = now;
	r->held_ns = 0;
}

/* Makes @r one of its agent's and its process's. */
static void request_link(struct starling_request *r)
{
	starling_roll_add(&r->agent->leases, &r->agent_link);
	WRITE_ONCE(starling_nleases, starling_nleases + 1);
	r->agent->user->leases++;
	starling_holder_attach(r);
}

static long request_run(struct prepared *p, struct starling_wait *wait,
			struct starling_turn *turn)
{
	const struct starling_lease_acquire *a = wait->arg;
	struct starling_request *r = p->r;
	long ret = -ENODEV;

	if (a->gpu != STARLING_GPU_ANY && a->gpu >= starling_ngpus)
		goto out_free;
	ret = -ENOSPC;
	if (starling_nleases >= min_t(u64, READ_ONCE(starling_max_leases), STARLING_LEASES_MAX) ||
	    (!p->privileged && over_limit(r->agent)))
		goto out_free;
	request_init(r, a, turn->now);
	request_link(r);
	trace_starling_lease_request(r->agent->id, a->gpu, r->class, r->cookie, r->memory, 0);
	ret = request_start(r, wait, a->flags & STARLING_LEASE_TRY, turn);
	if (ret < 0 && ret != -EIOCBQUEUED)
		starling_request_end(r, STARLING_END_WAIT, 0, turn);
	return ret;

out_free:
	request_free(r);
	return ret;
}

/* Nobody's leases would end with a thread that is past its exit hook. */
static bool may_hold(void)
{
	return !(current->flags & (PF_EXITING | PF_KTHREAD));
}

long starling_lease_acquire(struct file *file, struct starling_wait *wait)
{
	struct starling_agent *agent = file->private_data;
	struct starling_lease_acquire *a = wait->arg;
	struct starling_turn turn;
	struct prepared p;
	long ret;

	if (!acquire_ok(a))
		return -EINVAL;
	if (a->gpu != STARLING_GPU_ANY) {
		if (a->gpu >= READ_ONCE(starling_ngpus))
			return -ENODEV;
		a->gpu = array_index_nospec(a->gpu, STARLING_GPUS_MAX);
	}
	if (!may_hold())
		return -ECANCELED;
	wait->cookie = a->cookie;
	wait->timeout_ns = a->timeout_ns;
	starling_turn_begin(&turn);
	if (!prepare_at_once(agent, a->gpu, &p)) {
		starling_turn_end(&turn);
		ret = prepare(agent, a->gpu, &p);
		if (ret)
			return ret;
		starling_turn_begin(&turn);
	}
	ret = request_run(&p, wait, &turn);
	starling_turn_end(&turn);
	return ret;
}

static struct starling_request *lease_find(struct starling_agent *agent, u64 id)
{
	struct starling_request *r;

	hash_for_each_possible(leases, r, id_link, id)
		if (r->id == id)
			return r->agent == agent ? r : NULL;
	return NULL;
}

long starling_lease_unpark(struct file *file, struct starling_wait *wait)
{
	struct starling_agent *agent = file->private_data;
	struct starling_lease_unpark *u = wait->arg;
	struct starling_request *r;
	struct starling_turn turn;
	long ret = -ENOENT;

	wait->cookie = u->cookie;
	wait->timeout_ns = u->timeout_ns;
	starling_turn_begin(&turn);
	r = lease_find(agent, u->lease);
	if (!r)
		goto out;
	ret = -EALREADY;
	/* Held, or another one waits for it. */
	if (r->state != STARLING_LEASE_PARKED || r->wait)
		goto out;
	trace_starling_lease_request(agent->id, r->gpu->index, r->class, u->cookie,
				     r->memory, r->id);
	ret = request_start(r, wait, false, &turn);
out:
	starling_turn_end(&turn);
	return ret;
}

static int lease_release(struct starling_request *r, struct starling_turn *turn)
{
	starling_request_end(r, STARLING_END_RELEASE, 0, turn);
	return 0;
}

static int lease_park(struct starling_request *r, struct starling_turn *turn)
{
	if (r->state == STARLING_LEASE_PARKED)
		return -EALREADY;
	starling_hold_stop(r, turn->now);
	r->state = STARLING_LEASE_PARKED;
	r->since = turn->now;
	r->asked = false;
	r->gpu->nparked++;
	turn_gpu(turn, r->gpu);
	trace_starling_lease_end(r->agent->id, r->id, r->gpu->index, STARLING_END_PARK,
				 r->held_ns);
	return 0;
}

static long lease_do(struct starling_agent *agent, u64 id,
		     int (*fn)(struct starling_request *r, struct starling_turn *turn))
{
	struct starling_request *r;
	struct starling_turn turn;
	long ret = -ENOENT;

	starling_turn_begin(&turn);
	r = lease_find(agent, id);
	if (r)
		ret = fn(r, &turn);
	starling_turn_end(&turn);
	return ret;
}

long starling_lease_release(struct file *file, void *arg)
{
	const struct starling_lease_id *lease = arg;

	return lease_do(file->private_data, lease->lease, lease_release);
}

long starling_lease_park(struct file *file, void *arg)
{
	const struct starling_lease_id *lease = arg;

	return lease_do(file->private_data, lease->lease, lease_park);
}

/* Nobody knows of the lease: its number could not be handed over. */
void starling_lease_acquire_undo(struct file *file, void *arg)
{
	struct starling_lease_acquire *a = arg;

	lease_do(file->private_data, a->out_lease, lease_release);
}

void starling_lease_unpark_undo(struct file *file, void *arg)
{
	struct starling_lease_unpark *u = arg;

	lease_do(file->private_data, u->lease, lease_park);
}

/* Ends a batch. False: that was the last one. */
static bool leases_close(struct starling_agent *agent)
{
	struct starling_link *first;
	struct starling_turn turn;
	int n = STARLING_BATCH;

	starling_turn_begin(&turn);
	while ((first = starling_roll_first(&agent->leases)) && n--)
		starling_request_end(starling_request_at(first), STARLING_END_CLOSE,
				     -ECANCELED, &turn);
	starling_turn_end(&turn);
	return first;
}

/*
 * The last descriptor goes, and with it whoever could still come here: nobody
 * waits, as a wait holds the file.
 */
void starling_lease_close(struct starling_agent *agent)
{
	u32 i;

	while (leases_close(agent))
		cond_resched();
	for (i = 0; i < STARLING_GPUS_MAX; i++) {
		kfree(agent->shares[i]);
		agent->shares[i] = NULL;
	}
	kfree(agent->spare);
	agent->spare = NULL;
}
