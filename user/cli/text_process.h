/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/text_process.h — a process of the document in words: what it is, how well we see it. */
#ifndef USER_CLI_TEXT_PROCESS_H
#define USER_CLI_TEXT_PROCESS_H

#include "cli/page.h"
#include "cli/writer.h"

/* The top of a report: version, how long, and each process if they are few. */
void text_process_head(struct page *p, json_object *doc);
/* Does it have figures that rest on samples, and not on every block? */
bool text_process_has_estimates(json_object *doc);
/* What must be said besides the figures: warnings, losses, the collector. Indented by two. */
void text_process_notes(struct page *p, json_object *doc, json_object *process);
/* The view `status`. */
void text_process_status(struct page *p, json_object *doc);

#endif
