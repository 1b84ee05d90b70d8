/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Starling: agents, roles and telemetry of threads that share one GPU.
 *
 * This header is the ABI of /dev/starling and the record format that the
 * module's telemetry pages, the BPF probes and the daemon have in common.
 *
 * Objects
 *
 * An agent is a set of tasks (threads) with a name and a weight. It is made
 * by STARLING_IOC_AGENT_CREATE and is a file descriptor: it may be inherited,
 * passed over a socket, and used by whoever holds it. Threads and processes
 * made by a member are members from their first instruction on, whatever
 * they do about sessions, cgroups and namespaces, until they exit. The agent
 * lives as long as a descriptor, a mapping or a member is left; the module
 * cannot be unloaded while an agent lives.
 *
 * A task is a member of one agent at most; joining another one moves it.
 * io_uring and vhost workers of the kernel do not count as members.
 *
 * Tree
 *
 * AGENT_CREATE on an agent's descriptor makes a sub-agent of it. When the last
 * descriptor and mapping of a sub-agent is gone it dissolves: its members become
 * members of its parent, one by one and none of them in between, with their
 * roles, and what it has counted is added to the parent's counts and sums. If
 * the parent has dissolved before, the nearest ancestor that has not takes its
 * place; a root agent does not dissolve but lives on as long as it has members.
 * A sub-agent keeps its parent: one that dissolves before its own sub-agents
 * stays, without members and with nothing counted, until they are gone.
 *
 * Leases
 *
 * A lease is the right to submit work to a GPU. It belongs to an agent and to
 * the process that acquired it. It ends by LEASE_RELEASE, with that process,
 * when the agent's last descriptor and mapping is gone, or, if others wait, at
 * its limit.
 * Programs keep to it by their own will: the module does not stop a GPU.
 *
 * Who is next, where several wait for a GPU:
 *   1. requests that have waited for longer than @starve_ns, the oldest first;
 *   2. by class, where each @aging_ns waited counts for one class;
 *   3. agents by the time they have held the GPU, by weight; one that comes
 *      back starts at no less than the least of those there are;
 *   4. of one agent by deadline, then by arrival.
 * A request whose memory does not fit is passed over; once it has waited for
 * longer than @starve_ns only by those that need no more memory, as parked
 * leases do. One that never can fit is EINVAL, also when rules change.
 *
 * Nobody is interrupted while nobody waits. Otherwise a holder is asked to
 * give back (STARLING_EVENT_LEASE_GIVE_BACK) @notice_ns before its limit, or
 * when somebody begins to wait after that, and its lease ends at the limit or
 * @notice_ns after it was asked, whichever is later. A holder that a better
 * class waits for counts as of that class (@effective_class), so that whoever
 * places its threads can do so accordingly.
 *
 * Waiting
 *
 * LEASE_ACQUIRE, LEASE_UNPARK and EVENT_NEXT may wait. By ioctl a signal ends
 * that: the call is restarted when it has no timeout, else it is EINTR. By
 * IORING_OP_URING_CMD they complete later, see "io_uring". LEASE_CANCEL ends
 * waits by their cookie; so does the end of the ring.
 *
 * io_uring
 *
 * Every command may be given by IORING_OP_URING_CMD: cmd_op is the ioctl's
 * number, struct starling_uring is in the command, uring_cmd_flags are 0. The
 * result is that of the ioctl, whatever io_uring does to get it: the caller is
 * the task that submits, by IOSQE_ASYNC too. With IORING_SETUP_SQPOLL that is
 * a thread of the kernel in the ring's process: a task id of 0 is then ESRCH.
 * With IORING_SETUP_IOPOLL all is EOPNOTSUPP.
 *
 * A wait is ended with ECANCELED by the end of the ring or of the task that
 * submitted it, and by exec; io_uring's own cancel finds none (ENOENT). Before
 * Linux 6.7 the kernel does not tell of those ends: there no wait is longer
 * than STARLING_URING_WAIT_MAX_NS (ETIMEDOUT), and a ring's memory, its files,
 * an exec and, with IORING_SETUP_SQPOLL, an exit may have to wait for so long.
 *
 * Commands
 *
 * Every argument starts with its size, set by the caller, and flags. A size
 * above 4096 is E2BIG. A size below that of the first version of the structure, unknown flags and
 * non-zero reserved fields are EINVAL. A larger size is accepted when what
 * the kernel does not know is zero, else E2BIG. A structure is written back
 * only on success; fields named out_ are never read.
 *
 * Errors, the same for every command:
 *
 *   EFAULT	a pointer leads nowhere
 *   EINVAL	size, flags, reserved field or a value out of its range
 *   E2BIG	a larger structure with something set that is not known here
 *   EAGAIN	TRY or NOWAIT: it would have to wait
 *   ETIMEDOUT	the time to wait is over
 *   ECANCELED	LEASE_CANCEL ended the wait, or the end of its process
 *   ENODEV	no GPU of that number
 *   ENOENT	no such lease of this agent, or no wait with that cookie
 *   EALREADY	PARK: parked already; UNPARK: held already, or somebody waits
 *		for it
 *   ENOTTY	no such command on this descriptor
 *   EPERM	not allowed; see "Access"
 *   ESRCH	no such task, or not a member, or it is exiting
 *   EBADF	not a pidfd
 *   EBUSY	CONTROL_CLAIM: someone else has it;
 *		TASK_SET_ROLE: set by a source that wins over this one
 *   ENOSPC	module limit reached: agents, agents of this user, depth of
 *		the tree, tasks, leases, leases of this user, waits for
 *		events of an agent (1024); an agent counts until the last of
 *		its descriptors, maps and members is gone, and some 50 ms
 *		longer after the end of a member, 100 ms after an unmap
 *   EACCES	mmap: writable, or from a PID namespace that may not see it
 *   ENOMEM, EINTR, EMFILE, ENFILE as everywhere
 *
 * Access
 *
 * Whoever may open the device may create agents and bring in tasks whose
 * scheduling they may change: their own user's as in sched_setaffinity(2),
 * others' with CAP_SYS_NICE. Whoever holds an agent's descriptor may read
 * its records. Records of all agents need CAP_PERFMON or the control claim;
 * the claim needs CAP_SYS_NICE. Task ids are those of the caller's PID
 * namespace; tasks that do not exist there are left out.
 *
 * Pages
 *
 * A read-only mapping of an agent's descriptor is struct starling_page, then
 * @nslots slots of @slot_size bytes from @slots_offset on. They grow with the
 * agent, without being mapped again. See there.
 */
#ifndef _UAPI_LINUX_STARLING_H
#define _UAPI_LINUX_STARLING_H

#include <linux/types.h>
#include <linux/ioctl.h>

#define STARLING_ABI_VERSION	1
#define STARLING_DEVICE		"/dev/starling"

#define STARLING_NAME_LEN	32	/* agent name with its NUL, bytes */
#define STARLING_COMM_LEN	16	/* as TASK_COMM_LEN */

/* What a task does for its agent or for the GPU. */
enum starling_role {
	STARLING_ROLE_NONE = 0,		/* not classified */
	STARLING_ROLE_FEEDER,		/* submits GPU work and waits for it */
	STARLING_ROLE_SERVICE,		/* request path: wakes or serves a feeder */
	STARLING_ROLE_ORCHESTRATOR,	/* an agent's main loop */
	STARLING_ROLE_TOOL,		/* descendant of an agent, by exec */
	STARLING_ROLE_BACKGROUND,	/* may wait for everything else */
	STARLING_ROLE_INFERENCE,	/* computes a model on CPUs, with others in step */
	__STARLING_ROLE_MAX,
};

/* Who said so; a higher value wins over a lower one. */
enum starling_role_source {
	STARLING_BY_NONE = 0,
	STARLING_BY_LINEAGE,		/* inherited at fork or set at exec */
	STARLING_BY_DETECTION,		/* the daemon saw what the task does */
	STARLING_BY_OWNER,		/* the agent's owner */
	STARLING_BY_SELF,		/* the task itself */
};

/* How a feeder waits for the GPU. */
enum starling_wait_style {
	STARLING_WAIT_UNKNOWN = 0,
	STARLING_WAIT_BLOCK,
	STARLING_WAIT_SPIN,
	STARLING_WAIT_YIELD,
};

/* Are CPUs kept free for a task? */
enum starling_placement {
	STARLING_PLACEMENT_UNKNOWN = 0,	/* nobody places it, or says so */
	STARLING_PLACEMENT_SHARED,	/* no: it runs where others do */
	STARLING_PLACEMENT_PROTECTED,	/* yes, for it and the likes of it */
};

/*
 * Bits of @valid, @estimated and @stale of the records: one a value; at most
 * 16, of which @source has four bits each.
 */
enum starling_value {
	STARLING_VAL_RUN = 0,		/* run_ns */
	STARLING_VAL_WAIT,		/* wait_ns */
	STARLING_VAL_SWITCHES,		/* nvcsw, nivcsw */
	STARLING_VAL_MIGRATIONS,	/* migrations, last_cpu */
	STARLING_VAL_GPU_WAIT,		/* gpu_wait_ns, gpu_waits */
	STARLING_VAL_GPU_LAUNCH,	/* gpu_launches */
	STARLING_VAL_GPU_ALLOC,		/* gpu_alloc_bytes */
	STARLING_VAL_STARVED,		/* starved_ns */
	STARLING_VAL_ROLES,		/* role_run_ns */
	STARLING_VAL_GPU_BUSY,		/* gpu_busy_ns */
	STARLING_VAL_GPU_MEMORY,	/* gpu_memory_bytes */
	STARLING_VAL_ENERGY,		/* energy_uj */
	__STARLING_VAL_MAX,
};

/* Where a value comes from: bits, as a sum may have several sources. */
enum starling_value_source {
	STARLING_FROM_NONE = 0,		/* not known, or not said */
	STARLING_FROM_KERNEL = 1,	/* the kernel's own accounting */
	STARLING_FROM_PROBE = 2,	/* counted by BPF */
	STARLING_FROM_DRIVER = 4,	/* told by the GPU's driver */
	STARLING_FROM_MODEL = 8,	/* computed from other values */
};

/* @by, as @source has it for value @val; and the other way round. */
#define STARLING_SOURCE(val, by)	((__u64)(by) << 4 * (val))
#define STARLING_SOURCE_OF(source, val)	((source) >> 4 * (val) & 15)

/* Entries of role_run_ns: one an enum starling_role, those beyond are 0. */
#define STARLING_ROLES_MAX	8

/*
 * Telemetry of one task (thread). Counters start when the task starts, for
 * GPU values when the probes first saw it; they never go back. What is in use
 * now (@gpu_memory_bytes) is no counter and may fall. Drivers tell busy time and
 * memory by process: then the first thread (@tid is @tgid) has them, and the energy.
 *
 * @tid, @tgid:	in the reader's PID namespace (module), the initial one (BPF)
 * @agent_id:	0 when the task belongs to no agent
 * @start_ns:	CLOCK_MONOTONIC start of the task: with @tid its identity
 * @run_ns:	time on a CPU, ns
 * @wait_ns:	time runnable but not running, ns
 * @nvcsw, @nivcsw: voluntary and involuntary context switches
 * @migrations:	moves to another CPU
 * @gpu_wait_ns: time in the driver's wait calls, ns
 * @gpu_waits:	number of wait calls
 * @gpu_launches: kernel and graph launches
 * @gpu_alloc_bytes: device memory asked for (frees not subtracted), bytes
 * @starved_ns:	time a feeder was runnable but not running while its GPU had
 *		nothing to do, ns; estimated: by how much its steps took longer
 * @gpu_last_ns: CLOCK_MONOTONIC time of the last wait call; 0: never
 * @gpu_busy_ns: time a GPU worked for the task, ns
 * @gpu_memory_bytes: device memory in use now, bytes
 * @energy_uj:	the task's share of energy, uJ
 * @role_run_ns: time on a CPU in each role, by enum starling_role, ns. Their sum
 *		is what @run_ns has grown by since the task was made a member: all
 *		of it for one that came by fork
 * @valid:	bit (1 << STARLING_VAL_x): value x is known; unknown is not 0
 * @estimated:	bit (1 << STARLING_VAL_x): value x is an estimate
 * @stale:	bit (1 << STARLING_VAL_x): value x was known, is kept, and nobody
 *		vouches for it any more; never together with its bit in @valid
 * @placement:	enum starling_placement
 * @source:	STARLING_SOURCE_OF(source, STARLING_VAL_x): enum
 *		starling_value_source of a value that is valid or stale
 */
struct starling_task_record {
	__u32 tid;
	__u32 tgid;
	__u64 agent_id;
	__u64 start_ns;
	__u64 run_ns;
	__u64 wait_ns;
	__u64 nvcsw;
	__u64 nivcsw;
	__u64 migrations;
	__u64 gpu_wait_ns;
	__u64 gpu_waits;
	__u64 gpu_launches;
	__u64 gpu_alloc_bytes;
	__u64 starved_ns;
	__u64 gpu_last_ns;
	__u64 gpu_busy_ns;
	__u64 gpu_memory_bytes;
	__u64 energy_uj;
	__u64 role_run_ns[STARLING_ROLES_MAX];
	__u32 valid;
	__u32 estimated;
	__u32 stale;
	__u16 placement;
	__u16 __pad;
	__u64 source;
	__u16 role;
	__u16 role_source;
	__u16 wait_style;
	__u16 last_cpu;
	char comm[STARLING_COMM_LEN];
};

/*
 * How urgent; a smaller number goes first. Of an agent: its leases have it unless
 * they ask for another, and who schedules CPUs may let its main loops (role
 * STARLING_ROLE_ORCHESTRATOR) run sooner or later than those of others.
 */
enum starling_class {
	STARLING_CLASS_DEFAULT = 0,	/* of a lease: its agent's; of an agent: its
					 * parent's, else STARLING_CLASS_NORMAL */
	STARLING_CLASS_INTERACTIVE,	/* a person waits for it */
	STARLING_CLASS_NORMAL,
	STARLING_CLASS_BATCH,		/* nobody waits for it */
	__STARLING_CLASS_MAX,
};

/*
 * An agent. Sums are of tasks that have left it, by exit or otherwise, and
 * count what they did while they were members; with STARLING_STAT_LIVE they
 * include the members there are. Memory in use is that of members there are:
 * it is known with STARLING_STAT_LIVE only, and falls when they exit.
 *
 * @id:		never used again while the module is loaded
 * @weight:	share between agents, 1 to 10000
 * @tasks:	members now
 * @forks:	members that came by fork or clone
 * @joins:	members that were brought in by AGENT_JOIN
 * @exits:	members that left by exit
 * @lost:	children that could not be made members (memory, max_tasks)
 * @valid, @estimated, @stale, @source: as in struct starling_task_record, here
 *		set when it is so for one of the tasks: a value may be both valid
 *		and stale, and may have several sources
 * @class:	enum starling_class, never STARLING_CLASS_DEFAULT
 * @parent_id:	0 for a root agent
 */
struct starling_agent_record {
	__u64 id;
	__u32 weight;
	__u32 tasks;
	__u64 forks;
	__u64 joins;
	__u64 exits;
	__u64 lost;
	__u64 run_ns;
	__u64 wait_ns;
	__u64 nvcsw;
	__u64 nivcsw;
	__u64 migrations;
	__u64 gpu_wait_ns;
	__u64 gpu_waits;
	__u64 gpu_launches;
	__u64 gpu_alloc_bytes;
	__u64 starved_ns;
	__u64 gpu_busy_ns;
	__u64 gpu_memory_bytes;
	__u64 energy_uj;
	__u64 role_run_ns[STARLING_ROLES_MAX];
	__u32 valid;
	__u32 estimated;
	__u32 stale;
	__u32 class;
	__u64 source;
	char name[STARLING_NAME_LEN];
	__u64 parent_id;
	__u64 __reserved[2];
};

#define STARLING_WEIGHT_MIN	1
#define STARLING_WEIGHT_MAX	10000
#define STARLING_WEIGHT_DEFAULT	100
#define STARLING_DEPTH_MAX	8

/*
 * STARLING_IOC_GET_INFO - what this module is; on any descriptor
 *
 * @out_features: bits STARLING_FEATURE_x
 * @out_map_size: bytes to map of an agent's descriptor; most of them have no
 *	memory behind them, see "Pages"
 * @out_nslots:	slots that an agent's pages can grow to
 * @out_sample_ns: how old a CPU value in a mapped page can be, apart from the
 *	time that it takes to look at all members
 * @out_lost_tasks: children of members that could not be made members, ever
 */
struct starling_info {
	__u32 size;
	__u32 flags;
	__u32 out_abi_version;
	__u32 out_task_record_size;
	__u32 out_agent_record_size;
	__u32 out_map_size;
	__u64 out_features;
	__u32 out_max_agents;
	__u32 out_max_user_agents;
	__u32 out_max_tasks;
	__u32 out_nslots;
	__u64 out_sample_ns;
	__u64 out_lost_tasks;
	__u64 __reserved[4];
};

#define STARLING_FEATURE_TREE		(1U << 0)
#define STARLING_FEATURE_LEASES		(1U << 1)
#define STARLING_FEATURE_EVENTS		(1U << 2)
#define STARLING_FEATURE_URING		(1U << 3)

/*
 * STARLING_IOC_AGENT_CREATE - make an agent, on the device; on an agent a
 *	sub-agent of it, at most STARLING_DEPTH_MAX levels below its root
 *
 * Returns its descriptor, close-on-exec. @name is text without control
 * characters, ended by NUL; empty: the caller's command name. @weight 0 is
 * STARLING_WEIGHT_DEFAULT. @class is an enum starling_class.
 */
struct starling_agent_create {
	__u32 size;
	__u32 flags;
	__u32 weight;
	__u32 class;
	char name[STARLING_NAME_LEN];
	__u64 __reserved[4];
};

/*
 * STARLING_IOC_CONTROL_CLAIM - become the one that may PUBLISH; on the device
 *
 * Ends when the descriptor is closed: detected roles then go back to none,
 * placements to unknown, rules for leases to the built-in ones, and published
 * values are stale. Claiming twice is no error.
 */
struct starling_control {
	__u32 size;
	__u32 flags;
	__u64 __reserved[2];
};

/*
 * STARLING_IOC_TASKS - records of all members, on the device, or of one
 * agent's, on its descriptor. CPU values are read at that moment.
 *
 * @record_size: bytes from one record to the next; at least the size of
 *	struct starling_task_record in the first version. Fields the kernel
 *	does not have are zero.
 * @count:	in: records there is room for; out: records written. Fewer than
 *	there was room for: that was the last one.
 * @cursor:	zero to begin; to go on, as the last call left it. Tasks that
 *	come or go between two calls may be missed, others are not.
 *
 * STARLING_IOC_AGENTS - the same for struct starling_agent_record
 */
struct starling_list {
	__u32 size;
	__u32 flags;
	__u32 record_size;
	__u32 count;
	__u64 records;
	__u64 cursor[2];
	__u64 __reserved[2];
};

/*
 * STARLING_IOC_PUBLISH - hand in what only the daemon can see; on the device
 *
 * Of each record @tid, @start_ns, @gpu_*, @starved_ns, @energy_uj, @wait_style,
 * @placement and, of these values, @valid, @estimated and @source are taken.
 * With @role_source
 * STARLING_BY_DETECTION @role is taken too, unless owner or task have set one;
 * with any other the role stays. The rest is not looked at, so that a record
 * may be read, changed and handed back. Values whose bit in @valid is clear and
 * counters lower than those there already are not taken: a publisher that
 * starts anew adds to what it finds. A value that was valid and is so no more
 * is stale. Tasks that are gone or are no members are
 * passed over; @out_applied counts the others.
 */
struct starling_publish {
	__u32 size;
	__u32 flags;
	__u32 record_size;
	__u32 count;
	__u64 records;
	__u32 out_applied;
	__u32 __pad;
	__u64 __reserved[2];
};

/*
 * STARLING_IOC_AGENT_JOIN - make a task a member; on an agent
 * STARLING_IOC_AGENT_LEAVE - and a member none
 *
 * @task:	task id, 0: the caller; with STARLING_TASK_PIDFD a pidfd
 *
 * All threads of its process, unless STARLING_TASK_THREAD; children that it
 * has already are not touched. On ENOSPC some threads may have joined.
 */
struct starling_agent_task {
	__u32 size;
	__u32 flags;
	__s32 task;
	__u32 __pad;
	__u64 __reserved[2];
};

#define STARLING_TASK_THREAD	(1U << 0)
#define STARLING_TASK_PIDFD	(1U << 1)

/*
 * STARLING_IOC_AGENT_SET - change an agent; flags say what. Requests for leases that
 * there are and sub-agents keep their class.
 */
struct starling_agent_set {
	__u32 size;
	__u32 flags;
	__u32 weight;
	__u32 class;
	char name[STARLING_NAME_LEN];
	__u64 __reserved[2];
};

#define STARLING_SET_WEIGHT	(1U << 0)
#define STARLING_SET_NAME	(1U << 1)
#define STARLING_SET_CLASS	(1U << 2)

/* STARLING_IOC_AGENT_STAT - an agent's record */
struct starling_agent_stat {
	__u32 size;
	__u32 flags;
	struct starling_agent_record out_agent;
};

#define STARLING_STAT_LIVE	(1U << 0)	/* sums include the living; the bits of
						 * what is known are read one after the
						 * other, and may miss what changes
						 * just then */
#define STARLING_STAT_TREE	(1U << 1)	/* and all sub-agents, counts too; not
						 * changed by any that dissolve, while
						 * who is moved by JOIN just then may
						 * be missed or counted twice */

/* STARLING_IOC_TASK_STAT - a member's record, read at that moment; 0: the caller */
struct starling_task_stat {
	__u32 size;
	__u32 flags;
	__s32 tid;
	__u32 __pad;
	struct starling_task_record out_task;
};

/*
 * STARLING_IOC_TASK_SET_ROLE - say what a member is for; 0: the caller
 *
 * The source is STARLING_BY_SELF for the caller itself, else
 * STARLING_BY_OWNER. STARLING_ROLE_NONE takes back what was said. Children
 * start with their parent's role and STARLING_BY_LINEAGE, except that
 * STARLING_ROLE_FEEDER and detected roles are not inherited, and
 * STARLING_ROLE_INFERENCE is by threads alone. A process that executes a
 * program is STARLING_ROLE_TOOL from then on, unless it was brought in by
 * AGENT_JOIN or its role was set by itself or its owner.
 */
struct starling_task_role {
	__u32 size;
	__u32 flags;
	__s32 tid;
	__u16 role;
	__u16 __pad;
	__u64 __reserved[2];
};

#define STARLING_GPUS_MAX	16
#define STARLING_GPU_ANY	0xffffffffU

/*
 * STARLING_IOC_LEASE_ACQUIRE - wait for a GPU; on an agent
 *
 * @gpu:	its number, or STARLING_GPU_ANY
 * @class:	enum starling_class
 * @max_hold_ns: hold for at most so long; 0, or longer than the policy has: its
 * @deadline_ns: CLOCK_MONOTONIC time by which it should be had; 0: none
 * @timeout_ns:	wait for at most so long; 0: no limit
 * @memory_bytes: device memory that will be in use until RELEASE, at most
 *		2^50; 0: none
 * @cookie:	any value; for LEASE_CANCEL, in events and lists
 * @out_lease:	the lease; ids are never used again
 * @out_expires_ns: CLOCK_MONOTONIC time until which nobody takes it away
 * @out_waited_ns: how long it took
 *
 * EFAULT: nothing was acquired. A wait that a signal restarts begins anew.
 */
struct starling_lease_acquire {
	__u32 size;
	__u32 flags;
	__u32 gpu;
	__u32 class;
	__u64 max_hold_ns;
	__u64 deadline_ns;
	__u64 timeout_ns;
	__u64 memory_bytes;
	__u64 cookie;
	__u64 out_lease;
	__u32 out_gpu;
	__u32 __pad;
	__u64 out_expires_ns;
	__u64 out_waited_ns;
	__u64 __reserved[3];
};

#define STARLING_LEASE_TRY	(1U << 0)	/* do not wait: EAGAIN */

/*
 * STARLING_IOC_LEASE_RELEASE - give a lease back for good; on an agent
 * STARLING_IOC_LEASE_PARK - give the GPU back while the agent waits for
 *	something else, and keep the lease and its memory
 *
 * A lease whose time was over is gone: ENOENT.
 */
struct starling_lease_id {
	__u32 size;
	__u32 flags;
	__u64 lease;
	__u64 __reserved[2];
};

/*
 * STARLING_IOC_LEASE_UNPARK - wait for the GPU of a parked lease; on an agent
 *
 * As ACQUIRE does, with the class, limit and deadline of the lease; of two
 * agents with the same claim the one that unparks goes first. The lease stays
 * parked when the wait ends without success; ENOENT: it has ended meanwhile.
 */
struct starling_lease_unpark {
	__u32 size;
	__u32 flags;
	__u64 lease;
	__u64 timeout_ns;
	__u64 cookie;
	__u64 out_expires_ns;
	__u64 out_waited_ns;
	__u64 __reserved[2];
};

/* STARLING_IOC_LEASE_CANCEL - end all waits of this agent with that cookie */
struct starling_lease_cancel {
	__u32 size;
	__u32 flags;
	__u64 cookie;
	__u64 __reserved[2];
};

/*
 * STARLING_IOC_LEASE_STAT - one GPU's queue and policy; on any descriptor
 *
 * @out_gpus:	GPUs there are, numbered from 0
 * @out_waiting: by class as asked for; [0] is the sum
 * @out_memory_bytes: 0: not known, not limited
 * @out_expired: leases that ended at their limit
 * @out_hold_ns: without that of leases held now
 * Times are in ns; sums and the longest wait since the module was loaded.
 */
struct starling_lease_stat {
	__u32 size;
	__u32 flags;
	__u32 gpu;
	__u32 out_gpus;
	__u32 out_slots;
	__u32 out_holders;
	__u32 out_parked;
	__u32 __pad;
	__u32 out_waiting[__STARLING_CLASS_MAX];
	__u64 out_memory_bytes;
	__u64 out_memory_used;
	__u64 out_grants;
	__u64 out_expired;
	__u64 out_timeouts;
	__u64 out_cancels;
	__u64 out_wait_ns;
	__u64 out_wait_max_ns;
	__u64 out_hold_ns;
	__u64 out_max_hold_ns;
	__u64 out_notice_ns;
	__u64 out_aging_ns;
	__u64 out_starve_ns;
	__u64 __reserved[2];
};

enum starling_lease_state {
	STARLING_LEASE_WAITING = 1,
	STARLING_LEASE_HELD,
	STARLING_LEASE_PARKED,
};

/*
 * What STARLING_IOC_LEASES lists (struct starling_list): on an agent its own
 * leases and requests, on the device all, as STARLING_IOC_TASKS does.
 *
 * @lease:	0 for a request that was not granted yet
 * @tgid:	process in the reader's PID namespace; 0: not there
 * @cookie:	of ACQUIRE
 * @gpu:	STARLING_GPU_ANY while it waits for any
 * @since_ns:	CLOCK_MONOTONIC time when it came to this state
 * @expires_ns:	HELD: as in ACQUIRE
 * @held_ns:	all the time it was held
 * @had_ns:	how long its agent has held the GPU, by weight: of two of a class that
 *		wait, who has had less goes first. Counted from nobody knows when: only
 *		the difference of two records of a GPU, waiting or held, means something.
 *		0 while it waits for any
 */
struct starling_lease_record {
	__u64 lease;
	__u64 agent_id;
	__u64 cookie;
	__u32 gpu;
	__u32 tgid;
	__u16 state;
	__u16 class;
	__u16 effective_class;
	__u16 asked;
	__u64 since_ns;
	__u64 expires_ns;
	__u64 memory_bytes;
	__u64 held_ns;
	__u64 had_ns;
	__u64 __reserved;
};

/*
 * STARLING_IOC_LEASE_POLICY - change a GPU's rules; on the device, by the
 *	holder of the claim, with which they end
 *
 * Flags say which fields count, others are zero. @gpu may be the first number
 * that is not there yet: that adds it. The built-in policy: one GPU, one slot,
 * memory not known, limit 1 s, notice 100 ms, aging 500 ms, starve 10 s. When
 * rules end, other GPUs go as soon as nobody has or wants a lease there.
 *
 * @slots:	leases held at once, 1 to 64
 * Times are in ns, 1 ms to 1 h.
 */
struct starling_lease_policy {
	__u32 size;
	__u32 flags;
	__u32 gpu;
	__u32 slots;
	__u64 memory_bytes;
	__u64 max_hold_ns;
	__u64 notice_ns;
	__u64 aging_ns;
	__u64 starve_ns;
	__u64 __reserved[2];
};

#define STARLING_POLICY_SLOTS	(1U << 0)
#define STARLING_POLICY_MEMORY	(1U << 1)
#define STARLING_POLICY_HOLD	(1U << 2)
#define STARLING_POLICY_NOTICE	(1U << 3)
#define STARLING_POLICY_AGING	(1U << 4)
#define STARLING_POLICY_STARVE	(1U << 5)

/* What happened to an agent; bit (1 << type) in STARLING_IOC_EVENT_MASK. */
enum starling_event_type {
	STARLING_EVENT_ROLE = 1,	/* value: role, source, role before */
	STARLING_EVENT_PLACEMENT,	/* value: placement, placement before */
	STARLING_EVENT_LEASE_GRANTED,	/* value: lease, gpu, cookie, expires_ns */
	STARLING_EVENT_LEASE_GIVE_BACK,	/* value: lease, gpu, cookie, end ns */
	STARLING_EVENT_LEASE_EXPIRED,	/* value: lease, gpu, cookie */
	STARLING_EVENT_TASK_EXIT,	/* value: role, exit code as wait(2) has it */
	STARLING_EVENT_MEMORY_PRESSURE,	/* value: gpu, bytes in use, bytes there are */
	__STARLING_EVENT_MAX,
};

/*
 * One event, as EVENT_NEXT and read() give them: read() whole ones, as many
 * as fit, at least one (EINVAL when none fits); it waits unless O_NONBLOCK.
 *
 * @time_ns:	CLOCK_MONOTONIC
 * @tid:	task id in the PID namespace of the agent's creator; 0: none
 * @lost:	events dropped just before this one: the ring holds
 *		STARLING_EVENTS_MAX, and a full one drops new ones
 */
struct starling_event {
	__u64 time_ns;
	__u32 type;
	__u32 tid;
	__u64 agent_id;
	__u64 value[4];
	__u64 lost;
};

#define STARLING_EVENTS_MAX	256

/*
 * STARLING_IOC_EVENT_MASK - which events are kept, at first none; on an agent
 *
 * The mask is the agent's, whichever descriptor it is set by. Events that are
 * kept already stay, but none of them when the mask becomes 0.
 */
struct starling_event_mask {
	__u32 size;
	__u32 flags;
	__u32 mask;
	__u32 __pad;
	__u64 __reserved[2];
};

/*
 * STARLING_IOC_EVENT_NEXT - the oldest event; on an agent
 *
 * An event goes to one of those who ask, by read() or by this; those who wait
 * by this go first, in their order. One that cannot be written is lost to
 * EVENT_NEXT, but not to read().
 */
struct starling_event_next {
	__u32 size;
	__u32 flags;
	__u64 timeout_ns;	/* 0: no limit */
	__u64 cookie;		/* for LEASE_CANCEL */
	struct starling_event out_event;
	__u64 __reserved[2];
};

#define STARLING_EVENT_NOWAIT	(1U << 0)

/*
 * What an IORING_OP_URING_CMD carries: the address of the structure that the
 * ioctl would be given. It must stay there until the completion.
 */
struct starling_uring {
	__u64 arg;
	__u64 __reserved;
};

#define STARLING_URING_WAIT_MAX_NS	10000000000ULL

#define STARLING_IOC			0xB5
#define STARLING_IOC_GET_INFO		_IO(STARLING_IOC, 0x00)
#define STARLING_IOC_AGENT_CREATE	_IO(STARLING_IOC, 0x01)
#define STARLING_IOC_CONTROL_CLAIM	_IO(STARLING_IOC, 0x02)
#define STARLING_IOC_PUBLISH		_IO(STARLING_IOC, 0x03)
#define STARLING_IOC_TASKS		_IO(STARLING_IOC, 0x04)
#define STARLING_IOC_AGENTS		_IO(STARLING_IOC, 0x05)
#define STARLING_IOC_AGENT_JOIN		_IO(STARLING_IOC, 0x10)
#define STARLING_IOC_AGENT_LEAVE	_IO(STARLING_IOC, 0x11)
#define STARLING_IOC_AGENT_SET		_IO(STARLING_IOC, 0x12)
#define STARLING_IOC_AGENT_STAT		_IO(STARLING_IOC, 0x13)
#define STARLING_IOC_TASK_STAT		_IO(STARLING_IOC, 0x14)
#define STARLING_IOC_TASK_SET_ROLE	_IO(STARLING_IOC, 0x15)
#define STARLING_IOC_LEASE_ACQUIRE	_IO(STARLING_IOC, 0x20)
#define STARLING_IOC_LEASE_RELEASE	_IO(STARLING_IOC, 0x21)
#define STARLING_IOC_LEASE_PARK		_IO(STARLING_IOC, 0x22)
#define STARLING_IOC_LEASE_UNPARK	_IO(STARLING_IOC, 0x23)
#define STARLING_IOC_LEASE_CANCEL	_IO(STARLING_IOC, 0x24)
#define STARLING_IOC_LEASE_STAT		_IO(STARLING_IOC, 0x25)
#define STARLING_IOC_LEASES		_IO(STARLING_IOC, 0x26)
#define STARLING_IOC_LEASE_POLICY	_IO(STARLING_IOC, 0x27)
#define STARLING_IOC_EVENT_MASK		_IO(STARLING_IOC, 0x30)
#define STARLING_IOC_EVENT_NEXT		_IO(STARLING_IOC, 0x31)

/*
 * The mapped pages of an agent: map @map_size bytes (GET_INFO) from offset 0,
 * shared and read-only. Readers never block the module.
 *
 * A slot with @task.tid 0 is free. @seq is odd while a slot is written. To
 * read one: load @seq with acquire; if odd, try again; copy @task; read fence;
 * load @seq again; if it changed, try again. @agent_seq guards @agent likewise.
 *
 * Task ids are those of the PID namespace of the agent's creator; mapping is
 * allowed there and in its ancestors. A task moves to no other slot while
 * it is a member; members that found no slot free are counted in @overflow
 * and get one when one is free; AGENT_STAT, TASK_STAT and TASKS have them all.
 *
 * How it grows: all @map_size bytes are mapped, but memory is there up to slot
 * @nslots only, and beyond it a reader gets SIGBUS. While there are members
 * without a slot more memory is added at the next sample, under all mappings
 * at once, and then @nslots is set to the larger number; it never gets smaller.
 * So load @nslots with acquire each time before looking through the slots. Slots
 * end at @out_nslots of GET_INFO; tasks of a PID namespace that is not seen from
 * the creator's get none and are not in @overflow.
 *
 * @magic:	STARLING_PAGE_MAGIC
 * @version:	STARLING_ABI_VERSION of the layout
 * @generation:	grows with every task that comes or goes
 * @sampled_ns:	CLOCK_MONOTONIC time when CPU values were last read
 * @nslots:	slots there are now
 * @overflow:	members that wait for a slot now
 */
#define STARLING_PAGE_MAGIC	0x474c5253	/* "SRLG" */

struct starling_page {
	__u32 magic;
	__u32 version;
	__u32 map_size;
	__u32 slots_offset;
	__u32 slot_size;
	__u32 record_size;
	__u32 nslots;
	__u32 overflow;
	__u64 generation;
	__u64 sampled_ns;
	__u32 __pad;
	__u32 agent_seq;
	struct starling_agent_record agent;
};

struct starling_slot {
	__u32 seq;
	__u32 __pad;
	struct starling_task_record task;
};

#endif /* _UAPI_LINUX_STARLING_H */
