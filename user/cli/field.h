/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/field.h — fields of the document, whatever it holds: absent, null or of another type is
 * NULL, NAN, -1 or an empty list. Nothing here is owned by the caller.
 */
#ifndef USER_CLI_FIELD_H
#define USER_CLI_FIELD_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

const char *field_text(json_object *o, const char *key);
const char *field_text_or(json_object *o, const char *key, const char *other);
double field_number(json_object *o, const char *key);
int64_t field_count(json_object *o, const char *key);
bool field_bool(json_object *o, const char *key);
json_object *field_object(json_object *o, const char *key);
size_t field_list_cnt(json_object *o, const char *key);
json_object *field_list_get(json_object *o, const char *key, size_t i);
/* The list's numbers, at most `max`; how many. null in the list is NAN. */
size_t field_numbers(json_object *o, const char *key, double *ret, size_t max);

#endif
