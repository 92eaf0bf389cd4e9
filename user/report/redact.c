/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/redact.c — see redact.h. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/redact.h"

static bool is_of(json_object *row, uid_t viewer)
{
	json_object *uid = json_object_object_get(row, "uid");

	return json_object_is_type(uid, json_type_int) && json_object_get_int64(uid) == viewer;
}

static void walk(json_object *value, uid_t viewer, int depth);

static void walk_object(json_object *o, uid_t viewer, int depth)
{
	if (!is_of(o, viewer) && json_object_object_get_ex(o, "cmdline", NULL))
		json_object_object_add(o, "cmdline", NULL);
	json_object_object_foreach (o, key, value) {
		if (depth < REDACT_DEPTH_MAX)
			walk(value, viewer, depth + 1);
		else
			json_object_object_add(o, key, NULL);
	}
}

static void walk_array(json_object *list, uid_t viewer, int depth)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		if (depth < REDACT_DEPTH_MAX)
			walk(json_object_array_get_idx(list, i), viewer, depth + 1);
		else
			json_object_array_put_idx(list, i, NULL);
	}
}

static void walk(json_object *value, uid_t viewer, int depth)
{
	if (json_object_is_type(value, json_type_object))
		walk_object(value, viewer, depth);
	else if (json_object_is_type(value, json_type_array))
		walk_array(value, viewer, depth);
}

void redact_cmdlines(json_object *document, uid_t viewer)
{
	walk(document, viewer, 0);
}
