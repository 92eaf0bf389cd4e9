/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/jsonrow.h — a struct as a JSON object and back, by one table of its fields: for what
 * we write for ourselves, where what is read must be what was written, to the last bit.
 *
 * What is read was perhaps written by nobody we know: a field that is missing or null is "not
 * known" where there is such a thing, anything else of the wrong type or range makes the row bad.
 */
#ifndef USER_REPORT_JSONROW_H
#define USER_REPORT_JSONROW_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum jsonrow_type {
	JSONROW_ID, /* uint64_t, as 16 hex digits */
	JSONROW_INT, /* int, or pid_t */
	JSONROW_COUNT, /* size_t */
	JSONROW_BOOL,
	JSONROW_NUMBER, /* double; NAN: null */
	JSONROW_MOMENT, /* double: Unix time; NAN: null. After now: now, since the clock was wrong
			 */
	JSONROW_TEXT, /* char *; NULL: null. At most JSONROW_TEXT_BYTES, and UTF-8 */
};

#define JSONROW_TEXT_BYTES 2048

struct jsonrow_field {
	const char *key; /* string literal */
	enum jsonrow_type type;
	size_t offset;
};

/* NULL: out of memory. */
json_object *jsonrow_new(const struct jsonrow_field *fields, size_t n, const void *row);
/* Into a row that is all zero. Texts belong to `o`. 0, or -EBADMSG: the row is of no use then. */
int jsonrow_read(const struct jsonrow_field *fields, size_t n, json_object *o, double now_sec,
		 void *row);

#endif
