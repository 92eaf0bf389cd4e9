/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/jsonput.c — see jsonput.h. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/utf8.h"
#include "report/jsonput.h"

void jsonput_object(json_object *o, const char *key, json_object *value)
{
	json_object_object_add_ex(o, key, value, JSON_C_OBJECT_ADD_CONSTANT_KEY);
}

void jsonput_text(json_object *o, const char *key, const char *text, size_t max_bytes)
{
	_cleanup_free_ char *clean = text ? utf8_clean(text, max_bytes) : NULL;

	jsonput_object(o, key, clean ? json_object_new_string(clean) : NULL);
}

void jsonput_string(json_object *o, const char *key, const char *text)
{
	jsonput_text(o, key, text, JSONPUT_TEXT_BYTES);
}

void jsonput_bool(json_object *o, const char *key, bool value)
{
	jsonput_object(o, key, json_object_new_boolean(value));
}

void jsonput_count(json_object *o, const char *key, int64_t value)
{
	jsonput_object(o, key, value < 0 ? NULL : json_object_new_int64(value));
}

void jsonput_bytes(json_object *o, const char *key, double value)
{
	bool is_known = isfinite(value) && fabs(value) < 0x1p62;

	jsonput_object(o, key, is_known ? json_object_new_int64(llround(value)) : NULL);
}

/* json-c alone would print 0.1 as 0.10000000000000001. */
static json_object *double_new(double value, const char *format)
{
	char text[64];

	if (!isfinite(value))
		return NULL;
	if (value == 0)
		value = fabs(value); /* no "-0" */
	snprintf(text, sizeof(text), format, value);
	return json_object_new_double_s(value, text);
}

json_object *jsonput_number_new(double value)
{
	return double_new(value, "%.6g");
}

void jsonput_number(json_object *o, const char *key, double value)
{
	jsonput_object(o, key, jsonput_number_new(value));
}

void jsonput_decimal(json_object *o, const char *key, double value)
{
	jsonput_object(o, key, double_new(value, "%.3f"));
}

void jsonput_moment(json_object *o, const char *key, double unix_sec)
{
	char text[CLOCK_TEXT_MAX];

	jsonput_object(o, key,
		       isfinite(unix_sec)
			       ? json_object_new_string(clock_rfc3339_format(text, unix_sec))
			       : NULL);
}

void jsonput_id(json_object *o, const char *key, uint64_t id)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, id);
	jsonput_object(o, key, json_object_new_string(text));
}
