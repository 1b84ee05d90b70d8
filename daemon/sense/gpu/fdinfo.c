// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/gpu/fdinfo.h"

#include <ctype.h>
#include <string.h>

enum { REGIONS_MAX = 16 };

/* The ways of counting a region's memory, the best last. */
enum memory_kind { MEMORY_TOTAL, MEMORY_OLD, MEMORY_RESIDENT, MEMORY_KINDS };

struct region {
	char name[FDINFO_NAME_LEN];
	bool has[MEMORY_KINDS];
	uint64_t bytes[MEMORY_KINDS];
};

struct parser {
	struct fdinfo *out;
	struct region region[REGIONS_MAX];
	unsigned int nregion;
};

/* One line: @key up to the colon; @value what follows, without blanks around. */
struct line {
	const char *key;
	size_t nkey;
	const char *value;
	size_t nvalue;
};

static bool copy(char *to, size_t room, const char *from, size_t n)
{
	if (!n || n >= room)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isgraph((unsigned char)from[i]))
			return false;
	memcpy(to, from, n);
	to[n] = '\0';
	return true;
}

/* Digits, then the end or a blank; @unit is what follows that. */
static bool number(const struct line *l, uint64_t *out, const char **unit)
{
	uint64_t n = 0;
	size_t i = 0;

	for (; i < l->nvalue && isdigit((unsigned char)l->value[i]); i++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(l->value[i] - '0'), &n))
			return false;
	if (!i || (i < l->nvalue && !isblank((unsigned char)l->value[i])))
		return false;
	while (i < l->nvalue && isblank((unsigned char)l->value[i]))
		i++;
	*out = n;
	*unit = l->value + i;
	return true;
}

static bool is_unit(const struct line *l, const char *unit, const char *word)
{
	size_t n = l->value + l->nvalue - unit;

	return n == strlen(word) && !memcmp(unit, word, n);
}

static bool bytes(const struct line *l, uint64_t *out)
{
	const char *unit;

	if (!number(l, out, &unit))
		return false;
	if (is_unit(l, unit, "KiB"))
		return !__builtin_mul_overflow(*out, 1ULL << 10, out);
	if (is_unit(l, unit, "MiB"))
		return !__builtin_mul_overflow(*out, 1ULL << 20, out);
	return is_unit(l, unit, "");
}

static struct fdinfo_engine *engine(struct fdinfo *f, const char *name, size_t n)
{
	char text[FDINFO_NAME_LEN];

	if (!copy(text, sizeof(text), name, n))
		return NULL;
	for (unsigned int i = 0; i < f->nengine; i++)
		if (!strcmp(f->engine[i].name, text))
			return &f->engine[i];
	if (f->nengine == FDINFO_ENGINES_MAX)
		return NULL;
	memcpy(f->engine[f->nengine].name, text, sizeof(text));
	return &f->engine[f->nengine++];
}

static struct region *region(struct parser *p, const char *name, size_t n)
{
	char text[FDINFO_NAME_LEN];

	if (!copy(text, sizeof(text), name, n))
		return NULL;
	for (unsigned int i = 0; i < p->nregion; i++)
		if (!strcmp(p->region[i].name, text))
			return &p->region[i];
	if (p->nregion == REGIONS_MAX)
		return NULL;
	memcpy(p->region[p->nregion].name, text, sizeof(text));
	return &p->region[p->nregion++];
}

/* -- what a key means ------------------------------------------------------- */

static void on_driver(struct parser *p, const struct line *l, const char *rest, size_t n)
{
	(void)rest;
	(void)n;
	copy(p->out->driver, sizeof(p->out->driver), l->value, l->nvalue);
}

static void on_pdev(struct parser *p, const struct line *l, const char *rest, size_t n)
{
	(void)rest;
	(void)n;
	copy(p->out->pdev, sizeof(p->out->pdev), l->value, l->nvalue);
}

static void on_client(struct parser *p, const struct line *l, const char *rest, size_t n)
{
	const char *unit;

	(void)rest;
	(void)n;
	p->out->has_client = number(l, &p->out->client, &unit);
}

static void on_capacity(struct parser *p, const struct line *l, const char *rest, size_t n)
{
	struct fdinfo_engine *e = engine(p->out, rest, n);
	const char *unit;
	uint64_t many;

	if (e && number(l, &many, &unit) && many && many <= 4096)
		e->capacity = many;
}

static void on_engine(struct parser *p, const struct line *l, const char *rest, size_t n)
{
	struct fdinfo_engine *e = engine(p->out, rest, n);
	const char *unit;
	uint64_t ns;

	if (!e || !number(l, &ns, &unit) || !is_unit(l, unit, "ns"))
		return;
	e->ns = ns;
	e->has_ns = true;
}

static void on_cycles(struct parser *p, const struct line *l, const char *rest, size_t n)
{
	struct fdinfo_engine *e = engine(p->out, rest, n);
	const char *unit;

	if (e)
		e->has_cycles = number(l, &e->cycles, &unit);
}

static void on_total_cycles(struct parser *p, const struct line *l, const char *rest, size_t n)
{
	struct fdinfo_engine *e = engine(p->out, rest, n);
	const char *unit;

	if (e)
		e->has_total = number(l, &e->total_cycles, &unit);
}

static void take_memory(struct parser *p, const struct line *l, const char *rest, size_t n,
			enum memory_kind kind)
{
	struct region *r = region(p, rest, n);
	uint64_t many;

	if (!r || !bytes(l, &many))
		return;
	r->bytes[kind] = many;
	r->has[kind] = true;
}

static void on_total(struct parser *p, const struct line *l, const char *rest, size_t n)
{
	take_memory(p, l, rest, n, MEMORY_TOTAL);
}

static void on_memory(struct parser *p, const struct line *l, const char *rest, size_t n)
{
	take_memory(p, l, rest, n, MEMORY_OLD);
}

static void on_resident(struct parser *p, const struct line *l, const char *rest, size_t n)
{
	take_memory(p, l, rest, n, MEMORY_RESIDENT);
}

/* Longer keys stand before those that they begin with. */
static const struct {
	const char *key;
	bool prefix;
	void (*fn)(struct parser *p, const struct line *l, const char *rest, size_t n);
} keys[] = {
	{ "drm-driver", false, on_driver },
	{ "drm-pdev", false, on_pdev },
	{ "drm-client-id", false, on_client },
	{ "drm-engine-capacity-", true, on_capacity },
	{ "drm-engine-", true, on_engine },
	{ "drm-total-cycles-", true, on_total_cycles },
	{ "drm-cycles-", true, on_cycles },
	{ "drm-total-", true, on_total },
	{ "drm-resident-", true, on_resident },
	{ "drm-memory-", true, on_memory },
};

static void on_line(struct parser *p, const struct line *l)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		size_t n = strlen(keys[i].key);

		if (l->nkey < n || memcmp(l->key, keys[i].key, n) ||
		    (!keys[i].prefix && l->nkey != n))
			continue;
		keys[i].fn(p, l, l->key + n, l->nkey - n);
		return;
	}
}

static const char *next_line(const char *text, struct line *l)
{
	size_t len = strcspn(text, "\n");
	const char *colon = memchr(text, ':', len), *end = text + len;

	l->key = l->value = text;
	l->nkey = l->nvalue = 0;
	if (colon) {
		l->nkey = colon - text;
		for (colon++; colon < end && isblank((unsigned char)*colon);)
			colon++;
		while (end > colon && isspace((unsigned char)end[-1]))
			end--;
		l->value = colon;
		l->nvalue = end - colon;
	}
	return text[len] ? text + len + 1 : NULL;
}

static bool is_own(const char *name)
{
	return !strncmp(name, "vram", 4) || !strncmp(name, "local", 5) ||
		!strncmp(name, "lmem", 4);
}

/* Memory of the device alone where it has some: the rest is the machine's. */
static void sum_memory(struct parser *p)
{
	bool own = false;

	for (unsigned int i = 0; i < p->nregion; i++)
		own |= is_own(p->region[i].name);
	for (unsigned int i = 0; i < p->nregion; i++) {
		const struct region *r = &p->region[i];
		int kind = MEMORY_KINDS - 1;

		if (own && !is_own(r->name))
			continue;
		while (kind >= 0 && !r->has[kind])
			kind--;
		if (kind < 0)
			continue;
		p->out->has_memory = true;
		if (__builtin_add_overflow(p->out->memory, r->bytes[kind], &p->out->memory))
			p->out->memory = UINT64_MAX;
	}
}

bool fdinfo_parse(struct fdinfo *out, const char *text)
{
	struct parser p = { .out = out };
	struct line l;

	memset(out, 0, sizeof(*out));
	while (text) {
		text = next_line(text, &l);
		on_line(&p, &l);
	}
	sum_memory(&p);
	return out->driver[0] && out->has_client;
}

static const struct fdinfo_engine *same_engine(const struct fdinfo *f,
					       const struct fdinfo_engine *e)
{
	for (unsigned int i = 0; i < f->nengine; i++)
		if (!strcmp(f->engine[i].name, e->name))
			return &f->engine[i];
	return NULL;
}

/* Values may step back a little: that is nothing, not very much. */
static bool engine_busy(const struct fdinfo_engine *a, const struct fdinfo_engine *b,
			uint64_t dt, uint64_t *ns)
{
	uint64_t total, cycles;

	if (b->has_ns && a->has_ns) {
		*ns = b->ns > a->ns ? b->ns - a->ns : 0;
	} else if (b->has_cycles && a->has_cycles && b->has_total && a->has_total) {
		total = b->total_cycles > a->total_cycles ? b->total_cycles - a->total_cycles : 0;
		cycles = b->cycles > a->cycles ? b->cycles - a->cycles : 0;
		*ns = !total ? 0 : cycles >= total ? dt : (double)cycles / total * dt;
	} else {
		return false;
	}
	*ns /= b->capacity ? b->capacity : 1;
	if (*ns > dt)
		*ns = dt;
	return true;
}

bool fdinfo_busy(const struct fdinfo *before, const struct fdinfo *now, uint64_t dt,
		 uint64_t *ns, bool *several)
{
	unsigned int worked = 0;
	bool known = false;

	*ns = 0;
	for (unsigned int i = 0; i < now->nengine; i++) {
		const struct fdinfo_engine *a = same_engine(before, &now->engine[i]);
		uint64_t one;

		if (!a || !engine_busy(a, &now->engine[i], dt, &one))
			continue;
		known = true;
		worked += one > 0;
		*ns = one > *ns ? one : *ns;
	}
	*several = worked > 1;
	return known;
}
