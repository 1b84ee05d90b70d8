// SPDX-License-Identifier: GPL-2.0-only
/*
 * starling lease: the kernel's queue for each GPU. Asks the module, not the
 * daemon: it is there while the daemon is not.
 */
#include <errno.h>
#include <starling.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "tools/cli.h"
#include "tools/table.h"

enum { BATCH = 64 };

static const struct column gpu_columns[] = {
	{ "GPU", "gpu", SCOLS_FL_RIGHT, table_int },
	{ "SLOTS", "slots", SCOLS_FL_RIGHT, table_int },
	{ "HELD", "holders", SCOLS_FL_RIGHT, table_int },
	{ "PARKED", "parked", SCOLS_FL_RIGHT, table_int },
	{ "WAITING", "waiting", SCOLS_FL_RIGHT, table_int },
	{ "GRANTS", "grants", SCOLS_FL_RIGHT, table_int },
	{ "EXPIRED", "expired", SCOLS_FL_RIGHT, table_int },
	{ "WAIT_S", "wait_s", SCOLS_FL_RIGHT, table_real },
	{ "WAIT_MAX_S", "wait_max_s", SCOLS_FL_RIGHT, table_real },
	{ "HOLD_S", "hold_s", SCOLS_FL_RIGHT, table_real },
	{ "LIMIT_S", "max_hold_s", SCOLS_FL_RIGHT, table_real },
	{ 0 },
};

static const struct column lease_columns[] = {
	{ "LEASE", "lease", SCOLS_FL_RIGHT, table_int },
	{ "GPU", "gpu", SCOLS_FL_RIGHT, table_int },
	{ "AGENT", "agent", SCOLS_FL_RIGHT, table_int },
	{ "PID", "pid", SCOLS_FL_RIGHT, table_int },
	{ "STATE", "state", 0, NULL },
	{ "CLASS", "class", 0, NULL },
	{ "AS", "effective_class", 0, NULL },
	{ "FOR_S", "for_s", SCOLS_FL_RIGHT, table_real },
	{ "HELD_S", "held_s", SCOLS_FL_RIGHT, table_real },
	{ "ASKED", "asked", 0, table_yes },
	{ 0 },
};

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
static const struct argp argp = {
	.parser = cli_parse_common,
	.doc = "Show who has a GPU, and who waits for one.\v"
	       "AS is the class it counts as: of who waits by the time waited, of a holder by "
	       "who waits for it. ASKED: told to give it back. Needs the module; leases are "
	       "shown to root and CAP_PERFMON.",
	.children = children,
};

static json_t *gpu_json(const struct starling_lease_stat *s)
{
	return json_pack("{s:i,s:i,s:i,s:i,s:i,s:{s:i,s:i,s:i},s:I,s:I,s:I,s:I,s:I,s:I,"
			 "s:f,s:f,s:f,s:f,s:f,s:f,s:f}",
			 "gpu", s->gpu, "slots", s->out_slots, "holders", s->out_holders,
			 "parked", s->out_parked, "waiting", s->out_waiting[0],
			 "waiting_by_class",
			 "interactive", s->out_waiting[STARLING_CLASS_INTERACTIVE],
			 "normal", s->out_waiting[STARLING_CLASS_NORMAL],
			 "batch", s->out_waiting[STARLING_CLASS_BATCH],
			 "memory_bytes", (json_int_t)s->out_memory_bytes,
			 "memory_used", (json_int_t)s->out_memory_used,
			 "grants", (json_int_t)s->out_grants,
			 "expired", (json_int_t)s->out_expired,
			 "timeouts", (json_int_t)s->out_timeouts,
			 "cancels", (json_int_t)s->out_cancels,
			 "wait_s", s->out_wait_ns / 1e9, "wait_max_s", s->out_wait_max_ns / 1e9,
			 "hold_s", s->out_hold_ns / 1e9, "max_hold_s", s->out_max_hold_ns / 1e9,
			 "notice_s", s->out_notice_ns / 1e9, "aging_s", s->out_aging_ns / 1e9,
			 "starve_s", s->out_starve_ns / 1e9);
}

static const char *state_name(unsigned int state)
{
	static const char *const names[] = {
		[STARLING_LEASE_WAITING] = "waiting",
		[STARLING_LEASE_HELD] = "held",
		[STARLING_LEASE_PARKED] = "parked",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : NULL;
}

static json_t *lease_json(const struct starling_lease_record *r)
{
	struct timespec ts;
	double now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = ts.tv_sec + ts.tv_nsec / 1e9;
	/* a request has no lease yet; a process may not be in this namespace */
	return json_pack("{s:o,s:i,s:I,s:o,s:s?,s:s?,s:s?,s:f,s:f,s:b,s:I,s:I}",
			 "lease", r->lease ? json_integer(r->lease) : json_null(),
			 "gpu", r->gpu, "agent", (json_int_t)r->agent_id,
			 "pid", r->tgid ? json_integer(r->tgid) : json_null(),
			 "state", state_name(r->state),
			 "class", starling_priority_name(r->class),
			 "effective_class", starling_priority_name(r->effective_class),
			 "for_s", now - r->since_ns / 1e9, "held_s", r->held_ns / 1e9,
			 "asked", r->asked, "memory_bytes", (json_int_t)r->memory_bytes,
			 "cookie", (json_int_t)r->cookie);
}

static int get_gpus(struct starling *s, json_t *out)
{
	struct starling_lease_stat stat;
	uint32_t gpu = 0;
	int err;

	do {
		err = starling_gpu_stat(s, gpu, &stat);
		if (err)
			return err;
		json_array_append_new(out, gpu_json(&stat));
	} while (++gpu < stat.out_gpus);
	return 0;
}

static int get_leases(struct starling *s, json_t *out)
{
	struct starling_lease_record rec[BATCH];
	uint64_t cursor[2] = { 0 };
	ssize_t n;

	do {
		n = starling_leases(s, rec, BATCH, cursor);
		for (ssize_t i = 0; i < n; i++)
			json_array_append_new(out, lease_json(&rec[i]));
	} while (n == BATCH);
	return n < 0 ? n : 0;
}

static int print(const json_t *gpus, const json_t *leases, const struct common *o)
{
	int err = table_print(gpu_columns, gpus, !o->no_legend);

	if (err || o->no_legend)
		return err ? err : table_print(lease_columns, leases, false);
	putchar('\n');
	if (!leases) {
		puts("leases: not permitted; sudo starling lease");
		return 0;
	}
	if (!json_array_size(leases)) {
		puts("no leases");
		return 0;
	}
	return table_print(lease_columns, leases, true);
}

static int show(struct starling *s, const struct common *o)
{
	json_t *gpus = json_array(), *leases = json_array(), *all;
	int err = get_gpus(s, gpus);

	if (!err)
		err = get_leases(s, leases);
	if (err == -EPERM || err == -EACCES) {
		json_decref(leases);
		leases = NULL;
		err = 0;
	}
	if (!err && o->json) {
		all = json_pack("{s:i,s:O,s:o?}", "version", 1, "gpus", gpus, "leases",
				json_incref(leases));
		cli_print_json(all);
		json_decref(all);
	} else if (!err) {
		err = print(gpus, leases, o);
	}
	json_decref(gpus);
	json_decref(leases);
	return err;
}

int cmd_lease(int argc, char **argv)
{
	struct common o = { 0 };
	struct starling *s;
	int err;

	if (argp_parse(&argp, argc, argv, 0, NULL, &o))
		return EX_USAGE_;
	err = starling_open(&s);
	if (!err)
		err = show(s, &o);
	starling_close(s);
	if (!err)
		return EX_OK_;
	if (err == -ENODEV)
		cli_error("no %s: load the module with 'sudo modprobe starling'", STARLING_DEVICE);
	else if (err == -ENOTTY)
		cli_error("the module that is loaded has no leases: load a newer one");
	else
		cli_error("%s: %s", STARLING_DEVICE, strerror(-err));
	return err == -EACCES || err == -EPERM ? EX_DENIED : EX_FAILED;
}
