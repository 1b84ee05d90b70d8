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
void tree_of(int agent, struct starling_agent_record *rec);
void live_tree_of(int agent, struct starling_agent_record *rec);
uint64_t id_of(int agent);
uint32_t tasks_of(int agent);

/* A descriptor or -errno. */
int sub_agent(int parent, const char *name);
/* Or a failed test. */
int must_sub(int parent, const char *name);

/* These return 0 or -errno. */
int join(int agent, int task, uint32_t flags);
int leave(int agent, int task, uint32_t flags);
int set_role(int agent, int tid, int role);
int stat_task(int agent, int tid, struct starling_task_record *rec);
int claim(int dev);
int publish(int dev, const struct starling_task_record *rec, uint32_t n, uint32_t *applied);
int event_mask(int agent, uint32_t mask);
int event_next(int agent, uint32_t flags, uint64_t timeout_ns, uint64_t cookie,
	       struct starling_event *event);
int cancel_waits(int agent, uint64_t cookie);
int list(int fd, unsigned int cmd, void *rec, uint32_t size, uint32_t *count, uint64_t cursor[2]);

/* 0 or -errno; what was got is in @a, whose size is set here. */
int acquire(int agent, struct starling_lease_acquire *a);
int try_lease(int agent, uint64_t *lease);
int release(int agent, uint64_t lease);
int park(int agent, uint64_t lease);
int unpark(int agent, uint64_t lease, uint64_t timeout_ns);
void stat_gpu(int fd, uint32_t gpu, struct starling_lease_stat *stat);

/* The record of agent @id among all; false: it is gone. */
bool find_agent(int dev, uint64_t id, struct starling_agent_record *rec);

/* Fails the test if that takes longer than exits take to be accounted for. */
void wait_gone(int dev, uint64_t id);

void send_fd(int sock, int fd);
int receive_fd(int sock);

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

/* A child without copies of our descriptors, which would keep their agents. */
pid_t fork_bare(void);
pid_t start_pauser(void);

int reap(pid_t pid);
pid_t gettid_(void);
void become_nobody(void);
void sleep_ms(int ms);
double seconds(void);
size_t page_size(void);
void set_param(const char *name, unsigned int value);
unsigned int get_param(const char *name);

#endif
