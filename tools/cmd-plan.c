// SPDX-License-Identifier: GPL-2.0-only
/*
 * starling plan - what the daemon would do here, or elsewhere, with a load.
 *
 * The machine is read and the plan made by the daemon's own functions; nothing
 * is asked of a daemon and nothing is changed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "daemon/room.h"
#include "tools/cli.h"
#include "tools/plan.h"
#include "tools/table.h"

/* Feeders that are quiet have been so for this long. */
#define QUIET_NS	1000000000ULL
#define START_NS	(1000 * 1000000000ULL)

struct plan_opts {
	struct common common;
	const char *sysroot;
	const char *load;
};

enum { OPT_SYSROOT = 's', OPT_LOAD = 'l' };

static const struct argp_option options[] = {
	{ "sysroot", OPT_SYSROOT, "DIR", 0,
	  "The machine whose /sys and /proc are below DIR; else this one", 0 },
	{ "load", OPT_LOAD, "FILE", 0,
	  "What runs there; else one feeder and nine agents with a tool each", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct plan_opts *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->common;
		return 0;
	case OPT_SYSROOT:
		o->sysroot = arg;
		return 0;
	case OPT_LOAD:
		o->load = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
static const struct argp argp = {
	.options = options,
	.parser = parse,
	.doc = "Show what the daemon would do on a machine with a load. Changes nothing "
	       "and needs no daemon.\v"
	       "In the picture, [CPUs] are kept for feeders, (CPUs) are lent; '!' marks "
	       "CPUs that are held well below their clock. In the table, CPUS are those a "
	       "task may use, KEPT those kept free of tools for it, FIRST those it takes "
	       "first.",
	.children = children,
};

/* -- deciding -------------------------------------------------------------------- */

static void take_verdicts(struct dry_run *run, const struct snapshot *snap)
{
	struct snap_task *t = run->load.task;

	for (size_t i = 0; i < run->load.ntask; i++) {
		t[i].role = run->verdict[i].role;
		t[i].role_source = run->verdict[i].role_source;
		t[i].real_time = policy_real_time(snap, &run->verdict[i], &t[i]);
	}
}

static void use_machine(struct load *l, uint64_t now, bool all)
{
	for (size_t i = 0; i < l->ntask; i++) {
		struct snap_task *t = &l->task[i];

		if (t->compute_last_ns)
			t->compute_last_ns = now;
		if (!t->gpu_last_ns)
			continue;
		if (all || !l->quiet[i])
			t->gpu_last_ns = now;
		else
			t->recent_ns = 0;	/* it sleeps, elsewhere */
	}
}

static void decide(struct dry_run *run)
{
	struct policy_settings set;
	struct policy_state state = { 0 };
	struct room room = { 0 };
	struct snapshot snap = {
		.now_ns = START_NS, .window_ns = load_window_ns, .round_ns = load_round_ns,
		.topo = &run->topo, .set = &set,
		.task = run->load.task, .ntask = run->load.ntask,
		.edge = run->load.edge, .nedge = run->load.nedge, .room = &room,
	};

	policy_settings_default(&set);
	/* who is quiet was active once: only then is there a core to lend */
	for (int all = 1; all >= 0; all--) {
		use_machine(&run->load, snap.now_ns, all);
		policy_classify(&snap, run->verdict);
		take_verdicts(run, &snap);
		policy_decide(&snap, run->verdict, &state, &run->plan);
		snap.now_ns += QUIET_NS;
	}
	room_free(&room);
}

/* -- in words -------------------------------------------------------------------- */

static void format_cpus(const json_t *row, const char *key, char *buf, size_t len)
{
	snprintf(buf, len, "%s", field_known(row, key) ? field_text(row, key) : "all");
}

static void format_class(const json_t *row, const char *key, char *buf, size_t len)
{
	(void)key;
	if (json_is_true(json_object_get(row, "real_time")))
		snprintf(buf, len, "real-time");
	else if (json_is_true(json_object_get(row, "idle_class")))
		snprintf(buf, len, "idle");
	else if (field_int(row, "nice_delta"))
		snprintf(buf, len, "nice %lld", field_int(row, "nice_delta"));
	else
		snprintf(buf, len, "as it was");
}

static const struct column columns[] = {
	{ "TASK", "name", 0, NULL },
	{ "N", "count", SCOLS_FL_RIGHT, table_int },
	{ "AGENT", "agent", 0, NULL },
	{ "WEIGHT", "weight", SCOLS_FL_RIGHT, table_int },
	{ "ROLE", "role", 0, NULL },
	{ "CPUS", "cpus", 0, format_cpus },
	{ "KEPT", "kept", 0, NULL },
	{ "FIRST", "prefer", 0, NULL },
	{ "CLASS", "class", 0, format_class },
	{ "WHY", "why", 0, NULL },
	{ 0 },
};

static int print_text(const struct dry_run *run, const json_t *report, bool words)
{
	const json_t *tasks = json_object_get(report, "tasks");
	int err;

	if (words) {
		plan_draw(run);
		printf("\nplan: %s\n\n", run->plan.why);
	}
	err = table_print(columns, tasks, words);
	if (!err && words && CPU_COUNT(&run->plan.role[STARLING_ROLE_TOOL].prefer))
		puts("\nFIRST is an order that masks cannot give: of the placers only "
		     "sched_ext follows it.");
	return err;
}

/* -- the command ------------------------------------------------------------------ */

static int load_machine(struct dry_run *run)
{
	int err = topology_load(&run->topo, run->sysroot);

	if (!err)
		return 0;
	if (!run->sysroot)
		cli_error("cannot read this machine's CPUs: %s", strerror(-err));
	else if (access(run->sysroot, F_OK))
		cli_error("no directory %s: --sysroot names one that holds a machine's sys and "
			  "proc", run->sysroot);
	else
		cli_error("no machine below %s: cannot read its "
			  "sys/devices/system/cpu/online: %s", run->sysroot, strerror(-err));
	return err;
}

static int show(const struct dry_run *run, const struct common *o)
{
	json_t *report = plan_report(run);
	int err = 0;

	if (o->json)
		cli_print_json(report);
	else
		err = print_text(run, report, !o->no_legend);
	json_decref(report);
	if (err)
		cli_error("out of memory");
	return err;
}

int cmd_plan(int argc, char **argv)
{
	struct plan_opts o = { 0 };
	struct dry_run *run;
	int err;

	if (argp_parse(&argp, argc, argv, 0, NULL, &o))
		return EX_USAGE_;
	run = calloc(1, sizeof(*run));
	if (!run) {
		cli_error("out of memory");
		return EX_FAILED;
	}
	run->sysroot = o.sysroot;
	err = load_machine(run);
	if (!err)
		err = load_read(&run->load, o.load);
	if (!err) {
		decide(run);
		err = show(run, &o.common);
	}
	topology_free(&run->topo);
	free(run);
	return err ? EX_FAILED : EX_OK_;
}
