/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/jsonrow.c — see jsonrow.h. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/jsonput.h"
#include "report/jsonrow.h"

#define MOMENT_SEC_MAX	253402300800.0 /* the year 10000 */
#define CLEAN_BYTES_MAX (3 * JSONROW_TEXT_BYTES) /* each byte may have become U+FFFD */

/* 17 digits bring every double back as it was. */
static json_object *number_new(double value)
{
	char text[40];

	if (!isfinite(value))
		return NULL;
	snprintf(text, sizeof(text), "%.17g", value);
	return json_object_new_double_s(value, text);
}

json_object *jsonrow_new(const struct jsonrow_field *fields, size_t n, const void *row)
{
	json_object *o = json_object_new_object();

	for (size_t i = 0; o && i < n; i++) {
		const struct jsonrow_field *f = &fields[i];
		const void *at = (const char *)row + f->offset;

		switch (f->type) {
		case JSONROW_ID:
			jsonput_id(o, f->key, *(const uint64_t *)at);
			break;
		case JSONROW_INT:
			jsonput_object(o, f->key, json_object_new_int(*(const int *)at));
			break;
		case JSONROW_COUNT:
			jsonput_count(o, f->key, (int64_t) * (const size_t *)at);
			break;
		case JSONROW_BOOL:
			jsonput_bool(o, f->key, *(const bool *)at);
			break;
		case JSONROW_NUMBER:
		case JSONROW_MOMENT:
			jsonput_object(o, f->key, number_new(*(const double *)at));
			break;
		case JSONROW_TEXT:
			jsonput_text(o, f->key, *(char *const *)at, JSONROW_TEXT_BYTES);
			break;
		}
	}
	return o;
}

static int read_id(json_object *value, uint64_t *ret)
{
	const char *text = json_object_get_string(value);

	if (!json_object_is_type(value, json_type_string) ||
	    strspn(text, "0123456789abcdef") != 16 || text[16])
		return -EBADMSG;
	*ret = strtoull(text, NULL, 16);
	return 0;
}

static int read_whole(json_object *value, int64_t min, int64_t max, int64_t *ret)
{
	int64_t v = json_object_get_int64(value);

	if (!json_object_is_type(value, json_type_int) || v < min || v > max)
		return -EBADMSG;
	*ret = v;
	return 0;
}

static int read_number(json_object *value, double *ret)
{
	*ret = NAN;
	if (!value)
		return 0;
	if (!json_object_is_type(value, json_type_double) &&
	    !json_object_is_type(value, json_type_int))
		return -EBADMSG;
	*ret = json_object_get_double(value);
	return isfinite(*ret) ? 0 : -EBADMSG;
}

static int read_moment(json_object *value, double now_sec, double *ret)
{
	int r = read_number(value, ret);

	if (r < 0 || isnan(*ret))
		return r;
	if (*ret < 0 || *ret > MOMENT_SEC_MAX)
		return -EBADMSG;
	*ret = fmin(*ret, now_sec);
	return 0;
}

static int read_text(json_object *value, char **ret)
{
	*ret = NULL;
	if (!value)
		return 0;
	if (!json_object_is_type(value, json_type_string))
		return -EBADMSG;
	*ret = (char *)json_object_get_string(value);
	return strlen(*ret) <= CLEAN_BYTES_MAX ? 0 : -EBADMSG;
}

static int read_field(const struct jsonrow_field *f, json_object *value, double now_sec, void *at)
{
	int64_t whole = 0;
	int r;

	switch (f->type) {
	case JSONROW_ID:
		return read_id(value, at);
	case JSONROW_INT:
		r = read_whole(value, INT32_MIN, INT32_MAX, &whole);
		*(int *)at = (int)whole;
		return r;
	case JSONROW_COUNT:
		r = read_whole(value, 0, INT64_MAX, &whole);
		*(size_t *)at = (size_t)whole;
		return r;
	case JSONROW_BOOL:
		*(bool *)at = json_object_get_boolean(value);
		return json_object_is_type(value, json_type_boolean) ? 0 : -EBADMSG;
	case JSONROW_NUMBER:
		return read_number(value, at);
	case JSONROW_MOMENT:
		return read_moment(value, now_sec, at);
	case JSONROW_TEXT:
		return read_text(value, at);
	}
	return -EBADMSG;
}

int jsonrow_read(const struct jsonrow_field *fields, size_t n, json_object *o, double now_sec,
		 void *row)
{
	if (!json_object_is_type(o, json_type_object))
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		int r = read_field(&fields[i], json_object_object_get(o, fields[i].key), now_sec,
				   (char *)row + fields[i].offset);

		if (r < 0)
			return r;
	}
	return 0;
}
