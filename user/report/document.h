/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/document.h — a snapshot as the one JSON object that users and scripts get.
 *
 * Every command and `pygrowd --for --json` give this same document, so that a script need not care
 * which it called. A figure that is not known is null. Lists are cut to a limit, and "truncated_to"
 * says so; what is in "processes" (totals too) is never cut. Text is made valid UTF-8.
 */
#ifndef USER_REPORT_DOCUMENT_H
#define USER_REPORT_DOCUMENT_H

#include <json-c/json.h>
#include <math.h>
#include <stdbool.h>

#include "growth/snapshot.h"

#define DOCUMENT_LIMIT	   10 /* rows of each list, if nobody says otherwise */
#define DOCUMENT_LIMIT_MAX 5000 /* rows of each list, whoever asks: a second of work */
#define DOCUMENT_STACK_MAX 16 /* hex digits of a stack's id */

struct document_options {
	size_t limit; /* rows of each list; cut to DOCUMENT_LIMIT_MAX */
	pid_t pid; /* only this process; 0: all */
	bool is_split; /* each process in rows of its own, also those of one service */
	const char *stack; /* only stacks whose id begins with these hex digits; NULL: all */
};

#define DOCUMENT_OPTIONS_INIT           \
	{                               \
		.limit = DOCUMENT_LIMIT \
	}

/* 0 or -ENOMEM; *ret is the caller's. */
int document_new(const struct snapshot *snapshot, const struct document_options *o,
		 json_object **ret);

#endif
