/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/answer.h — a request of docs/PROTOCOL → its answer. */
#ifndef USER_REPORT_ANSWER_H
#define USER_REPORT_ANSWER_H

#include <json-c/json.h>
#include <stdbool.h>

#include "growth/snapshot.h"
#include "report/history.h"

/* A document, or { "error": "one line: what, why, what to do" }. snapshot may be NULL: none was
 * made yet; history NULL: none is kept. The request may hold anything. NULL: out of memory. */
json_object *answer_new(const struct snapshot *snapshot, struct history *history,
			json_object *request);
/* A number of the request; *ret stays if it is absent or null. False: it is no (finite) number. */
bool answer_get_number(json_object *request, const char *key, double *ret);
/* Rows of a list that the request asks for: at most DOCUMENT_LIMIT_MAX. */
size_t answer_limit(json_object *request);
/* { "error": the text }, control characters taken out. */
json_object *answer_error_new(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
