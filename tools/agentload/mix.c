// SPDX-License-Identifier: GPL-2.0-only
/*
 * The standard mix of nine agents and the distributions behind it: three light
 * coding agents and one that builds, two that answer from documents (one of
 * them by exact scans), one that researches the web with three helpers, one
 * that merges tables, and one that speaks. Parameters are medians and sigmas of
 * lognormals, as published for such agents; Documentation has the sources.
 */
#include "trace.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "util.h"

struct lognormal {
	double median, sigma, cap;
};

#define NONE { 0, 0, 0 }

struct profile {
	const char *type;
	struct lognormal prompt, out, out_long;	/* out_long.median 0: one mode */
	struct lognormal think_ms, wait_ms, cpu_ms;
	unsigned int calls_min, calls_max;	/* 0: 85 % one, 12 % two, 3 % more */
	int par_one, par_two;			/* per cent; the rest uses all CPUs */
	unsigned int frames_min, frames_max;
	enum tool_kind kind[3];
};

static const struct profile profiles[] = {
	{ "code", { 875, 1.2, 20000 }, { 214, 1.2, 4000 }, NONE, NONE, { 250, 1.0, 30000 },
	  { 350, 0.9, 20000 }, 0, 0, 70, 20, 0, 0, { TOOL_GREP, TOOL_PYTHON3, TOOL_CC } },
	{ "build", { 875, 1.2, 20000 }, { 214, 1.2, 4000 }, NONE, NONE, { 100, 1.0, 30000 },
	  { 12000, 0.5, 60000 }, 0, 0, 0, 0, 0, 0, { TOOL_CC, TOOL_PYTHON3, TOOL_CC } },
	{ "rag", { 4000, 0.6, 30000 }, { 250, 0.6, 2000 }, NONE, { 2000, 1.0, 10000 },
	  { 30, 0.6, 1000 }, { 550, 0.4, 5000 }, 1, 1, 50, 50, 0, 0,
	  { TOOL_SQLITE3, TOOL_SQLITE3, TOOL_GREP } },
	{ "scan", { 4000, 0.6, 30000 }, { 250, 0.6, 2000 }, NONE, { 2000, 1.0, 10000 },
	  { 30, 0.6, 1000 }, { 44000, 0.5, 180000 }, 1, 1, 0, 0, 0, 0,
	  { TOOL_GREP, TOOL_SORT, TOOL_GREP } },
	{ "web", { 2300, 0.7, 20000 }, { 80, 0.3, 400 }, { 800, 0.3, 4000 }, NONE,
	  { 700, 0.6, 30000 }, { 1350, 0.3, 10000 }, 3, 9, 100, 0, 0, 0,
	  { TOOL_PYTHON3, TOOL_GZIP, TOOL_GREP } },
	{ "etl", { 1500, 0.6, 20000 }, { 200, 0.8, 2000 }, NONE, NONE, { 30, 0.6, 1000 },
	  { 14000, 0.6, 80000 }, 1, 1, 0, 0, 0, 0, { TOOL_SORT, TOOL_SQLITE3, TOOL_SORT } },
	{ "voice", { 250, 0.3, 1000 }, { 50, 0.3, 200 }, NONE, NONE, { 120, 0.5, 1000 },
	  { 130, 0.5, 1000 }, 1, 1, 80, 20, 300, 750, { TOOL_GZIP, TOOL_PYTHON3, TOOL_GZIP } },
};

/* rows of profiles, in the order in which agents are added */
static const int mix[] = { 0, 0, 0, 1, 2, 3, 4, 5, 6 };

enum { RAG_LIGHT_PAR = 2, LONG_ANSWER_PERCENT = 30 };

/* limits that a run of the wanted length puts on what is not CPU work */
struct limits {
	double prompt, out, wait_ms, frames, token_s;
};

static double draw(struct rng *r, const struct lognormal *d, double cap)
{
	double v = d->median > 0 ? rng_lognormal(r, d->median, d->sigma) : 0;

	if (v > d->cap)
		v = d->cap;
	return v > cap ? cap : v;
}

static unsigned int count_calls(struct rng *r, const struct profile *p)
{
	double u = rng_uniform(r);

	if (p->calls_max)
		return p->calls_min + u * (p->calls_max - p->calls_min + 1);
	if (u < 0.85)
		return 1;
	return u < 0.97 ? 2 : 3 + (u > 0.985);
}

/* half end within 2 ms, a quarter within 100 ms, the rest goes on to seconds */
static uint32_t short_life_us(struct rng *r)
{
	double u = rng_uniform(r);

	if (u < 0.5)
		return 1000;
	if (u < 0.75)
		return 2000 * pow(50, rng_uniform(r));
	return u < 0.95 ? 100000 * pow(10, rng_uniform(r)) : 1000000;
}

/*
 * A call is 1 + Geom(3) programs. The last is the one that does the work: it
 * gets what the short ones before it left of the call's CPU.
 */
static void make_call(struct rng *r, const struct profile *p, struct trace_call *c,
		      double cpu_us, double scale, const struct limits *lim)
{
	double left = cpu_us;
	uint32_t us;
	int u;

	c->wait_ms = draw(r, &p->wait_ms, lim->wait_ms);
	while (c->execs < TRACE_MAX_EXECS - 1 && rng_uniform(r) < 0.75) {
		us = short_life_us(r);
		if (us > 1000)
			us = fmin(us * scale, left / 4);
		if (us < 1000)
			us = 1000;
		c->exec[c->execs].kind = us <= 2000 ? TOOL_SHORT : p->kind[rng_u64(r) % 3];
		c->exec[c->execs++].cpu_us = us;
		left = fmax(left - us, 1000);
	}
	c->exec[c->execs].kind = p->kind[rng_u64(r) % 3];
	c->exec[c->execs++].cpu_us = left;
	u = rng_u64(r) % 100;
	c->par = TRACE_ALL_CPUS;
	if (u < p->par_one)
		c->par = 1;
	else if (u < p->par_one + p->par_two)
		c->par = RAG_LIGHT_PAR;
}

static void make_step(struct rng *r, const struct profile *p, struct trace_step *s, double scale,
		      const struct limits *lim)
{
	const struct lognormal *out = &p->out;
	double cpu_us;
	int i;

	if (p->out_long.median > 0 && rng_u64(r) % 100 < LONG_ANSWER_PERCENT)
		out = &p->out_long;
	s->prompt = 1 + draw(r, &p->prompt, lim->prompt);
	s->out = 1 + draw(r, out, lim->out);
	s->think_ms = draw(r, &p->think_ms, lim->wait_ms);
	s->merge_us = (5000 + 45000 * rng_uniform(r)) * scale;
	if (p->frames_max) {
		s->frames = p->frames_min + rng_uniform(r) * (p->frames_max - p->frames_min);
		if (s->frames > lim->frames)
			s->frames = lim->frames;
	}
	s->calls = count_calls(r, p);
	cpu_us = draw(r, &p->cpu_ms, INFINITY) * 1000 * scale;
	for (i = 0; i < s->calls; i++)
		make_call(r, p, &s->call[i], cpu_us / s->calls, scale, lim);
}

/* how long the step will take when nobody is in its way */
static double expected_seconds(const struct trace *t, const struct trace_step *s,
			       const struct limits *lim)
{
	double longest = 0, calls, llm;
	int i, x;

	llm = s->prompt / t->prefill_tps + s->out * lim->token_s;
	for (i = 0; i < s->calls; i++) {
		const struct trace_call *c = &s->call[i];
		double par = c->par == TRACE_ALL_CPUS ? t->cpus : c->par;

		calls = c->wait_ms / 1e3;
		for (x = 0; x < c->execs; x++)
			calls += c->exec[x].cpu_us / 1e6 / (x == c->execs - 1 ? par : 1);
		if (calls > longest)
			longest = calls;
	}
	return s->think_ms / 1e3 + s->frames * 0.02 + llm + s->merge_us / 1e6 + longest;
}

static void set_limits(const struct trace *t, struct limits *lim)
{
	double batch = t->agents * 0.6 > 1 ? t->agents * 0.6 : 1;

	lim->token_s = t->t1_ms / 1e3 * pow(batch, 0.53);
	lim->out = fmax(3, 0.15 * t->seconds / lim->token_s);
	lim->prompt = fmax(16, 0.5 * t->seconds * t->prefill_tps / t->agents / 4);
	lim->wait_ms = fmin(30000, t->seconds * 1000 / 8);
	lim->frames = t->seconds * 50 / 4;
}

/* Steps follow each other until the wanted length is reached; at least one. */
static int make_agent(struct trace *t, unsigned int i, const struct limits *lim)
{
	const struct profile *p = &profiles[mix[i % ARRAY_SIZE(mix)]];
	struct trace_agent *a = &t->agent[i];
	struct trace_step *s;
	struct rng r;
	double at;

	/* own generator per agent: a tenth agent leaves the other nine as they were */
	rng_seed(&r, t->seed * 1000003 + i);
	snprintf(a->name, sizeof(a->name), "%s-%u", p->type, i);
	snprintf(a->type, sizeof(a->type), "%s", p->type);
	a->start_ms = fmin(rng_exponential(&r, t->seconds * 20), t->seconds * 100);
	at = a->start_ms / 1e3;
	do {
		s = trace_add(t);
		if (!s)
			return -E2BIG;
		s->agent = i;
		make_step(&r, p, s, t->cpu_scale, lim);
		at += expected_seconds(t, s, lim);
	} while (at < t->seconds);
	return 0;
}

static int generate(struct trace *t)
{
	struct limits lim;
	unsigned int i;
	int err = 0;

	t->steps = 0;
	set_limits(t, &lim);
	for (i = 0; i < t->agents && !err; i++)
		err = make_agent(t, i, &lim);
	return err;
}

/* The number of steps depends on the scale, so approach the load in a few rounds. */
int trace_generate(struct trace *t, double rho)
{
	int round, err = generate(t);

	for (round = 0; rho > 0 && round < 6 && !err; round++) {
		double have = trace_cpu_us(t) / 1e6 / (t->cpus * t->seconds);

		t->cpu_scale = fmin(fmax(t->cpu_scale * rho / have, 0.0005), 100);
		err = generate(t);
	}
	return err;
}
