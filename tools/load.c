// SPDX-License-Identifier: GPL-2.0-only
/*
 * A line says what tasks do, not what they are: the policy finds that out, as
 * it does on a live machine. A line's tasks go with the agents, or with the
 * feeder, of the last line that started some.
 */
#include "tools/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/agent.h"
#include "daemon/roles.h"
#include "tools/cli.h"

enum { LINE_LEN = 256, FIRST_TID = 1000, WAKES = 100, WAITS = 1000, BLOCK_PERCENT = 10 };

const uint64_t load_window_ns = 2000000000;
const uint64_t load_round_ns = 250000000;

static const char default_load[] =
	"feeder wait=spin\n"
	"service\n"
	"agent count=9\n"
	"tool\n";

enum key { KEY_COUNT, KEY_WAIT, KEY_CPU, KEY_GROUP, KEY_ACTIVE, KEY_WEIGHT, NKEYS };

/* One line while it is read, and what it refers to. */
struct reader {
	struct load *load;
	const char *path;
	unsigned int line;
	unsigned int value[NKEYS];
	bool given[NKEYS];
	struct load_row *row;
	const struct load_row *feeder, *agent;
	uint64_t agents;	/* started so far */
};

/* -- errors -------------------------------------------------------------------- */

#define wrong(r, ...) (cli_error_at((r)->path, (r)->line, __VA_ARGS__), -EINVAL)

static void __attribute__((format(printf, 3, 4)))
cli_error_at(const char *path, unsigned int line, const char *fmt, ...)
{
	char text[LINE_LEN + 128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cli_error("%s:%u: %s", path, line, text);
}

/* -- tasks --------------------------------------------------------------------- */

static struct snap_task *add_task(struct reader *r)
{
	struct load *l = r->load;
	struct snap_task *t;

	if (l->ntask == LOAD_TASKS_MAX)
		return NULL;
	t = &l->task[l->ntask];
	*t = (struct snap_task){
		.tid = FIRST_TID + l->ntask, .tgid = FIRST_TID + l->ntask, .ppid = 1,
		.group = r->value[KEY_GROUP],
		.d_run_ns = load_window_ns / 100 * r->value[KEY_CPU],
		.recent_ns = load_round_ns / 100 * r->value[KEY_CPU],
	};
	l->ntask++;
	r->row->count++;
	return t;
}

static void set_feeder(struct reader *r, struct snap_task *t)
{
	static const unsigned int percent[] = {
		[STARLING_WAIT_UNKNOWN] = 100, [STARLING_WAIT_BLOCK] = BLOCK_PERCENT,
		[STARLING_WAIT_SPIN] = 100, [STARLING_WAIT_YIELD] = 100,
	};
	unsigned int cpu = r->given[KEY_CPU] ? r->value[KEY_CPU] :
		percent[r->value[KEY_WAIT]];

	t->tgid = r->load->task[r->row->first].tid;
	t->wait_style = r->value[KEY_WAIT];
	t->d_gpu_waits = WAITS;
	t->gpu_last_ns = 1;		/* when: the plan says */
	t->d_run_ns = load_window_ns / 100 * cpu;
	t->recent_ns = load_round_ns / 100 * cpu;
	r->load->quiet[t - r->load->task] = r->row->quiet;
}

static int add_feeders(struct reader *r)
{
	struct snap_task *t;

	r->row->quiet = !r->value[KEY_ACTIVE];
	for (unsigned int i = 0; i < r->value[KEY_COUNT]; i++) {
		t = add_task(r);
		if (!t)
			return -E2BIG;
		set_feeder(r, t);
	}
	r->feeder = r->row;
	return 0;
}

/* Threads of one process: the first computes, the others keep step with it. */
static int add_inference(struct reader *r)
{
	struct snap_task *t;

	for (unsigned int i = 0; i < r->value[KEY_COUNT]; i++) {
		t = add_task(r);
		if (!t)
			return -E2BIG;
		t->tgid = r->load->task[r->row->first].tid;
		t->compute_last_ns = !i;	/* when: the plan says */
		t->d_run_ns = t->late_ns = load_window_ns;
		t->recent_ns = load_round_ns;
	}
	return 0;
}

static int add_services(struct reader *r)
{
	struct load *l = r->load;
	struct snap_task *t;
	uint32_t feeder;

	if (!r->feeder)
		return wrong(r, "a service is a feeder's: put a 'feeder' line before it");
	feeder = l->task[r->feeder->first].tid;
	for (unsigned int i = 0; i < r->value[KEY_COUNT]; i++) {
		t = add_task(r);
		if (!t)
			return -E2BIG;
		t->tgid = feeder;
		t->d_nvcsw = WAKES;
		l->edge[l->nedge++] = (struct snap_edge){ t->tid, feeder, WAKES };
		l->edge[l->nedge++] = (struct snap_edge){ feeder, t->tid, WAKES };
	}
	return 0;
}

/* An agent is its first process; the lines that follow add to it. */
static int add_agents(struct reader *r)
{
	struct snap_task *t;

	r->row->starts_agents = true;
	r->row->agents = r->value[KEY_COUNT];
	r->row->weight = r->value[KEY_WEIGHT];
	memcpy(r->row->agent, r->row->name, sizeof(r->row->agent));
	for (unsigned int i = 0; i < r->value[KEY_COUNT]; i++) {
		t = add_task(r);
		if (!t)
			return -E2BIG;
		t->agent_root = true;
		t->agent_id = ++r->agents;
	}
	r->agent = r->row;
	return 0;
}

typedef void (*set_fn)(struct snap_task *t, const struct snap_task *root);

static void set_orchestrator(struct snap_task *t, const struct snap_task *root)
{
	t->tgid = root->tgid;
}

static void set_tool(struct snap_task *t, const struct snap_task *root)
{
	t->ppid = root->tgid;
	t->execed = true;
}

/* Nobody can see that work is of no hurry: it was said. */
static void set_background(struct snap_task *t, const struct snap_task *root)
{
	set_tool(t, root);
	t->role = STARLING_ROLE_BACKGROUND;
	t->role_source = STARLING_BY_OWNER;
}

static int add_to_agents(struct reader *r, set_fn set)
{
	const struct snap_task *root;
	struct snap_task *t;

	if (!r->agent)
		return wrong(r, "this is an agent's: put an 'agent' line before it");
	r->row->agents = r->agent->agents;
	r->row->weight = r->agent->weight;
	memcpy(r->row->agent, r->agent->agent, sizeof(r->row->agent));
	for (unsigned int a = 0; a < r->agent->agents; a++) {
		root = &r->load->task[r->agent->first + a];
		for (unsigned int i = 0; i < r->value[KEY_COUNT]; i++) {
			t = add_task(r);
			if (!t)
				return -E2BIG;
			t->agent_id = root->agent_id;
			set(t, root);
		}
	}
	return 0;
}

static int add_orchestrators(struct reader *r)
{
	return add_to_agents(r, set_orchestrator);
}

static int add_tools(struct reader *r)
{
	return add_to_agents(r, set_tool);
}

static int add_background(struct reader *r)
{
	return add_to_agents(r, set_background);
}

/* -- words --------------------------------------------------------------------- */

#define BIT(key) (1u << (key))

static const struct kind {
	const char *word;
	int (*add)(struct reader *r);
	unsigned int keys;
} kinds[] = {
	{ "feeder", add_feeders, BIT(KEY_COUNT) | BIT(KEY_WAIT) | BIT(KEY_CPU) |
		BIT(KEY_GROUP) | BIT(KEY_ACTIVE) },
	{ "service", add_services, BIT(KEY_COUNT) | BIT(KEY_GROUP) },
	{ "agent", add_agents, BIT(KEY_COUNT) | BIT(KEY_GROUP) | BIT(KEY_WEIGHT) },
	{ "orchestrator", add_orchestrators, BIT(KEY_COUNT) | BIT(KEY_GROUP) },
	{ "tool", add_tools, BIT(KEY_COUNT) | BIT(KEY_GROUP) },
	{ "background", add_background, BIT(KEY_COUNT) | BIT(KEY_GROUP) },
	{ "inference", add_inference, BIT(KEY_COUNT) | BIT(KEY_GROUP) },
};

static const char *const yes_no[] = { "no", "yes", NULL };
static const char *const waits[] = {
	[STARLING_WAIT_UNKNOWN] = "unknown", [STARLING_WAIT_BLOCK] = "block",
	[STARLING_WAIT_SPIN] = "spin", [STARLING_WAIT_YIELD] = "yield", NULL,
};

static const struct {
	const char *name;
	const char *const *words;	/* NULL: a number */
	unsigned int min, max, normal;
} keys[NKEYS] = {
	[KEY_COUNT] = { "count", NULL, 1, LOAD_TASKS_MAX, 1 },
	[KEY_WAIT] = { "wait", waits, 0, 0, STARLING_WAIT_UNKNOWN },
	[KEY_CPU] = { "cpu", NULL, 0, 100, 0 },
	[KEY_GROUP] = { "group", NULL, 1, 1000000, 0 },
	[KEY_ACTIVE] = { "active", yes_no, 0, 0, 1 },
	[KEY_WEIGHT] = { "weight", NULL, 1, 10000, AGENT_WEIGHT_NORMAL },
};

static int parse_word(struct reader *r, enum key key, const char *text)
{
	char list[64] = "";
	int n = 0;

	for (unsigned int i = 0; keys[key].words[i]; i++) {
		if (!strcmp(keys[key].words[i], text)) {
			r->value[key] = i;
			return 0;
		}
		n += snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "",
			      keys[key].words[i]);
	}
	return wrong(r, "'%s' is no value of %s: use one of %s", text, keys[key].name, list);
}

static int parse_number(struct reader *r, enum key key, const char *text)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 10);
	if (errno || end == text || *end || v < (long)keys[key].min || v > (long)keys[key].max)
		return wrong(r, "'%s' is no value of %s: use %u to %u", text, keys[key].name,
			     keys[key].min, keys[key].max);
	r->value[key] = v;
	return 0;
}

static int parse_key(struct reader *r, const struct kind *kind, char *word)
{
	char *value = strchr(word, '=');

	*value++ = '\0';
	for (int key = 0; key < NKEYS; key++) {
		if (strcmp(keys[key].name, word) || !(kind->keys & BIT(key)))
			continue;
		r->given[key] = true;
		return keys[key].words ? parse_word(r, key, value) : parse_number(r, key, value);
	}
	return wrong(r, "%s has no '%s'; see starling(1)", kind->word, word);
}

static int parse_name(struct reader *r, const char *word)
{
	if (r->row->name[0])
		return wrong(r, "two names, '%s' and '%s'", r->row->name, word);
	if (strlen(word) >= LOAD_NAME)
		return wrong(r, "the name is longer than %d characters", LOAD_NAME - 1);
	strcpy(r->row->name, word);
	return 0;
}

static const struct kind *find_kind(const char *word)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].word, word))
			return &kinds[i];
	return NULL;
}

static void start_row(struct reader *r)
{
	r->row = &r->load->row[r->load->nrow];
	memset(r->row, 0, sizeof(*r->row));
	r->row->first = r->load->ntask;
	memset(r->given, 0, sizeof(r->given));
	for (int key = 0; key < NKEYS; key++)
		r->value[key] = keys[key].normal;
}

static int parse_line(struct reader *r, char *line)
{
	char *save, *word = strtok_r(line, " \t\r\n", &save);
	const struct kind *kind;
	int err = 0;

	if (!word)
		return 0;
	if (r->load->nrow == LOAD_ROWS_MAX)
		return wrong(r, "more than %d lines", LOAD_ROWS_MAX);
	kind = find_kind(word);
	if (!kind)
		return wrong(r, "'%s' is none of feeder, service, agent, orchestrator, tool, "
			     "background, inference", word);
	start_row(r);
	while (!err && (word = strtok_r(NULL, " \t\r\n", &save)))
		err = strchr(word, '=') ? parse_key(r, kind, word) : parse_name(r, word);
	if (err)
		return err;
	if (!r->row->name[0])
		strcpy(r->row->name, kind->word);
	r->load->nrow++;
	err = kind->add(r);
	return err == -E2BIG ? wrong(r, "more than %d tasks", LOAD_TASKS_MAX) : err;
}

static int read_lines(struct reader *r, FILE *f)
{
	char line[LINE_LEN];
	int err = 0;

	while (!err && fgets(line, sizeof(line), f)) {
		r->line++;
		if (!strchr(line, '\n') && !feof(f))
			return wrong(r, "longer than %d characters", LINE_LEN - 2);
		line[strcspn(line, "#")] = '\0';
		err = parse_line(r, line);
	}
	if (!err && ferror(f)) {
		cli_error("cannot read %s: %s", r->path, strerror(errno));
		return -EIO;
	}
	return err;
}

int load_read(struct load *out, const char *path)
{
	struct reader r = { .load = out, .path = path ? path : "default load" };
	FILE *f = path ? fopen(path, "re") :
		fmemopen((void *)default_load, sizeof(default_load) - 1, "r");
	int err;

	memset(out, 0, sizeof(*out));
	if (!f) {
		err = -errno;
		cli_error("cannot read %s: %s", r.path, strerror(-err));
		return err;
	}
	err = read_lines(&r, f);
	fclose(f);
	if (!err && !out->ntask) {
		cli_error("%s describes no task; see starling(1)", r.path);
		err = -EINVAL;
	}
	return err;
}
