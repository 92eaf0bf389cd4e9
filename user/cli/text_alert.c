/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/text_alert.c — see text_alert.h. */
#include <inttypes.h>
#include <string.h>

#include "cli/field.h"
#include "cli/text_alert.h"

static const char *why_not_sent(json_object *alert, json_object *suppressed)
{
	if (suppressed)
		return ", suppressed";
	return field_bool(alert, "was_sent") ? "" : ", not sent: too many in a short time";
}

static void alert_lines(struct page *p, json_object *alert, size_t number)
{
	const char *state = field_text_or(alert, "state", "?");
	bool is_firing = strcmp(state, "firing") == 0;
	json_object *suppressed = field_object(alert, "suppressed");

	page_line(p, "%3zu. %s since %s%s", number, state,
		  field_text_or(alert, is_firing ? "fired_at" : "resolved_at", "?"),
		  why_not_sent(alert, suppressed));
	page_wrap(p, 0, "     %s", field_text_or(alert, "message", "?"));
	if (suppressed)
		page_wrap(p, 0, "     Suppressed until %s by %s: %s",
			  field_text_or(suppressed, "until", "?"),
			  field_text_or(suppressed, "by", "?"),
			  field_text_or(suppressed, "reason", "?"));
}

/* 0 of a daemon that does not know of suppressions. */
static int64_t suppressed_cnt(json_object *doc)
{
	int64_t n = field_count(doc, "alerts_suppressed");

	return n > 0 ? n : 0;
}

void text_alert_list(struct page *p, json_object *doc)
{
	int64_t firing = field_count(doc, "alerts_firing"), all = field_count(doc, "alerts_total");
	int64_t suppressed = suppressed_cnt(doc);
	size_t n = field_list_cnt(doc, "alerts");

	if (all <= 0) {
		page_wrap(p, 0, "No alert fires, and none has since pygrowd was started.");
		return;
	}
	if (suppressed)
		page_line(p, "%" PRId64 " alert%s, %" PRId64 " suppressed, %" PRId64 " resolved.",
			  firing, firing == 1 ? " fires" : "s fire", suppressed,
			  all - firing - suppressed);
	else
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
	int64_t firing = field_count(doc, "alerts_firing"), suppressed = suppressed_cnt(doc);

	if (firing > 0)
		page_line(p, "%" PRId64 " alert%s: pygrowctl alerts", firing,
			  firing == 1 ? " fires" : "s fire");
	if (suppressed)
		page_line(p, "%" PRId64 " alert%s suppressed: pygrowctl alerts", suppressed,
			  suppressed == 1 ? " is" : "s are");
}
