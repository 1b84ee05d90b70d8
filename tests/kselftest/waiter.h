/* SPDX-License-Identifier: GPL-2.0-only */
/* waiter.h - threads that wait for a GPU, and rules for it. */
#ifndef STARLING_TEST_WAITER_H
#define STARLING_TEST_WAITER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <linux/starling.h>

#define MS	1000000ULL
#define SEC	1000000000ULL
#define GB	(1ULL << 30)

/* A thread that waits for a GPU. */
struct waiter {
	pthread_t thread;
	int fd;
	struct starling_lease_acquire a;
	uint64_t parked;	/* lease to be unparked instead */
	int ret;
	int done;
	bool seen;
};

/* All of these fail the test when they do not work, but set_policy(). */
uint32_t waiting(int fd, uint32_t gpu);
/* Returns when it waits, behind those that wait already. */
void wait_start(struct waiter *w);
int wait_end(struct waiter *w);
bool is_done(struct waiter *w);
/* The one of @n that ends next; all others wait still. */
int next_done(struct waiter *w, int n);
/* Lets them have the GPU one after the other and checks in which order. */
void expect_order(struct waiter *w, int n, const int *order);

uint64_t take(int fd);
uint32_t list_leases(int fd, struct starling_lease_record *rec, uint32_t n);
int weighted(const char *name, uint32_t weight);
uint64_t now_ns(void);

/* A descriptor with the claim. */
int controller(void);
int set_policy(int dev, struct starling_lease_policy p);
/* A rule that leaves order to class, time held and deadline alone. */
void no_aging(int dev);

#endif
