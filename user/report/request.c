/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/request.c — see request.h. */
#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/utf8.h"
#include "report/request.h"

json_object *request_error_new(const char *fmt, ...)
{
	_cleanup_free_ char *clean = NULL;
	json_object *o = json_object_new_object();
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	clean = utf8_clean(text, sizeof(text));
	if (!o || !clean) {
		json_object_put(o);
		return NULL;
	}
	json_object_object_add(o, "error", json_object_new_string(clean));
	return o;
}

/* true if the field is absent or null, or of this kind and in range; *ret only in the latter case.
 */
static bool get_integer(json_object *request, const char *key, int64_t max, int64_t *ret)
{
	json_object *value;

	if (!json_object_object_get_ex(request, key, &value) || !value)
		return true;
	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0 ||
	    json_object_get_int64(value) > max)
		return false;
	*ret = json_object_get_int64(value);
	return true;
}

bool request_number(json_object *request, const char *key, double *ret)
{
	json_object *value;

	if (!json_object_object_get_ex(request, key, &value) || !value)
		return true;
	if (!json_object_is_type(value, json_type_int) &&
	    !json_object_is_type(value, json_type_double))
		return false;
	*ret = json_object_get_double(value);
	return isfinite(*ret);
}

size_t request_limit(json_object *request)
{
	int64_t limit = DOCUMENT_LIMIT;

	(void)get_integer(request, "limit", INT64_MAX, &limit);
	return limit < DOCUMENT_LIMIT_MAX ? (size_t)limit : DOCUMENT_LIMIT_MAX;
}

static bool get_bool(json_object *request, const char *key, bool *ret)
{
	json_object *value;

	if (!json_object_object_get_ex(request, key, &value) || !value)
		return true;
	if (!json_object_is_type(value, json_type_boolean))
		return false;
	*ret = json_object_get_boolean(value);
	return true;
}

static bool get_stack(json_object *request, const char **ret)
{
	json_object *value;
	const char *s;
	size_t len;

	if (!json_object_object_get_ex(request, "stack", &value) || !value)
		return true;
	if (!json_object_is_type(value, json_type_string))
		return false;
	s = json_object_get_string(value);
	len = (size_t)json_object_get_string_len(value);
	if (!len || len > DOCUMENT_STACK_MAX || strspn(s, "0123456789abcdefABCDEF") != len)
		return false;
	*ret = s;
	return true;
}

json_object *request_options(json_object *request, struct document_options *o,
			     double *ret_since_sec)
{
	int64_t limit = DOCUMENT_LIMIT, pid = 0;

	if (!get_integer(request, "limit", INT64_MAX, &limit))
		return request_error_new("limit: not a whole number of rows");
	if (!get_integer(request, "pid", INT_MAX, &pid))
		return request_error_new("pid: not a process number");
	if (!get_bool(request, "split", &o->is_split))
		return request_error_new("split: not true or false");
	if (!request_number(request, "since", ret_since_sec))
		return request_error_new("since: not a Unix time");
	if (!get_stack(request, &o->stack))
		return request_error_new(
			"stack '%.32s': not the id of one, which is up to 16 hex digits; see "
			"pygrowctl report --by stack",
			json_object_get_string(json_object_object_get(request, "stack")));
	o->limit = (size_t)limit;
	o->pid = (pid_t)pid;
	return NULL;
}
