// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a feeder does for each job: ask what is next, work on the host for it,
 * submit it, wait. Lateness is from the job's end to the return from that wait,
 * as agentload measures it.
 */
#include "tools/sim/gpu.h"

#include "tools/sim/cpu.h"
#include "tools/sim/daemon.h"
#include "tools/sim/load.h"
#include "tools/sim/metric.h"

#define HOST_SIGMA	0.5

enum { FEED_ASK, FEED_SUBMIT, FEED_WAIT };

/* Jobs of all feeders form one line. */
static uint64_t busy_until, busy_sum;

/* A job that is not over counts up to now. */
uint64_t gpu_busy_ns(void)
{
	return busy_sum - (busy_until > sim.now ? busy_until - sim.now : 0);
}

uint64_t gpu_idle_since(void)
{
	return busy_until > sim.now ? UINT64_MAX : busy_until;
}

static void on_done(struct timer *timer)
{
	struct feeder *f = container_of(timer, struct feeder, timer);

	f->done_flag = true;
	f->done_ns = sim.now;
	task_poke(f->task);
}

static void submit(struct feeder *f)
{
	uint64_t begin = busy_until > sim.now ? busy_until : sim.now;

	f->done_flag = false;
	busy_until = begin + f->job_ns;
	busy_sum += f->job_ns;
	timer_set(&f->timer, busy_until);
}

static struct act wait_act(const struct feeder *f)
{
	static const enum act_kind by_style[] = {
		[STARLING_WAIT_UNKNOWN] = ACT_BLOCK,
		[STARLING_WAIT_BLOCK] = ACT_BLOCK,
		[STARLING_WAIT_SPIN] = ACT_SPIN,
		[STARLING_WAIT_YIELD] = ACT_YIELD,
	};

	return (struct act){ by_style[f->style], 0 };
}

static struct act feeder_ask(struct feeder *f)
{
	uint64_t until = 0;

	f->job_ns = f->next(f, &until);
	f->at_work = f->job_ns;
	if (!f->job_ns)
		return (struct act){ until ? ACT_SLEEP : ACT_BLOCK, until };
	f->task->state = FEED_SUBMIT;
	return (struct act){ ACT_RUN, rng_lognormal(&load.rng, f->host_ns, HOST_SIGMA) };
}

static struct act feeder_step(struct task *t)
{
	struct feeder *f = t->ctx;

	switch (t->state) {
	case FEED_ASK:
		return feeder_ask(f);
	case FEED_SUBMIT:
		submit(f);
		daemon_gpu_wait(t);
		t->state = FEED_WAIT;
		return wait_act(f);
	default:
		if (!f->done_flag)
			return wait_act(f);
		metric_late(sim.now - f->done_ns);
		t->state = FEED_ASK;
		f->done(f);
		return feeder_ask(f);
	}
}

void feeder_start(struct feeder *f, struct task_spec spec, struct task *parent)
{
	spec.kind = KIND_FEEDER;
	spec.step = feeder_step;
	spec.ctx = f;
	f->timer.fire = on_done;
	f->task = task_new(&spec, parent);
	f->task->wait_style = f->style;
	task_wake(f->task, NULL, false);
}

void feeder_kick(struct feeder *f, struct task *waker)
{
	if (!f->at_work)
		task_wake(f->task, waker, false);
}
