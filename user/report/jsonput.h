/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/jsonput.h — values into a JSON object, null where a figure is not known.
 *
 * Keys are string literals. Out of memory puts null: json-c offers no better, and a daemon that far
 * gone must above all go on.
 */
#ifndef USER_REPORT_JSONPUT_H
#define USER_REPORT_JSONPUT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#define JSONPUT_TEXT_BYTES 2048 /* at most, of one string in a document */

void jsonput_object(json_object *o, const char *key, json_object *value); /* takes value over */
void jsonput_text(json_object *o, const char *key, const char *text, size_t max_bytes);
void jsonput_string(json_object *o, const char *key, const char *text); /* JSONPUT_TEXT_BYTES */
void jsonput_bool(json_object *o, const char *key, bool value);
void jsonput_count(json_object *o, const char *key, int64_t value); /* < 0: null */
void jsonput_bytes(json_object *o, const char *key, double value); /* whole; not finite: null */
void jsonput_number(json_object *o, const char *key, double value); /* 6 digits; ditto */
void jsonput_decimal(json_object *o, const char *key, double value); /* 3 decimals; ditto */
json_object *jsonput_number_new(double value); /* as jsonput_number(), for an array */
void jsonput_moment(json_object *o, const char *key, double unix_sec);
void jsonput_id(json_object *o, const char *key, uint64_t id); /* 16 hex digits */

#endif
