/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/field.c — see field.h. */
#include <math.h>

#include "cli/field.h"

static json_object *get(json_object *o, const char *key, json_type type)
{
	json_object *value;

	if (!json_object_is_type(o, json_type_object))
		return NULL;
	if (!json_object_object_get_ex(o, key, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

static double number_of(json_object *value)
{
	if (!json_object_is_type(value, json_type_int) &&
	    !json_object_is_type(value, json_type_double))
		return NAN;
	return json_object_get_double(value);
}

const char *field_text(json_object *o, const char *key)
{
	json_object *value = get(o, key, json_type_string);

	return value ? json_object_get_string(value) : NULL;
}

const char *field_text_or(json_object *o, const char *key, const char *other)
{
	const char *text = field_text(o, key);

	return text ? text : other;
}

double field_number(json_object *o, const char *key)
{
	json_object *value = NULL;

	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, key, &value);
	return number_of(value);
}

int64_t field_count(json_object *o, const char *key)
{
	json_object *value = get(o, key, json_type_int);

	return value ? json_object_get_int64(value) : -1;
}

bool field_bool(json_object *o, const char *key)
{
	json_object *value = get(o, key, json_type_boolean);

	return value && json_object_get_boolean(value);
}

json_object *field_object(json_object *o, const char *key)
{
	return get(o, key, json_type_object);
}

size_t field_list_cnt(json_object *o, const char *key)
{
	json_object *list = get(o, key, json_type_array);

	return list ? json_object_array_length(list) : 0;
}

json_object *field_list_get(json_object *o, const char *key, size_t i)
{
	json_object *list = get(o, key, json_type_array);

	return list && i < json_object_array_length(list) ? json_object_array_get_idx(list, i)
							  : NULL;
}

size_t field_numbers(json_object *o, const char *key, double *ret, size_t max)
{
	size_t n = field_list_cnt(o, key);

	n = n < max ? n : max;
	for (size_t i = 0; i < n; i++)
		ret[i] = number_of(field_list_get(o, key, i));
	return n;
}
