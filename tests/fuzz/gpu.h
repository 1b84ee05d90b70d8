/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside starling-fuzz-gpu: chance, the parts, and how one of them fails. */
#ifndef STARLING_FUZZ_GPU_H
#define STARLING_FUZZ_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/fuzz/chance.h"

struct gpu_ledger;
struct gpu_sample;

/* What the operation under way was given: printed when it fails. */
enum { INPUT_MAX = 64 << 10 };

struct fuzz_now {
	uint64_t op;
	uint32_t used;
	char why[200];
	char input[INPUT_MAX];
};

extern struct fuzz_now *fuzz_now;
extern uint64_t fuzz_chance;

static inline uint32_t below(uint32_t n)
{
	return chance_below(&fuzz_chance, n);
}

static inline bool one_in(uint32_t n)
{
	return !below(n);
}

/* Add to the input that is printed. */
__attribute__((format(printf, 1, 2))) void fuzz_note(const char *format, ...);
/* A property does not hold: does not return. */
#define HOLDS(what) do { if (!(what)) fuzz_fail(__FILE__, __LINE__, #what); } while (0)
void fuzz_fail(const char *file, int line, const char *what) __attribute__((noreturn));

/* One of tests/unit/gpu's texts, spoilt; the parts of a tree of files, too. */
enum { TEXT_MAX = 16384 };

void text_load(void);
/* Some driver's text of client @client, of @pci if not NULL; as the kernel would write it. */
size_t text_pick(char *text, unsigned int which, unsigned int client, const char *pci);
/* Counters in it go on, mostly. */
void text_advance(char *text);
/* @n bytes, which may come to hold NULs. Returns how many there are then. */
size_t text_spoil(char *text, size_t n);

/* A directory of few files that stands for a machine; @path below it. */
extern char tree[64];
void tree_make(void);
void tree_remove(void);
__attribute__((format(printf, 2, 3))) void tree_put(const char *text, const char *path, ...);
__attribute__((format(printf, 1, 2))) void tree_drop(const char *path, ...);
/* A process that began at @start; 0: it is gone. */
void tree_process(uint32_t pid, uint64_t start);

/* Of every sample that a backend makes; no process was busy for longer than @busy_max. */
void sample_holds(const struct gpu_sample *s, uint64_t busy_max);
/* Book it: totals go on, by no more than there was time for. */
void ledger_holds(struct gpu_ledger *l, const struct gpu_sample *s);

/* The parts, each one operation. */
void fuzz_text(void);
void fuzz_files(void);
void fuzz_nvml(void);
void fuzz_sample(void);

#endif
