/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/request.h — what a request of docs/PROTOCOL asks for, and the word that it is
 * refused.
 *
 * The request may hold anything: each field is taken only if it is of its kind and in range.
 */
#ifndef USER_REPORT_REQUEST_H
#define USER_REPORT_REQUEST_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "report/document.h"

/* NULL: *o and *ret_since_sec (Unix time; stays if none is asked for) are what is asked. Else the
 * answer to give. */
json_object *request_options(json_object *request, struct document_options *o,
			     double *ret_since_sec);
/* *ret stays if the number is absent or null. False: it is no (finite) number. */
bool request_number(json_object *request, const char *key, double *ret);
/* Rows of a list that are asked for: at most DOCUMENT_LIMIT_MAX. */
size_t request_limit(json_object *request);
/* { "error": the text }, control characters taken out. NULL: out of memory. */
json_object *request_error_new(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
