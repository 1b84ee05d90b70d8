/* SPDX-License-Identifier: GPL-2.0-only */
/* util.h - the commands as calls, and processes to use them on. */
#ifndef STARLING_TEST_UTIL_H
#define STARLING_TEST_UTIL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/starling.h>

/* The result of the ioctl or -errno. */
int call(int fd, unsigned int cmd, void *arg);

/* These fail the test when they do not work. */
int device(void);
int agent(const char *name);
void stat_agent(int agent, struct starling_agent_record *rec);
void live_agent(int agent, struct starling_agent_record *rec);
uint32_t tasks_of(int agent);

/* These return 0 or -errno. */
int join(int agent, int task, uint32_t flags);
int leave(int agent, int task, uint32_t flags);
int set_role(int agent, int tid, int role);
int stat_task(int agent, int tid, struct starling_task_record *rec);
int claim(int dev);
int publish(int dev, const struct starling_task_record *rec, uint32_t n, uint32_t *applied);
int list(int fd, unsigned int cmd, void *rec, uint32_t size, uint32_t *count, uint64_t cursor[2]);

/* The record of agent @id among all; false: it is gone. */
bool find_agent(int dev, uint64_t id, struct starling_agent_record *rec);

/* A child that waits on a pipe for as long as its parent likes. */
struct child {
	pid_t pid;
	int go;		/* write end: each byte is one step */
	int done;	/* read end: each byte is one step done */
};

/* @step is called for each child_step() with its number; then _exit(0). */
void child_start(struct child *c, int (*step)(int n));
int child_step(struct child *c);
int child_end(struct child *c);

int reap(pid_t pid);
pid_t gettid_(void);
void become_nobody(void);
void sleep_ms(int ms);
double seconds(void);
void set_param(const char *name, unsigned int value);
unsigned int get_param(const char *name);

#endif
