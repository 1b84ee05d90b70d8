/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * check.h - one question each about this machine. A check needs no privilege
 * and no daemon, changes nothing, and has a remedy for each "no".
 */
#ifndef STARLING_CHECK_H
#define STARLING_CHECK_H

#include <stdbool.h>
#include <stddef.h>

enum check_state { CHECK_OK, CHECK_WARN, CHECK_NO, CHECK_OTHER };

struct check_result {
	enum check_state state;
	char detail[160];
	const char *remedy;	/* static text; NULL when ok; of others: what it means */
};

struct check {
	const char *name;
	void (*fn)(struct check_result *r);
	bool needed;		/* without it Starling cannot do its main job */
};

/* check-kernel.c */
void check_kernel(struct check_result *r);
void check_btf(struct check_result *r);
void check_bpf(struct check_result *r);
void check_task_storage(struct check_result *r);
void check_task_iter(struct check_result *r);
void check_uprobes(struct check_result *r);
void check_sched_ext(struct check_result *r);
void check_uclamp(struct check_result *r);
void check_cgroup(struct check_result *r);
void check_sys_nice(struct check_result *r);
void check_real_time(struct check_result *r);
void check_autogroup(struct check_result *r);
/* check-gpu.c */
void check_libcuda(struct check_result *r);
void check_nvml(struct check_result *r);
void check_nvidia_dev(struct check_result *r);
void check_drm(struct check_result *r);
void check_nvidia_driver(struct check_result *r);
/* check-starling.c */
void check_module(struct check_result *r);
void check_daemon(struct check_result *r);

void check_say(struct check_result *r, enum check_state state,
	       const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
