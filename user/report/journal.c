/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/journal.c — see journal.h. */
#include <errno.h>

#define SD_JOURNAL_SUPPRESS_LOCATION /* who logs is not this file */
#include <systemd/sd-journal.h>

#include "lib/cleanup.h"
#include "report/journal.h"

int journal_fields(const struct log_entry *e, struct strbuf *text,
		   struct iovec ret[JOURNAL_FIELDS_MAX])
{
	size_t ends[JOURNAL_FIELDS_MAX], n = 0, start = 0;
	const struct log_about *a = &e->about;

#define FIELD(is_known, ...)                      \
	if (is_known) {                           \
		strbuf_printf(text, __VA_ARGS__); \
		ends[n++] = text->len;            \
	}
	FIELD(true, "MESSAGE=%s", e->text)
	FIELD(true, "PRIORITY=%d", log_priority(e->level))
	FIELD(true, "SYSLOG_IDENTIFIER=%s", e->name)
	FIELD(e->err, "ERRNO=%d", -e->err)
	FIELD(a->file, "CODE_FILE=%s", a->file)
	FIELD(a->line, "CODE_LINE=%d", a->line)
	FIELD(a->function, "CODE_FUNC=%s", a->function)
	FIELD(a->pid, "PYGROWD_PID=%d", a->pid)
	FIELD(a->id, "MESSAGE_ID=%s", a->id)
	for (size_t i = 0; i < a->n_fields && i < LOG_FIELDS_MAX; i++)
		FIELD(true, "%s", a->fields[i])
#undef FIELD
	if (strbuf_error(text))
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		ret[i] = (struct iovec){ text->buf + start, ends[i] - start };
		start = ends[i];
	}
	return (int)n;
}

static int sink(const struct log_entry *e)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	struct iovec fields[JOURNAL_FIELDS_MAX];
	int n = journal_fields(e, &text, fields);

	return n < 0 ? n : sd_journal_sendv(fields, n);
}

bool journal_open(void)
{
	if (!log_is_journal())
		return false;
	log_set_sink(sink);
	return true;
}
