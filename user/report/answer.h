/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/answer.h — a request of docs/PROTOCOL → its answer. */
#ifndef USER_REPORT_ANSWER_H
#define USER_REPORT_ANSWER_H

#include <json-c/json.h>

#include "growth/snapshot.h"
#include "report/history.h"

/* A document, or { "error": "one line: what, why, what to do" }. snapshot may be NULL: none was
 * made yet; history NULL: none is kept. The request may hold anything. NULL: out of memory. */
json_object *answer_new(const struct snapshot *snapshot, struct history *history,
			json_object *request);

#endif
