// SPDX-License-Identifier: GPL-2.0-only
/*
 * The methods of the control socket: one table row each. Everybody may look;
 * only root, or who runs the daemon, may switch it off; a process is
 * registered by its owner.
 */
#include "daemon/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "daemon/log.h"
#include "daemon/manage.h"
#include "daemon/member.h"
#include "daemon/procfs.h"
#include "daemon/report.h"
#include "daemon/report-advise.h"
#include "daemon/roles.h"
#include "daemon/varlink.h"

struct call {
	struct daemon *d;
	const struct ucred *peer;
	json_t *params;		/* borrowed; never NULL */
};

struct method {
	const char *name;
	json_t *(*fn)(const struct call *c);	/* a whole message */
};

static const char control_idl[] =
"# Starling's control socket. Values that are not known are null.\n"
"interface " CONTROL_INTERFACE "\n\n"
"# What is managed, what is protected, per agent, per feeder, and per thread that\n"
"# computes a model on CPUs.\n"
"method Status() -> (version: int, starling: string, mode: object,\n"
"  plan: object, guard: object, noise: object, agents: []object, ratio: object,\n"
"  feeders: []object, inference: []object, gpu: object, daemon: object)\n\n"
"# Where the next piece of inference should run: gpu, cpu or elsewhere.\n"
"method Advise(agent: ?string, priority: ?string, gpu: ?int, memory_bytes: ?int)\n"
"  -> (version: int, advice: string, reason: string, sure: string,\n"
"  expected_wait_ms: ?float, asked: object, gpu: object, queue: ?object, cpu: object,\n"
"  memory: object, ratio: object)\n\n"
"# Why a process or thread is treated as it is.\n"
"method Explain(pid: int) -> (version: int, plan: string, guard: object,\n"
"  tasks: []object)\n\n"
"# What was decided, the newest last; only entries after number after. missed: how\n"
"# many of those are no longer known.\n"
"method Log(after: ?int) -> (version: int, missed: int, newest: int, entries: []object)\n\n"
"# Undo everything and only watch; and go on again.\n"
"method Off() -> (restored: int)\n"
"method On() -> ()\n\n"
"# Make a process the first of a new agent. Without pid: the caller itself.\n"
"method Register(pid: ?int, role: ?string, weight: ?int, name: ?string,\n"
"  priority: ?string)\n"
"  -> (agent: string)\n\n"
"error PermissionDenied (reason: string)\n"
"error NoSuchTask (pid: int)\n"
"error Failed (reason: string)\n";

static const char service_idl[] =
"interface " VARLINK_INTERFACE "\n\n"
"method GetInfo() -> (vendor: string, product: string, version: string,\n"
"  url: string, interfaces: []string)\n"
"method GetInterfaceDescription(interface: string) -> (description: string)\n\n"
"error InterfaceNotFound (interface: string)\n"
"error MethodNotFound (method: string)\n"
"error MethodNotImplemented (method: string)\n"
"error InvalidParameter (parameter: string)\n";

static json_t *bad_parameter(const char *name)
{
	return varlink_make_error(VARLINK_INTERFACE ".InvalidParameter",
				  json_pack("{s:s}", "parameter", name));
}

static json_t *denied(const char *reason)
{
	return varlink_make_error(CONTROL_ERR_PERMISSION,
				  json_pack("{s:s}", "reason", reason));
}

static json_t *no_task(json_int_t pid)
{
	return varlink_make_error(CONTROL_ERR_NO_TASK,
				  json_pack("{s:I}", "pid", pid));
}

static json_t *failed(const char *reason)
{
	return varlink_make_error(CONTROL_ERR_FAILED,
				  json_pack("{s:s}", "reason", reason));
}

static bool is_operator(const struct call *c)
{
	return !c->peer->uid || c->peer->uid == geteuid();
}

/* An optional integer. False: there, but no integer within the bounds. */
static bool get_int(const struct call *c, const char *name, json_int_t min,
		    json_int_t max, json_int_t *out)
{
	json_t *v = json_object_get(c->params, name);

	if (!v || json_is_null(v))
		return true;
	if (!json_is_integer(v))
		return false;
	*out = json_integer_value(v);
	return *out >= min && *out <= max;
}

static bool get_string(const struct call *c, const char *name, const char **out)
{
	json_t *v = json_object_get(c->params, name);

	if (!v || json_is_null(v))
		return true;
	*out = json_string_value(v);
	return *out;
}

static json_t *get_info(const struct call *c)
{
	(void)c;
	return varlink_make_reply(json_pack("{s:s, s:s, s:s, s:s, s:[s, s]}",
		"vendor", "Starling", "product", "starlingd",
		"version", STARLING_VERSION, "url", "",
		"interfaces", VARLINK_INTERFACE, CONTROL_INTERFACE));
}

static json_t *get_description(const struct call *c)
{
	const char *name = NULL, *text = NULL;

	if (!get_string(c, "interface", &name) || !name)
		return bad_parameter("interface");
	if (!strcmp(name, CONTROL_INTERFACE))
		text = control_idl;
	else if (!strcmp(name, VARLINK_INTERFACE))
		text = service_idl;
	if (!text)
		return varlink_make_error(VARLINK_INTERFACE ".InterfaceNotFound",
					  json_pack("{s:s}", "interface", name));
	return varlink_make_reply(json_pack("{s:s}", "description", text));
}

static json_t *status(const struct call *c)
{
	return varlink_make_reply(report_status(c->d));
}

static json_t *explain(const struct call *c)
{
	json_int_t pid = 0;
	json_t *report;
	int err;

	if (!get_int(c, "pid", 1, INT32_MAX, &pid) || !pid)
		return bad_parameter("pid");
	report = report_explain(c->d, pid, &err);
	return report ? varlink_make_reply(report) : no_task(pid);
}

static json_t *history(const struct call *c)
{
	json_int_t after = 0;

	if (!get_int(c, "after", 0, INT64_MAX, &after))
		return bad_parameter("after");
	return varlink_make_reply(report_log(c->d, after));
}

/* An agent by its label; its class is what is asked for, unless another one is. */
static json_t *get_agent(const struct call *c, struct advise_request *req)
{
	const char *label = NULL, *priority = NULL;
	char text[128];

	if (!get_string(c, "agent", &label) || (label && strlen(label) > 24))
		return bad_parameter("agent");
	if (!get_string(c, "priority", &priority))
		return bad_parameter("priority");
	req->agent = label ? agent_by_label(&c->d->agents, label) : NULL;
	if (label && !req->agent) {
		snprintf(text, sizeof(text), "no agent '%s': 'starling status' has them", label);
		return failed(text);
	}
	req->class = req->agent ? req->agent->class : STARLING_CLASS_NORMAL;
	if (priority && priority_parse(priority) < 0)
		return bad_parameter("priority");
	if (priority)
		req->class = priority_parse(priority);
	return NULL;
}

static json_t *advice(const struct call *c)
{
	struct advise_request req = { 0 };
	json_int_t gpu = 0, memory = 0;
	json_t *answer;
	char text[64];

	if (!get_int(c, "gpu", 0, STARLING_GPUS_MAX - 1, &gpu))
		return bad_parameter("gpu");
	if (!get_int(c, "memory_bytes", 1, INT64_MAX, &memory))
		return bad_parameter("memory_bytes");
	answer = get_agent(c, &req);
	if (answer)
		return answer;
	req.gpu = gpu;
	req.memory_bytes = memory;
	answer = report_advise(c->d, &req);
	if (answer)
		return varlink_make_reply(answer);
	snprintf(text, sizeof(text), "no GPU %d here: they are counted from 0", (int)gpu);
	return failed(text);
}

static json_t *off(const struct call *c)
{
	int n;

	if (!is_operator(c))
		return denied("only root may switch Starling off");
	n = manage_off(c->d);
	if (n < 0)
		return failed(strerror(-n));
	return varlink_make_reply(json_pack("{s:i}", "restored", n));
}

static json_t *on(const struct call *c)
{
	if (!is_operator(c))
		return denied("only root may switch Starling on");
	manage_on(c->d);
	return varlink_make_reply(NULL);
}

static json_t *may_register(const struct call *c, json_int_t pid)
{
	struct proc_stat st;

	if (proc_stat_read(pid, &st) || st.tgid != pid)
		return no_task(pid);
	if (st.kthread || pid == 1 || pid == getpid())
		return bad_parameter("pid");
	if (c->peer->uid && c->peer->uid != st.uid)
		return denied("the process belongs to another user");
	return NULL;
}

/*
 * `starling run` registers with the module first. Its event may still be on
 * the way; what came in that way needs no agent of ours.
 */
static const struct task *module_member(struct daemon *d, uint32_t pid)
{
	const struct task *task;

	sense_dispatch(d->sense);
	task = task_find(&d->tasks, pid);
	if (!task || !task->rec.agent_id || task->rec.agent_id & AGENT_LOCAL_BIT)
		return NULL;
	return task;
}

static json_t *register_reply(struct daemon *d, uint64_t agent_id)
{
	char label[24];

	manage_decide(d);
	return varlink_make_reply(json_pack("{s:s}", "agent",
				  agent_label(agent_id, label, sizeof(label))));
}

static json_t *register_process(const struct call *c)
{
	json_int_t pid = c->peer->pid, weight = AGENT_WEIGHT_NORMAL;
	const char *role_text = NULL, *name = NULL, *priority = "normal";
	int role = STARLING_ROLE_ORCHESTRATOR, err;
	const struct task *member;
	struct agent *a;
	json_t *answer;

	if (!get_int(c, "pid", 1, INT32_MAX, &pid))
		return bad_parameter("pid");
	if (!get_int(c, "weight", 1, AGENT_WEIGHT_MAX, &weight))
		return bad_parameter("weight");
	if (!get_string(c, "name", &name) ||
	    (name && strlen(name) >= STARLING_NAME_LEN))
		return bad_parameter("name");
	if (!get_string(c, "role", &role_text))
		return bad_parameter("role");
	if (role_text)
		role = role_parse(role_text);
	if (role < 0)
		return bad_parameter("role");
	if (!get_string(c, "priority", &priority) || priority_parse(priority) < 0)
		return bad_parameter("priority");
	answer = may_register(c, pid);
	if (answer)
		return answer;
	member = module_member(c->d, pid);
	if (member)
		return register_reply(c->d, member->rec.agent_id);
	a = agent_make(&c->d->agents, AGENT_FROM_RUN, pid, name, now_ns());
	if (!a)
		return failed("too many agents");
	a->weight = weight;
	a->class = priority_parse(priority);
	err = member_join_process(c->d, a, pid, role, role_text ?
				  STARLING_BY_OWNER : STARLING_BY_LINEAGE);
	if (err) {
		agent_drop(&c->d->agents, a);
		return err == -ESRCH ? no_task(pid) : failed(strerror(-err));
	}
	return register_reply(c->d, a->id);
}

static const struct method methods[] = {
	{ VARLINK_INTERFACE ".GetInfo", get_info },
	{ VARLINK_INTERFACE ".GetInterfaceDescription", get_description },
	{ CONTROL_INTERFACE ".Status", status },
	{ CONTROL_INTERFACE ".Explain", explain },
	{ CONTROL_INTERFACE ".Log", history },
	{ CONTROL_INTERFACE ".Advise", advice },
	{ CONTROL_INTERFACE ".Off", off },
	{ CONTROL_INTERFACE ".On", on },
	{ CONTROL_INTERFACE ".Register", register_process },
};

static json_t *dispatch(const struct call *c, const char *name)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (!strcmp(methods[i].name, name))
			return methods[i].fn(c);
	return varlink_make_error(VARLINK_INTERFACE ".MethodNotFound",
				  json_pack("{s:s}", "method", name));
}

json_t *method_answer(struct daemon *d, const struct ucred *peer,
		      const json_t *call, bool *drop)
{
	const char *name = json_string_value(json_object_get(call, "method"));
	json_t *params = json_object_get(call, "parameters");
	json_t *none = json_object(), *answer = NULL;
	struct call c = { d, peer, params ? params : none };

	if (!name)
		*drop = true;
	else if (!json_is_object(c.params) && !json_is_null(c.params))
		answer = bad_parameter("parameters");
	else
		answer = dispatch(&c, name);
	json_decref(none);
	if (answer && json_is_true(json_object_get(call, "oneway"))) {
		json_decref(answer);
		answer = NULL;
	}
	return answer;
}
