// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the CUDA driver says of its devices. Its library is loaded in a child that
 * ends at once: it starts threads, takes memory, and cannot be unloaded.
 */
#include "tools/check-caps.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tools/cli.h"

enum { DEVICES_MAX = 16 };

enum {
	ATTR_SMS = 16, ATTR_INTEGRATED = 18, ATTR_MAJOR = 75, ATTR_MINOR = 76,
	ATTR_MPS_ENABLED = 133,
};

struct cuda_device {
	char name[64];
	char pci[20];
	int sms, integrated, major, minor;
	int mps;		/* 1: what we would run there is shared; -1: not known */
	bool has_priorities;
	int least, greatest;	/* of a stream; a smaller number goes first */
};

struct cuda_facts {
	char why[96];		/* "": it works */
	int version;
	bool green;		/* contexts on a part of the device */
	int n;
	struct cuda_device device[DEVICES_MAX];
};

struct cuda_lib {
	void *lib;
	int (*init)(unsigned int flags);
	int (*version)(int *out);
	int (*count)(int *out);
	int (*name)(char *out, int len, int dev);
	int (*pci)(char *out, int len, int dev);
	int (*attr)(int *out, int attr, int dev);
	int (*retain)(void **ctx, int dev);
	int (*release)(int dev);
	int (*current)(void *ctx);
	int (*priorities)(int *least, int *greatest);
};

static bool load(struct cuda_lib *c, struct cuda_facts *f)
{
	const struct {
		const char *name;
		void *to;
	} symbols[] = {
		{ "cuInit", &c->init }, { "cuDriverGetVersion", &c->version },
		{ "cuDeviceGetCount", &c->count }, { "cuDeviceGetName", &c->name },
		{ "cuDeviceGetPCIBusId", &c->pci }, { "cuDeviceGetAttribute", &c->attr },
		{ "cuDevicePrimaryCtxRetain", &c->retain },
		{ "cuDevicePrimaryCtxRelease_v2", &c->release },
		{ "cuCtxSetCurrent", &c->current },
		{ "cuCtxGetStreamPriorityRange", &c->priorities },
	};

	c->lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!c->lib) {
		snprintf(f->why, sizeof(f->why), "%s", dlerror());
		return false;
	}
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *fn = dlsym(c->lib, symbols[i].name);

		if (!fn) {
			snprintf(f->why, sizeof(f->why), "the driver is too old: no %s",
				 symbols[i].name);
			return false;
		}
		memcpy(symbols[i].to, &fn, sizeof(fn));
	}
	f->green = dlsym(c->lib, "cuGreenCtxCreate");
	return true;
}

/*
 * Whether a process uses MPS is settled in its cuInit(), by CUDA_MPS_PIPE_DIRECTORY and
 * by whether a control daemon answers there: so it is the child's answer, with the
 * environment that we have. Old drivers do not know the question.
 */
static int ask_mps(const struct cuda_lib *c, int dev)
{
	int mps = 0;

	return c->attr(&mps, ATTR_MPS_ENABLED, dev) ? -1 : !!mps;
}

static void ask_context(const struct cuda_lib *c, int dev, struct cuda_device *out)
{
	void *ctx;

	if (c->retain(&ctx, dev))
		return;
	out->has_priorities = !c->current(ctx) && !c->priorities(&out->least, &out->greatest);
	c->release(dev);
}

static void ask_device(const struct cuda_lib *c, int dev, struct cuda_device *out)
{
	const struct {
		int attr, *to;
	} attrs[] = {
		{ ATTR_SMS, &out->sms }, { ATTR_INTEGRATED, &out->integrated },
		{ ATTR_MAJOR, &out->major }, { ATTR_MINOR, &out->minor },
	};

	c->name(out->name, sizeof(out->name), dev);
	c->pci(out->pci, sizeof(out->pci), dev);
	for (size_t i = 0; i < sizeof(attrs) / sizeof(attrs[0]); i++)
		c->attr(attrs[i].to, attrs[i].attr, dev);
	out->mps = ask_mps(c, dev);
}

static void ask(struct cuda_facts *f, bool contexts)
{
	struct cuda_lib c;
	int err;

	if (!load(&c, f))
		return;
	err = c.init(0);
	if (!err)
		err = c.count(&f->n);
	if (err) {
		snprintf(f->why, sizeof(f->why), "cuInit: error %d", err);
		return;
	}
	c.version(&f->version);
	if (f->n > DEVICES_MAX)
		f->n = DEVICES_MAX;
	for (int i = 0; i < f->n; i++) {
		ask_device(&c, i, &f->device[i]);
		if (contexts)
			ask_context(&c, i, &f->device[i]);
	}
}

static int answer(int fd, bool contexts)
{
	static struct cuda_facts f;
	char question;

	/* one that is left unread would undo the answer */
	if (recv(fd, &question, 1, 0) != 1)
		return 1;
	ask(&f, contexts);
	return send(fd, &f, sizeof(f), MSG_NOSIGNAL) != sizeof(f);
}

static int answer_all(int fd)
{
	return answer(fd, true);
}

static int answer_devices(int fd)
{
	return answer(fd, false);
}

/* False: @why, for people. */
static bool get_facts(int (*fn)(int fd), struct cuda_facts *f, char *why, size_t size)
{
	ssize_t n = check_in_child(fn, f, sizeof(*f));

	if (n == sizeof(*f) && !f->why[0])
		return true;
	if (n == sizeof(*f))
		snprintf(why, size, "no CUDA: %s", f->why);
	else
		snprintf(why, size, "%s", n == -ETIMEDOUT ?
			 "the CUDA driver does not answer: see dmesg" :
			 "the CUDA driver's library has crashed: reinstall the driver");
	return false;
}

/* SMs of the smallest part that a green context can have, by compute capability. */
static int green_least(const struct cuda_device *d)
{
	return d->major >= 9 ? 8 : d->major == 8 ? 4 : 2;
}

static json_t *report_device(const struct cuda_facts *f, const struct cuda_device *d)
{
	json_t *o = json_pack("{s:s?, s:s?, s:i, s:b, s:f}", "name", d->name, "pci", d->pci,
			      "multiprocessors", d->sms, "integrated", d->integrated,
			      "compute_capability", d->major + d->minor / 10.0);

	json_object_set_new(o, "driver_version", json_integer(f->version));
	json_object_set_new(o, "mps", d->mps < 0 ? json_null() : json_boolean(d->mps));
	json_object_set_new(o, "stream_priorities", d->has_priorities ?
			    json_pack("[i, i]", d->least, d->greatest) : json_null());
	/* by the vendor's table: the smallest part is not asked of the driver */
	json_object_set_new(o, "green_contexts", f->green && d->sms ?
			    json_integer(d->sms / green_least(d)) : json_null());
	return o;
}

json_t *check_cuda(void)
{
	static struct cuda_facts f;
	json_t *list = json_array();
	char why[128];

	if (!get_facts(answer_all, &f, why, sizeof(why)))
		cli_error("%s", why);
	else
		for (int i = 0; i < f.n; i++)
			json_array_append_new(list, report_device(&f, &f.device[i]));
	return list;
}

bool check_mps(char *why, size_t size)
{
	static struct cuda_facts f;

	if (!get_facts(answer_devices, &f, why, size))
		return false;
	for (int i = 0; i < f.n; i++) {
		if (f.device[i].mps == 1)
			continue;
		snprintf(why, size, f.device[i].mps < 0 ? "the driver cannot tell for %s" :
			 "CUDA would not share %s by it", f.device[i].pci);
		return false;
	}
	snprintf(why, size, "CUDA shows no device");
	return f.n > 0;
}
