/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/history_tick.c — how does a tick get into the database, out of it, and up a level?
 *
 * A tick is a row of `tick` with its points (see history_sql.h). One of a coarse level is merged
 * from the committed ticks of the level below when its time is over, so a crash loses none of it.
 */
#include "report/history_internal.h"

int64_t history_level_at(const struct history *h, int level, int64_t sec)
{
	return sec - sec % h->o.levels[level].step_sec;
}

int history_tick_from_row(sqlite3_stmt *row, struct tick *ret)
{
	struct tick t = {
		.level = sqlite3_column_int64(row, 0),
		.at = sqlite3_column_int64(row, 1),
		.ticks = sqlite3_column_int64(row, 2),
		.offset_ms = sqlite3_column_int64(row, 3),
		.other_sum = (uint64_t)sqlite3_column_int64(row, 4),
		.other_cnt = (uint64_t)sqlite3_column_int64(row, 5),
		.floor_sum = (uint64_t)sqlite3_column_int64(row, 6),
		.is_thinned = sqlite3_column_int64(row, 7) != 0,
	};

	if (t.level < 0 || t.level >= HISTORY_LEVELS || t.at < 0 || (double)t.at > TIME_MAX_SEC ||
	    t.ticks < 1 || t.ticks > TICKS_MAX || t.offset_ms < 0 || t.offset_ms > 1ll << 50 ||
	    t.other_sum > SUM_MAX || t.other_cnt > SUM_MAX || t.floor_sum > SUM_MAX)
		return -EBADMSG;
	*ret = t;
	return 0;
}

double history_tick_time(const struct tick *t)
{
	return (double)t->at + (double)t->offset_ms / (double)t->ticks / 1000;
}

void history_points_load(struct history *h, struct tick *t)
{
	struct entry part[PART_SERIES];
	sqlite3_stmt *row;

	history_query(h, SQL_POINTS_GET, "ii", t->level, t->at);
	while ((row = history_row_next(h, SQL_POINTS_GET))) {
		int n = part_unpack(sqlite3_column_blob(row, 1),
				    (size_t)sqlite3_column_bytes(row, 1),
				    sqlite3_column_int64(row, 0), t->ticks, part);

		if (n < 0 || t->n + (size_t)n > TICK_ENTRIES_MAX) {
			h->counters[HISTORY_COUNTER_BAD_ROW]++;
			continue;
		}
		if (tick_reserve(t, t->n + (size_t)n) < 0) {
			history_note(h, SQLITE_NOMEM);
			break;
		}
		for (int i = 0; i < n; i++)
			t->entries[t->n++] = part[i];
	}
	history_query_end(h, SQL_POINTS_GET);
}

bool history_tick_find(struct history *h, enum sql id, struct tick *ret)
{
	sqlite3_stmt *row = history_row_next(h, id);
	bool found = row && history_tick_from_row(row, ret) == 0;

	if (row && !found)
		h->counters[HISTORY_COUNTER_BAD_ROW]++;
	history_query_end(h, id);
	return found;
}

int64_t history_tick_last_at(struct history *h, int level)
{
	struct tick t;

	history_query(h, SQL_TICK_BEFORE, "ii", (int64_t)level, (int64_t)TIME_MAX_SEC);
	return history_tick_find(h, SQL_TICK_BEFORE, &t) ? t.at : -1;
}

void history_tick_save(struct history *h, const struct tick *t)
{
	uint8_t buf[PART_BYTES_MAX];
	size_t bytes;

	history_run(h, SQL_POINTS_DEL, "ii", t->level, t->at);
	history_run(h, SQL_TICK_PUT, "iiiiiiii", t->level, t->at, t->ticks, t->offset_ms,
		    (int64_t)t->other_sum, (int64_t)t->other_cnt, (int64_t)t->floor_sum,
		    (int64_t)t->is_thinned);
	for (size_t i = 0; i < t->n;) {
		int64_t part = t->entries[i].series / PART_SERIES;

		i += part_pack(t, i, buf, &bytes);
		history_run(h, SQL_POINTS_PUT, "iiib", t->level, t->at, part, buf, (int)bytes);
	}
}

void history_tick_delete(struct history *h, int64_t level, int64_t at)
{
	history_run(h, SQL_POINTS_DEL, "ii", level, at);
	history_run(h, SQL_TICK_DEL, "ii", level, at);
}

void history_tick_cut(struct history *h, struct tick *t)
{
	_cleanup_free_ double *scores = calloc(t->n + 1, sizeof(*scores));
	size_t n = t->n;

	for (size_t i = 0; i < t->n && scores; i++)
		scores[i] = (double)t->entries[i].sum;
	if (!scores || tick_keep(t, scores, h->o.stacks_max) < 0)
		history_note(h, SQLITE_NOMEM);
	h->counters[HISTORY_COUNTER_OTHER] += n - t->n;
}

/* All ticks of the level below that belong to this one. */
static void children_merge(struct history *h, struct tick *into)
{
	const int64_t step = h->o.levels[into->level].step_sec;
	sqlite3_stmt *row;

	history_query(h, SQL_TICK_RANGE, "iiii", into->level - 1, into->at, into->at + step, step);
	while ((row = history_row_next(h, SQL_TICK_RANGE))) {
		struct tick child;

		if (history_tick_from_row(row, &child) < 0) {
			h->counters[HISTORY_COUNTER_BAD_ROW]++;
			continue;
		}
		history_points_load(h, &child);
		if (tick_merge(into, &child) < 0)
			history_note(h, SQLITE_NOMEM);
		tick_done(&child);
		if (into->n > TICK_ENTRIES_MAX)
			history_tick_cut(h, into);
	}
}

/* The step of this level that the last tick was in is over. One that has been written before is
 * left alone unless we know of more ticks now (after a clock was set back, children may be gone).
 */
static void level_close(struct history *h, int level, int64_t at)
{
	struct tick t = { .level = level, .at = at }, before = { 0 };

	children_merge(h, &t);
	history_query(h, SQL_TICK_GET, "ii", t.level, t.at);
	history_tick_find(h, SQL_TICK_GET, &before);
	if (t.ticks > before.ticks) {
		history_tick_cut(h, &t);
		history_tick_save(h, &t);
		for (size_t i = 0; i < t.n && level == HISTORY_LEVELS - 1; i++)
			history_run(h, SQL_SERIES_SEEN, "ii", t.entries[i].series, at);
	}
	tick_done(&t);
}

void history_levels_close(struct history *h, int64_t at)
{
	for (int level = 1; level < HISTORY_LEVELS && h->last_at >= 0; level++) {
		int64_t last = history_level_at(h, level, h->last_at);

		if (last != history_level_at(h, level, at))
			level_close(h, level, last);
	}
}
