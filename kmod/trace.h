/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * trace.h - what happens to agents and their tasks.
 *
 * Arguments are numbers only, so that raw tracepoint programs can use them as
 * they stand; of task events the first five are always agent_id, tid, tgid,
 * role, source. Task ids are those of the initial PID namespace.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM starling

#if !defined(STARLING_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define STARLING_TRACE_H

#include <linux/tracepoint.h>
#include <uapi/linux/starling.h>

#ifndef STARLING_TRACE_NAMES
#define STARLING_TRACE_NAMES
/* Names as the command line tool has them. */
#define show_role(role) __print_symbolic(role,			\
	{ STARLING_ROLE_NONE,		"none" },		\
	{ STARLING_ROLE_FEEDER,		"feeder" },		\
	{ STARLING_ROLE_SERVICE,	"service" },		\
	{ STARLING_ROLE_ORCHESTRATOR,	"orchestrator" },	\
	{ STARLING_ROLE_TOOL,		"tool" },		\
	{ STARLING_ROLE_BACKGROUND,	"background" },		\
	{ STARLING_ROLE_INFERENCE,	"inference" })

#define show_source(source) __print_symbolic(source,		\
	{ STARLING_BY_NONE,		"none" },		\
	{ STARLING_BY_LINEAGE,		"lineage" },		\
	{ STARLING_BY_DETECTION,	"detection" },		\
	{ STARLING_BY_OWNER,		"owner" },		\
	{ STARLING_BY_SELF,		"self" })

#define show_placement(placement) __print_symbolic(placement,	\
	{ STARLING_PLACEMENT_UNKNOWN,	"unknown" },		\
	{ STARLING_PLACEMENT_SHARED,	"shared" },		\
	{ STARLING_PLACEMENT_PROTECTED,	"protected" })

#define show_leave(how) __print_symbolic(how,			\
	{ 0, "exit" }, { 1, "asked" }, { 2, "moved" })

#define show_class(class) __print_symbolic(class,		\
	{ STARLING_CLASS_INTERACTIVE,	"interactive" },	\
	{ STARLING_CLASS_NORMAL,	"normal" },		\
	{ STARLING_CLASS_BATCH,		"batch" })

#define show_lease_end(how) __print_symbolic(how,		\
	{ 0, "release" }, { 1, "park" }, { 2, "expired" },	\
	{ 3, "exit" }, { 4, "close" })
#endif

TRACE_EVENT(starling_agent_create,
	TP_PROTO(u64 agent_id, u32 weight, u32 class, u32 tgid, u64 parent_id),
	TP_ARGS(agent_id, weight, class, tgid, parent_id),
	TP_STRUCT__entry(
		__field(u64, agent_id)
		__field(u32, weight)
		__field(u32, class)
		__field(u32, tgid)
		__field(u64, parent_id)
	),
	TP_fast_assign(
		__entry->agent_id = agent_id;
		__entry->weight = weight;
		__entry->class = class;
		__entry->tgid = tgid;
		__entry->parent_id = parent_id;
	),
	TP_printk("agent=%llu weight=%u class=%s tgid=%u parent=%llu",
		  __entry->agent_id, __entry->weight, show_class(__entry->class),
		  __entry->tgid, __entry->parent_id)
);

TRACE_EVENT(starling_agent_free,
	TP_PROTO(u64 agent_id, u64 forks, u64 exits),
	TP_ARGS(agent_id, forks, exits),
	TP_STRUCT__entry(
		__field(u64, agent_id)
		__field(u64, forks)
		__field(u64, exits)
	),
	TP_fast_assign(
		__entry->agent_id = agent_id;
		__entry->forks = forks;
		__entry->exits = exits;
	),
	TP_printk("agent=%llu forks=%llu exits=%llu",
		  __entry->agent_id, __entry->forks, __entry->exits)
);

/* @what: for a change of role the one before; others say more by it, too. */
DECLARE_EVENT_CLASS(starling_task,
	TP_PROTO(u64 agent_id, u32 tid, u32 tgid, u32 role, u32 source, u32 what),
	TP_ARGS(agent_id, tid, tgid, role, source, what),
	TP_STRUCT__entry(
		__field(u64, agent_id)
		__field(u32, tid)
		__field(u32, tgid)
		__field(u32, role)
		__field(u32, source)
		__field(u32, what)
	),
	TP_fast_assign(
		__entry->agent_id = agent_id;
		__entry->tid = tid;
		__entry->tgid = tgid;
		__entry->role = role;
		__entry->source = source;
		__entry->what = what;
	),
	TP_printk("agent=%llu tid=%u tgid=%u role=%s source=%s before=%s",
		  __entry->agent_id, __entry->tid, __entry->tgid, show_role(__entry->role),
		  show_source(__entry->source), show_role(__entry->what))
);

DEFINE_EVENT(starling_task, starling_task_role,
	TP_PROTO(u64 agent_id, u32 tid, u32 tgid, u32 role, u32 source, u32 what),
	TP_ARGS(agent_id, tid, tgid, role, source, what)
);

#define STARLING_TASK_EVENT(_name, _what, _text)				\
DEFINE_EVENT_PRINT(starling_task, _name,				\
	TP_PROTO(u64 agent_id, u32 tid, u32 tgid, u32 role, u32 source, u32 what), \
	TP_ARGS(agent_id, tid, tgid, role, source, what),		\
	TP_printk("agent=%llu tid=%u tgid=%u role=%s source=%s " _what "=%s", \
		  __entry->agent_id, __entry->tid, __entry->tgid,	\
		  show_role(__entry->role), show_source(__entry->source), _text) \
)

STARLING_TASK_EVENT(starling_task_join, "how", __entry->what ? "fork" : "join");
STARLING_TASK_EVENT(starling_task_leave, "how", show_leave(__entry->what));
STARLING_TASK_EVENT(starling_task_placement, "placement", show_placement(__entry->what));

/* @lease: the one to unpark; 0: a new one. */
TRACE_EVENT(starling_lease_request,
	TP_PROTO(u64 agent_id, u32 gpu, u32 class, u64 cookie, u64 memory, u64 lease),
	TP_ARGS(agent_id, gpu, class, cookie, memory, lease),
	TP_STRUCT__entry(
		__field(u64, agent_id)
		__field(u64, cookie)
		__field(u64, memory)
		__field(u64, lease)
		__field(u32, gpu)
		__field(u32, class)
	),
	TP_fast_assign(
		__entry->agent_id = agent_id;
		__entry->gpu = gpu;
		__entry->class = class;
		__entry->cookie = cookie;
		__entry->memory = memory;
		__entry->lease = lease;
	),
	TP_printk("agent=%llu gpu=%d class=%s cookie=%llu memory=%llu lease=%llu",
		  __entry->agent_id, (int)__entry->gpu, show_class(__entry->class),
		  __entry->cookie, __entry->memory, __entry->lease)
);

TRACE_EVENT(starling_lease_grant,
	TP_PROTO(u64 agent_id, u64 lease, u32 gpu, u32 class, u64 waited_ns),
	TP_ARGS(agent_id, lease, gpu, class, waited_ns),
	TP_STRUCT__entry(
		__field(u64, agent_id)
		__field(u64, lease)
		__field(u64, waited_ns)
		__field(u32, gpu)
		__field(u32, class)
	),
	TP_fast_assign(
		__entry->agent_id = agent_id;
		__entry->lease = lease;
		__entry->gpu = gpu;
		__entry->class = class;
		__entry->waited_ns = waited_ns;
	),
	TP_printk("agent=%llu lease=%llu gpu=%u class=%s waited_ns=%llu",
		  __entry->agent_id, __entry->lease, __entry->gpu,
		  show_class(__entry->class), __entry->waited_ns)
);

TRACE_EVENT(starling_lease_ask,
	TP_PROTO(u64 agent_id, u64 lease, u32 gpu, u64 end_ns),
	TP_ARGS(agent_id, lease, gpu, end_ns),
	TP_STRUCT__entry(
		__field(u64, agent_id)
		__field(u64, lease)
		__field(u64, end_ns)
		__field(u32, gpu)
	),
	TP_fast_assign(
		__entry->agent_id = agent_id;
		__entry->lease = lease;
		__entry->gpu = gpu;
		__entry->end_ns = end_ns;
	),
	TP_printk("agent=%llu lease=%llu gpu=%u end_ns=%llu",
		  __entry->agent_id, __entry->lease, __entry->gpu, __entry->end_ns)
);

/* @how: enum starling_lease_end. After "park" there is more to come. */
TRACE_EVENT(starling_lease_end,
	TP_PROTO(u64 agent_id, u64 lease, u32 gpu, u32 how, u64 held_ns),
	TP_ARGS(agent_id, lease, gpu, how, held_ns),
	TP_STRUCT__entry(
		__field(u64, agent_id)
		__field(u64, lease)
		__field(u64, held_ns)
		__field(u32, gpu)
		__field(u32, how)
	),
	TP_fast_assign(
		__entry->agent_id = agent_id;
		__entry->lease = lease;
		__entry->gpu = gpu;
		__entry->how = how;
		__entry->held_ns = held_ns;
	),
	TP_printk("agent=%llu lease=%llu gpu=%u how=%s held_ns=%llu",
		  __entry->agent_id, __entry->lease, __entry->gpu,
		  show_lease_end(__entry->how), __entry->held_ns)
);

TRACE_EVENT(starling_publish,
	TP_PROTO(u32 count, u32 applied),
	TP_ARGS(count, applied),
	TP_STRUCT__entry(
		__field(u32, count)
		__field(u32, applied)
	),
	TP_fast_assign(
		__entry->count = count;
		__entry->applied = applied;
	),
	TP_printk("records=%u applied=%u", __entry->count, __entry->applied)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
