/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/alert_text.h — an alert as sentences: what grows, whose line, how fast, since when,
 * how sure, how long it can go on, what to run next.
 *
 * Names are those of the watched process: they are escaped and cut (ALERT_NAME_BYTES), so that the
 * text is one line that steers no terminal, and fits into LOG_TEXT_BYTES. A figure that is not
 * known is left out.
 */
#ifndef USER_REPORT_ALERT_TEXT_H
#define USER_REPORT_ALERT_TEXT_H

#include "lib/strbuf.h"
#include "report/alert.h"

/* Adds the text; out of memory is the strbuf's own error. */
void alert_text_add(struct strbuf *b, const struct alert *a, double now_sec);
/* Adds a name as it is in there: a path is cut at its beginning. */
void alert_text_add_name(struct strbuf *b, const char *name, bool is_path);

#endif
