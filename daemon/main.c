// SPDX-License-Identifier: GPL-2.0-only
/*
 * starlingd - keeps the threads that feed the GPU from waiting for a core.
 *
 * The order at start matters: the lock before the journal, so that only one
 * process undoes; the journal before anything is changed; the socket last, so
 * that who can connect finds a daemon that is ready.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "daemon/control.h"
#include "daemon/daemon.h"
#include "daemon/ladder.h"
#include "daemon/lock.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/manage.h"
#include "daemon/others.h"
#include "daemon/paths.h"
#include "daemon/sense/driver.h"
#include "daemon/sense/gpu/reader.h"
#include "daemon/self.h"

enum { EXIT_BAD_USAGE = 2, EXIT_DENIED = 4 };

const char *daemon_probes(const struct daemon *d)
{
	static const char *const text[2][2] = {
		{ "bpf", "bpf+driver" }, { "bpf+uprobes", "bpf+uprobes+driver" },
	};
	const struct sense_mode *m = sense_get_mode(d->sense);

	return m->bpf ? text[m->uprobes][!driver_why(sense_driver(d->sense))] : "proc";
}

bool daemon_places(const struct daemon *d)
{
	return d->placer && !d->off;
}

static int open_rundir(struct daemon *d)
{
	const char *dir = path_rundir(d->opt.rundir);
	pid_t holder;
	int err;

	d->opt.rundir = dir;
	err = path_socket(d->opt.socket, dir, d->socket_path, sizeof(d->socket_path));
	if (err) {
		log_err("the socket's path is too long for a UNIX socket");
		return err;
	}
	d->lock_fd = lock_take(dir, &holder);
	if (d->lock_fd == -EBUSY && holder)
		log_err("already running as process %d: stop that one first", holder);
	else if (d->lock_fd == -EBUSY)
		log_err("already running: stop that one first");
	else if (d->lock_fd == -EACCES || d->lock_fd == -EPERM)
		log_err("cannot use %s: run as root, or name another with --rundir", dir);
	else if (d->lock_fd < 0)
		log_err("cannot use %s: %s", dir, strerror(-d->lock_fd));
	return d->lock_fd < 0 ? d->lock_fd : 0;
}

static int open_journal(struct daemon *d)
{
	int n = journal_open(&d->journal, d->opt.rundir);

	if (n) {
		log_err("cannot open the journal in %s: %s", d->opt.rundir, strerror(-n));
		return n;
	}
	n = journal_undo(d->journal);
	if (n < 0)
		log_warn("undoing what an earlier daemon left: %s", strerror(-n));
	else if (n || d->opt.journal_undo)
		log_info("restored %d task%s that an earlier daemon had changed",
			 n, n == 1 ? "" : "s");
	return 0;
}

static int open_sense(struct daemon *d)
{
	struct sense_opts opts = {
		.on_event = manage_event,
		.placement = manage_placement,
		.ctx = d,
		.rules = &d->opt.rules,
		.no_bpf = d->opt.no_bpf,
		.no_kmod = d->opt.no_kmod,
		.gpu = !d->opt.no_gpu,
		.cuda_lib = d->opt.cuda_lib,
	};
	int err = sense_open(&d->sense, &opts);

	if (err)
		log_err("cannot see what tasks do: %s", strerror(-err));
	return err;
}

/* Said once: it is a reason for much that may be wondered at later. */
static void say_others(void)
{
	struct other_found other[OTHERS_MAX];
	size_t n = others_find("", other);

	for (size_t i = 0; i < n; i++)
		log_info("%s (%s): %s", other[i].other->name, other[i].detail,
			 other[i].other->means);
}

static int open_noise(struct daemon *d)
{
	say_others();
	if (d->opt.no_noise || !d->placer)
		return 0;
	d->noise = noise_open(d->journal);
	return d->noise ? 0 : -ENOMEM;
}

static int open_control(struct daemon *d)
{
	int err = control_open(&d->control, d);

	if (err)
		log_err("cannot listen on %s: %s", d->socket_path, strerror(-err));
	return err;
}

static int open_topology(struct daemon *d)
{
	int err = topology_load(&d->topo, NULL);

	if (err)
		log_err("cannot read the CPU topology: %s", strerror(-err));
	return err;
}

static int open_loop(struct daemon *d)
{
	int err = loop_open(d);

	if (err < 0)
		log_err("cannot set the event loop up: %s", strerror(-err));
	return err < 0 ? err : 0;
}

static void say_mode(const struct daemon *d)
{
	const struct sense_mode *m = sense_get_mode(d->sense);
	unsigned int big = 0;
	char kinds[32] = "";

	for (unsigned int i = 0; i < d->topo.ncpu; i++)
		big += d->topo.cpu[i].big;
	if (d->topo.asymmetric)
		snprintf(kinds, sizeof(kinds), " (%u big)", big);
	log_info("%s %u cpu%s%s: probes %s, module %s, placer %s; no GPU thread seen yet",
		 d->placer ? "managing" : "watching", d->topo.ncpu,
		 d->topo.ncpu == 1 ? "" : "s", kinds, daemon_probes(d),
		 m->kmod ? "yes" : "no",
		 d->placer ? d->placer_ops->name :
		 d->opt.dry_run ? "none (dry run)" : "none");
	if (m->missing)
		log_warn("%s", m->missing);
}

static int daemon_open(struct daemon *d)
{
	static int (*const steps[])(struct daemon *d) = {
		open_topology, open_sense, ladder_open, open_noise, open_loop, open_control,
	};
	int err = 0;

	policy_settings_default(&d->settings);
	d->settings.guard = !d->opt.no_guard;
	if (d->opt.guard_epoch_ns)
		d->settings.guard_epoch_ns = d->opt.guard_epoch_ns;
	d->round_ns = now_ns();
	self_hurry();
	for (size_t i = 0; !err && i < sizeof(steps) / sizeof(steps[0]); i++)
		err = steps[i](d);
	/* loading the probes needs far more memory than running them */
	malloc_trim(0);
	if (!err)
		self_raise();
	d->started_ns = now_ns();
	return err;
}

/* Release in the reverse order; says what was undone. */
static void daemon_close(struct daemon *d)
{
	int n = 0;

	control_close(d->control);
	if (d->noise && noise_undo(d->noise) < 0)
		log_err("not all noise could be put back; the next start tries again");
	noise_close(d->noise);
	if (d->placer) {
		n = d->placer_ops->undo(d->placer);
		d->placer_ops->close(d->placer);
	}
	if (n > 0)
		log_info("restored %d task%s", n, n == 1 ? "" : "s");
	else if (n < 0)
		log_err("undoing failed: %s; the next start tries again", strerror(-n));
	if (d->event)
		loop_close(d);
	if (d->sense)
		sense_close(d->sense);
	topology_free(&d->topo);
	edge_table_free(&d->edges);
	agent_table_free(&d->agents);
	task_table_free(&d->tasks);
	room_free(&d->room);
}

static int exit_code(int err)
{
	return !err ? EXIT_SUCCESS : err == -EPERM || err == -EACCES ?
		EXIT_DENIED : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static struct daemon d = {
		.lock_fd = -1,
	};
	int err;

	if (argc == 2 && !strcmp(argv[1], GPU_READER_ARG))
		return gpu_reader_main();
	if (options_parse(&d.opt, argc, argv))
		return EXIT_BAD_USAGE;
	err = open_rundir(&d);
	if (err)
		return exit_code(err);
	err = open_journal(&d);
	if (!err && !d.opt.journal_undo) {
		err = daemon_open(&d);
		if (!err) {
			say_mode(&d);
			err = loop_run(&d);
		}
		daemon_close(&d);
	}
	if (d.journal)
		journal_close(d.journal);
	close(d.lock_fd);
	return exit_code(err);
}
