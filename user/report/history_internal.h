/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/history_internal.h — what the files history*.c share: the open history, and who
 * offers what to the others. For them only; everybody else has history.h.
 *
 *   history.c         opens, closes, adds a tick
 *   history_fill.c    from a snapshot to a tick         history_read.c    figures, for others
 *   history_tick.c    ticks and levels in the database  history_window.c  figures of everything
 *   history_trim.c    what goes again                   history_names.c   frames and processes
 *   history_db.c      the database itself               history_stmt.c    statements, their errors
 *
 * Functions without a result say what failed in `rc`: see history_stmt.c.
 */
#ifndef USER_REPORT_HISTORY_INTERNAL_H
#define USER_REPORT_HISTORY_INTERNAL_H

#include <sqlite3.h>

#include "report/history.h"
#include "report/history_sql.h"

#define TIME_MAX_SEC 253402300800.0 /* the year 10000 */
#define CACHE_ROWS   8192
#define TICKS_MAX    1000000 /* of a point: 15 minutes, a thousand a second */

/* Which series a stack of a process is; direct-mapped, since the table can always be asked. */
struct cached {
	uint64_t process, stack;
	int64_t series; /* 0: free */
};

struct history {
	struct history_options o;
	char *dir, *path;
	int lock_fd;
	sqlite3 *db; /* NULL: there is none for now */
	sqlite3_stmt *stmts[SQL_MAX];
	int rc;
	char error_text[200];
	bool is_begun; /* a tick of ours is in it */
	bool is_damaged; /* as a reader found: to be put aside */
	bool is_failed;
	double failed_sec; /* when it was tried last */
	uint64_t unwritten_before; /* counter, when it failed */
	size_t new_max; /* names a tick, made or deleted: each may touch three pages of the log */
	int64_t last_at; /* step of the last tick, finest level; -1: there is none */
	size_t n_stacks_gone; /* since frames were swept */
	uint64_t counters[HISTORY_COUNTER_MAX];
	struct cached cache[CACHE_ROWS];
};

/* What a stack holds in all processes with the same key. */
struct item {
	uint64_t process, stack;
	double live, error;
	const struct snapshot_stack *source; /* any of them: frames are the same */
	const struct snapshot_process *owner; /* any of them */
};

/* ── history_stmt.c ─────────────────────────────────────────────────────────────────────────── */

void history_note(struct history *h, int rc);
void history_damage_note(struct history *h, const char *what);

/* What a failed transaction is for the caller; -EBADMSG: the file is damaged. */
int history_error_of(int rc);

/* Begins a query. types: 'i' int64_t, 's' string or NULL, 'b' bytes and their int number. */
void history_query(struct history *h, enum sql id, const char *types, ...);

/* The next row, or NULL: no more, or an error. */
sqlite3_stmt *history_row_next(struct history *h, enum sql id);

/* Due where a query is left before its last row: it would hold the database's state of then. */
void history_query_end(struct history *h, enum sql id);

void history_run(struct history *h, enum sql id, const char *types, ...);

/* ── history_db.c ───────────────────────────────────────────────────────────────────────────── */

void history_db_close(struct history *h);

/* One damaged database is worth keeping for whoever wants to know why; a row of them would fill the
 * disk. Its log goes with it: there may be more in it than in the file. */
int history_db_put_aside(struct history *h, double now_sec);

/* Is the file that is open still the one that is there? */
bool history_db_is_gone(const struct history *h);

/* For whoever opens it next: the directory and its lock may be gone with the file. */
void history_lock_drop(struct history *h);

int history_db_open(struct history *h, double now_sec, bool is_checked, struct strbuf *why);

/* ── history_tick.c ─────────────────────────────────────────────────────────────────────────── */

int64_t history_level_at(const struct history *h, int level, int64_t sec);

/* A row of TICK_COLUMNS, without points. -EBADMSG: no tick that we would write. */
int history_tick_from_row(sqlite3_stmt *row, struct tick *ret);

double history_tick_time(const struct tick *t);

/* Its points, to a tick without. What makes no sense is left out and counted. */
void history_points_load(struct history *h, struct tick *t);

/* One tick by a query that says which. false: there is none. */
bool history_tick_find(struct history *h, enum sql id, struct tick *ret);

int64_t history_tick_last_at(struct history *h, int level);
void history_tick_save(struct history *h, const struct tick *t);
void history_tick_delete(struct history *h, int64_t level, int64_t at);

/* The largest stay, by what they hold. */
void history_tick_cut(struct history *h, struct tick *t);

void history_levels_close(struct history *h, int64_t at);

/* ── history_fill.c ─────────────────────────────────────────────────────────────────────────── */

/* What holds anything, largest first. A stack that holds nothing needs no point: its tick says so.
 */
int history_items_new(const struct snapshot *s, struct item **ret, size_t *ret_n);

/* Names cannot be trimmed while ticks of the last minutes need them: without room there are no new
 * ones, or a program that makes ever new stacks would get past the limit. */
void history_tick_fill(struct history *h, struct tick *t, const struct item *items, size_t n);

/* ── history_read.c ─────────────────────────────────────────────────────────────────────────── */

/* Readers run between ticks, and leave a failing database to the next tick. -EIO: there is none. */
int history_read_begin(struct history *h);
int history_read_end(struct history *h);

/* The step of the first tick that is known, of any level; INT64_MAX: there is none. */
int64_t history_first_at(struct history *h);

/* Where daemons went on after others, by time. */
struct starts {
	int64_t at[HISTORY_STARTS_MAX];
	size_t n;
};

void history_starts_load(struct history *h, struct starts *ret);
/* Was one between (after, before)? */
bool history_starts_has(const struct starts *s, int64_t after, int64_t before);

/* ── history_trim.c ─────────────────────────────────────────────────────────────────────────── */

/* What rows may take up: the rest is for the write-ahead log and for what a tick adds. */
uint64_t history_used_bytes_max(const struct history *h);

/* What rows take up, and what the file does. */
uint64_t history_used_bytes(struct history *h, uint64_t *ret_file_bytes);

void history_ticks_expire(struct history *h, int64_t at);

/* Whole ticks of the older half of the time are thinned, oldest first; when all of them are, the
 * oldest tick goes. */
void history_size_trim(struct history *h, const struct tick *now);

/* Series, stacks, processes and frames that no tick knows any more. `seen` is up to two steps of
 * the coarsest level behind. */
void history_series_expire(struct history *h, bool is_sweep_due);

#endif
