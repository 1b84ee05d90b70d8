// SPDX-License-Identifier: GPL-2.0-only
/*
 * starling run - register this process, then become the command. The PID,
 * signals and exit status are the command's own, because it is this process.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <starling.h>
#include "daemon/agent.h"
#include "daemon/roles.h"
#include "tools/check-caps.h"
#include "tools/cli.h"
#include "tools/run-gpu.h"
#include "tools/run-see.h"
#include "tools/run-share.h"

struct run {
	struct common common;
	const char *role;
	const char *name;
	const char *priority;
	long weight;
	struct run_gpu gpu;
	bool quiet;
	char **cmd;
};

enum { OPT_GPU = 256 };

static const struct argp_option options[] = {
	{ "role", 'r', "ROLE", 0,
	  "feeder, service, orchestrator, tool, background or inference (default: by what "
	  "it does)", 0 },
	{ "weight", 'w', "N", 0, "Share against other agents, 1 to 10000 (default: 100)", 0 },
	{ "priority", 'p', "CLASS", 0,
	  "interactive, where a person waits for it, normal, or batch (default: normal)", 0 },
	{ "name", 'n', "NAME", 0, "Name of the agent (default: the command's)", 0 },
	{ "gpu", OPT_GPU, "lease|share[,KEY=VALUE...]", 0,
	  "Without a change to COMMAND, lease: take a lease for each stretch of work on the GPU. "
	  "Keys: priority=CLASS (default: the agent's), turn=TIME (10ms), linger=TIME (1ms "
	  "where interactive, else 0ms), memory=SIZE (none), reserve=SIZE (by the machine's "
	  "memory), patience=TIME (5s), gpu=N (0), wait=block|keep, see=one|all (one). share: "
	  "work there at the same time as others that share, by MPS, if that is allowed here. "
	  "Keys: percent=N, priority=CLASS, memory=SIZE, gpu=N (0), see=one|all (one)", 0 },
	{ "quiet", 'q', NULL, 0, "Say nothing when there is nobody to register with", 0 },
	{ 0 },
};

static void parse_weight(struct run *run, const char *arg, struct argp_state *state)
{
	char *end;

	run->weight = strtol(arg, &end, 10);
	if (*end || end == arg || run->weight < 1 || run->weight > AGENT_WEIGHT_MAX)
		argp_error(state, "weight '%s' is not a number from 1 to %d", arg,
			   AGENT_WEIGHT_MAX);
}

static void parse_gpu(struct run *run, char *arg, struct argp_state *state)
{
	char why[240];

	if (!run_gpu_parse(&run->gpu, arg, why, sizeof(why)))
		argp_error(state, "%s", why);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run *run = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &run->common;
		return 0;
	case 'r':
		run->role = arg;
		if (role_parse(arg) < 0)
			argp_error(state, "no role '%s'", arg);
		return 0;
	case 'w':
		parse_weight(run, arg, state);
		return 0;
	case 'p':
		run->priority = arg;
		if (priority_parse(arg) < 0)
			argp_error(state, "no priority '%s': interactive, normal or batch", arg);
		return 0;
	case 'n':
		run->name = arg;
		if (!*arg || strlen(arg) >= STARLING_NAME_LEN)
			argp_error(state, "a name has 1 to %d bytes", STARLING_NAME_LEN - 1);
		return 0;
	case OPT_GPU:
		parse_gpu(run, arg, state);
		return 0;
	case 'q':
		run->quiet = true;
		return 0;
	case ARGP_KEY_ARG:
		run->cmd = &state->argv[state->next - 1];
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no command to run");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[--] COMMAND [ARG...]",
	.doc = "Run COMMAND as an agent: it and all that it starts belong together, "
	       "and Starling places them.\v"
	       "The exit status is COMMAND's; 125 when starling itself failed, 126 when "
	       "COMMAND cannot be executed, 127 when it is not found.",
	.children = children,
};

/* "cargo-1234" says more in a table than "starling-1234" would. */
static void default_name(const struct run *run, char *buf, size_t len)
{
	const char *base = strrchr(run->cmd[0], '/');

	snprintf(buf, len, "%.16s-%d", base ? base + 1 : run->cmd[0], getpid());
}

/*
 * The agent lives as long as a member does, so its handle may be closed, but by
 * who needs leases of it: @fd. A role that was asked for is ours to set: we are
 * the task.
 */
static int register_module(const struct run *run, const char *name, int *fd)
{
	struct starling_agent_opts opts = {
		.size = sizeof(opts), .weight = run->weight,
		.priority = run->priority ? priority_parse(run->priority) : STARLING_CLASS_DEFAULT,
	};
	struct starling_agent *agent = NULL;
	struct starling *s;
	int err = starling_open(&s);

	if (err)
		return err;
	err = starling_agent_create(s, name, &opts, &agent);
	if (!err)
		err = starling_agent_join(agent, 0, 0);
	if (!err && run->role)
		err = starling_task_set_role(agent, 0, role_parse(run->role));
	if (!err && run->gpu.lease)
		*fd = starling_agent_fd(agent);
	else
		starling_agent_close(agent);
	starling_close(s);
	return err;
}

static bool register_daemon(const struct run *run, const char *name)
{
	json_t *answer = NULL, *params = json_pack("{s:s, s:i, s:s*}", "name", name,
						   "weight", (int)run->weight,
						   "priority", run->priority);
	int ret;

	if (run->role)
		json_object_set_new(params, "role", json_string(run->role));
	ret = cli_try(&run->common, "Register", params, &answer);
	if (ret > 0 && !run->quiet)
		cli_error("the daemon did not take this process: %s",
			  field_text(answer, "error"));
	json_decref(answer);
	return !ret;
}

/*
 * Both: the module keeps the membership, the daemon places us before exec. Returns
 * the agent's descriptor for leases, or -1.
 */
static int announce(const struct run *run, const char *name)
{
	int fd = -1, err = register_module(run, name, &fd);
	bool module = !err, daemon = register_daemon(run, name);

	if (run->quiet)
		return fd;
	if (err && err != -ENODEV && err != -ENOENT && !daemon)
		cli_error("the module did not take this process: %s", strerror(-err));
	if (!module && !daemon)
		cli_error("starlingd is not running: '%s' runs unmanaged", run->cmd[0]);
	if (!module && run->gpu.lease)
		cli_error("%s: '%s' runs without leases",
			  err == -ENODEV || err == -ENOENT ? "there is no module" : strerror(-err),
			  run->cmd[0]);
	return fd;
}

/* The driver's numbers go by PCI addresses, as those of leases. */
static const char *uuid_of(const json_t *status, uint64_t n)
{
	const json_t *devices = json_object_get(json_object_get(status, "gpu"), "devices");
	const char *uuid = NULL;
	json_t *dev, *number;
	size_t i;

	json_array_foreach(devices, i, dev) {
		number = json_object_get(dev, "number");
		if (json_is_integer(number) && (uint64_t)json_integer_value(number) == n)
			uuid = json_string_value(json_object_get(dev, "uuid"));
	}
	return uuid ? uuid : "";
}

/* The command sees no other GPU, unless it is to; false: it does not see this one. */
static bool see(const struct run *run, const json_t *status, char *why, size_t size)
{
	unsigned int gpu = run->gpu.settings.gpu;
	const char *uuid = uuid_of(status, gpu);

	return run->gpu.see_one ? run_see(gpu, uuid, why, size) : run_sees(gpu, uuid, why, size);
}

/* It may be meant so. */
static void see_or_say(const struct run *run, const json_t *status)
{
	char why[200];

	if (run->gpu.see_one && !see(run, status, why, sizeof(why)) && !run->quiet)
		cli_error("%s: left so; unset it, or give gpu=", why);
}

/* Without the module nothing is put into the command. */
static bool lease(struct run *run, int fd)
{
	struct run_gpu_agent agent = {
		.fd = fd, .name = run->name, .weight = run->weight, .role = run->role,
		.priority = run->priority,
	};
	json_t *status = NULL;
	char why[400];

	if (!run->gpu.lease || fd < 0)
		return true;
	if (!run_gpu_environment(&run->gpu, &agent, why, sizeof(why))) {
		cli_error("%s", why);
		return false;
	}
	if (run->gpu.see_one)
		cli_try(&run->common, "Status", NULL, &status);
	see_or_say(run, status);
	json_decref(status);
	return true;
}

/* What cannot be had is said before anybody waits for it. */
static bool can_lease(const struct run *run)
{
	struct starling *s;
	char why[200];
	bool can;

	if (!run->gpu.lease || starling_open(&s))
		return true;
	can = run_gpu_check(&run->gpu, s, why, sizeof(why));
	starling_close(s);
	if (!can)
		cli_error("%s", why);
	return can;
}

/* Where, by the word of root's daemon and of nobody else; NULL, and one line says why. */
static const char *mps_pipe(const struct run *run, json_t **status)
{
	int err = cli_try_root(&run->common, "Status", NULL, status);
	const json_t *gpu = json_object_get(*status, "gpu");
	const char *pipe = json_string_value(json_object_get(json_object_get(gpu, "mps"), "pipe"));

	if (err == -EPERM)
		cli_error("--gpu=share: the starlingd that answers is not root's, "
			  "and cannot allow MPS");
	else if (err)
		cli_error("--gpu=share: starlingd, which may allow MPS, does not answer (%s): "
			  "start it with --mps on", err < 0 ? strerror(-err) : "an error");
	else if (!pipe)
		cli_error("--gpu=share: MPS is not allowed here: 'starlingd --mps on' allows it");
	return err ? NULL : pipe;
}

/* A limit would be one of a GPU that the command does not use. */
static bool share_sees(const struct run *run, const json_t *status)
{
	char why[200];

	if (!run->gpu.settings.memory_bytes) {
		see_or_say(run, status);
		return true;
	}
	if (see(run, status, why, sizeof(why)))
		return true;
	cli_error("--gpu=share: memory= would limit nothing: %s; unset it, or give gpu=", why);
	return false;
}

/* Whether the command's CUDA would use MPS is asked with the command's environment. */
static bool prepare_share(const struct run *run, const char *pipe, const json_t *status)
{
	int class = run->priority ? priority_parse(run->priority) : STARLING_CLASS_DEFAULT;
	char why[400];

	if (!share_sees(run, status))
		return false;
	if (!run_share_environment(&run->gpu, pipe, class,
				   uuid_of(status, run->gpu.settings.gpu), why, sizeof(why)))
		cli_error("--gpu=share: %s", why);
	else if (!check_mps(why, sizeof(why)))
		cli_error("--gpu=share: no MPS by %s: %s; start nvidia-cuda-mps-control -d there, "
			  "and see 'starling check --cuda'", pipe, why);
	else
		return true;
	return false;
}

/* Before we are an agent: the child that asks is none of its tasks. */
static bool share(const struct run *run)
{
	json_t *status = NULL;
	const char *pipe;
	bool done;

	if (!run->gpu.share)
		return true;
	pipe = mps_pipe(run, &status);
	done = pipe && prepare_share(run, pipe, status);
	json_decref(status);
	return done;
}

int cmd_run(int argc, char **argv)
{
	struct run run = { .weight = AGENT_WEIGHT_NORMAL };
	char name[STARLING_NAME_LEN];
	int err;

	argp_err_exit_status = EX_RUN_FAILED;
	run_gpu_init(&run.gpu);
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &run))
		return EX_RUN_FAILED;
	default_name(&run, name, sizeof(name));
	if (!run.name)
		run.name = name;
	if (!can_lease(&run) || !share(&run) || !lease(&run, announce(&run, run.name)))
		return EX_RUN_FAILED;
	execvp(run.cmd[0], run.cmd);
	err = errno;
	cli_error("%s: %s", run.cmd[0], strerror(err));
	return err == ENOENT ? EX_RUN_NOT_FOUND : EX_RUN_NOT_EXECUTABLE;
}
