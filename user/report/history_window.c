/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/history_window.c — what did everything hold, at some moments?
 *
 *   from ├────────┼────────┼────────┼────────┤ to         equal parts; the last tick of each
 * counts, ▪        ▪        ▪        ▪                of the level whose step suits a part
 *
 * Read tick by tick and not series by series: a tick has all series together (history_sql.h).
 */
#include <math.h>

#include "report/history_internal.h"

/* ── moments ──────────────────────────────────────────────────────────────────────────────── */

int history_moments(struct history *h, double from_sec, double to_sec,
		    struct history_moment *ret_moments, size_t n_max, size_t *ret_n)
{
	int64_t from = (int64_t)fmax(from_sec, 0), at = (int64_t)fmin(to_sec, TIME_MAX_SEC) - 1;
	int64_t step = h->o.levels[0].step_sec, after = 0;
	struct starts starts;
	struct tick t;
	size_t n = 0;
	int r = history_read_begin(h);

	if (r < 0)
		return r;
	history_starts_load(h, &starts);
	while (n < n_max) {
		history_query(h, SQL_TICK_BEFORE, "ii", (int64_t)0, at);
		if (!history_tick_find(h, SQL_TICK_BEFORE, &t) || t.at < from)
			break;
		if (n) /* the one after it */
			ret_moments[n - 1].is_break =
				history_starts_has(&starts, t.at, after + step);
		ret_moments[n++] = (struct history_moment){ .time_sec = history_tick_time(&t) };
		after = t.at;
		at = t.at - 1;
	}
	r = history_read_end(h);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n / 2; i++) {
		struct history_moment swap = ret_moments[i];

		ret_moments[i] = ret_moments[n - 1 - i];
		ret_moments[n - 1 - i] = swap;
	}
	*ret_n = n;
	return n ? 0 : -ENOENT;
}

/* Of what this tick was made of, is any there still? */
static bool is_known_finer(struct history *h, const struct tick *t)
{
	int64_t end = t->at + h->o.levels[t->level].step_sec;
	struct tick finer;

	for (int64_t level = t->level - 1; level >= 0; level--) {
		history_query(h, SQL_TICK_BEFORE, "ii", level, end - 1);
		if (history_tick_find(h, SQL_TICK_BEFORE, &finer) && finer.at >= t->at)
			return true;
	}
	return false;
}

/* The last tick of [from, to): of the level that suits, or of a finer one, which goes on where that
 * one is not complete yet, or of a coarser one, which goes back further; not where both are there,
 * since it stands for all of its step: parts to come would have none. is_first: a step that `from`
 * lies in counts. */
static bool part_find(struct history *h, int suits, int64_t from, int64_t to, bool is_first,
		      struct tick *ret)
{
	int levels[HISTORY_LEVELS], n = 0;

	for (int level = suits; level >= 0; level--)
		levels[n++] = level;
	for (int level = suits + 1; level < HISTORY_LEVELS; level++)
		levels[n++] = level;
	for (int i = 0; i < n; i++) {
		int64_t begin = is_first ? history_level_at(h, levels[i], from) : from;
		struct tick t;

		history_query(h, SQL_TICK_BEFORE, "ii", (int64_t)levels[i], to - 1);
		if (!history_tick_find(h, SQL_TICK_BEFORE, &t) || t.at < begin)
			continue;
		if (levels[i] > suits && is_known_finer(h, &t))
			continue;
		*ret = t;
		return true;
	}
	return false;
}

/* Oldest first, and none before the one before it is over. */
static size_t ticks_choose(struct history *h, double from, double to, size_t n_max,
			   struct tick ticks[HISTORY_WINDOW_MAX])
{
	double part = (to - from) / (double)n_max;
	int64_t over = 0;
	int suits = 0;
	size_t n = 0;

	while (suits + 1 < HISTORY_LEVELS && h->o.levels[suits + 1].step_sec <= part)
		suits++;
	for (size_t i = 0; i < n_max; i++) {
		struct tick t = { 0 };
		int64_t begin = (int64_t)ceil(from + (double)i * part);
		int64_t end = (int64_t)ceil(from + (double)(i + 1) * part);

		if (!part_find(h, suits, begin, end, i == 0, &t) || t.at < over)
			continue;
		over = t.at + h->o.levels[t.level].step_sec;
		ticks[n++] = t;
	}
	return n;
}

/* ── their series ─────────────────────────────────────────────────────────────────────────── */

struct member {
	int64_t series;
	double most; /* that it held at any of the moments */
};

static int by_series(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return x->series < y->series ? -1 : x->series > y->series;
}

static int by_most(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return x->most != y->most ? (x->most < y->most ? 1 : -1) : by_series(a, b);
}

/* All series of all ticks, each once, by number; at most HISTORY_WINDOW_ROWS_MAX. */
static struct member *members_new(const struct tick *ticks, size_t n_ticks, size_t *ret_n,
				  bool *ret_is_cut)
{
	struct member *m;
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < n_ticks; i++)
		n += ticks[i].n;
	m = calloc(n + 1, sizeof(*m));
	if (!m)
		return NULL;
	n = 0;
	for (size_t i = 0; i < n_ticks; i++)
		for (size_t j = 0; j < ticks[i].n; j++)
			m[n++] = (struct member){ ticks[i].entries[j].series,
						  (double)ticks[i].entries[j].sum /
							  (double)ticks[i].ticks };
	qsort(m, n, sizeof(*m), by_series);
	for (size_t i = 0; i < n; i++) {
		if (kept && m[kept - 1].series == m[i].series)
			m[kept - 1].most = fmax(m[kept - 1].most, m[i].most);
		else
			m[kept++] = m[i];
	}
	if (kept > HISTORY_WINDOW_ROWS_MAX) {
		qsort(m, kept, sizeof(*m), by_most);
		kept = HISTORY_WINDOW_ROWS_MAX;
		qsort(m, kept, sizeof(*m), by_series);
		*ret_is_cut = true;
	}
	*ret_n = kept;
	return m;
}

static int by_name(const void *a, const void *b)
{
	const struct history_row *x = a, *y = b;

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

/* A series that is known no more has figures and no row. */
static void rows_name(struct history *h, const struct member *members, size_t n_members,
		      struct history_window *w)
{
	for (size_t i = 0; i < n_members; i++) {
		const double *live = w->figures + i * 2 * w->n;
		sqlite3_stmt *row;

		history_query(h, SQL_SERIES_NAME, "i", members[i].series);
		row = history_row_next(h, SQL_SERIES_NAME);
		if (row)
			w->rows[w->n_rows++] = (struct history_row){
				(uint64_t)sqlite3_column_int64(row, 0),
				(uint64_t)sqlite3_column_int64(row, 1),
				live,
				live + w->n,
			};
		else
			w->is_cut = true;
		history_query_end(h, SQL_SERIES_NAME);
	}
	qsort(w->rows, w->n_rows, sizeof(*w->rows), by_name);
}

/* Both are sorted by series. */
static void figures_fill(struct history_window *w, const struct tick *ticks,
			 const struct member *members, size_t n_members)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct tick *t = &ticks[i];

		for (size_t j = 0, k = 0; j < t->n; j++) {
			double *live;

			while (k < n_members && members[k].series < t->entries[j].series)
				k++;
			if (k == n_members || members[k].series != t->entries[j].series)
				continue;
			live = w->figures + k * 2 * w->n;
			live[i] = (double)t->entries[j].sum / (double)t->ticks;
			live[w->n + i] = (double)t->entries[j].error_sum / (double)t->ticks;
		}
	}
}

static void rows_read(struct history *h, struct tick *ticks, struct history_window *w)
{
	_cleanup_free_ struct member *members = NULL;
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++) {
		history_points_load(h, &ticks[i]);
		w->is_cut |= ticks[i].other_cnt > 0;
	}
	members = members_new(ticks, w->n, &n, &w->is_cut);
	w->rows = calloc(n + 1, sizeof(*w->rows));
	w->figures = calloc(n * 2 * w->n + 1, sizeof(*w->figures));
	if (!members || !w->rows || !w->figures) {
		history_note(h, SQLITE_NOMEM);
		return;
	}
	figures_fill(w, ticks, members, n);
	rows_name(h, members, n, w);
}

static void moments_fill(struct history *h, const struct tick *ticks, struct history_window *w)
{
	const struct tick *last = &ticks[w->n - 1];
	struct starts starts;

	history_starts_load(h, &starts);
	for (size_t i = 0; i < w->n; i++) {
		w->moments[i].time_sec = history_tick_time(&ticks[i]);
		w->moments[i].is_break =
			i && history_starts_has(&starts, ticks[i - 1].at,
						ticks[i].at + h->o.levels[ticks[i].level].step_sec);
	}
	w->is_before_start =
		!h->is_begun || history_starts_has(&starts, last->at, (int64_t)TIME_MAX_SEC);
}

int history_window(struct history *h, double from_sec, double to_sec, size_t n_max,
		   struct history_window *ret)
{
	struct tick ticks[HISTORY_WINDOW_MAX] = { 0 };
	struct history_window w = { 0 };
	int r = history_read_begin(h);

	if (r < 0)
		return r;
	n_max = n_max < HISTORY_WINDOW_MAX ? n_max : HISTORY_WINDOW_MAX;
	from_sec = fmax(from_sec, (double)history_first_at(h));
	if (n_max && from_sec < to_sec) /* not if they are no times */
		w.n = ticks_choose(h, from_sec, fmin(to_sec, TIME_MAX_SEC), n_max, ticks);
	if (w.n) {
		moments_fill(h, ticks, &w);
		rows_read(h, ticks, &w);
	}
	for (size_t i = 0; i < w.n; i++)
		tick_done(&ticks[i]);
	r = history_read_end(h);
	if (r == 0 && !w.n)
		r = -ENOENT;
	if (r < 0)
		history_window_done(&w);
	else
		*ret = w;
	return r;
}

void history_window_done(struct history_window *w)
{
	free(w->rows);
	free(w->figures);
	*w = (struct history_window){ 0 };
}

const struct history_row *history_window_find(const struct history_window *w, uint64_t process,
					      uint64_t stack)
{
	const struct history_row key = { .process = process, .stack = stack };

	return w->n_rows ? bsearch(&key, w->rows, w->n_rows, sizeof(*w->rows), by_name) : NULL;
}
