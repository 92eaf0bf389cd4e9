/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/text_alert.c — see text_alert.h. */
#include <inttypes.h>
#include <string.h>

#include "cli/field.h"
#include "cli/text_alert.h"

static void alert_lines(struct page *p, json_object *alert, size_t number)
{
	const char *state = field_text_or(alert, "state", "?");
	bool is_firing = strcmp(state, "firing") == 0;

	page_line(p, "%3zu. %s since %s%s", number, state,
		  field_text_or(alert, is_firing ? "fired_at" : "resolved_at", "?"),
		  field_bool(alert, "was_sent") ? "" : ", not sent: too many in a short time");
	page_wrap(p, 0, "     %s", field_text_or(alert, "message", "?"));
}

void text_alert_list(struct page *p, json_object *doc)
{
	int64_t firing = field_count(doc, "alerts_firing"), all = field_count(doc, "alerts_total");
	size_t n = field_list_cnt(doc, "alerts");

	if (all <= 0) {
		page_wrap(p, 0, "No alert fires, and none has since pygrowd was started.");
		return;
	}
	page_line(p, "%" PRId64 " alert%s, %" PRId64 " resolved.", firing,
		  firing == 1 ? " fires" : "s fire", all - firing);
	for (size_t i = 0; i < n; i++)
		alert_lines(p, field_list_get(doc, "alerts", i), i + 1);
	if ((int64_t)n < all)
		page_line(p, "     … and %" PRId64 " more: pygrowctl alerts -n %" PRId64,
			  all - (int64_t)n, all);
}

void text_alert_note(struct page *p, json_object *doc)
{
	int64_t firing = field_count(doc, "alerts_firing");

	if (firing > 0)
		page_line(p, "%" PRId64 " alert%s: pygrowctl alerts", firing,
			  firing == 1 ? " fires" : "s fire");
}
