// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/report-driver.h"

#include "daemon/daemon.h"
#include "daemon/sense/driver.h"

static void put(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *one_thread(const struct driver_thread *t)
{
	uint64_t now = now_ns(), last = t->did.last_ns;
	json_t *o = json_object();

	put(o, "pid", json_integer(t->did.tgid));
	put(o, "tid", json_integer(t->tid));
	put(o, "opens", json_integer(t->did.opens));
	put(o, "ioctls", json_integer(t->did.ioctls));
	put(o, "ioctl_s", json_real(t->did.ioctl_ns / 1e9));
	put(o, "ioctls_untimed", json_integer(t->did.untimed));
	put(o, "maps", json_integer(t->did.maps));
	put(o, "polls", json_integer(t->did.polls));
	put(o, "idle_s", json_real(now > last ? (now - last) / 1e9 : 0));
	return o;
}

static json_t *probes(const struct driver *drv)
{
	json_t *list = json_array(), *o;
	struct driver_probe p;

	for (unsigned int i = 0; driver_probe(drv, i, &p); i++) {
		o = json_object();
		put(o, "function", json_string(p.function));
		put(o, "in", json_boolean(!p.why));
		put(o, "why_not", text_or_null(p.why));
		json_array_append_new(list, o);
	}
	return list;
}

json_t *report_driver(const struct daemon *d)
{
	static struct driver_thread thread[PROBE_DRIVER_THREADS_MAX];
	const struct driver *drv = sense_driver(d->sense);
	const char *why = drv ? driver_why(drv) : "there are no BPF probes";
	json_t *o = json_object(), *list = json_array();
	uint64_t forgotten = 0;
	size_t n = drv ? driver_threads(drv, thread, &forgotten) : 0;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, one_thread(&thread[i]));
	put(o, "known", json_boolean(!why));
	put(o, "why", text_or_null(why));
	put(o, "probes", drv ? probes(drv) : json_array());
	put(o, "threads", list);
	put(o, "threads_forgotten", json_integer(forgotten));
	return o;
}

json_t *report_driver_thread(const struct daemon *d, uint32_t tid)
{
	const struct driver *drv = sense_driver(d->sense);
	struct driver_thread t;

	return drv && driver_find(drv, tid, &t) ? one_thread(&t) : json_null();
}
