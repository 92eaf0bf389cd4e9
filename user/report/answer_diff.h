/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/answer_diff.h — the answer to `pygrowctl diff`: what changed between two moments,
 * from the history. docs/PROTOCOL.md has the document.
 */
#ifndef USER_REPORT_ANSWER_DIFF_H
#define USER_REPORT_ANSWER_DIFF_H

#include <json-c/json.h>

#include "report/history.h"

#define ANSWER_DIFF_LIMIT     10
#define ANSWER_DIFF_LIMIT_MAX 1000

/* "command" of the request is diff. */
bool answer_diff_is_asked(json_object *request);
/* `h` NULL: this daemon keeps none. An answer or the error to send; the caller takes it over. NULL:
 * out of memory. */
json_object *answer_diff_new(struct history *h, json_object *request, double now_sec);

#endif
