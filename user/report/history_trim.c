/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/history_trim.c — what must go, since it is too old or there is no room?
 *
 * Part of each tick's transaction, and a little of it at a time: this runs on the daemon's loop.
 * Ticks go by their level's age, then by max_bytes; their names follow once no tick has them.
 */
#include "report/history_internal.h"

#define EXPIRE_MAX   4 /* ticks of a level that go a tick: more than come */
#define TRIM_MAX     8 /* ticks that are thinned or dropped a tick */
#define FILTER_BITS  (1u << 20) /* 128 KiB, while frames are swept */
#define SWEEP_STACKS 64 /* so many stacks gone: look for frames that nobody needs */

uint64_t history_used_bytes_max(const struct history *h)
{
	return h->o.max_bytes / 8 * 7 - (512 << 10);
}

uint64_t history_used_bytes(struct history *h, uint64_t *ret_file_bytes)
{
	sqlite3_stmt *row;
	int64_t pages = 0, unused = 0;

	history_query(h, SQL_PAGES, "");
	row = history_row_next(h, SQL_PAGES);
	if (row) {
		pages = sqlite3_column_int64(row, 0);
		unused = sqlite3_column_int64(row, 1);
	}
	history_query_end(h, SQL_PAGES);
	*ret_file_bytes = (uint64_t)pages * 4096;
	return (uint64_t)(pages - unused) * 4096;
}

void history_ticks_expire(struct history *h, int64_t at)
{
	for (int64_t level = 0; level < HISTORY_LEVELS; level++) {
		int64_t from = at - (int64_t)h->o.levels[level].keep_sec;
		int64_t gone[EXPIRE_MAX];
		sqlite3_stmt *row;
		size_t n = 0;

		history_query(h, SQL_TICK_RANGE, "iiii", level, (int64_t)0, from,
			      (int64_t)EXPIRE_MAX);
		while ((row = history_row_next(h, SQL_TICK_RANGE)))
			gone[n++] = sqlite3_column_int64(row, 1);
		for (size_t i = 0; i < n; i++)
			history_tick_delete(h, level, gone[i]);
	}
	if (!h->is_begun) /* once a daemon */
		history_run(h, SQL_START_EXPIRE, "ii",
			    at - (int64_t)h->o.levels[HISTORY_LEVELS - 1].keep_sec,
			    (int64_t)HISTORY_STARTS_MAX);
}

/* Of an old tick, the half whose stacks have grown most since stays: they are what somebody may ask
 * about. Stacks that hold nothing now have not grown at all. */
static void tick_thin(struct history *h, struct tick *t, const struct tick *now)
{
	_cleanup_free_ double *scores = NULL;
	size_t n;

	history_points_load(h, t);
	n = t->n;
	scores = calloc(n + 1, sizeof(*scores));
	for (size_t i = 0, j = 0; i < n && scores; i++) {
		const struct entry *e = &t->entries[i];

		while (j < now->n && now->entries[j].series < e->series)
			j++;
		scores[i] = -(double)e->sum / (double)t->ticks;
		if (j < now->n && now->entries[j].series == e->series)
			scores[i] += (double)now->entries[j].sum / (double)now->ticks;
	}
	if (!scores || tick_keep(t, scores, n / 2) < 0)
		history_note(h, SQLITE_NOMEM);
	h->counters[HISTORY_COUNTER_THINNED] += n - t->n;
	t->is_thinned = true;
	history_tick_save(h, t);
	tick_done(t);
}

/* The oldest tick that is thinned, or is not. One that makes no sense is deleted: it would be the
 * oldest for ever. */
static bool tick_oldest(struct history *h, bool is_thinned, struct tick *ret)
{
	for (int i = 0; i < TRIM_MAX; i++) {
		sqlite3_stmt *row;
		int64_t level, at;
		int r;

		history_query(h, SQL_TICK_OLDEST, "i", (int64_t)is_thinned);
		row = history_row_next(h, SQL_TICK_OLDEST);
		if (!row)
			return false;
		level = sqlite3_column_int64(row, 0);
		at = sqlite3_column_int64(row, 1);
		r = history_tick_from_row(row, ret);
		history_query_end(h, SQL_TICK_OLDEST);
		if (r == 0)
			return true;
		h->counters[HISTORY_COUNTER_BAD_ROW]++;
		history_tick_delete(h, level, at);
	}
	return false;
}

void history_size_trim(struct history *h, const struct tick *now)
{
	const uint64_t most = history_used_bytes_max(h);
	uint64_t file_bytes = 0;

	for (int i = 0; i < TRIM_MAX && history_used_bytes(h, &file_bytes) > most; i++) {
		struct tick whole = { 0 }, thinned = { 0 }, *oldest;
		bool has_whole, has_thinned;

		has_whole = tick_oldest(h, false, &whole);
		has_thinned = tick_oldest(h, true, &thinned);
		if (!has_whole && !has_thinned)
			break;
		oldest = has_thinned && (!has_whole || thinned.at < whole.at) ? &thinned : &whole;
		if (has_whole && whole.at < oldest->at + (now->at - oldest->at) / 2) {
			tick_thin(h, &whole, now);
		} else if (oldest->at < now->at) {
			h->counters[HISTORY_COUNTER_DROPPED]++;
			history_tick_delete(h, oldest->level, oldest->at);
		}
	}
	if (file_bytes > most)
		history_run(h, SQL_VACUUM, "");
}

/* Frames that no stack has any more. Which are needed a filter of bits says: some that are not are
 * taken for needed, and go another time. */
static void frames_sweep(struct history *h)
{
	_cleanup_free_ uint8_t *filter = calloc(FILTER_BITS / 8, 1);
	sqlite3_stmt *row;

	if (!filter)
		return; /* another time */
	history_query(h, SQL_STACK_EACH, "");
	while ((row = history_row_next(h, SQL_STACK_EACH))) {
		const uint8_t *data = sqlite3_column_blob(row, 0);
		size_t n = (size_t)sqlite3_column_bytes(row, 0) / sizeof(uint64_t);

		for (size_t i = 0; i < n; i++) {
			uint64_t id;

			memcpy(&id, data + i * sizeof(id), sizeof(id));
			id = (id ^ id >> 32) % FILTER_BITS;
			filter[id / 8] |= (uint8_t)(1u << id % 8);
		}
	}
	history_query(h, SQL_FRAME_EACH, "");
	while ((row = history_row_next(h, SQL_FRAME_EACH))) {
		uint64_t id = (uint64_t)sqlite3_column_int64(row, 0);
		uint64_t bit = (id ^ id >> 32) % FILTER_BITS;

		if (!(filter[bit / 8] & 1u << bit % 8))
			history_run(h, SQL_FRAME_DEL, "i", (int64_t)id);
	}
	h->n_stacks_gone = 0;
}

void history_series_expire(struct history *h, bool is_sweep_due)
{
	int64_t gone[HISTORY_NEW_MAX][2], oldest = 0;
	struct tick whole = { 0 }, thinned = { 0 };
	sqlite3_stmt *row;
	size_t n = 0;

	if (tick_oldest(h, false, &whole))
		oldest = whole.at;
	if (tick_oldest(h, true, &thinned) && thinned.at < oldest)
		oldest = thinned.at;
	history_query(h, SQL_SERIES_OLD, "i",
		      oldest - 2 * (int64_t)h->o.levels[HISTORY_LEVELS - 1].step_sec);
	while (n < h->new_max && (row = history_row_next(h, SQL_SERIES_OLD))) {
		gone[n][0] = sqlite3_column_int64(row, 0);
		gone[n++][1] = sqlite3_column_int64(row, 1);
	}
	history_query_end(h, SQL_SERIES_OLD);
	for (size_t i = 0; i < n; i++) {
		history_run(h, SQL_SERIES_DEL, "i", gone[i][0]);
		history_run(h, SQL_STACK_DEL, "i", gone[i][1]);
	}
	if (n)
		memset(h->cache, 0, sizeof(h->cache));
	h->n_stacks_gone += n;
	if (is_sweep_due && h->n_stacks_gone >= SWEEP_STACKS) {
		history_run(h, SQL_PROCESS_SWEEP, "");
		frames_sweep(h);
	}
}
