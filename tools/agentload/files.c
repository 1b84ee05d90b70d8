// SPDX-License-Identifier: GPL-2.0-only
/* The files that tools work on, made from a seed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool.h"
#include "util.h"

enum { VERSION = 1, WORDS = 3000, TEXT_BYTES = 8 << 20, RECORDS = 4000, FUNCTIONS = 2000 };

static const char merge_py[] =
	"import json, sys\n"
	"n = int(sys.argv[1])\n"
	"rows = [json.loads(l) for l in open('data/records')]\n"
	"out = {}\n"
	"for i in range(n):\n"
	"    r = rows[i % len(rows)]\n"
	"    k = r['key'] % 997\n"
	"    o = out.setdefault(k, {'n': 0, 'sum': 0, 'words': []})\n"
	"    o['n'] += 1\n"
	"    o['sum'] += r['value']\n"
	"    o['words'] = sorted(set(o['words'] + r['text'].split()))[:20]\n"
	"print(len(json.dumps(out, sort_keys=True)))\n";

static void make_words(struct rng *r, char words[WORDS][12])
{
	int i, n;

	for (i = 0; i < WORDS; i++) {
		n = 2 + rng_u64(r) % 9;
		words[i][n] = 0;
		while (n--)
			words[i][n] = 'a' + rng_u64(r) % 26;
	}
}

static void put_words(FILE *f, struct rng *r, char words[WORDS][12], int n)
{
	while (n--)
		fprintf(f, "%s%s", words[rng_u64(r) % WORDS], n ? " " : "");
}

static void put_text(FILE *f, struct rng *r, char words[WORDS][12])
{
	while (ftell(f) < TEXT_BYTES) {
		put_words(f, r, words, 12);
		fputc('\n', f);
	}
}

static void put_small(FILE *f, struct rng *r, char words[WORDS][12])
{
	put_words(f, r, words, 300);
}

static void put_records(FILE *f, struct rng *r, char words[WORDS][12])
{
	int i;

	for (i = 0; i < RECORDS; i++) {
		unsigned int key = rng_u64(r) % 100000, value = rng_u64(r) % 1000;

		fprintf(f, "{\"key\":%u,\"value\":%u,\"text\":\"", key, value);
		put_words(f, r, words, 6);
		fputs("\"}\n", f);
	}
}

/* one function a line, so that `head -n` cuts a program that compiles */
static void put_program(FILE *f, struct rng *r, char words[WORDS][12])
{
	int i;

	for (i = 0; i < FUNCTIONS; i++)
		fprintf(f, "int %s_%d(int *a, int n) { int i, s = %u; for (i = 0; i < n; i++) { "
			"if (a[i] & %u) s += a[i] * %u; else s ^= a[(i + %u) %% n] >> 3; } "
			"return s; }\n",
			words[rng_u64(r) % WORDS], i, (unsigned int)rng_u64(r) % 1000,
			1 + (unsigned int)rng_u64(r) % 255, 1 + (unsigned int)rng_u64(r) % 99,
			(unsigned int)rng_u64(r) % 17);
}

static void put_sql(FILE *f, struct rng *r, char words[WORDS][12])
{
	int i;

	fputs("create table t(k integer primary key, v text);\nbegin;\n", f);
	for (i = 0; i < 2000; i++) {
		fprintf(f, "insert into t values(%d,'", i);
		put_words(f, r, words, 4);
		fputs("');\n", f);
	}
	fputs("commit;\n", f);
}

static void put_merge(FILE *f, struct rng *r, char words[WORDS][12])
{
	(void)r;
	(void)words;
	fputs(merge_py, f);
}

static const struct {
	const char *name;
	void (*put)(FILE *f, struct rng *r, char words[WORDS][12]);
} files[] = {
	{ "text", put_text },	   { "small", put_small }, { "records", put_records },
	{ "gen.c", put_program },  { "sql", put_sql },	   { "merge.py", put_merge },
};

static int write_all(const char *dir, uint64_t seed)
{
	static char words[WORDS][12];
	char path[512];
	struct rng r;
	size_t i;
	FILE *f;
	int err;

	rng_seed(&r, seed);
	make_words(&r, words);
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i].name);
		f = fopen(path, "we");
		if (!f)
			return -errno;
		files[i].put(f, &r, words);
		err = ferror(f);
		if (fclose(f) || err)
			return -EIO;
	}
	return 0;
}

/*
 * Without sqlite3 there is no database, and no tool that would open it; when it
 * is installed later, the database is added to the files that are there.
 */
static int make_db(const char *dir)
{
	char cmd[2000];

	snprintf(cmd, sizeof(cmd), "%s/db", dir);
	if (tool_actual(TOOL_SQLITE3) != TOOL_SQLITE3 || !access(cmd, F_OK))
		return 0;
	snprintf(cmd, sizeof(cmd), "sqlite3 '%s/db.%d' <'%s/sql' && mv '%s/db.%d' '%s/db'",
		 dir, (int)getpid(), dir, dir, (int)getpid(), dir);
	return system(cmd) ? -EIO : 0;
}

static int make_dirs(const char *dir)
{
	char path[512], *p;

	snprintf(path, sizeof(path), "%s/tmp/", dir);
	for (p = path + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		if (mkdir(path, 0755) && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return 0;
}

/* The finished directory appears at once under its name, by rename(). */
int tool_make_files(const char *dir, uint64_t seed)
{
	char data[400], tmp[420], done[480];
	int err;

	snprintf(data, sizeof(data), "%s/data", dir);
	snprintf(done, sizeof(done), "%s/v%d-%llu", data, VERSION, (unsigned long long)seed);
	if (!access(done, F_OK))
		return make_db(data);
	/* the one character that would end a quoted path for the shell */
	err = strchr(dir, '\'') ? -EINVAL : make_dirs(dir);
	snprintf(tmp, sizeof(tmp), "%s.%d", data, (int)getpid());
	if (!err && mkdir(tmp, 0755))
		err = -errno;
	if (!err)
		err = write_all(tmp, seed);
	if (!err)
		err = make_db(tmp);
	snprintf(done, sizeof(done), "%s/v%d-%llu", tmp, VERSION, (unsigned long long)seed);
	if (!err && creat(done, 0644) < 0)
		err = -errno;
	if (!err && rename(tmp, data))
		err = -errno;
	if (err)
		warn("cannot make the tools' files in %s: %s; choose another place with --work",
		     data, strerror(-err));
	return err;
}
