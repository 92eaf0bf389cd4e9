/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/text_title.c — see text_title.h. */
#include "cli/field.h"
#include "cli/text_title.h"
#include "lib/units.h"

void text_title(struct page *p, json_object *doc)
{
	size_t n = field_list_cnt(doc, "processes");
	char text[UNITS_TEXT_MAX];

	page_line(p, "pygrowd %s · up %s · %zu process%s · %s", field_text_or(doc, "version", "?"),
		  units_duration_format(text, field_number(doc, "uptime_seconds")), n,
		  n == 1 ? "" : "es", field_text_or(doc, "at", "?"));
}
