// SPDX-License-Identifier: GPL-2.0-only
/*
 * `agentload agent`: one agent of a run. A single orchestrator thread that builds
 * a prompt, reads streamed tokens, merges, and runs tools, as the trace says. It
 * writes what it saw as JSON when it ends, however it ends.
 */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agentload.h"
#include "client.h"
#include "spans.h"
#include "stats.h"
#include "util.h"

enum { FRAME_NS = 20000000, FRAME_CPU_NS = 600000 };

struct agent {
	struct trace trace;
	unsigned int id;
	struct client client;
	const char *trace_file, *work, *out;
	uint64_t epoch;
	int progress_fd, log_fd;
	/* measured */
	struct hist ttft, itl, step, tool;
	struct spans spans, tools;
	uint64_t steps, planned, tokens, prompt_tokens, calls, failed;
	uint64_t units_us, tool_cpu_us, frames, frames_missed, end;
	double gpu_ms;
};

static void on_token(void *arg, uint64_t now, const struct client_reply *r)
{
	struct agent *a = arg;

	if (r->tokens == 1)
		hist_add(&a->ttft, now - r->sent_ns);
	else
		hist_add(&a->itl, now - r->last_ns);
}

static int ask_model(struct agent *a, const struct trace_step *s)
{
	struct client_reply reply;
	uint64_t t = now_ns();
	int err = client_complete(&a->client, s->prompt, s->out, on_token, a, &reply);

	a->tokens += reply.tokens;
	a->prompt_tokens += s->prompt;
	a->gpu_ms += reply.gpu_ms;
	spans_add(&a->spans, t, now_ns(), "llm");
	if (err && !stop_flag)
		warn("agent %u: the server does not answer: %s", a->id, strerror(-err));
	return err;
}

/* All calls of a step run in parallel; the step goes on when the last is done. */
static void run_tools(struct agent *a, const struct trace_step *s)
{
	struct tool_run run[TRACE_MAX_CALLS];
	int i, x;

	for (i = 0; i < s->calls; i++)
		if (tool_start(&run[i], &s->call[i], a->log_fd))
			run[i].failed = 1;
	tool_wait(run, s->calls);
	for (i = 0; i < s->calls; i++) {
		const struct trace_call *c = &s->call[i];

		a->calls++;
		if (run[i].failed || !run[i].end) {
			a->failed++;
			continue;
		}
		hist_add(&a->tool, run[i].end - run[i].start);
		a->tool_cpu_us += run[i].cpu_us;
		for (x = 0; x < c->execs; x++)
			a->units_us += c->exec[x].cpu_us;
		spans_add(&a->tools, run[i].start, run[i].end,
			  tool_name(tool_actual(c->exec[c->execs - 1].kind)));
	}
}

/* A frame that starts more than one period late is one that was heard missing. */
static void hear_frames(struct agent *a, unsigned int n)
{
	uint64_t at = now_ns(), t = at;
	unsigned int i;

	for (i = 0; i < n && !stop_flag; i++) {
		at += FRAME_NS;
		sleep_until(at);
		a->frames++;
		if (now_ns() > at + FRAME_NS)
			a->frames_missed++;
		burn_cpu(FRAME_CPU_NS);
	}
	spans_add(&a->spans, t, now_ns(), "frames");
}

/* Thinking is the user's or the task's time and does not count as the step's. */
static int run_step(struct agent *a, const struct trace_step *s)
{
	uint64_t begin, t;
	int err;

	if (s->think_ms)
		sleep_until(now_ns() + s->think_ms * NSEC_PER_MSEC);
	hear_frames(a, s->frames);
	begin = now_ns();
	err = ask_model(a, s);
	if (err || stop_flag)
		return err ? err : -EINTR;
	t = now_ns();
	if (s->merge_us)
		burn_cpu(s->merge_us * NSEC_PER_USEC);
	spans_add(&a->spans, t, now_ns(), "merge");
	t = now_ns();
	run_tools(a, s);
	spans_add(&a->spans, t, now_ns(), "tools");
	if (stop_flag)
		return -EINTR;
	hist_add(&a->step, now_ns() - begin);
	a->steps++;
	if (a->progress_fd >= 0 && write(a->progress_fd, ".", 1) < 0)
		a->progress_fd = -1;
	return 0;
}

static int run_steps(struct agent *a)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < a->trace.steps; i++)
		a->planned += a->trace.step[i].agent == a->id;
	sleep_until(a->epoch + a->trace.agent[a->id].start_ms * NSEC_PER_MSEC);
	for (i = 0; i < a->trace.steps && !err && !stop_flag; i++)
		if (a->trace.step[i].agent == a->id)
			err = run_step(a, &a->trace.step[i]);
	a->end = now_ns();
	return err;
}

static json_t *agent_json(const struct agent *a)
{
	json_t *j = json_pack("{s:i,s:i,s:s,s:s,s:I,s:I,s:I,s:I,s:f}", "agent", a->id, "pid",
		getpid(), "name", a->trace.agent[a->id].name, "type", a->trace.agent[a->id].type,
		"steps", (json_int_t)a->steps, "planned", (json_int_t)a->planned, "tokens",
		(json_int_t)a->tokens, "prompt_tokens", (json_int_t)a->prompt_tokens,
		"gpu_s", a->gpu_ms / 1e3);

	json_object_update_missing_new(j, json_pack("{s:I,s:I,s:f,s:f,s:I,s:I,s:I}",
		"calls", (json_int_t)a->calls, "calls_failed", (json_int_t)a->failed, "work_s",
		a->units_us / 1e6, "tool_cpu_s", a->tool_cpu_us / 1e6, "frames",
		(json_int_t)a->frames, "frames_missed", (json_int_t)a->frames_missed, "end_ns",
		(json_int_t)a->end));
	json_object_set_new(j, "ttft_us", hist_json(&a->ttft, 1));
	json_object_set_new(j, "itl_us", hist_json(&a->itl, 1));
	json_object_set_new(j, "step_us", hist_json(&a->step, 1));
	json_object_set_new(j, "tool_us", hist_json(&a->tool, 1));
	if (a->spans.on)
		json_object_update_missing_new(j, json_pack("{s:o,s:o,s:i}", "spans",
			spans_json(&a->spans), "tools", spans_json(&a->tools), "lost",
			a->spans.lost + a->tools.lost));
	return j;
}

static int write_result(const struct agent *a)
{
	json_t *j = agent_json(a);
	int err = json_dump_file(j, a->out, JSON_COMPACT | JSON_REAL_PRECISION(9));

	json_decref(j);
	if (err)
		warn("cannot write %s: %s", a->out, strerror(errno));
	return err;
}

static void parse_agent(struct agent *a, int argc, char **argv)
{
	static const struct option opts[] = {
		{ "trace", required_argument, NULL, 't' },
		{ "id", required_argument, NULL, 'i' },
		{ "port", required_argument, NULL, 'p' },
		{ "work", required_argument, NULL, 'w' },
		{ "out", required_argument, NULL, 'o' },
		{ "epoch", required_argument, NULL, 'e' },
		{ "progress-fd", required_argument, NULL, 'f' },
		{ "timeline", no_argument, NULL, 'T' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		switch (c) {
		case 't':
			a->trace_file = optarg;
			break;
		case 'i':
			a->id = opt_u64("id", optarg, 0, TRACE_MAX_AGENTS - 1);
			break;
		case 'p':
			a->client.port = opt_u64("port", optarg, 1, 65535);
			break;
		case 'w':
			a->work = optarg;
			break;
		case 'o':
			a->out = optarg;
			break;
		case 'e':
			a->epoch = opt_u64("epoch", optarg, 0, UINT64_MAX);
			break;
		case 'f':
			a->progress_fd = opt_u64("progress-fd", optarg, 0, 1 << 20);
			break;
		case 'T':
			a->spans.on = a->tools.on = 1;
			break;
		default:
			exit(EXIT_USAGE);
		}
	}
	if (!a->trace_file || !a->work || !a->out || !a->client.port)
		bad_usage("agent is started by 'agentload run'");
}

int cmd_agent(int argc, char **argv)
{
	static struct agent a = { .progress_fd = -1, .log_fd = -1 };
	int err;

	parse_agent(&a, argc, argv);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	stop_on_signals();
	if (trace_read(&a.trace, a.trace_file))
		return EXIT_FAIL;
	if (a.id >= a.trace.agents)
		bad_usage("agent %u is not in the trace", a.id);
	if (a.progress_fd >= 0)
		fcntl(a.progress_fd, F_SETFD, FD_CLOEXEC);
	if (chdir(a.work)) {
		warn("cannot enter %s: %s", a.work, strerror(errno));
		return EXIT_FAIL;
	}
	tool_probe();
	a.log_fd = open("tools.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	err = run_steps(&a);
	client_close(&a.client);
	if (write_result(&a))
		err = -EIO;
	trace_free(&a.trace);
	return err && !stop_flag ? EXIT_FAIL : EXIT_OK;
}

int cmd_burn(int argc, char **argv)
{
	if (argc != 2)
		bad_usage("burn takes a number of microseconds of CPU time");
	burn_cpu(opt_u64("us", argv[1], 1, 1000000000) * NSEC_PER_USEC);
	return EXIT_OK;
}
