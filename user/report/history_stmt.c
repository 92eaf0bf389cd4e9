/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/history_stmt.c — how is a statement of history_sql.h run, and what if it fails?
 *
 * Errors of SQLite stick (`rc`, `error_text`): statements do nothing more after the first one, and
 * whoever began asks once, at the end. A tick's transaction is then rolled back.
 */
#include <stdarg.h>

#include "report/history_internal.h"

static bool rc_is_bad(int rc)
{
	return rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE;
}

void history_note(struct history *h, int rc)
{
	if (h->rc != SQLITE_OK || !rc_is_bad(rc))
		return;
	h->rc = rc;
	snprintf(h->error_text, sizeof(h->error_text), "%s",
		 h->db ? sqlite3_errmsg(h->db) : sqlite3_errstr(rc));
}

void history_damage_note(struct history *h, const char *what)
{
	if (h->rc != SQLITE_OK)
		return;
	h->rc = SQLITE_CORRUPT;
	snprintf(h->error_text, sizeof(h->error_text), "%s", what);
}

int history_error_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return -EACCES;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	default:
		return -EIO;
	}
}

static void stmt_bind(struct history *h, enum sql id, const char *types, va_list ap)
{
	sqlite3_stmt *s = h->stmts[id];

	sqlite3_reset(s);
	for (int i = 1; *types; i++, types++) {
		if (*types == 'i') {
			history_note(h, sqlite3_bind_int64(s, i, va_arg(ap, int64_t)));
		} else if (*types == 's') {
			history_note(h, sqlite3_bind_text(s, i, va_arg(ap, const char *), -1,
							  SQLITE_STATIC));
		} else {
			const void *data = va_arg(ap, const void *);

			history_note(h,
				     sqlite3_bind_blob(s, i, data, va_arg(ap, int), SQLITE_STATIC));
		}
	}
}

void history_query(struct history *h, enum sql id, const char *types, ...)
{
	va_list ap;

	if (h->rc != SQLITE_OK)
		return;
	va_start(ap, types);
	stmt_bind(h, id, types, ap);
	va_end(ap);
}

sqlite3_stmt *history_row_next(struct history *h, enum sql id)
{
	int rc;

	if (h->rc != SQLITE_OK)
		return NULL;
	rc = sqlite3_step(h->stmts[id]);
	if (rc == SQLITE_ROW)
		return h->stmts[id];
	history_note(h, rc);
	sqlite3_reset(h->stmts[id]);
	return NULL;
}

void history_query_end(struct history *h, enum sql id)
{
	if (h->db)
		sqlite3_reset(h->stmts[id]);
}

void history_run(struct history *h, enum sql id, const char *types, ...)
{
	va_list ap;

	if (h->rc != SQLITE_OK)
		return;
	va_start(ap, types);
	stmt_bind(h, id, types, ap);
	va_end(ap);
	while (history_row_next(h, id))
		;
}
