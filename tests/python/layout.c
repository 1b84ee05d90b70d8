// SPDX-License-Identifier: GPL-2.0-only
/* What the C compiler makes of the structures that python/starling.py mirrors. */
#include <starling.h>
#include <stddef.h>
#include <stdio.h>

#define SIZE(_name, _struct)	printf(_name " - %zu\n", sizeof(struct _struct))
#define AT(_name, _struct, _field) \
	printf(_name " %zu\n", offsetof(struct _struct, _field))

int main(void)
{
	SIZE("TaskRecord", starling_task_record);
	AT("TaskRecord agent_id", starling_task_record, agent_id);
	AT("TaskRecord gpu_last_ns", starling_task_record, gpu_last_ns);
	AT("TaskRecord role_run_ns", starling_task_record, role_run_ns);
	AT("TaskRecord valid", starling_task_record, valid);
	AT("TaskRecord placement_number", starling_task_record, placement);
	AT("TaskRecord source_bits", starling_task_record, source);
	AT("TaskRecord role_number", starling_task_record, role);
	AT("TaskRecord last_cpu", starling_task_record, last_cpu);
	AT("TaskRecord comm", starling_task_record, comm);
	SIZE("AgentRecord", starling_agent_record);
	AT("AgentRecord weight", starling_agent_record, weight);
	AT("AgentRecord lost", starling_agent_record, lost);
	AT("AgentRecord starved_ns", starling_agent_record, starved_ns);
	AT("AgentRecord role_run_ns", starling_agent_record, role_run_ns);
	AT("AgentRecord class_number", starling_agent_record, class);
	AT("AgentRecord source_bits", starling_agent_record, source);
	AT("AgentRecord name", starling_agent_record, name);
	AT("AgentRecord parent_id", starling_agent_record, parent_id);
	SIZE("Event", starling_event);
	AT("Event type_number", starling_event, type);
	AT("Event agent_id", starling_event, agent_id);
	AT("Event value", starling_event, value);
	AT("Event lost", starling_event, lost);
	SIZE("GpuStat", starling_lease_stat);
	AT("GpuStat gpus", starling_lease_stat, out_gpus);
	AT("GpuStat waiting", starling_lease_stat, out_waiting);
	AT("GpuStat memory_bytes", starling_lease_stat, out_memory_bytes);
	AT("GpuStat grants", starling_lease_stat, out_grants);
	AT("GpuStat starve_ns", starling_lease_stat, out_starve_ns);
	SIZE("_AgentOpts", starling_agent_opts);
	AT("_AgentOpts weight", starling_agent_opts, weight);
	AT("_AgentOpts priority", starling_agent_opts, priority);
	SIZE("_LeaseOpts", starling_lease_opts);
	AT("_LeaseOpts priority", starling_lease_opts, priority);
	AT("_LeaseOpts max_hold_ns", starling_lease_opts, max_hold_ns);
	AT("_LeaseOpts deadline_ns", starling_lease_opts, deadline_ns);
	AT("_LeaseOpts cookie", starling_lease_opts, cookie);
	SIZE("_QueueOpts", starling_queue_opts);
	AT("_QueueOpts backend", starling_queue_opts, backend);
	SIZE("_Completion", starling_completion);
	AT("_Completion result", starling_completion, result);
	AT("_Completion lease", starling_completion, lease);
	AT("_Completion event", starling_completion, event);
	return 0;
}
