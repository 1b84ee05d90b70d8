// SPDX-License-Identifier: GPL-2.0-only
/* From what happened to one result, and to a page of text. */
#include "tools/sim/metric.h"

#include <math.h>
#include <stdio.h>
#include "bpf/sched.h"
#include "daemon/roles.h"
#include "tools/sim/check.h"
#include "tools/sim/cpu.h"
#include "tools/sim/load.h"
#include "tools/sim/native.h"
#include "tools/sim/step.h"

struct metrics metrics;

static const char *const kind_names[KINDS] = {
	[KIND_FEEDER] = "feeder",
	[KIND_SERVICE] = "service",
	[KIND_INTERACTIVE] = "interactive",
	[KIND_ORCHESTRATOR] = "orchestrator",
	[KIND_TOOL] = "tool",
	[KIND_BACKGROUND] = "background",
	[KIND_OTHER] = "other",
};

void metric_wait(const struct task *t, uint64_t ns)
{
	uint64_t idle = gpu_idle_since();

	hist_add(&metrics.wait[t->kind], ns);
	if (ns > metrics.longest_ns[t->kind])
		metrics.longest_ns[t->kind] = ns;
	/* the GPU had nothing to do for the part of the wait after its last job */
	if (t->kind == KIND_FEEDER && idle < sim.now)
		metrics.starved_ns += sim.now - (idle > t->queued_ns ? idle : t->queued_ns);
}

void metric_late(uint64_t ns)
{
	hist_add(&metrics.late, ns);
}

void metric_finish(void)
{
	struct task *t;

	for (t = task_waiting_first(); t; t = t->wait_next)
		if (sim.now - t->queued_ns > metrics.longest_ns[t->kind])
			metrics.longest_ns[t->kind] = sim.now - t->queued_ns;
	for (unsigned int i = 0; i < machine.ncpu; i++)
		if (machine.cpu[i].curr)
			cpu_charge(&machine.cpu[i]);
	if (load.finish)
		load.finish();
	if (!metrics.end_ns || metrics.steps < metrics.planned)
		metrics.end_ns = sim.now;
}

double metric_weight_error(const struct share *share, unsigned int n)
{
	double weights = 0, got = 0, worst = 0, is, want;

	for (unsigned int i = 0; i < n; i++) {
		weights += share[i].weight;
		got += share[i].got;
	}
	for (unsigned int i = 0; i < n && got > 0; i++) {
		is = share[i].got / got;
		want = share[i].weight / weights;
		worst = fmax(worst, fabs(is - want) / want * 100);
	}
	return worst;
}

/* -- as JSON ------------------------------------------------------------------------------ */

struct sums {
	double run_s, wait_s, cpu_s;
};

/* Of those that live: feeders do for the whole run. */
static struct sums sum_tasks(void)
{
	struct sums s = { 0 };
	struct task **all;
	size_t n;

	all = task_all(&n);
	for (size_t i = 0; i < n; i++) {
		double wait = all[i]->wait_ns / 1e9;

		if (all[i]->phase == PHASE_QUEUED)
			wait += (sim.now - all[i]->since_ns) / 1e9;
		s.cpu_s += all[i]->run_ns / 1e9;
		if (all[i]->kind != KIND_FEEDER)
			continue;
		s.run_s += all[i]->run_ns / 1e9;
		s.wait_s += wait;
	}
	return s;
}

static json_t *feeder_row(const struct sums *s)
{
	return json_pack("{s:o,s:f,s:f,s:f,s:f}", "lateness_us", hist_json(&metrics.late, 0),
			 "run_s", s->run_s, "queued_s", s->wait_s, "got_share",
			 s->run_s + s->wait_s > 0 ? s->run_s / (s->run_s + s->wait_s) : 1.0,
			 "starved_s", metrics.starved_ns / 1e9);
}

static json_t *tools_row(double makespan)
{
	return json_pack("{s:I,s:f,s:f,s:f,s:f,s:I,s:o}", "calls", (json_int_t)metrics.calls,
			 "calls_per_s", metrics.calls / makespan, "work_s", metrics.work_s,
			 "work_per_s", metrics.work_s / makespan,
			 "forks_per_s", metrics.forks / makespan,
			 "forks", (json_int_t)metrics.forks, "wall_us",
			 hist_json(&metrics.tool, 0));
}

static json_t *waits_row(void)
{
	json_t *j = json_object();

	for (int k = 0; k < KINDS; k++)
		if (metrics.wait[k].count)
			json_object_set_new(j, kind_names[k], hist_json(&metrics.wait[k], 0));
	return j;
}

static json_t *longest_row(void)
{
	int worst = 0;

	for (int k = 1; k < KINDS; k++)
		if (metrics.longest_ns[k] > metrics.longest_ns[worst])
			worst = k;
	return json_pack("{s:s,s:f}", "role", kind_names[worst], "ms",
			 metrics.longest_ns[worst] / 1e6);
}

static json_t *counts_row(void)
{
	static const char *const names[] = {
		[SCHED_FEEDER_IDLE] = "feeder_idle", [SCHED_FEEDER_KICK] = "feeder_kick",
		[SCHED_FEEDER_QUEUE] = "feeder_queue", [SCHED_YIELD_KEPT] = "yield_kept",
		[SCHED_YIELD_GIVEN] = "yield_given", [SCHED_FEEDER_PAUSE] = "feeder_pause",
		[SCHED_AGED] = "aged",
	};
	json_t *j = json_object();

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		json_object_set_new(j, names[i], json_integer(native_count(i)));
	return j;
}

static json_t *shares_row(void)
{
	json_t *j = json_array();
	double all = 0;

	for (unsigned int i = 0; i < load.nshare; i++)
		all += load.share[i].got;
	for (unsigned int i = 0; i < load.nshare; i++)
		json_array_append_new(j, json_pack("{s:i,s:f}", "weight", load.share[i].weight,
						   "share", load.share[i].got / all));
	return j;
}

/* Room is what was ever needed at once, in steps. */
static json_t *tasks_row(void)
{
	size_t n;

	task_all(&n);
	return json_pack("{s:I,s:I,s:I}", "end", (json_int_t)n, "room", (json_int_t)task_room(),
			 "room_at_half", (json_int_t)metrics.room_at_half);
}

static void add_agents(json_t *j, double makespan)
{
	json_object_update_missing_new(j, json_pack("{s:I,s:I,s:I,s:f,s:I,s:I,s:I,s:I}",
		"steps", (json_int_t)metrics.steps, "planned", (json_int_t)metrics.planned,
		"tokens", (json_int_t)metrics.tokens, "tokens_per_s", metrics.tokens / makespan,
		"frames", (json_int_t)metrics.frames,
		"frames_missed", (json_int_t)metrics.frames_missed,
		"born", (json_int_t)metrics.born, "died", (json_int_t)metrics.died));
	json_object_set_new(j, "ttft_us", hist_json(&metrics.ttft, 0));
	json_object_set_new(j, "itl_us", hist_json(&metrics.itl, 0));
	json_object_set_new(j, "step_us", hist_json(&metrics.step, 0));
	json_object_set_new(j, "barrier_us", hist_json(&metrics.barrier, 0));
}

json_t *metric_report(void)
{
	double makespan = metrics.end_ns / 1e9;
	struct sums s = sum_tasks();
	json_t *steps = step_report(), *guard = daemon_guard();
	json_t *j = json_pack("{s:s,s:s,s:b,s:s,s:I,s:i,s:f,s:f}", "kind", "sim", "policy",
		machine.model->name, "model", 1, "wait", wait_style_name(load.style),
		"seed", (json_int_t)load.seed, "cpus", machine.ncpu, "seconds", sim.now / 1e9,
		"makespan_s", makespan);

	json_object_set_new(j, "gpu_busy_share", json_real(gpu_busy_ns() / (double)sim.now));
	add_agents(j, makespan);
	json_object_set_new(j, "feeder", feeder_row(&s));
	json_object_set_new(j, "tools", tools_row(makespan));
	json_object_set_new(j, "waits_us", waits_row());
	json_object_set_new(j, "longest_wait", longest_row());
	json_object_set_new(j, "scheduler", counts_row());
	if (load.nshare) {
		json_object_set_new(j, "weight_error_percent",
			json_real(metric_weight_error(load.share, load.nshare)));
		json_object_set_new(j, "shares", shares_row());
	}
	if (steps)
		json_object_set_new(j, "protection", steps);
	json_object_set_new(guard, "left_out_share",
			    json_real((double)metrics.left_out_ns / sim.now));
	json_object_set_new(j, "guard", guard);
	json_object_set_new(j, "tasks", tasks_row());
	json_object_set_new(j, "events", json_integer(sim.fired));
	json_object_set_new(j, "decisions", json_integer(daemon_get_cost()->decisions));
	json_object_set_new(j, "violations", json_integer(check_failures()));
	return j;
}

/* -- as text ------------------------------------------------------------------------------- */

static double number(const json_t *j, const char *key)
{
	return json_number_value(json_object_get(j, key));
}

static void print_row(const char *label, const json_t *h)
{
	if (!number(h, "n"))
		return;
	printf("%-22s %9.3f %9.3f %9.3f %9.3f   ms (%.0f samples)\n", label,
	       number(h, "p50") / 1e3, number(h, "p95") / 1e3, number(h, "p99") / 1e3,
	       number(h, "max") / 1e3, number(h, "n"));
}

static void print_rows(const json_t *j)
{
	const json_t *row;
	const char *key;
	char label[32];

	printf("\n%-22s %9s %9s %9s %9s\n", "", "p50", "p95", "p99", "max");
	print_row("first token", json_object_get(j, "ttft_us"));
	print_row("between tokens", json_object_get(j, "itl_us"));
	print_row("step", json_object_get(j, "step_us"));
	print_row("tool call", json_object_get(json_object_get(j, "tools"), "wall_us"));
	print_row("barrier", json_object_get(j, "barrier_us"));
	print_row("feeder lateness", json_object_get(json_object_get(j, "feeder"),
						     "lateness_us"));
	json_object_foreach(json_object_get((json_t *)j, "waits_us"), key, row) {
		snprintf(label, sizeof(label), "%s's wait", key);
		print_row(label, row);
	}
}

static void print_guard(const json_t *guard)
{
	const json_t *rule;
	size_t i;

	json_array_foreach(json_object_get((json_t *)guard, "rules"), i, rule)
		if (json_integer_value(json_object_get(rule, "pairs")))
			printf("rule        %s: %s; %s\n",
			       json_string_value(json_object_get(rule, "name")),
			       json_string_value(json_object_get(rule, "verdict")),
			       json_string_value(json_object_get(rule, "evidence")));
}

void metric_print(const json_t *j)
{
	const json_t *f = json_object_get(j, "feeder"), *tools = json_object_get(j, "tools");
	const json_t *longest = json_object_get(j, "longest_wait"), *steps;

	printf("SIMULATED   policy %s, %.0f CPUs, seed %.0f, feeders wait by %s\n",
	       json_string_value(json_object_get(j, "policy")), number(j, "cpus"),
	       number(j, "seed"), json_string_value(json_object_get(j, "wait")));
	printf("makespan    %.2f s, %.0f of %.0f steps\n", number(j, "makespan_s"),
	       number(j, "steps"), number(j, "planned"));
	printf("tokens      %.0f, %.1f per second; GPU busy %.0f %%\n", number(j, "tokens"),
	       number(j, "tokens_per_s"), number(j, "gpu_busy_share") * 100);
	printf("tools       %.0f calls, %.2f s of work, %.3f per second, %.0f forks\n",
	       number(tools, "calls"), number(tools, "work_s"), number(tools, "work_per_s"),
	       number(tools, "forks"));
	printf("feeder      got %.2f %% of the CPU it wanted (%.2f s, queued %.3f s)\n",
	       number(f, "got_share") * 100, number(f, "run_s"), number(f, "queued_s"));
	printf("starved     GPU idle for %.3f s with work to submit\n", number(f, "starved_s"));
	if (json_object_get(j, "shares"))
		printf("weights     error at most %.3f %%\n", number(j, "weight_error_percent"));
	steps = json_object_get(j, "protection");
	if (steps)
		printf("protection  %.0f changes, %.0f turns; back after %.1f ms, lent after "
		       "%.1f ms at most\n", number(steps, "changes"), number(steps, "turns"),
		       number(steps, "back_ms_max"), number(steps, "lent_ms_max"));
	print_guard(json_object_get(j, "guard"));
	if (number(j, "frames"))
		printf("audio       %.0f frames, %.0f missed\n", number(j, "frames"),
		       number(j, "frames_missed"));
	printf("longest     wait: %.1f ms, %s\n", number(longest, "ms"),
	       json_string_value(json_object_get(longest, "role")));
	print_rows(j);
}
