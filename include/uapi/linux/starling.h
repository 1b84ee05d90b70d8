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
 *   ENOTTY	no such command on this descriptor
 *   EPERM	not allowed; see "Access"
 *   ESRCH	no such task, or not a member, or it is exiting
 *   EBADF	not a pidfd
 *   EBUSY	CONTROL_CLAIM: someone else has it;
 *		TASK_SET_ROLE: set by a source that wins over this one
 *   ENOSPC	module limit reached: agents, agents of this user, tasks; an
 *		agent counts until the last of its descriptors, maps and
 *		members is gone, and up to 100 ms longer after a member's exit
 *		or an unmap
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
 * @nslots slots of @slot_size bytes from @slots_offset on. See there.
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

/* Bits of starling_task_record.valid and .estimated: one a value. */
enum starling_value {
	STARLING_VAL_RUN = 0,		/* run_ns */
	STARLING_VAL_WAIT,		/* wait_ns */
	STARLING_VAL_SWITCHES,		/* nvcsw, nivcsw */
	STARLING_VAL_MIGRATIONS,	/* migrations, last_cpu */
	STARLING_VAL_GPU_WAIT,		/* gpu_wait_ns, gpu_waits */
	STARLING_VAL_GPU_LAUNCH,	/* gpu_launches */
	STARLING_VAL_GPU_ALLOC,		/* gpu_alloc_bytes */
	STARLING_VAL_STARVED,		/* starved_ns */
	__STARLING_VAL_MAX,
};

/*
 * Telemetry of one task (thread). Counters start when the task starts, for
 * GPU values when the probes first saw it; they never go back.
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
 *		nothing to do, ns; an upper bound where bit STARVED of @estimated
 * @gpu_last_ns: CLOCK_MONOTONIC time of the last wait call; 0: never
 * @valid:	bit (1 << STARLING_VAL_x): value x is known; unknown is not 0
 * @estimated:	bit (1 << STARLING_VAL_x): value x is an estimate
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
	__u32 valid;
	__u32 estimated;
	__u16 role;
	__u16 role_source;
	__u16 wait_style;
	__u16 last_cpu;
	char comm[STARLING_COMM_LEN];
	__u64 __reserved[2];
};

/*
 * An agent. Sums are of tasks that have left it, by exit or otherwise, and
 * count what they did while they were members; with STARLING_STAT_LIVE they
 * include the members there are.
 *
 * @id:		never used again while the module is loaded
 * @weight:	share between agents, 1 to 10000
 * @tasks:	members now
 * @forks:	members that came by fork or clone
 * @joins:	members that were brought in by AGENT_JOIN
 * @exits:	members that left by exit
 * @lost:	children that could not be made members (memory, max_tasks)
 * @valid, @estimated: as in struct starling_task_record
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
	__u32 valid;
	__u32 estimated;
	char name[STARLING_NAME_LEN];
	__u64 __reserved[2];
};

#define STARLING_WEIGHT_MIN	1
#define STARLING_WEIGHT_MAX	10000
#define STARLING_WEIGHT_DEFAULT	100

/*
 * STARLING_IOC_GET_INFO - what this module is; on any descriptor
 *
 * @out_features: bits STARLING_FEATURE_x
 * @out_map_size: bytes to map of an agent's descriptor
 * @out_sample_ns: how old a CPU value in a mapped page can be
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

/* Features come in later versions; none is defined in the first one. */
#define STARLING_FEATURES	0

/*
 * STARLING_IOC_AGENT_CREATE - make an agent; on the device
 *
 * Returns its descriptor, close-on-exec. @name is text without control
 * characters, ended by NUL; empty: the caller's command name. @weight 0 is
 * STARLING_WEIGHT_DEFAULT.
 */
struct starling_agent_create {
	__u32 size;
	__u32 flags;
	__u32 weight;
	__u32 __pad;
	char name[STARLING_NAME_LEN];
	__u64 __reserved[4];
};

/*
 * STARLING_IOC_CONTROL_CLAIM - become the one that may PUBLISH; on the device
 *
 * Ends when the descriptor is closed: detected roles then go back to none
 * and GPU values are no longer valid. Claiming twice is no error.
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
 * Of each record @tid, @start_ns, @gpu_*, @starved_ns, @wait_style and the GPU
 * bits of @valid and @estimated are taken. With @role_source
 * STARLING_BY_DETECTION @role is taken too, unless owner or task have set one;
 * with any other the role stays. The rest is not looked at, so that a record
 * may be read, changed and handed back. Values whose bit in @valid is clear and
 * counters lower than those there already are not taken: a publisher that
 * starts anew adds to what it finds. Tasks that are gone or are no members are
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

/* STARLING_IOC_AGENT_SET - change an agent; flags say what */
struct starling_agent_set {
	__u32 size;
	__u32 flags;
	__u32 weight;
	__u32 __pad;
	char name[STARLING_NAME_LEN];
	__u64 __reserved[2];
};

#define STARLING_SET_WEIGHT	(1U << 0)
#define STARLING_SET_NAME	(1U << 1)

/* STARLING_IOC_AGENT_STAT - an agent's record */
struct starling_agent_stat {
	__u32 size;
	__u32 flags;
	struct starling_agent_record out_agent;
};

#define STARLING_STAT_LIVE	(1U << 0)	/* sums include the living */

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
 * STARLING_ROLE_FEEDER and detected roles are not inherited. A process that
 * executes a program is STARLING_ROLE_TOOL from then on, unless it was
 * brought in by AGENT_JOIN or its role was set by itself or its owner.
 */
struct starling_task_role {
	__u32 size;
	__u32 flags;
	__s32 tid;
	__u16 role;
	__u16 __pad;
	__u64 __reserved[2];
};

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
 * @magic:	STARLING_PAGE_MAGIC
 * @version:	STARLING_ABI_VERSION of the layout
 * @generation:	grows with every task that comes or goes
 * @sampled_ns:	CLOCK_MONOTONIC time when CPU values were last read
 * @overflow:	members without a slot now
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
