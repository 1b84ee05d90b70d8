// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who did what when, in us since the start of the run, for the picture in the
 * report: the GPU's busy intervals, the feeder, and each agent with its tools.
 */
#include <errno.h>
#include <string.h>

#include "run.h"
#include "tests/gpuemu/device.h"
#include "util.h"

enum { MAX_INTERVALS = 100000 };

/* [[start_ns,end_ns,...]] to us since the epoch, in place */
static json_t *shift(json_t *rows, uint64_t epoch)
{
	json_t *row;
	size_t i, k;

	json_array_foreach(rows, i, row)
		for (k = 0; k < 2; k++) {
			json_int_t ns = json_integer_value(json_array_get(row, k));

			json_array_set_new(row, k, json_integer((ns - (json_int_t)epoch) / 1000));
		}
	return rows;
}

/* The emulated device remembers its own busy intervals, whoever caused them. */
static json_t *emulator_intervals(const struct run *r, json_int_t *lost)
{
	struct gpuemu_device *d = gpuemu_map(0);
	json_t *rows = json_array();
	uint64_t head, i;

	*lost = 0;
	if (!d)
		return rows;
	head = atomic_load(&d->ring_head);
	i = head > GPUEMU_RING ? head - GPUEMU_RING : 0;
	for (; i < head; i++) {
		const struct gpuemu_interval *v = &d->ring[i % GPUEMU_RING];
		uint64_t s = atomic_load(&v->start), e = atomic_load(&v->end);

		if (atomic_load(&v->seq) != i + 1 || e < r->epoch || s > r->end)
			continue;
		if (json_array_size(rows) >= MAX_INTERVALS)
			++*lost;
		else
			json_array_append_new(rows, json_pack("[I,I,i]", (json_int_t)s,
				(json_int_t)e, (int)atomic_load(&v->pid)));
	}
	return rows;
}

/* On a real GPU: from the feeder's launch to its return, which is an upper bound. */
static json_t *feeder_intervals(const json_t *spans, int pid)
{
	json_t *rows = json_array(), *row;
	size_t i;

	json_array_foreach((json_t *)spans, i, row)
		if (!strcmp(json_string_value(json_array_get(row, 2)), "gpu"))
			json_array_append_new(rows, json_pack("[O,O,i]", json_array_get(row, 0),
							      json_array_get(row, 1), pid));
	return json_deep_copy(rows);
}

static json_t *agent_lane(const struct run *r, unsigned int i)
{
	char path[480];
	json_t *a, *lane;

	snprintf(path, sizeof(path), "%s/agent-%u.json", r->out, i);
	a = json_load_file(path, 0, NULL);
	lane = json_pack("{s:s,s:s,s:i,s:O,s:O,s:O}", "name", r->trace.agent[i].name, "type",
			 r->trace.agent[i].type, "pid", (int)r->agent[i].pid, "spans",
			 json_object_get(a, "spans"), "tools", json_object_get(a, "tools"),
			 "lost", json_object_get(a, "lost"));
	json_decref(a);
	shift(json_object_get(lane, "spans"), r->epoch);
	shift(json_object_get(lane, "tools"), r->epoch);
	return lane;
}

static json_t *gpu_lane(const struct run *r, int emulated)
{
	json_t *spans = json_object_get(r->feeder_spans, "spans"), *rows;
	json_int_t lost = 0;

	if (emulated)
		rows = emulator_intervals(r, &lost);
	else
		rows = feeder_intervals(spans, r->server.pid);
	return json_pack("{s:s,s:o,s:I}", "source", emulated ? "device" : "feeder", "busy",
			 shift(rows, r->epoch), "lost", lost);
}

int timeline_write(struct run *r, const json_t *report)
{
	int emulated = json_is_true(json_object_get(report, "emulated")), err;
	json_t *lanes = json_array(), *j, *lane;
	unsigned int i;

	j = json_pack("{s:s,s:b,s:s,s:I,s:I,s:o}", "kind", "timeline", "emulated", emulated, "note",
		      emulated ? GPUEMU_NOTE : "", "epoch_ns", (json_int_t)r->epoch, "length_us",
		      (json_int_t)((r->end - r->epoch) / 1000), "gpu", gpu_lane(r, emulated));
	shift(json_object_get(r->feeder_spans, "spans"), r->epoch);
	if (r->feeder_spans) {
		json_object_set_new(r->feeder_spans, "pid", json_integer(r->server.pid));
		json_object_set(j, "feeder", r->feeder_spans);
	}
	for (i = 0; i < r->trace.agents; i++) {
		lane = agent_lane(r, i);
		if (lane)
			json_array_append_new(lanes, lane);
	}
	json_object_set_new(j, "agents", lanes);
	err = json_dump_file(j, r->timeline, JSON_COMPACT);
	if (err)
		warn("cannot write %s: %s", r->timeline, strerror(errno));
	json_decref(j);
	return err ? -EIO : 0;
}
