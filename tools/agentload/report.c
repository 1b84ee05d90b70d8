// SPDX-License-Identifier: GPL-2.0-only
/* From what agents and server measured to one result, and to a page of text. */
#include <string.h>
#include <sys/wait.h>

#include "run.h"
#include "stats.h"
#include "util.h"

/* sums over all agents */
struct totals {
	struct hist ttft, itl, step, tool;
	double work_s, tool_cpu_s, gpu_s, cpu_s;
	json_int_t tokens, calls, failed, steps, planned, frames, missed, end_ns;
};

static double seconds_of(struct timeval t)
{
	return t.tv_sec + t.tv_usec / 1e6;
}

static double cpu_of(const struct child *c)
{
	return seconds_of(c->usage.ru_utime) + seconds_of(c->usage.ru_stime);
}

static double number(const json_t *j, const char *key)
{
	return json_number_value(json_object_get(j, key));
}

static void add_agent(struct totals *t, const json_t *a, double cpu_s)
{
	json_int_t end = number(a, "end_ns");

	hist_from_json(&t->ttft, json_object_get(a, "ttft_us"));
	hist_from_json(&t->itl, json_object_get(a, "itl_us"));
	hist_from_json(&t->step, json_object_get(a, "step_us"));
	hist_from_json(&t->tool, json_object_get(a, "tool_us"));
	t->work_s += number(a, "work_s");
	t->tool_cpu_s += number(a, "tool_cpu_s");
	t->gpu_s += number(a, "gpu_s");
	t->cpu_s += cpu_s;
	t->tokens += number(a, "tokens");
	t->calls += number(a, "calls");
	t->failed += number(a, "calls_failed");
	t->steps += number(a, "steps");
	t->planned += number(a, "planned");
	t->frames += number(a, "frames");
	t->missed += number(a, "frames_missed");
	if (end > t->end_ns)
		t->end_ns = end;
}

static json_t *load_agent(const struct run *r, unsigned int i)
{
	char path[480];

	snprintf(path, sizeof(path), "%s/agent-%u.json", r->out, i);
	return json_load_file(path, 0, NULL);
}

/* the row of one agent, without its histograms and spans, which go on their way */
static json_t *agent_row(const struct run *r, unsigned int i, const json_t *a)
{
	double cpu = cpu_of(&r->agent[i]), gpu = number(a, "gpu_s");
	json_t *row = json_pack("{s:s,s:s,s:i,s:f,s:f,s:o}", "name", r->trace.agent[i].name,
		"type", r->trace.agent[i].type, "pid", (int)r->agent[i].pid, "cpu_s", cpu,
		"gpu_s", gpu, "cpu_per_gpu", gpu > 0 ? json_real(cpu / gpu) : json_null());
	static const char *const keys[] = {
		"steps", "planned", "tokens", "prompt_tokens", "calls", "calls_failed", "work_s",
		"tool_cpu_s", "frames", "frames_missed",
	};
	size_t k;

	for (k = 0; k < ARRAY_SIZE(keys); k++)
		json_object_set(row, keys[k], json_object_get(a, keys[k]));
	if (number(a, "end_ns") > r->epoch)
		json_object_set_new(row, "ended_s",
				    json_real((number(a, "end_ns") - r->epoch) / 1e9));
	return row;
}

static double delta(const struct run *r, const char *key)
{
	return number(r->after, key) - number(r->before, key);
}

/*
 * Counters are differences over the run; the histograms are the server's whole
 * life, which for a server of our own is the same.
 */
static json_t *feeder_row(const struct run *r)
{
	json_t *was = json_object_get(r->before, "feeder");
	json_t *now = json_object_get(r->after, "feeder");
	double run = number(now, "run_s") - number(was, "run_s");
	double queued = number(now, "queued_s") - number(was, "queued_s");
	json_t *j = json_object();

	json_object_set(j, "lateness_us", json_object_get(r->after, "lateness_us"));
	json_object_set(j, "wake_us", json_object_get(r->after, "wake_us"));
	json_object_set(j, "host_us", json_object_get(r->after, "host_us"));
	json_object_set(j, "tid", json_object_get(now, "tid"));
	if (json_is_object(now))
		json_object_update_missing_new(j, json_pack("{s:f,s:f,s:f}", "run_s", run,
			"queued_s", queued, "got_share",
			run + queued > 0 ? run / (run + queued) : 1.0));
	if (json_is_real(json_object_get(r->after, "starved_s")))
		json_object_set_new(j, "starved_s", json_real(delta(r, "starved_s")));
	else
		json_object_set_new(j, "starved_s", json_null());
	return j;
}

static json_t *tools_row(const struct totals *t, double makespan)
{
	return json_pack("{s:I,s:I,s:f,s:f,s:f,s:f,s:o,s:o}", "calls", t->calls,
			 "failed", t->failed, "calls_per_s", t->calls / makespan,
			 "work_s", t->work_s, "work_per_s", t->work_s / makespan,
			 "cpu_s", t->tool_cpu_s, "wall_us", hist_json(&t->tool, 1),
			 "substituted", tool_substitutions());
}

static void add_latencies(json_t *j, const struct totals *t)
{
	json_object_set_new(j, "ttft_us", hist_json(&t->ttft, 1));
	json_object_set_new(j, "itl_us", hist_json(&t->itl, 1));
	json_object_set_new(j, "step_us", hist_json(&t->step, 1));
}

static json_t *summary(struct run *r, const struct totals *t, json_t *rows)
{
	double makespan = t->end_ns > (json_int_t)r->epoch ? (t->end_ns - r->epoch) / 1e9 :
							     (r->end - r->epoch) / 1e9;
	int emulated = json_is_true(json_object_get(r->after, "emulated"));
	json_t *j = json_pack("{s:s,s:O,s:b,s:O,s:I,s:i,s:f,s:b,s:f}", "kind", "run", "gpu",
		json_object_get(r->after, "gpu"), "emulated", emulated, "wait",
		json_object_get(r->after, "wait"), "seed", (json_int_t)r->trace.seed, "agents_n",
		r->trace.agents, "cpu_scale", r->trace.cpu_scale, "complete",
		t->steps == t->planned && t->planned > 0 && !t->failed, "makespan_s", makespan);

	if (emulated)
		json_object_set_new(j, "note", json_string("EMULATED GPU"));
	json_object_update_missing_new(j, json_pack("{s:I,s:I,s:I,s:f,s:f,s:f,s:f,s:f}",
		"steps", t->steps, "planned", t->planned, "tokens", t->tokens,
		"tokens_per_s", t->tokens / makespan, "cpu_s", t->cpu_s, "gpu_s", t->gpu_s,
		"cpu_per_gpu", t->gpu_s > 0 ? t->cpu_s / t->gpu_s : 0.0,
		"gpu_busy_share", delta(r, "gpu_busy_s") / makespan));
	json_object_update_missing_new(j, json_pack("{s:I,s:I,s:f,s:i}", "frames", t->frames,
		"frames_missed", t->missed, "server_cpu_s", cpu_of(&r->server), "strays",
		r->strays));
	add_latencies(j, t);
	json_object_set_new(j, "tools", tools_row(t, makespan));
	json_object_set_new(j, "feeder", feeder_row(r));
	json_object_set_new(j, "agents", rows);
	return j;
}

json_t *report_make(struct run *r)
{
	static struct totals t;
	json_t *rows = json_array(), *a;
	unsigned int i;

	memset(&t, 0, sizeof(t));
	for (i = 0; i < r->trace.agents; i++) {
		a = load_agent(r, i);
		if (!a) {
			/* killed before it could write: its steps count as not done */
			t.planned++;
			continue;
		}
		add_agent(&t, a, cpu_of(&r->agent[i]));
		json_array_append_new(rows, agent_row(r, i, a));
		json_decref(a);
	}
	return summary(r, &t, rows);
}

static void print_row(FILE *out, const char *label, const json_t *h)
{
	if (!json_is_object(h) || !number(h, "n"))
		return;
	fprintf(out, "%-22s %9.2f %9.2f %9.2f %9.2f   ms (%.0f samples)\n", label,
		number(h, "p50") / 1e3, number(h, "p95") / 1e3, number(h, "p99") / 1e3,
		number(h, "max") / 1e3, number(h, "n"));
}

static void print_agents(FILE *out, const json_t *rows)
{
	const json_t *a;
	size_t i;

	fprintf(out, "\n%-12s %7s %8s %8s %9s %8s %7s\n", "AGENT", "STEPS", "TOKENS", "TOOLS",
		"CPU s", "GPU s", "CPU:GPU");
	json_array_foreach(rows, i, a) {
		fprintf(out, "%-12s %3.0f/%-3.0f %8.0f %8.0f %9.2f %8.2f ",
			json_string_value(json_object_get(a, "name")), number(a, "steps"),
			number(a, "planned"), number(a, "tokens"), number(a, "calls"),
			number(a, "cpu_s"), number(a, "gpu_s"));
		if (json_is_real(json_object_get(a, "cpu_per_gpu")))
			fprintf(out, "%7.1f\n", number(a, "cpu_per_gpu"));
		else
			fprintf(out, "%7s\n", "-");
	}
}

static void print_feeder(FILE *out, const json_t *f)
{
	if (json_is_real(json_object_get(f, "got_share")))
		fprintf(out, "feeder      got %.1f %% of the CPU it wanted (%.2f s, "
			"queued %.2f s)\n", number(f, "got_share") * 100,
			number(f, "run_s"), number(f, "queued_s"));
	if (json_is_real(json_object_get(f, "starved_s")))
		fprintf(out, "starved     GPU idle for %.3f s with work to submit\n",
			number(f, "starved_s"));
}

void report_print(const json_t *j, FILE *out)
{
	const json_t *tools = json_object_get(j, "tools"), *f = json_object_get(j, "feeder");
	const json_t *sub = json_object_get(tools, "substituted"), *v;
	const char *key;

	fprintf(out, "GPU         %s%s, feeder waits by %s\n",
		json_string_value(json_object_get(j, "gpu")),
		json_is_true(json_object_get(j, "emulated")) ? " (EMULATED GPU)" : "",
		json_string_value(json_object_get(j, "wait")));
	fprintf(out, "makespan    %.2f s, %.0f of %.0f steps\n", number(j, "makespan_s"),
		number(j, "steps"), number(j, "planned"));
	fprintf(out, "tokens      %.0f, %.1f per second; GPU busy %.0f %%\n", number(j, "tokens"),
		number(j, "tokens_per_s"), number(j, "gpu_busy_share") * 100);
	fprintf(out, "tools       %.0f calls (%.0f failed), %.2f s of reference work, "
		"%.3f per second\n", number(tools, "calls"), number(tools, "failed"),
		number(tools, "work_s"), number(tools, "work_per_s"));
	json_object_foreach((json_t *)sub, key, v)
		fprintf(out, "            no %s here: %s did its work\n", key,
			json_string_value(v));
	print_feeder(out, f);
	if (number(j, "frames"))
		fprintf(out, "audio       %.0f frames, %.0f missed\n", number(j, "frames"),
			number(j, "frames_missed"));
	fprintf(out, "\n%-22s %9s %9s %9s %9s\n", "", "p50", "p95", "p99", "max");
	print_row(out, "first token", json_object_get(j, "ttft_us"));
	print_row(out, "between tokens", json_object_get(j, "itl_us"));
	print_row(out, "step", json_object_get(j, "step_us"));
	print_row(out, "tool call", json_object_get(tools, "wall_us"));
	print_row(out, "feeder lateness", json_object_get(f, "lateness_us"));
	print_row(out, "feeder wake-up", json_object_get(f, "wake_us"));
	print_agents(out, json_object_get(j, "agents"));
}
