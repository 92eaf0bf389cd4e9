/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/answer_show.h — what `pygrowctl show` adds from the history: how a stack came to hold
 * what it holds, and stacks that hold nothing any more, also of processes that have ended.
 */
#ifndef USER_REPORT_ANSWER_SHOW_H
#define USER_REPORT_ANSWER_SHOW_H

#include <json-c/json.h>

#include "growth/snapshot.h"
#include "report/history.h"

#define ANSWER_SHOW_SERIES_MAX 8 /* of an answer: each may be some 9,000 points, a megabyte */
#define ANSWER_SHOW_OWNERS_MAX 8 /* processes of a stack that is gone; the latest ones */

/* "series" into the document's stacks, of workers with the same key the one that they have in
 * common; null beyond ANSWER_SHOW_SERIES_MAX of them, or if nothing is known. */
void answer_show_extend(json_object *document, const struct snapshot *snapshot, struct history *h);
/* A document of a stack by the beginning of its id (hex digits, not none), made of the history
 * alone; or { "error": … }; or NULL: the history does not know it. */
json_object *answer_show_gone(struct history *h, const char *prefix, const struct snapshot *now);

#endif
