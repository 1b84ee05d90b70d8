// SPDX-License-Identifier: GPL-2.0-only
/* starling check */
#include <errno.h>
#include <libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "daemon/others.h"
#include "daemon/place/rung.h"
#include "daemon/report-plan.h"
#include "tools/check.h"
#include "tools/check-caps.h"
#include "tools/cli.h"
#include "tools/table.h"

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
	{ "nvidia_driver", check_nvidia_driver, false },
	{ "drm_device", check_drm, false },
	{ "module", check_module, false },
	{ "daemon", check_daemon, false },
};

enum { NCHECKS = sizeof(checks) / sizeof(checks[0]), ROWS_MAX = NCHECKS + OTHERS_MAX };

/* One line of the answer: a check, or somebody else who was found. */
struct row {
	const char *name;
	bool needed;
	struct check_result r;
};

static const struct {
	const char *word;
	const char *colour;
} states[] = {
	[CHECK_OK] = { "ok", "green" },
	[CHECK_WARN] = { "warn", "brown" },
	[CHECK_NO] = { "no", "red" },
	[CHECK_OTHER] = { "found", "brown" },
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

struct check_opts {
	struct common common;
	bool cuda;
};

enum { OPT_CUDA = 'c' };

static const struct argp_option options[] = {
	{ "cuda", OPT_CUDA, NULL, 0,
	  "Ask the CUDA driver for its devices too; takes a context on each for a moment", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct check_opts *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->common;
		return 0;
	case OPT_CUDA:
		o->cuda = true;
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
	.doc = "Tell what this machine and this user allow, with a remedy for each "
	       "'no'. Changes nothing and needs no daemon.\v"
	       "Exit status 0: Starling can do its main job here. 1: it cannot.",
	.children = children,
};

/* Nothing to set right, but to know. */
static size_t add_others(struct row *row)
{
	struct other_found other[OTHERS_MAX];
	size_t n = others_find("", other);

	for (size_t i = 0; i < n; i++) {
		row[i].name = other[i].other->name;
		check_say(&row[i].r, CHECK_OTHER, other[i].other->means, "%s", other[i].detail);
	}
	return n;
}

/* -- what can be told of GPUs ----------------------------------------------- */

static const struct column source_columns[] = {
	{ "SOURCE", "source", 0, NULL },
	{ "VALUE", "value", 0, NULL },
	{ "TOLD", "told", 0, table_yes },
	{ "DETAIL", "detail", SCOLS_FL_TRUNC, NULL },
	{ 0 },
};

static void format_priorities(const json_t *row, const char *key, char *buf, size_t len)
{
	const json_t *two = json_object_get(row, key);

	if (json_array_size(two) == 2)
		snprintf(buf, len, "%lld to %lld", json_integer_value(json_array_get(two, 0)),
			 json_integer_value(json_array_get(two, 1)));
}

static const struct column cuda_columns[] = {
	{ "PCI", "pci", 0, NULL },
	{ "NAME", "name", 0, NULL },
	{ "SMS", "multiprocessors", SCOLS_FL_RIGHT, table_int },
	{ "INTEGRATED", "integrated", 0, table_yes },
	{ "PRIORITIES", "stream_priorities", 0, format_priorities },
	{ "GREEN", "green_contexts", SCOLS_FL_RIGHT, table_int },
	{ "MPS", "mps", 0, table_yes },
	{ 0 },
};

/* A source that is there has a row for each value, one that is not has one. */
static json_t *source_rows(const json_t *caps)
{
	json_t *rows = json_array(), *can;
	const char *item, *text;
	const json_t *backend;
	size_t i;

	json_array_foreach(caps, i, backend) {
		json_t *values = json_object_get(backend, "values");
		bool there = json_is_true(json_object_get(backend, "there"));

		json_array_append_new(rows, json_pack("{s:s, s:s, s:b, s:s}", "source",
			field_text(backend, "name"), "value", there ? "is there" : "-",
			"told", there, "detail", field_text(backend, "detail")));
		json_object_foreach(values, item, can) {
			text = json_string_value(can);
			if (!there || !text)
				continue;
			json_array_append_new(rows, json_pack("{s:s, s:s, s:b, s:s}", "source",
				field_text(backend, "name"), "value", item,
				"told", !strncmp(text, "yes", 3), "detail",
				!strcmp(text, "yes") ? "-" : text));
		}
	}
	return rows;
}

static int print_gpu(const json_t *caps, const json_t *cuda, bool head)
{
	json_t *rows = source_rows(caps);
	int err;

	putchar('\n');
	err = table_print(source_columns, rows, head);
	json_decref(rows);
	if (err || !json_array_size(cuda))
		return err;
	putchar('\n');
	return table_print(cuda_columns, cuda, head);
}

static void print_json(const struct row *row, size_t n, bool able, json_t *caps, json_t *cuda)
{
	json_t *list = json_array(), *placers = json_array(), *out;

	for (int i = 0; rung_names[i]; i++)
		json_array_append_new(placers, report_rung(rung_names[i]));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s?, s:b}",
			"name", row[i].name, "state", states[row[i].r.state].word,
			"detail", row[i].r.detail, "remedy", row[i].r.remedy,
			"needed", row[i].needed));
	out = json_pack("{s:i, s:b, s:o, s:o, s:O, s:O?}", "version", 1, "ok", able,
			"checks", list, "placers", placers, "gpu_sources", caps,
			"cuda_devices", cuda);
	cli_print_json(out);
	json_decref(out);
}

static int add_row(struct libscols_table *tb, const struct row *row)
{
	struct libscols_line *line = scols_table_new_line(tb, NULL);

	if (!line || scols_line_set_data(line, 0, row->name) ||
	    scols_line_set_data(line, 1, states[row->r.state].word) ||
	    scols_line_set_data(line, 2, row->r.detail))
		return -ENOMEM;
	return scols_cell_set_color(scols_line_get_cell(line, 1),
				    states[row->r.state].colour);
}

static int print_table(const struct row *row, size_t n, const struct common *o)
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
	for (size_t i = 0; !err && i < n; i++)
		err = add_row(tb, &row[i]);
	if (!err)
		err = scols_print_table(tb);
	scols_unref_table(tb);
	return err;
}

static void print_limits(void)
{
	const char *lack[RUNG_LACKS_MAX];
	size_t n;

	for (int i = 0; rung_names[i]; i++) {
		n = rung_lacks(rung_names[i], lack);
		printf("\nlimits of placer %s:\n", rung_names[i]);
		for (size_t k = 0; k < n; k++)
			printf("  %s\n", lack[k]);
	}
	putchar('\n');
}

static void print_remedies(const struct row *row, size_t n, bool able)
{
	putchar('\n');
	for (size_t i = 0; i < n; i++)
		if (row[i].r.state != CHECK_OK && row[i].r.remedy)
			printf("%s: %s\n", row[i].name, row[i].r.remedy);
	print_limits();
	puts(able ? "Starling can do its main job here." :
	     "Starling cannot do its main job here as this user: see each 'no'.");
}

static int print(const struct row *row, size_t n, bool able, const struct check_opts *o)
{
	json_t *caps = check_caps(), *cuda = o->cuda ? check_cuda() : NULL;
	int err = 0;

	if (o->common.json)
		print_json(row, n, able, caps, cuda);
	else
		err = print_table(row, n, &o->common);
	if (!err && !o->common.json)
		err = print_gpu(caps, cuda, !o->common.no_legend);
	if (!err && !o->common.json && !o->common.no_legend)
		print_remedies(row, n, able);
	json_decref(caps);
	json_decref(cuda);
	return err;
}

int cmd_check(int argc, char **argv)
{
	struct row row[ROWS_MAX] = { 0 };
	struct check_opts o = { 0 };
	size_t n = NCHECKS;
	bool able = true;

	if (argp_parse(&argp, argc, argv, 0, NULL, &o))
		return EX_USAGE_;
	for (int i = 0; i < NCHECKS; i++) {
		row[i].name = checks[i].name;
		row[i].needed = checks[i].needed;
		checks[i].fn(&row[i].r);
		if (checks[i].needed && row[i].r.state == CHECK_NO)
			able = false;
	}
	n += add_others(row + n);
	if (print(row, n, able, &o)) {
		cli_error("out of memory");
		return EX_FAILED;
	}
	return able ? EX_OK_ : EX_FAILED;
}
