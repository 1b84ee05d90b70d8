// SPDX-License-Identifier: GPL-2.0-only
#include <argp.h>
#include <stddef.h>
#include <string.h>
#include "daemon/log.h"
#include "daemon/options.h"
#include "daemon/paths.h"
#include "daemon/rules.h"

const char *argp_program_version = "starlingd " STARLING_VERSION;

enum {
	OPT_PLACER = 0x100, OPT_RUNDIR, OPT_SOCKET, OPT_NO_BPF, OPT_NO_KMOD,
	OPT_CUDA_LIB, OPT_UNDO, OPT_LEASES, OPT_NOISE, OPT_GUARD, OPT_GUARD_EPOCH,
	OPT_SCHED_EXT, OPT_SCHED_PARTIAL, OPT_GPU, OPT_MPS,
};

/* Where NVIDIA's control daemon is if it is not told otherwise. */
#define MPS_PIPE_DEFAULT "/tmp/nvidia-mps"

static const struct argp_option option_table[] = {
	{ "dry-run", 'n', NULL, 0, "Detect and decide, change nothing", 0 },
	{ "placer", OPT_PLACER, "NAME", 0,
	  "How to place: auto, task, cgroup, sched_ext or none (default: auto)", 0 },
	{ "sched-ext", OPT_SCHED_EXT, "never|opt-in|auto", 0,
	  "May --placer auto take sched_ext? opt-in: if asked for by name (default: auto)", 0 },
	{ "sched-ext-partial", OPT_SCHED_PARTIAL, NULL, 0,
	  "sched_ext for agents' tasks alone: the kernel schedules all others", 0 },
	{ "rundir", OPT_RUNDIR, "DIR", 0,
	  "Journal, lock and socket (default: " STARLING_RUNDIR_DEFAULT ")", 0 },
	{ "socket", OPT_SOCKET, "PATH", 0,
	  "Control socket (default: control in the run-time directory)", 0 },
	{ "no-bpf", OPT_NO_BPF, NULL, 0, "Use /proc only", 0 },
	{ "no-kmod", OPT_NO_KMOD, NULL, 0, "Do not use /dev/starling", 0 },
	{ "cuda-lib", OPT_CUDA_LIB, "PATH", 0, "Watch this libcuda too", 0 },
	{ "gpu", OPT_GPU, "on|off", 0,
	  "Ask GPU drivers who uses them, how much and for how long (default: on)", 0 },
	{ "mps", OPT_MPS, "off|on|DIR", 0,
	  "May 'starling run --gpu=share' use NVIDIA's MPS? on: by its pipes in "
	  MPS_PIPE_DEFAULT ", DIR: in DIR (default: off)", 0 },
	{ "noise", OPT_NOISE, "on|off", 0,
	  "Keep interrupts and kernel threads off protected CPUs (default: on)", 0 },
	{ "guard", OPT_GUARD, "on|off", 0,
	  "Try each rule now and then, and withdraw what does not help (default: off)", 0 },
	{ "guard-epoch", OPT_GUARD_EPOCH, "TIME", 0,
	  "Measure so long with a rule, and so long without it (default: 2s)", 0 },
	{ "leases", OPT_LEASES, "RULE=VALUE,...", 0,
	  "Rules for leases of GPU 0: slots, memory, limit, notice, aging, starve", 0 },
	{ "journal-undo", OPT_UNDO, NULL, 0,
	  "Undo what a dead daemon left behind, then exit", 0 },
	{ "verbose", 'v', NULL, 0, "Say more", 0 },
	{ "quiet", 'q', NULL, 0, "Only warnings and errors", 0 },
	{ 0 },
};

/* Options that are there or not. */
static const struct {
	int key;
	size_t at;	/* of a bool in struct options, true if it is there */
} flags[] = {
	{ 'n', offsetof(struct options, dry_run) },
	{ OPT_NO_BPF, offsetof(struct options, no_bpf) },
	{ OPT_NO_KMOD, offsetof(struct options, no_kmod) },
	{ OPT_SCHED_PARTIAL, offsetof(struct options, sched_partial) },
	{ OPT_UNDO, offsetof(struct options, journal_undo) },
};

/* on or off. */
static const struct {
	int key;
	const char *name;
	size_t at;	/* of a bool, true if it is off */
} switches[] = {
	{ OPT_GPU, "--gpu", offsetof(struct options, no_gpu) },
	{ OPT_GUARD, "--guard", offsetof(struct options, no_guard) },
	{ OPT_NOISE, "--noise", offsetof(struct options, no_noise) },
};

/* Words that others look into. */
static const struct {
	int key;
	size_t at;	/* of a const char * */
} words[] = {
	{ OPT_CUDA_LIB, offsetof(struct options, cuda_lib) },
	{ OPT_PLACER, offsetof(struct options, placer) },
	{ OPT_RUNDIR, offsetof(struct options, rundir) },
	{ OPT_SOCKET, offsetof(struct options, socket) },
};

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

static void *member(struct options *o, size_t at)
{
	return (char *)o + at;
}

static bool parse_flag(struct options *o, int key)
{
	for (size_t i = 0; i < COUNT(flags); i++)
		if (flags[i].key == key)
			return *(bool *)member(o, flags[i].at) = true;
	return false;
}

static bool parse_switch(struct options *o, int key, const char *arg,
			 struct argp_state *state)
{
	for (size_t i = 0; i < COUNT(switches); i++) {
		if (switches[i].key != key)
			continue;
		if (strcmp(arg, "on") && strcmp(arg, "off"))
			argp_error(state, "%s is on or off, not '%s'", switches[i].name, arg);
		*(bool *)member(o, switches[i].at) = !strcmp(arg, "off");
		return true;
	}
	return false;
}

static bool parse_word(struct options *o, int key, const char *arg)
{
	for (size_t i = 0; i < COUNT(words); i++) {
		if (words[i].key != key)
			continue;
		*(const char **)member(o, words[i].at) = arg;
		return true;
	}
	return false;
}

static void parse_rules(struct options *o, const char *arg, struct argp_state *state)
{
	char why[160];

	if (rules_parse(arg, &o->rules, why, sizeof(why)))
		argp_failure(state, argp_err_exit_status, 0, "%s", why);
}

/* Shorter than two rounds would measure nothing. */
static void parse_guard_epoch(struct options *o, const char *arg, struct argp_state *state)
{
	if (!rules_time(arg, &o->guard_epoch_ns) || o->guard_epoch_ns < 500000000ULL ||
	    o->guard_epoch_ns > 600000000000ULL)
		argp_error(state, "--guard-epoch is a time from 500ms to 600s, not '%s'", arg);
}

static void parse_sched_ext(struct options *o, const char *arg, struct argp_state *state)
{
	int use = sched_ext_use_parse(arg);

	if (use < 0)
		argp_error(state, "--sched-ext is never, opt-in or auto, not '%s'", arg);
	o->sched_ext = use;
}

/* A path from the root: who asks for it may be in another directory. */
static void parse_mps(struct options *o, const char *arg, struct argp_state *state)
{
	bool on = !strcmp(arg, "on");

	if (!on && strcmp(arg, "off") && arg[0] != '/')
		argp_error(state, "--mps is off, on or a directory from / on, not '%s'", arg);
	o->mps_pipe = on ? MPS_PIPE_DEFAULT : arg[0] == '/' ? arg : NULL;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	if (parse_flag(o, key) || parse_switch(o, key, arg, state) || parse_word(o, key, arg))
		return 0;
	switch (key) {
	case OPT_LEASES:
		parse_rules(o, arg, state);
		return 0;
	case OPT_GUARD_EPOCH:
		parse_guard_epoch(o, arg, state);
		return 0;
	case OPT_SCHED_EXT:
		parse_sched_ext(o, arg, state);
		return 0;
	case OPT_MPS:
		parse_mps(o, arg, state);
		return 0;
	case 'v':
		log_set_level(LOG_DEBUG);
		return 0;
	case 'q':
		log_set_level(LOG_WARNING);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = option_table,
	.parser = parse_option,
	.doc = "Keep the threads that feed the GPU from waiting for a core.\v"
	       "Runs in the foreground and needs no configuration. All changes "
	       "are undone when it stops.",
};

int options_parse(struct options *o, int argc, char **argv)
{
	*o = (struct options){
		.placer = "auto", .sched_ext = SCHED_EXT_DEFAULT, .no_guard = true,
	};
	argp_err_exit_status = 2;
	return argp_parse(&argp, argc, argv, 0, NULL, o);
}
