// SPDX-License-Identifier: GPL-2.0-only
/*
 * What threads do on the CPU and at the GPU, for starlingd.
 *
 * Nothing here runs at a context switch: CPU numbers are the kernel's own,
 * read from task_struct by an iterator when the daemon asks. Events are few
 * (exec and exit of members, the first wait for a GPU); everything else is
 * a counter in the task's own storage.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#define _LINUX_TYPES_H
#define _UAPI_LINUX_TYPES_H
#include <linux/starling.h>
#include "bpf/probe.h"
#include "bpf/compat.bpf.h"
#include "bpf/state.bpf.h"
#include "bpf/lineage.bpf.h"
#include "bpf/step.bpf.h"
#include "bpf/gpu.bpf.h"
#include "bpf/driver.bpf.h"
#include "bpf/library.bpf.h"
#include "bpf/wake.bpf.h"
#include "bpf/control.bpf.h"

char LICENSE[] SEC("license") = "GPL";
