/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/text_gc.h — the view `gc`: what collectors do, and whose garbage they find. */
#ifndef USER_CLI_TEXT_GC_H
#define USER_CLI_TEXT_GC_H

#include <json-c/json.h>

#include "cli/page.h"
#include "lib/units.h"

void text_gc(struct page *p, json_object *doc);
/* Collections of a process, and how many of them were timed. */
struct text_gc_timed {
	double n, n_timed;
};
struct text_gc_timed text_gc_timed(json_object *gc);
/* "93.0 %", or "93.0 % ±2.1 %": the collector's share of what was freed of a stack. */
#define TEXT_GC_SHARE_MAX (2 * UNITS_TEXT_MAX)
const char *text_gc_share(char buf[TEXT_GC_SHARE_MAX], json_object *gc);
/* A stack's verdict in words; NULL: none. */
const char *text_gc_verdict(const char *verdict);

#endif
