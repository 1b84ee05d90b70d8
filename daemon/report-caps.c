// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/report-caps.h"

#include "daemon/sense/gpu/gpu.h"

static json_t *can_values(const struct gpu_caps *caps)
{
	json_t *o = json_object();

	for (int i = 0; i < __GPU_ITEM_MAX; i++)
		json_object_set_new(o, gpu_item_name(i), caps->can[i] == GPU_CAN_NOT ?
				    json_null() : json_string(gpu_can_text(caps->can[i])));
	return o;
}

json_t *report_caps(const struct gpu_caps *caps)
{
	json_t *list = json_array();

	for (int i = 0; i < GPU_BACKENDS; i++)
		json_array_append_new(list, json_pack("{s:s, s:b, s:s, s:o}",
			"name", gpu_backends[i]->name, "there", caps[i].there,
			"detail", caps[i].why, "values", can_values(&caps[i])));
	return list;
}
