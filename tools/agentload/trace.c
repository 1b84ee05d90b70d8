// SPDX-License-Identifier: GPL-2.0-only
/* Traces as data and as files. */
#include "trace.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

enum { FORMAT = 1 };

void trace_free(struct trace *t)
{
	free(t->step);
	t->step = NULL;
	t->steps = t->room = 0;
}

struct trace_step *trace_add(struct trace *t)
{
	struct trace_step *more;

	if (t->steps == TRACE_MAX_STEPS)
		return NULL;
	if (t->steps == t->room) {
		uint32_t room = t->room ? 2 * t->room : 64;

		more = realloc(t->step, room * sizeof(*more));
		if (!more)
			return NULL;
		t->step = more;
		t->room = room;
	}
	more = &t->step[t->steps++];
	memset(more, 0, sizeof(*more));
	return more;
}

uint64_t trace_cpu_us(const struct trace *t)
{
	uint64_t sum = 0;
	uint32_t i, c, x;

	for (i = 0; i < t->steps; i++)
		for (c = 0; c < t->step[i].calls; c++)
			for (x = 0; x < t->step[i].call[c].execs; x++)
				sum += t->step[i].call[c].exec[x].cpu_us;
	return sum;
}

static json_t *call_json(const struct trace_call *c)
{
	json_t *execs = json_array();
	int i;

	for (i = 0; i < c->execs; i++)
		json_array_append_new(execs, json_pack("[s,I]", tool_name(c->exec[i].kind),
						       (json_int_t)c->exec[i].cpu_us));
	return json_pack("{s:i,s:i,s:o}", "wait_ms", c->wait_ms, "par", c->par, "execs", execs);
}

static json_t *step_json(const struct trace_step *s)
{
	json_t *calls = json_array();
	int i;

	for (i = 0; i < s->calls; i++)
		json_array_append_new(calls, call_json(&s->call[i]));
	return json_pack("{s:i,s:i,s:i,s:i,s:i,s:i,s:o}", "step", s->agent, "think_ms",
			 s->think_ms, "frames", s->frames, "prompt", s->prompt, "out", s->out,
			 "merge_us", s->merge_us, "calls", calls);
}

static int put_line(FILE *out, json_t *j)
{
	int err = json_dumpf(j, out, JSON_COMPACT | JSON_REAL_PRECISION(9)) ? -EIO : 0;

	json_decref(j);
	return fputc('\n', out) == EOF ? -EIO : err;
}

int trace_write(const struct trace *t, FILE *out)
{
	uint32_t i;
	int err;

	err = put_line(out, json_pack("{s:i,s:I,s:i,s:f,s:f,s:f,s:f,s:i,s:i,s:f}",
		"agentload_trace", FORMAT, "seed", (json_int_t)t->seed, "agents", t->agents,
		"seconds", t->seconds, "cpu_scale", t->cpu_scale, "t1_ms", t->t1_ms,
		"prefill_tps", t->prefill_tps, "cpus", t->cpus, "steps", t->steps,
		"tool_cpu_s", trace_cpu_us(t) / 1e6));
	for (i = 0; i < t->agents && !err; i++)
		err = put_line(out, json_pack("{s:i,s:s,s:s,s:i}", "agent", i, "name",
					      t->agent[i].name, "type", t->agent[i].type,
					      "start_ms", t->agent[i].start_ms));
	for (i = 0; i < t->steps && !err; i++)
		err = put_line(out, step_json(&t->step[i]));
	if (!err && fflush(out))
		err = -errno;
	return err;
}

/* Each parser returns what is wrong with the line, or NULL. */
static const char *parse_header(struct trace *t, json_t *j)
{
	json_int_t format, seed, agents, cpus, steps;

	if (json_unpack(j, "{s:I,s:I,s:I,s:F,s:F,s:F,s:F,s:I,s:I}", "agentload_trace", &format,
			"seed", &seed, "agents", &agents, "seconds", &t->seconds, "cpu_scale",
			&t->cpu_scale, "t1_ms", &t->t1_ms, "prefill_tps", &t->prefill_tps,
			"cpus", &cpus, "steps", &steps))
		return "not the header of an agentload trace";
	if (format != FORMAT)
		return "a trace of another version; generate it again";
	if (agents < 1 || agents > TRACE_MAX_AGENTS || steps < 1 || steps > TRACE_MAX_STEPS)
		return "agents or steps out of range";
	t->seed = seed;
	t->agents = agents;
	t->cpus = cpus;
	t->room = steps;
	t->step = calloc(steps, sizeof(*t->step));
	return t->step ? NULL : "out of memory";
}

static const char *parse_agent(struct trace *t, json_t *j)
{
	const char *name, *type;
	json_int_t i, start;

	if (json_unpack(j, "{s:I,s:s,s:s,s:I}", "agent", &i, "name", &name, "type", &type,
			"start_ms", &start))
		return "not an agent";
	if (i < 0 || i >= t->agents || start < 0 || start > 86400000)
		return "agent out of range";
	snprintf(t->agent[i].name, sizeof(t->agent[i].name), "%s", name);
	snprintf(t->agent[i].type, sizeof(t->agent[i].type), "%s", type);
	t->agent[i].start_ms = start;
	return NULL;
}

static const char *parse_call(struct trace_call *c, json_t *j)
{
	json_t *execs, *row;
	json_int_t wait, par, us;
	const char *name;
	size_t i;
	int kind;

	if (json_unpack(j, "{s:I,s:I,s:o}", "wait_ms", &wait, "par", &par, "execs", &execs) ||
	    wait < 0 || wait > 3600000 || par < 0 || par > 1024 ||
	    json_array_size(execs) > TRACE_MAX_EXECS)
		return "not a tool call";
	c->wait_ms = wait;
	c->par = par;
	json_array_foreach(execs, i, row) {
		if (json_unpack(row, "[s,I]", &name, &us) || us < 0 || us > UINT32_MAX)
			return "not a program and its CPU time";
		kind = tool_kind_of(name);
		if (kind < 0)
			return "a program that agentload does not know";
		c->exec[c->execs++] = (struct trace_exec){ kind, us };
	}
	return NULL;
}

static const char *parse_step(struct trace *t, json_t *j)
{
	json_int_t agent, think, frames, prompt, out, merge;
	const char *wrong = NULL;
	struct trace_step *s;
	json_t *calls, *row;
	size_t i;

	if (json_unpack(j, "{s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "step", &agent, "think_ms", &think,
			"frames", &frames, "prompt", &prompt, "out", &out, "merge_us", &merge,
			"calls", &calls))
		return "not a step";
	if (agent < 0 || agent >= t->agents || think < 0 || think > 86400000 || frames < 0 ||
	    frames > 1000000 || prompt < 1 || prompt > 200000 || out < 1 || out > 32768 ||
	    merge < 0 || merge > 60000000 || json_array_size(calls) > TRACE_MAX_CALLS)
		return "step out of range";
	if (t->steps == t->room)
		return "more steps than the header says";
	s = trace_add(t);
	s->agent = agent;
	s->think_ms = think;
	s->frames = frames;
	s->prompt = prompt;
	s->out = out;
	s->merge_us = merge;
	json_array_foreach(calls, i, row)
		if (!wrong)
			wrong = parse_call(&s->call[s->calls++], row);
	return wrong;
}

static const char *parse_line(struct trace *t, const char *line)
{
	json_t *j = json_loads(line, 0, NULL);
	const char *wrong;

	if (!j)
		return "not JSON";
	if (!t->agents)
		wrong = parse_header(t, j);
	else if (json_object_get(j, "agent"))
		wrong = parse_agent(t, j);
	else
		wrong = parse_step(t, j);
	json_decref(j);
	return wrong;
}

/* Traces may come from elsewhere: every value is checked before it is used. */
int trace_read(struct trace *t, const char *path)
{
	FILE *f = fopen(path, "re");
	const char *wrong = NULL;
	unsigned long n = 0;
	char *line = NULL;
	size_t room = 0;

	memset(t, 0, sizeof(*t));
	if (!f) {
		int err = -errno;

		warn("cannot read the trace %s: %s", path, strerror(-err));
		return err;
	}
	while (!wrong && getline(&line, &room, f) > 0) {
		n++;
		wrong = parse_line(t, line);
	}
	if (!wrong && (!t->steps || t->steps != t->room)) {
		wrong = n ? "the file ends too early" : "the file is empty";
		n++;
	}
	free(line);
	fclose(f);
	if (wrong) {
		warn("trace %s, line %lu: %s", path, n, wrong);
		trace_free(t);
		return -EINVAL;
	}
	return 0;
}
