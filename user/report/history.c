/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/history.c — see history.h: opening, closing, and adding one tick, come what may.
 *
 * A tick is one transaction: it is there or it is not. What cannot be written is tried again every
 * minute, on a database that is opened anew.
 */
#include <math.h>
#include <sys/stat.h>

#include "lib/log.h"
#include "lib/units.h"
#include "report/history_internal.h"

#define FILE_NAME      "history.db"
#define LEVELS_EXAMPLE "10s for 2h, 1m for 2d, 15m for 60d"

/* Said once, until it works again. */
static void fail(struct history *h, double now_sec)
{
	if (!h->is_failed) {
		h->unwritten_before = h->counters[HISTORY_COUNTER_UNWRITTEN];
		log_warn(0,
			 "cannot write history to %s: %s; going on in memory only, trying again "
			 "every minute",
			 h->path, h->error_text);
	}
	h->is_failed = true;
	h->failed_sec = now_sec;
}

void history_options_init(struct history_options *o)
{
	*o = (struct history_options){
		.max_bytes = 256ull << 20,
		.stacks_max = 2000,
		.levels = { { 10, 2 * 3600 }, { 60, 2 * 86400 }, { 900, 60 * 86400 } },
	};
}

static int levels_check(const struct history_level levels[HISTORY_LEVELS], struct strbuf *why)
{
	for (int i = 0; i < HISTORY_LEVELS; i++) {
		const struct history_level *l = &levels[i];

		if (!l->step_sec || l->step_sec > HISTORY_STEP_SEC_MAX ||
		    l->keep_sec > HISTORY_KEEP_SEC_MAX)
			return strbuf_fail(why, -EINVAL,
					   "a step must be 1 s to %d s, and be kept for %d days at "
					   "most",
					   HISTORY_STEP_SEC_MAX, HISTORY_KEEP_SEC_MAX / 86400);
		if (i && (l->step_sec % l[-1].step_sec || l->step_sec == l[-1].step_sec))
			return strbuf_fail(why, -EINVAL,
					   "a step of %u s is no multiple of the one before it, "
					   "%u s",
					   l->step_sec, l[-1].step_sec);
		if (i + 1 < HISTORY_LEVELS && l->keep_sec / 2 < l[1].step_sec)
			return strbuf_fail(why, -EINVAL,
					   "points of %u s must be kept for two steps of %u s at "
					   "least",
					   l->step_sec, l[1].step_sec);
	}
	return 0;
}

/* "10s": whole seconds. */
static bool seconds_parse(const char *text, unsigned *ret)
{
	double sec;

	if (units_duration_parse(text, &sec) < 0 || sec < 1 || sec > HISTORY_KEEP_SEC_MAX ||
	    sec != floor(sec))
		return false;
	*ret = (unsigned)sec;
	return true;
}

int history_levels_parse(const char *text, struct history_level ret[HISTORY_LEVELS],
			 struct strbuf *why)
{
	struct history_level levels[HISTORY_LEVELS];
	char words[HISTORY_LEVELS][2][UNITS_TEXT_MAX];
	int end = 0;

	_Static_assert(UNITS_TEXT_MAX == 48 && HISTORY_LEVELS == 3, "as sscanf() is told below");
	if (sscanf(text, " %47s for %47[^, ] , %47s for %47[^, ] , %47s for %47s %n", words[0][0],
		   words[0][1], words[1][0], words[1][1], words[2][0], words[2][1], &end) != 6 ||
	    text[end])
		return strbuf_fail(why, -EINVAL,
				   "not three times STEP for KEEP (example: " LEVELS_EXAMPLE ")");
	for (int i = 0; i < HISTORY_LEVELS; i++)
		if (!seconds_parse(words[i][0], &levels[i].step_sec) ||
		    !seconds_parse(words[i][1], &levels[i].keep_sec))
			return strbuf_fail(why, -EINVAL,
					   "%.20s for %.20s: not durations of whole seconds "
					   "(example: " LEVELS_EXAMPLE ")",
					   words[i][0], words[i][1]);
	if (levels_check(levels, why) < 0)
		return -EINVAL;
	memcpy(ret, levels, sizeof(levels));
	return 0;
}

static int options_check(const struct history_options *o, struct strbuf *why)
{
	_cleanup_(strbuf_done) struct strbuf levels = STRBUF_INIT;

	if (o->max_bytes < HISTORY_BYTES_MIN)
		return strbuf_fail(why, -EINVAL, "history: the size limit must be at least %u MiB",
				   HISTORY_BYTES_MIN >> 20);
	if (o->stacks_max < 1 || o->stacks_max > HISTORY_STACKS_MAX)
		return strbuf_fail(why, -EINVAL, "history: stacks must be 1 to %d",
				   HISTORY_STACKS_MAX);
	if (levels_check(o->levels, &levels) < 0)
		return strbuf_fail(why, -EINVAL, "history: %s", levels.buf);
	return 0;
}

int history_open(const struct history_options *o, double now_sec, struct strbuf *why,
		 struct history **ret)
{
	_cleanup_(history_closep) struct history *h = NULL;
	int r = options_check(o, why);

	if (r < 0)
		return r;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->lock_fd = -1;
	h->last_at = -1;
	h->o = *o;
	h->new_max = o->max_bytes >> 17 < HISTORY_NEW_MAX ? o->max_bytes >> 17 : HISTORY_NEW_MAX;
	h->dir = strdup(o->dir);
	if (!h->dir || asprintf(&h->path, "%s/" FILE_NAME, o->dir) < 0)
		return -ENOMEM;
	h->o.dir = h->dir;
	r = history_db_open(h, now_sec, true, why);
	if ((r == -EBUSY && h->lock_fd < 0) || r == -EPROTONOSUPPORT)
		return r;
	if (r < 0)
		fail(h, now_sec);
	*ret = TAKE_PTR(h);
	return 0;
}

void history_close(struct history *h)
{
	if (!h)
		return;
	history_db_close(h);
	history_lock_drop(h);
	free(h->dir);
	free(h->path);
	free(h);
}

bool history_is_failed(const struct history *h)
{
	return h->is_failed;
}

uint64_t history_counter_get(const struct history *h, enum history_counter counter)
{
	return h->counters[counter];
}

uint64_t history_bytes(const struct history *h)
{
	_cleanup_free_ char *log = NULL;
	struct stat st;
	uint64_t bytes = 0;

	if (asprintf(&log, "%s-wal", h->path) < 0) {
		log = NULL;
		return 0;
	}
	bytes += stat(h->path, &st) == 0 ? (uint64_t)st.st_size : 0;
	bytes += stat(log, &st) == 0 ? (uint64_t)st.st_size : 0;
	return bytes;
}

static void tick_write(struct history *h, const struct item *items, size_t n, double now_sec)
{
	int64_t sec = (int64_t)now_sec, at = history_level_at(h, 0, sec);
	struct tick t = { .at = at, .ticks = 1 }, same = { 0 };
	bool is_quarter, is_shared = false;

	t.offset_ms = (int64_t)((now_sec - (double)at) * 1000);
	is_quarter = h->last_at >= 0 && history_level_at(h, HISTORY_LEVELS - 1, h->last_at) !=
						history_level_at(h, HISTORY_LEVELS - 1, at);
	history_run(h, SQL_BEGIN, "");
	history_levels_close(h, at);
	history_tick_fill(h, &t, items, n);
	history_query(h, SQL_TICK_GET, "ii", (int64_t)0, at);
	if (history_tick_find(h, SQL_TICK_GET, &same) && same.ticks < TICKS_MAX) {
		is_shared = true;
		history_points_load(h, &same);
		if (tick_merge(&t, &same) < 0)
			history_note(h, SQLITE_NOMEM);
		tick_done(&same);
		history_tick_cut(h, &t);
	}
	history_tick_save(h, &t);
	if (!h->is_begun)
		history_run(h, SQL_START_PUT, "i", at + is_shared);
	history_ticks_expire(h, at);
	history_size_trim(h, &t);
	history_series_expire(h, is_quarter);
	history_run(h, SQL_COMMIT, "");
	tick_done(&t);
	if (h->rc != SQLITE_OK)
		return;
	h->last_at = at;
	h->is_begun = true;
}

static int tick_try(struct history *h, const struct item *items, size_t n, double now_sec)
{
	uint64_t before[HISTORY_COUNTER_MAX];
	int r;

	memcpy(before, h->counters, sizeof(before));
	h->rc = SQLITE_OK;
	tick_write(h, items, n, now_sec);
	if (h->rc == SQLITE_OK)
		return 0;
	r = history_error_of(h->rc);
	/* What was not committed has not happened: series that were made do not exist. */
	for (size_t i = 0; i < SQL_MAX; i++)
		sqlite3_reset(h->stmts[i]);
	if (!sqlite3_get_autocommit(h->db))
		sqlite3_exec(h->db, "ROLLBACK", NULL, NULL, NULL);
	memset(h->cache, 0, sizeof(h->cache));
	memcpy(h->counters, before, sizeof(before));
	return r;
}

/* A database that failed is opened anew: after an I/O error SQLite's own state is not to be
 * trusted, and somebody may have mended or removed the file. */
static int db_reopen(struct history *h, double now_sec)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	int r;

	history_db_close(h);
	r = history_db_open(h, now_sec, false, &why);
	if (r < 0 && why.len)
		snprintf(h->error_text, sizeof(h->error_text), "%s", why.buf);
	return r;
}

/* SQLite would go on writing into a file that nobody will ever read. */
static void gone_check(struct history *h)
{
	if (!h->db || !history_db_is_gone(h))
		return;
	h->counters[HISTORY_COUNTER_VANISHED]++;
	log_warn(0, "history %s has been removed: starting a new one", h->path);
	h->is_damaged = false;
	history_db_close(h);
	history_lock_drop(h);
}

static int tick_add(struct history *h, const struct item *items, size_t n, double now_sec)
{
	int r;

	gone_check(h);
	r = h->is_damaged ? -EBADMSG : 0;
	if (r == 0 && (!h->db || h->is_failed)) {
		history_lock_drop(h); /* the directory may be another one by now */
		r = db_reopen(h, now_sec);
	}
	if (r == 0)
		r = tick_try(h, items, n, now_sec);
	if (r == -EBADMSG) {
		h->is_damaged = false;
		history_db_close(h);
		r = history_db_put_aside(h, now_sec);
		if (r == 0)
			r = db_reopen(h, now_sec);
		if (r == 0)
			r = tick_try(h, items, n, now_sec);
	}
	return r;
}

/* The daemon before us has written a part of this step. A mean of what it knew and what we know,
 * which is less, would be a drop that no restart explains: our first step is the next one. */
static bool is_others_step(const struct history *h, double now_sec)
{
	return !h->is_begun && h->last_at >= 0 &&
	       history_level_at(h, 0, (int64_t)now_sec) == h->last_at;
}

int history_add(struct history *h, const struct snapshot *snapshot, double now_sec)
{
	_cleanup_free_ struct item *items = NULL;
	size_t n = 0;
	int r;

	if (!(now_sec >= 0 && now_sec < TIME_MAX_SEC))
		return -EINVAL;
	if (is_others_step(h, now_sec))
		return 0;
	r = history_items_new(snapshot, &items, &n);
	if (r == 0 && h->is_failed && fabs(now_sec - h->failed_sec) < HISTORY_RETRY_SEC)
		r = -EAGAIN;
	else if (r == 0) {
		r = tick_add(h, items, n, now_sec);
		if (r < 0)
			fail(h, now_sec);
	}
	if (r < 0) {
		h->counters[HISTORY_COUNTER_UNWRITTEN]++;
		return r;
	}
	if (h->is_failed)
		log_warn(0, "history is written to %s again; %llu ticks are missing in it", h->path,
			 (unsigned long long)(h->counters[HISTORY_COUNTER_UNWRITTEN] -
					      h->unwritten_before));
	h->is_failed = false;
	return 0;
}
