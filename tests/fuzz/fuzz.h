/* SPDX-License-Identifier: GPL-2.0-only */
/* fuzz.h - what the arguments of random commands are made of. */
#ifndef STARLING_FUZZ_H
#define STARLING_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/starling.h>

#define NKIDS	8
#define NLEASES	8
#define ROOM	16384

/* Children that may be made members; 0: none. And a pidfd of each; -1. */
extern pid_t kids[NKIDS];
extern int pidfds[NKIDS];
extern unsigned char *room;	/* ROOM bytes, then nothing */
/* Ids of leases there were. */
extern uint64_t leases[NLEASES];

/* The generator's state: set it to begin. */
extern uint64_t rng;

uint64_t next(void);
uint32_t below(uint32_t n);
bool one_in(uint32_t n);
uint64_t edge(void);

enum { ON_DEVICE = 1, ON_AGENT = 2, ON_BOTH = 3 };

struct command {
	const char *name;
	int on;
	unsigned int cmd;
	uint32_t size;
	void (*fill)(void *arg);
	unsigned int weight;
};

extern const struct command commands[];
extern const int ncommands;

/*
 * By io_uring; false: there is no ring, or no room in it. ring_do() waits for
 * the result. ring_ask(), when ring_ready(), does not: asked_ended() is told when
 * it comes, or asked_forget() that none of them does any more.
 */
bool ring_ready(void);
bool ring_do(int fd, unsigned int cmd, void *arg, int *ret);
void ring_ask(int fd, unsigned int cmd, void *arg, uint64_t data);
void ring_look(void);
void ring_end(void);
void asked_ended(uint64_t data, int ret);
void asked_forget(void);

void mutate(unsigned char *arg, uint32_t size);
void spare_others(unsigned int cmd, void *arg);

#endif
