/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/journal.h — log messages as entries of systemd's journal, with fields.
 *
 *	MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, ERRNO, CODE_FILE, CODE_LINE, CODE_FUNC
 *	PYGROWD_PID	the watched process that it is about
 *	MESSAGE_ID	LOG_ID_… of log.h: started, stopped, reloaded, reload refused, unsupported,
 *			an alert fires, or is resolved
 *	PYGROWD_…	of an alert: see alert_log.h
 * A field that says nothing is absent: journalctl PYGROWD_PID=4711 has all about that process.
 */
#ifndef USER_REPORT_JOURNAL_H
#define USER_REPORT_JOURNAL_H

#include <stdbool.h>
#include <sys/uio.h>

#include "lib/log.h"
#include "lib/strbuf.h"

#define JOURNAL_FIELDS_MAX (9 + LOG_FIELDS_MAX)

/* Where stderr is the journal: messages go there by its own protocol from now on. False: it is not,
 * nothing is changed. A message that journald does not take goes to stderr. */
bool journal_open(void);

/* "NAME=value" of each field, in `text`, until that changes. How many; -ENOMEM. For tests. */
int journal_fields(const struct log_entry *e, struct strbuf *text,
		   struct iovec ret[JOURNAL_FIELDS_MAX]);

#endif
