// SPDX-License-Identifier: GPL-2.0-only
/*
 * Agents that live a trace (tools/agentload/trace.h), and the server that they
 * ask: a thread for each connection, and one that feeds the GPU with batches.
 */
#include <errno.h>
#include <math.h>
#include "tools/sim/cpu.h"
#include "tools/sim/load.h"

enum { CHUNK_TOKENS = 512, MAX_BATCH = 16, FRAME_MS = 20, PAR_MAX = 64 };

#define TOKENIZE_NS	2000
#define FRAME_WORK	(500 * US)
#define FORK_WORK	(400 * US)
#define PHASE_NS	(5 * S)
#define LIFE_MEAN	(300 * S)
#define BREAK_MEAN	(10 * S)

/* A connection: its thread serves one agent's requests, one at a time. */
struct conn {
	struct task *task;
	struct task *client;
	uint32_t prompt, out;		/* of the request; out 0: none */
	uint32_t prefill;		/* tokens of it that are still to be read */
	uint32_t published, sent;
	bool fresh;			/* asked and not read yet */
	bool active;			/* with the engine */
};

/* A tool call: the shell that runs one program after the other. */
struct call {
	const struct trace_call *what;
	struct player *player;
	uint32_t exec;
	unsigned int pending;
	uint64_t begin_ns;
};

struct player {
	struct agent *agent;
	struct task *task;		/* NULL: between two lives */
	unsigned int index;
	uint32_t next;			/* step of the trace */
	const struct trace_step *step;
	uint32_t frame, got, call;
	unsigned int pending;		/* calls that run */
	uint64_t begin_ns, frames_ns, asked_ns, token_ns;
	bool done;
	struct conn conn;
	struct call calls[TRACE_MAX_CALLS];
	struct timer life;
};

static struct {
	struct player player[TRACE_MAX_AGENTS];
	unsigned int n, left;
	struct feeder feeder;
	struct conn *prefilling;
	struct conn *batch[MAX_BATCH];
	unsigned int nbatch, last;
	bool phases, churn;
} m;

static struct act run(double ns)
{
	return (struct act){ ACT_RUN, ns < 1 ? 1 : ns };
}

static struct act sleep_for(double ns)
{
	return (struct act){ ACT_SLEEP, sim.now + (uint64_t)ns };
}

static const struct act block = { ACT_BLOCK, 0 };

/* -- the server -------------------------------------------------------------------------- */

static uint64_t next_prefill(struct conn *c)
{
	uint32_t n = c->prefill < CHUNK_TOKENS ? c->prefill : CHUNK_TOKENS;

	m.prefilling = c;
	return n / load.prefill_tps * 1e9;
}

static void batch_add(struct conn *c)
{
	if (c->active && !c->prefill && m.nbatch < MAX_BATCH)
		m.batch[m.nbatch++] = c;
}

/* A prompt that waits goes first, piece by piece; then one token for each. */
static uint64_t engine_next(struct feeder *f, uint64_t *until)
{
	(void)f;
	m.prefilling = NULL;
	m.nbatch = 0;
	if (m.phases && sim.now / PHASE_NS % 2) {
		*until = (sim.now / PHASE_NS + 1) * PHASE_NS;
		return 0;
	}
	m.last++;
	for (unsigned int i = 0; i < m.n; i++) {
		struct conn *c = &m.player[(m.last + i) % m.n].conn;

		/* every other step, so that those who have begun go on */
		if (c->active && c->prefill && m.last % 2)
			return next_prefill(c);
		batch_add(c);
	}
	if (m.nbatch)
		return load.t1_ms * MS * pow(m.nbatch, 0.53);
	for (unsigned int i = 0; i < m.n; i++)
		if (m.player[i].conn.active)
			return next_prefill(&m.player[i].conn);
	return 0;
}

static void engine_done(struct feeder *f)
{
	struct conn *c = m.prefilling;

	if (c && c->prefill)
		c->prefill -= c->prefill < CHUNK_TOKENS ? c->prefill : CHUNK_TOKENS;
	for (unsigned int i = 0; i < m.nbatch; i++) {
		c = m.batch[i];
		if (!c->active)
			continue;
		c->published++;
		metrics.tokens++;
		if (c->published == c->out)
			c->active = false;
		task_wake(c->task, f->task, false);
	}
}

enum { CONN_IDLE, CONN_READ, CONN_STREAM, CONN_SEND };

static struct act conn_step(struct task *t)
{
	struct conn *c = t->ctx;

	if (c->fresh) {
		c->fresh = false;
		t->state = CONN_READ;
		return run(c->prompt * TOKENIZE_NS);
	}
	switch (t->state) {
	case CONN_IDLE:
		return block;
	case CONN_READ:
		c->prefill = c->prompt;
		c->active = c->out;
		feeder_kick(&m.feeder, t);
		t->state = CONN_STREAM;
		return block;
	case CONN_STREAM:
		if (!c->out)
			break;
		if (c->published == c->sent)
			return block;
		t->state = CONN_SEND;
		return run(15 * US * (c->published - c->sent));
	default:
		c->sent = c->published;
		if (c->client)
			task_wake(c->client, t, true);
		t->state = CONN_STREAM;
		if (c->sent < c->out)
			return conn_step(t);
	}
	c->out = 0;
	t->state = CONN_IDLE;
	return block;
}

static void server_start(void)
{
	struct task_spec spec = { .kind = KIND_SERVICE, .step = conn_step };
	struct task *first = NULL;

	m.feeder = (struct feeder){
		.style = load.style, .host_ns = load.host_us * US,
		.next = engine_next, .done = engine_done,
	};
	for (unsigned int i = 0; i < m.n; i++) {
		spec.ctx = &m.player[i].conn;
		spec.tgid = first ? first->tgid : 0;
		m.player[i].conn.task = task_new(&spec, first);
		m.player[i].conn.task->known.member = true;
		if (!first)
			first = m.player[i].conn.task;
		task_wake(m.player[i].conn.task, NULL, false);
	}
	feeder_start(&m.feeder, (struct task_spec){ .tgid = first->tgid }, first);
}

/* -- tools ---------------------------------------------------------------------------------- */

static void exec_exits(struct task *t)
{
	struct call *c = t->ctx;

	c->pending--;
	metrics.work_s += t->arg[0] / 1e9;
}

/* The last program of a call is the one that may use several CPUs. */
static void exec_start(struct call *c, struct task *shell)
{
	const struct trace_exec *x = &c->what->exec[c->exec++];
	bool last = c->exec == c->what->execs;
	unsigned int par = last ? (c->what->par ? c->what->par : machine.ncpu) : 1;
	struct task_spec spec = {
		.kind = KIND_TOOL, .step = prog_once, .agent = shell->agent, .ctx = c,
		.execs = true,
	};

	if (par > PAR_MAX)
		par = PAR_MAX;
	for (unsigned int i = 0; i < par; i++) {
		struct task *t = task_new(&spec, shell);

		metrics.forks++;
		t->arg[0] = x->cpu_us * US / par;
		t->on_exit = exec_exits;
		t->parent = shell;
		c->pending++;
		task_wake(t, shell, false);
	}
}

/* A shell: the wait for the world first, then one program after the other. */
static struct act call_step(struct task *t)
{
	struct call *c = t->ctx;

	if (t->state == 0) {
		t->state = 1;
		if (c->what->wait_ms)
			return sleep_for(c->what->wait_ms * MS);
	}
	if (c->pending)
		return block;
	if (c->exec == c->what->execs)
		return (struct act){ ACT_EXIT, 0 };
	exec_start(c, t);
	return run(FORK_WORK);
}

static void call_exits(struct task *t)
{
	struct call *c = t->ctx;

	c->player->pending--;
	metrics.calls++;
	hist_add(&metrics.tool, sim.now - c->begin_ns);
}

static void call_start(struct player *p, struct task *t)
{
	struct call *c = &p->calls[p->call];
	struct task_spec spec = {
		.kind = KIND_TOOL, .step = call_step, .agent = p->agent, .ctx = c,
		.execs = true,
	};
	struct task *shell;

	*c = (struct call){
		.what = &p->step->call[p->call++], .player = p, .begin_ns = sim.now,
	};
	shell = task_new(&spec, t);
	shell->on_exit = call_exits;
	shell->parent = t;
	p->pending++;
	metrics.forks++;
	task_wake(shell, t, false);
}

/* -- agents ----------------------------------------------------------------------------------- */

enum { PLAY_NEXT, PLAY_FRAMES, PLAY_FRAME_DONE, PLAY_ASK, PLAY_ASKED, PLAY_MERGE, PLAY_CALLS };

/* A trace that is over begins again where agents are born again. */
static const struct trace_step *step_next(struct player *p)
{
	for (uint32_t n = 0; n <= load.tr.steps; n++) {
		if (p->next == load.tr.steps) {
			if (!m.churn)
				return NULL;
			p->next = 0;
		}
		if (load.tr.step[p->next++].agent == p->index % load.tr.agents)
			return &load.tr.step[p->next - 1];
	}
	return NULL;
}

static struct act play_next(struct player *p, struct task *t)
{
	p->step = step_next(p);
	p->begin_ns = sim.now;
	p->frame = p->call = 0;
	if (!p->step) {
		p->task = NULL;
		p->done = true;
		metrics.end_ns = sim.now;
		if (!--m.left)
			sim.stop = true;
		return (struct act){ ACT_EXIT, 0 };
	}
	t->state = p->step->frames ? PLAY_FRAMES : PLAY_ASK;
	p->frames_ns = sim.now + p->step->think_ms * MS;
	return sleep_for(p->step->think_ms * MS);
}

static struct act play_frames(struct player *p, struct task *t)
{
	uint64_t due = p->frames_ns + p->frame * FRAME_MS * MS;

	if (p->frame == p->step->frames) {
		t->state = PLAY_ASK;
		return run(1);
	}
	if (sim.now < due)
		return sleep_for(due - sim.now);
	t->state = PLAY_FRAME_DONE;
	return run(FRAME_WORK);
}

/* Missed is what is done after the next frame was due. */
static struct act play_frame_done(struct player *p, struct task *t)
{
	metrics.frames++;
	p->frame++;
	if (sim.now > p->frames_ns + p->frame * FRAME_MS * MS)
		metrics.frames_missed++;
	t->state = PLAY_FRAMES;
	return play_frames(p, t);
}

/* The connection's thread goes on from here; each token wakes this one. */
static struct act play_ask(struct player *p, struct task *t)
{
	struct conn *c = &p->conn;

	c->client = t;
	c->prompt = p->step->prompt;
	c->out = p->step->out;
	c->published = c->sent = p->got = 0;
	c->fresh = true;
	p->asked_ns = sim.now;
	t->state = PLAY_ASKED;
	task_wake(c->task, t, true);
	return block;
}

static struct act play_asked(struct player *p, struct task *t)
{
	uint32_t n = p->conn.sent - p->got;

	if (!n)
		return block;
	if (!p->got)
		hist_add(&metrics.ttft, sim.now - p->asked_ns);
	else
		hist_add(&metrics.itl, (sim.now - p->token_ns) / n);
	p->got += n;
	p->token_ns = sim.now;
	if (p->got == p->step->out) {
		t->state = PLAY_MERGE;
		return run(p->step->merge_us * US);
	}
	return run(20 * US * n);
}

static struct act play_calls(struct player *p, struct task *t)
{
	t->state = PLAY_CALLS;
	if (p->call < p->step->calls) {
		call_start(p, t);
		return run(FORK_WORK);
	}
	if (p->pending)
		return block;
	metrics.steps++;
	hist_add(&metrics.step, sim.now - p->begin_ns);
	return play_next(p, t);
}

static struct act play_step(struct task *t)
{
	static struct act (*const by_state[])(struct player *p, struct task *t) = {
		[PLAY_NEXT] = play_next,
		[PLAY_FRAMES] = play_frames,
		[PLAY_FRAME_DONE] = play_frame_done,
		[PLAY_ASK] = play_ask,
		[PLAY_ASKED] = play_asked,
		[PLAY_MERGE] = play_calls,
		[PLAY_CALLS] = play_calls,
	};

	return by_state[t->state](t->ctx, t);
}

/* -- births and deaths ------------------------------------------------------------ */

static void player_born(struct player *p)
{
	struct task_spec spec = { .kind = KIND_ORCHESTRATOR, .step = play_step, .ctx = p };

	p->agent = load_agent(100);
	p->pending = 0;
	spec.agent = p->agent;
	p->task = task_new(&spec, NULL);
	daemon_join(p->task);
	task_wake(p->task, NULL, false);
	metrics.born++;
}

/* As kill -9 of all its processes. */
static void player_dies(struct player *p)
{
	struct task **all;
	size_t n;

	/* who dies may make others wait no longer: begin again each time */
	for (size_t i = 0; all = task_all(&n), i < n;) {
		if (all[i]->agent != p->agent) {
			i++;
			continue;
		}
		task_kill(all[i]);
	}
	p->task = NULL;
	p->conn.client = NULL;
	p->conn.active = p->conn.fresh = false;
	p->conn.out = 0;
	task_wake(p->conn.task, NULL, false);
	daemon_agent_gone(p->agent);
	metrics.died++;
}

static void on_life(struct timer *timer)
{
	struct player *p = container_of(timer, struct player, life);
	double mean = p->task ? BREAK_MEAN : LIFE_MEAN;

	if (p->task)
		player_dies(p);
	else
		player_born(p);
	if (m.churn)
		timer_set(timer, sim.now + (uint64_t)rng_exponential(&load.rng, mean));
}

static int trace_make(void)
{
	if (load.trace)
		return trace_read(&load.tr, load.trace);
	load.tr = (struct trace){
		.seed = load.seed, .seconds = load.end_ns / 1e9, .cpu_scale = 1,
		.t1_ms = load.t1_ms, .prefill_tps = load.prefill_tps,
		.agents = load.agents ? load.agents : 9, .cpus = machine.ncpu,
	};
	if (m.churn && load.tr.seconds > 600)
		load.tr.seconds = 600;
	if (load.tr.agents > TRACE_MAX_AGENTS) {
		warn("--agents %u: this load has %d at most", load.tr.agents, TRACE_MAX_AGENTS);
		return -EINVAL;
	}
	return trace_generate(&load.tr, load.rho);
}

int agents_start(bool phases, bool churn)
{
	int err;

	m.phases = phases;
	m.churn = churn;
	err = trace_make();
	if (err)
		return err;
	m.n = m.left = load.tr.agents;
	metrics.planned = churn ? 0 : load.tr.steps;
	server_start();
	for (unsigned int i = 0; i < m.n; i++) {
		struct player *p = &m.player[i];

		p->index = i;
		p->life.fire = on_life;
		timer_set(&p->life, sim.now + load.tr.agent[i].start_ms * MS);
	}
	return 0;
}
