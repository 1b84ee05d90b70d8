// SPDX-License-Identifier: GPL-2.0-only
/* starling check */
#include <errno.h>
#include <libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "tools/check.h"
#include "tools/cli.h"

static const struct check checks[] = {
	{ "kernel", check_kernel, false },
	{ "btf", check_btf, true },
	{ "bpf", check_bpf, true },
	{ "task_storage", check_task_storage, true },
	{ "task_iterator", check_task_iter, true },
	{ "uprobes", check_uprobes, true },
	{ "cap_sys_nice", check_sys_nice, true },
	{ "real_time", check_real_time, false },
	{ "autogroup", check_autogroup, false },
	{ "cgroup", check_cgroup, false },
	{ "sched_ext", check_sched_ext, false },
	{ "uclamp", check_uclamp, false },
	{ "libcuda", check_libcuda, false },
	{ "nvml", check_nvml, false },
	{ "nvidia_device", check_nvidia_dev, false },
	{ "drm_device", check_drm, false },
	{ "module", check_module, false },
	{ "daemon", check_daemon, false },
};

enum { NCHECKS = sizeof(checks) / sizeof(checks[0]) };

static const struct {
	const char *word;
	const char *colour;
} states[] = {
	[CHECK_OK] = { "ok", "green" },
	[CHECK_WARN] = { "warn", "brown" },
	[CHECK_NO] = { "no", "red" },
};

void check_say(struct check_result *r, enum check_state state,
	       const char *remedy, const char *fmt, ...)
{
	va_list ap;

	r->state = state;
	r->remedy = remedy;
	va_start(ap, fmt);
	vsnprintf(r->detail, sizeof(r->detail), fmt, ap);
	va_end(ap);
}

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
static const struct argp argp = {
	.parser = cli_parse_common,
	.doc = "Tell what this machine and this user allow, with a remedy for each "
	       "'no'. Changes nothing and needs no daemon.\v"
	       "Exit status 0: Starling can do its main job here. 1: it cannot.",
	.children = children,
};

static void print_json(const struct check_result *r, bool able)
{
	json_t *list = json_array(), *out;

	for (int i = 0; i < NCHECKS; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s?, s:b}",
			"name", checks[i].name, "state", states[r[i].state].word,
			"detail", r[i].detail, "remedy", r[i].remedy,
			"needed", checks[i].needed));
	out = json_pack("{s:i, s:b, s:o}", "version", 1, "ok", able, "checks", list);
	cli_print_json(out);
	json_decref(out);
}

static int add_row(struct libscols_table *tb, const struct check *c,
		   const struct check_result *r)
{
	struct libscols_line *line = scols_table_new_line(tb, NULL);

	if (!line || scols_line_set_data(line, 0, c->name) ||
	    scols_line_set_data(line, 1, states[r->state].word) ||
	    scols_line_set_data(line, 2, r->detail))
		return -ENOMEM;
	return scols_cell_set_color(scols_line_get_cell(line, 1),
				    states[r->state].colour);
}

static int print_table(const struct check_result *r, const struct common *o)
{
	static const char *const heads[] = { "CHECK", "STATE", "DETAIL" };
	struct libscols_table *tb;
	int err = 0;

	scols_init_debug(0);
	tb = scols_new_table();
	if (!tb)
		return -ENOMEM;
	scols_table_enable_colors(tb, cli_colour());
	scols_table_enable_noheadings(tb, o->no_legend);
	for (int i = 0; !err && i < 3; i++)
		if (!scols_table_new_column(tb, heads[i], 0, 0))
			err = -ENOMEM;
	for (int i = 0; !err && i < NCHECKS; i++)
		err = add_row(tb, &checks[i], &r[i]);
	if (!err)
		err = scols_print_table(tb);
	scols_unref_table(tb);
	return err;
}

static void print_remedies(const struct check_result *r, bool able)
{
	putchar('\n');
	for (int i = 0; i < NCHECKS; i++)
		if (r[i].state != CHECK_OK && r[i].remedy)
			printf("%s: %s\n", checks[i].name, r[i].remedy);
	puts(able ? "Starling can do its main job here." :
	     "Starling cannot do its main job here as this user: see each 'no'.");
}

int cmd_check(int argc, char **argv)
{
	struct check_result r[NCHECKS];
	struct common o = { 0 };
	bool able = true;

	if (argp_parse(&argp, argc, argv, 0, NULL, &o))
		return EX_USAGE_;
	memset(r, 0, sizeof(r));
	for (int i = 0; i < NCHECKS; i++) {
		checks[i].fn(&r[i]);
		if (checks[i].needed && r[i].state == CHECK_NO)
			able = false;
	}
	if (o.json) {
		print_json(r, able);
	} else if (print_table(r, &o)) {
		cli_error("out of memory");
		return EX_FAILED;
	} else if (!o.no_legend) {
		print_remedies(r, able);
	}
	return able ? EX_OK_ : EX_FAILED;
}
