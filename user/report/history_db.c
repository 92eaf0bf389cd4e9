/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/history_db.c — is there a sound history.db in this directory that is ours alone?
 *
 * Opens it, makes it if there is none, checks it as far as that is quick, and puts a damaged one
 * aside. Whoever holds the lock file is alone: nobody else reads or writes the database.
 */
#include <fcntl.h>
#include <glob.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/fsutil.h"
#include "lib/log.h"
#include "report/history_internal.h"

#define CACHE_KIB     "1024" /* SQLite's page cache */
#define WAL_PAGES_MAX 1000
#define LOCK_NAME     "history.lock"

static const char *const sql_text[] = {
#define HISTORY_SQL_TEXT(id, text) [SQL_##id] = text,
	HISTORY_SQL(HISTORY_SQL_TEXT)
#undef HISTORY_SQL_TEXT
};
_Static_assert(ARRAY_SIZE(sql_text) == SQL_MAX, "each statement has a text");

void history_db_close(struct history *h)
{
	for (size_t i = 0; i < SQL_MAX; i++) {
		sqlite3_finalize(h->stmts[i]);
		h->stmts[i] = NULL;
	}
	sqlite3_close(h->db);
	h->db = NULL;
	memset(h->cache, 0, sizeof(h->cache));
}

static void exec(struct history *h, const char *sql)
{
	if (h->rc == SQLITE_OK)
		history_note(h, sqlite3_exec(h->db, sql, NULL, NULL, NULL));
}

/* One number or word that a pragma says; text: whether it is this one. */
static int64_t pragma_get(struct history *h, const char *sql, const char *want)
{
	sqlite3_stmt *s = NULL;
	int64_t value = 0;

	if (h->rc == SQLITE_OK)
		history_note(h, sqlite3_prepare_v2(h->db, sql, -1, &s, NULL));
	if (h->rc == SQLITE_OK) {
		int rc = sqlite3_step(s);

		history_note(h, rc);
		if (rc == SQLITE_ROW && want) {
			const char *text = (const char *)sqlite3_column_text(s, 0);

			value = text && strcmp(text, want) == 0;
		} else if (rc == SQLITE_ROW) {
			value = sqlite3_column_int64(s, 0);
		}
	}
	sqlite3_finalize(s);
	return value;
}

/* EXCLUSIVE: we are alone (the lock file), and need no shared memory file, whose mapping would kill
 * us on a full disk. The write-ahead log is ours to bound, too. */
static void db_configure(struct history *h)
{
	unsigned pages = (unsigned)(h->o.max_bytes / 64 / 4096);
	char sql[300];

	pages = pages < 64 ? 64 : pages > WAL_PAGES_MAX ? WAL_PAGES_MAX : pages;
	snprintf(sql, sizeof(sql),
		 "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
		 "PRAGMA cache_size = -" CACHE_KIB "; PRAGMA temp_store = MEMORY;"
		 "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA locking_mode = EXCLUSIVE;"
		 "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = %u;"
		 "PRAGMA journal_size_limit = %u;",
		 pages, pages * 4096);
	sqlite3_busy_timeout(h->db, 0);
	exec(h, sql);
	if (!pragma_get(h, "PRAGMA journal_mode = WAL", "wal") && h->rc == SQLITE_OK)
		history_note(h, SQLITE_READONLY);
}

/* -EPROTONOSUPPORT: of a newer pygrowd, which may keep here what we would spoil. */
static int db_migrate(struct history *h, struct strbuf *why)
{
	int64_t version = pragma_get(h, "PRAGMA user_version", NULL);
	int64_t owner = pragma_get(h, "PRAGMA application_id", NULL);
	int64_t n_tables = pragma_get(h, "SELECT count(*) FROM sqlite_master", NULL);
	char sql[100];

	if (h->rc != SQLITE_OK || (owner == SCHEMA_APP_ID && version == SCHEMA_VERSION))
		return 0;
	if (owner == SCHEMA_APP_ID && version > SCHEMA_VERSION)
		return strbuf_fail(why, -EPROTONOSUPPORT,
				   "%s was written by a newer pygrowd (schema %lld, this one knows "
				   "%d); upgrade pygrowd, or move the file away",
				   h->path, (long long)version, SCHEMA_VERSION);
	if (owner != SCHEMA_APP_ID && (n_tables > 0 || version != 0)) {
		history_damage_note(h, "not a history of pygrowd");
		return 0;
	}
	snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;",
		 SCHEMA_APP_ID, SCHEMA_VERSION);
	exec(h, "BEGIN IMMEDIATE");
	if (owner != SCHEMA_APP_ID)
		exec(h, schema_sql);
	exec(h, schema_2_sql);
	exec(h, sql);
	return 0;
}

/* The big table of a big database would take seconds; what is wrong there is found when it is
 * read. */
static void db_check(struct history *h)
{
	static const char *const tables[] = { "tick", "series", "stack", "frame", "process" };
	int64_t pages = pragma_get(h, "PRAGMA page_count", NULL);
	char sql[60];

	if (pages <= HISTORY_CHECKED_BYTES / 4096) {
		if (!pragma_get(h, "PRAGMA quick_check(1)", "ok"))
			history_damage_note(h, "its integrity check failed");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		snprintf(sql, sizeof(sql), "PRAGMA quick_check('%s')", tables[i]);
		if (!pragma_get(h, sql, "ok"))
			history_damage_note(h, "its integrity check failed");
	}
}

/* The file's own mode and errno, before SQLite hides them. */
static int file_make(struct history *h)
{
	int fd = open(h->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat st;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		r = -EEXIST;
	close(fd);
	return r;
}

/* One try; h->rc says more than the result does. */
static int db_try(struct history *h, bool is_checked, struct strbuf *why)
{
	int r;

	h->rc = SQLITE_OK;
	r = file_make(h);
	if (r < 0) {
		snprintf(h->error_text, sizeof(h->error_text), "%s", strerror(-r));
		return r;
	}
	history_note(h, sqlite3_open_v2(h->path, &h->db,
					SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
	if (h->rc == SQLITE_OK)
		db_configure(h);
	r = db_migrate(h, why);
	if (r == 0 && is_checked)
		db_check(h);
	for (size_t i = 0; i < SQL_MAX && r == 0 && h->rc == SQLITE_OK; i++)
		history_note(h, sqlite3_prepare_v3(h->db, sql_text[i], -1,
						   SQLITE_PREPARE_PERSISTENT, &h->stmts[i], NULL));
	if (r == 0) /* ERROR: no such table or column; the texts are right, so the file is not */
		r = h->rc == SQLITE_ERROR ? -EBADMSG : history_error_of(h->rc);
	if (r < 0)
		history_db_close(h);
	return r;
}

int history_db_put_aside(struct history *h, double now_sec)
{
	_cleanup_free_ char *pattern = NULL, *to = NULL, *log = NULL, *log_to = NULL;
	time_t now = (time_t)now_sec;
	struct tm tm;
	char stamp[32];
	glob_t old;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	if (asprintf(&pattern, "%s.corrupt-*", h->path) < 0 ||
	    asprintf(&to, "%s.corrupt-%s", h->path, stamp) < 0 ||
	    asprintf(&log, "%s-wal", h->path) < 0 || asprintf(&log_to, "%s-wal", to) < 0)
		return -ENOMEM;
	if (glob(pattern, GLOB_NOSORT, NULL, &old) == 0) {
		for (size_t i = 0; i < old.gl_pathc; i++)
			unlink(old.gl_pathv[i]);
		globfree(&old);
	}
	if (rename(h->path, to) < 0)
		return -errno;
	if (rename(log, log_to) < 0)
		unlink(log);
	h->counters[HISTORY_COUNTER_CORRUPT]++;
	log_warn(0, "history in %s is damaged (%s): kept as %s, starting a new one", h->path,
		 h->error_text, to);
	return 0;
}

bool history_db_is_gone(const struct history *h)
{
	int moved = 0;

	return sqlite3_file_control(h->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
	       moved;
}

void history_lock_drop(struct history *h)
{
	if (h->lock_fd >= 0)
		close(h->lock_fd);
	h->lock_fd = -1;
}

static int lock_take(struct history *h, struct strbuf *why)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (h->lock_fd >= 0)
		return 0;
	r = fsutil_mkdir_p(h->dir, 0750);
	if (r < 0)
		return r;
	if (asprintf(&path, "%s/" LOCK_NAME, h->dir) < 0)
		return -ENOMEM;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return -errno;
		return strbuf_fail(why, -EBUSY,
				   "another pygrowd keeps its history in %s; stop it, or give this "
				   "one another directory with --state",
				   h->dir);
	}
	h->lock_fd = TAKE_FD(fd);
	return 0;
}

int history_db_open(struct history *h, double now_sec, bool is_checked, struct strbuf *why)
{
	int r;

	h->error_text[0] = '\0';
	r = lock_take(h, why);
	if (r == -EBUSY)
		return r;
	if (r < 0) {
		snprintf(h->error_text, sizeof(h->error_text), "%s", strerror(-r));
		return r;
	}
	r = db_try(h, is_checked, why);
	if (r == -EBADMSG) {
		r = history_db_put_aside(h, now_sec);
		if (r == 0)
			r = db_try(h, false, why);
	}
	if (r == 0)
		h->last_at = history_tick_last_at(h, 0);
	return r;
}
