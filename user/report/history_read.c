/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/history_read.c — what did a stack hold then?
 *
 * Readers run between ticks, on the same connection. What they find damaged they only note
 * (is_damaged): the next tick puts the database aside.
 */
#include <math.h>

#include "report/history_internal.h"

int history_read_begin(struct history *h)
{
	h->rc = SQLITE_OK;
	return h->db ? 0 : -EIO;
}

int history_read_end(struct history *h)
{
	h->is_damaged |= history_error_of(h->rc) == -EBADMSG;
	return h->rc == SQLITE_OK ? 0 : h->rc == SQLITE_NOMEM ? -ENOMEM : -EIO;
}

void history_starts_load(struct history *h, struct starts *ret)
{
	sqlite3_stmt *row;

	ret->n = 0;
	history_query(h, SQL_START_EACH, "iii", (int64_t)-1, (int64_t)TIME_MAX_SEC,
		      (int64_t)HISTORY_STARTS_MAX);
	while (ret->n < HISTORY_STARTS_MAX && (row = history_row_next(h, SQL_START_EACH)))
		ret->at[ret->n++] = sqlite3_column_int64(row, 0);
	history_query_end(h, SQL_START_EACH);
}

bool history_starts_has(const struct starts *s, int64_t after, int64_t before)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->at[middle] <= after)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->n && s->at[low] < before;
}

/* Several numbers of one stack: its processes. */
struct members {
	int64_t series[PGD_TARGETS_MAX * 8], since; /* more are left out */
	size_t n;
};

static void members_get(struct history *h, uint64_t stack, uint64_t process, struct members *ret)
{
	sqlite3_stmt *row;

	ret->n = 0;
	ret->since = INT64_MAX;
	history_query(h, SQL_SERIES_OF, "ii", (int64_t)stack, (int64_t)process);
	while (ret->n < ARRAY_SIZE(ret->series) && (row = history_row_next(h, SQL_SERIES_OF))) {
		int64_t since = sqlite3_column_int64(row, 1);

		ret->series[ret->n++] = sqlite3_column_int64(row, 0);
		ret->since = since < ret->since ? since : ret->since;
	}
	history_query_end(h, SQL_SERIES_OF);
}

static void point_add(struct history *h, sqlite3_stmt *row, int64_t series, int64_t ticks,
		      struct history_point *p)
{
	struct entry part[PART_SERIES];
	int n = part_unpack(sqlite3_column_blob(row, 4), (size_t)sqlite3_column_bytes(row, 4),
			    series / PART_SERIES, ticks, part);

	if (n < 0)
		h->counters[HISTORY_COUNTER_BAD_ROW]++;
	for (int i = 0; i < n; i++) {
		if (part[i].series != series)
			continue;
		p->live_bytes += (double)part[i].sum / (double)ticks;
		p->live_error = hypot(p->live_error, (double)part[i].error_sum / (double)ticks);
		p->peak_bytes += (double)part[i].peak;
	}
}

/* Adds one series of one level to points, newest first; the ticks are the same for all series. How
 * many points. Peaks of several processes add up too: at most so much was held at once. */
static size_t level_read(struct history *h, int level, int64_t series, int64_t from, int64_t to,
			 struct history_point *points, size_t max)
{
	sqlite3_stmt *row;
	size_t n = 0;

	history_query(h, SQL_SERIES_READ, "iiiii", series / PART_SERIES, (int64_t)level, from, to,
		      (int64_t)max);
	while (n < max && (row = history_row_next(h, SQL_SERIES_READ))) {
		struct history_point *p = &points[n++];
		struct tick t = { .at = sqlite3_column_int64(row, 1),
				  .ticks = sqlite3_column_int64(row, 2),
				  .offset_ms = sqlite3_column_int64(row, 3) };

		if (t.ticks < 1) {
			h->counters[HISTORY_COUNTER_BAD_ROW]++;
			t.ticks = 1;
		}
		p->time_sec = history_tick_time(&t);
		p->begin_sec = t.at;
		p->step_sec = h->o.levels[level].step_sec;
		point_add(h, row, series, t.ticks, p);
	}
	history_query_end(h, SQL_SERIES_READ);
	return n;
}

/* Where this level begins, its first tick; INT64_MAX: it is empty. `end`: where its last step is
 * over. */
static int64_t level_begin(struct history *h, int level, int64_t *ret_end)
{
	int64_t last = history_tick_last_at(h, level);
	struct tick t;

	*ret_end = last < 0 ? 0 : last + h->o.levels[level].step_sec;
	history_query(h, SQL_TICK_RANGE, "iiii", (int64_t)level, (int64_t)0, (int64_t)TIME_MAX_SEC,
		      (int64_t)1);
	return history_tick_find(h, SQL_TICK_RANGE, &t) ? t.at : INT64_MAX;
}

/* The finest level that knows of `from`, or goes back furthest. A coarse step begins before its
 * first tick, so a level must win by a step of its own to be better. */
static int level_choose(struct history *h, int64_t from, int64_t ends[HISTORY_LEVELS])
{
	int64_t best_begin = INT64_MAX;
	int best = 0;

	for (int level = 0; level < HISTORY_LEVELS; level++) {
		int64_t begin = level_begin(h, level, &ends[level]);
		int64_t step = h->o.levels[level].step_sec;

		if (begin == INT64_MAX)
			continue;
		if (best_begin > from + h->o.levels[best].step_sec &&
		    (best_begin == INT64_MAX || begin + step < best_begin)) {
			best = level;
			best_begin = begin;
		}
	}
	return best;
}

static void points_reverse(struct history_point *p, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct history_point swap = p[i];

		p[i] = p[n - 1 - i];
		p[n - 1 - i] = swap;
	}
}

/* Where each level is read from, up to where the finer one is: the chosen one from the time that is
 * asked for, and the finer ones from where it is not complete yet. */
static void begins_from(struct history *h, int64_t from, int64_t ret[HISTORY_LEVELS])
{
	int64_t ends[HISTORY_LEVELS];
	int chosen = level_choose(h, from, ends);

	for (int level = 0; level < HISTORY_LEVELS; level++) {
		ret[level] = level < chosen ? ends[level + 1] : from;
		if (ret[level] < from)
			ret[level] = from;
		if (level > chosen)
			ret[level] = INT64_MAX;
	}
}

/* Each level from where it begins, unless a finer one goes back as far; where that is within a step
 * of the coarser one, the finer begins with the next step. */
static void begins_whole(struct history *h, int64_t ret[HISTORY_LEVELS])
{
	int64_t end, from = level_begin(h, 0, &end);
	int finer = 0;

	ret[0] = from;
	for (int level = 1; level < HISTORY_LEVELS; level++) {
		int64_t begin = level_begin(h, level, &end);
		int64_t step = history_level_at(h, level, from);

		ret[level] = begin < step ? begin : INT64_MAX;
		if (begin >= step)
			continue;
		if (step < from && step < end)
			ret[finer] = step + h->o.levels[level].step_sec;
		from = begin;
		finer = level;
	}
}

/* From the finest level, which has the newest points, to the coarsest. */
static size_t series_read(struct history *h, const struct members *m,
			  const int64_t begins[HISTORY_LEVELS], int64_t to,
			  struct history_point *points)
{
	size_t n = 0;

	for (int level = 0; level < HISTORY_LEVELS; level++) {
		int64_t begin = begins[level] > m->since ? begins[level] : m->since;
		size_t n_read = 0;

		/* A step that the time lies in counts, and so does the one it was new in. */
		begin = history_level_at(h, level, begin);
		for (size_t i = 0; i < m->n && begin < to; i++)
			n_read = level_read(h, level, m->series[i], begin, to, points + n,
					    HISTORY_POINTS_MAX - n);
		n += n_read;
		to = begin < to ? begin : to;
	}
	return n;
}

static void breaks_mark(struct history *h, struct history_point *points, size_t n)
{
	struct starts starts;

	history_starts_load(h, &starts);
	for (size_t i = 1; i < n; i++)
		points[i].is_break = history_starts_has(&starts, points[i - 1].begin_sec,
							points[i].begin_sec + points[i].step_sec);
}

/* to <= 0: all that is known. */
static int series_get_range(struct history *h, uint64_t stack, uint64_t process, int64_t from,
			    int64_t to, struct history_series *ret)
{
	_cleanup_free_ struct history_point *points = NULL;
	int64_t begins[HISTORY_LEVELS];
	struct members m;
	size_t n = 0;
	int r = history_read_begin(h);

	if (r < 0)
		return r;
	members_get(h, stack, process, &m);
	points = calloc(HISTORY_POINTS_MAX, sizeof(*points));
	if (!points)
		return -ENOMEM;
	if (to > 0)
		begins_from(h, from, begins);
	else
		begins_whole(h, begins);
	if (m.n)
		n = series_read(h, &m, begins, to > 0 ? to : (int64_t)TIME_MAX_SEC, points);
	points_reverse(points, n);
	breaks_mark(h, points, n);
	r = history_read_end(h);
	if (r < 0)
		return r;
	if (!n)
		return -ENOENT;
	ret->points = TAKE_PTR(points);
	ret->n = n;
	return 0;
}

int history_series(struct history *h, uint64_t stack, uint64_t process, double from_sec,
		   double to_sec, struct history_series *ret)
{
	if (!(to_sec > fmax(from_sec, 0)))
		return -ENOENT;
	return series_get_range(h, stack, process, (int64_t)fmax(from_sec, 0),
				(int64_t)fmin(ceil(to_sec), TIME_MAX_SEC), ret);
}

int history_series_whole(struct history *h, uint64_t stack, uint64_t process,
			 struct history_series *ret)
{
	return series_get_range(h, stack, process, 0, 0, ret);
}

void history_series_done(struct history_series *s)
{
	free(s->points);
	*s = (struct history_series){ 0 };
}

static int64_t whole_sec(double sec)
{
	return (int64_t)fmin(fmax(sec, 0), TIME_MAX_SEC);
}

int history_recall(struct history *h, uint64_t stack, uint64_t process, double from_sec,
		   double to_sec, struct series_point *ret_points, size_t n_max, size_t *ret_n,
		   double *ret_since_sec)
{
	struct history_point points[SERIES_MAX] = { 0 };
	int64_t from = whole_sec(from_sec);
	struct members m;
	size_t n = 0;
	int r = history_read_begin(h);

	if (r < 0)
		return r;
	members_get(h, stack, process, &m);
	from = from > m.since ? from : m.since;
	n_max = n_max < SERIES_MAX ? n_max : SERIES_MAX;
	if (m.n)
		n = level_read(h, 0, m.series[0], from, whole_sec(to_sec), points, n_max);
	r = history_read_end(h);
	if (r < 0)
		return r;
	if (!m.n)
		return -ENOENT;
	for (size_t i = 0; i < n; i++) {
		const struct history_point *p = &points[n - 1 - i];

		ret_points[i] = (struct series_point){ p->time_sec, p->live_bytes, p->live_error };
	}
	*ret_n = n;
	*ret_since_sec = (double)m.since;
	return 0;
}

/* The tick of a level whose time is nearest; how far it is. INFINITY: the level is empty. */
static double tick_nearest(struct history *h, int level, double time_sec, struct tick *ret)
{
	int64_t sec = (int64_t)time_sec;
	double distance = INFINITY;
	struct tick t;

	history_query(h, SQL_TICK_BEFORE, "ii", (int64_t)level, sec);
	if (history_tick_find(h, SQL_TICK_BEFORE, &t)) {
		distance = fabs(history_tick_time(&t) - time_sec);
		*ret = t;
	}
	history_query(h, SQL_TICK_RANGE, "iiii", (int64_t)level, sec + 1, (int64_t)TIME_MAX_SEC,
		      (int64_t)1);
	if (history_tick_find(h, SQL_TICK_RANGE, &t) &&
	    fabs(history_tick_time(&t) - time_sec) < distance) {
		distance = fabs(history_tick_time(&t) - time_sec);
		*ret = t;
	}
	return distance;
}

static bool tick_at(struct history *h, double time_sec, struct tick *ret)
{
	double nearest = h->o.levels[HISTORY_LEVELS - 1].step_sec;
	bool found = false;

	for (int level = 0; level < HISTORY_LEVELS; level++) {
		struct tick t = { 0 };
		double distance = tick_nearest(h, level, time_sec, &t);

		if (distance <= h->o.levels[level].step_sec) {
			*ret = t;
			return true;
		}
		if (distance <= nearest) {
			nearest = distance;
			*ret = t;
			found = true;
		}
	}
	return found;
}

/* A point of a series that is known no more counts as "other". */
static void snapshot_fill(struct history *h, const struct tick *t, struct history_snapshot *ret)
{
	double ticks = (double)t->ticks;

	for (size_t i = 0; i < t->n; i++) {
		const struct entry *e = &t->entries[i];
		sqlite3_stmt *row;

		history_query(h, SQL_SERIES_NAME, "i", e->series);
		row = history_row_next(h, SQL_SERIES_NAME);
		if (row)
			ret->stacks[ret->n++] = (struct diff_stack){
				(uint64_t)sqlite3_column_int64(row, 0),
				(uint64_t)sqlite3_column_int64(row, 1),
				(double)e->sum / ticks,
				(double)e->error_sum / ticks,
			};
		else
			ret->other_bytes += (double)e->sum / ticks;
		history_query_end(h, SQL_SERIES_NAME);
	}
}

int history_snapshot_at(struct history *h, double time_sec, struct history_snapshot *ret)
{
	struct history_snapshot s = { 0 };
	struct tick t = { 0 };
	int r = history_read_begin(h);

	if (r < 0)
		return r;
	if (!(time_sec >= 0 && time_sec < TIME_MAX_SEC))
		return -ENOENT;
	if (!tick_at(h, time_sec, &t)) {
		r = history_read_end(h);
		return r < 0 ? r : -ENOENT;
	}
	history_points_load(h, &t);
	s.stacks = calloc(t.n + 1, sizeof(*s.stacks));
	if (!s.stacks)
		history_note(h, SQLITE_NOMEM);
	else
		snapshot_fill(h, &t, &s);
	s.time_sec = history_tick_time(&t);
	s.step_sec = h->o.levels[t.level].step_sec;
	s.floor_bytes = (double)t.floor_sum / (double)t.ticks;
	s.other_bytes += (double)t.other_sum / (double)t.ticks;
	s.other_cnt = (t.other_cnt + (uint64_t)t.ticks - 1) / (uint64_t)t.ticks;
	tick_done(&t);
	r = history_read_end(h);
	if (r < 0)
		history_snapshot_done(&s);
	else
		*ret = s;
	return r;
}

void history_snapshot_done(struct history_snapshot *s)
{
	free(s->stacks);
	*s = (struct history_snapshot){ 0 };
}

unsigned history_restarts(struct history *h, const struct history_snapshot *from,
			  const struct history_snapshot *to)
{
	unsigned n = 0;

	if (history_read_begin(h) < 0)
		return 0;
	history_query(h, SQL_START_EACH, "iii", (int64_t)from->time_sec, (int64_t)to->time_sec + 1,
		      (int64_t)HISTORY_STARTS_MAX);
	while (history_row_next(h, SQL_START_EACH))
		n++;
	history_query_end(h, SQL_START_EACH);
	return history_read_end(h) < 0 ? 0 : n;
}

int64_t history_first_at(struct history *h)
{
	int64_t first = INT64_MAX, end;

	for (int level = 0; level < HISTORY_LEVELS; level++) {
		int64_t begin = level_begin(h, level, &end);

		/* A coarse step that the finer level begins in began before there was anything. */
		if (first == INT64_MAX || begin <= first - h->o.levels[level].step_sec)
			first = begin;
	}
	return first;
}

int history_extent(struct history *h, double *ret_first_sec, double *ret_last_sec)
{
	int64_t first, last = -1;
	struct tick t;
	int r = history_read_begin(h);

	if (r < 0)
		return r;
	first = history_first_at(h);
	history_query(h, SQL_TICK_BEFORE, "ii", (int64_t)0, (int64_t)TIME_MAX_SEC);
	if (history_tick_find(h, SQL_TICK_BEFORE, &t))
		last = (int64_t)history_tick_time(&t);
	r = history_read_end(h);
	if (r < 0)
		return r;
	if (last < 0)
		return -ENOENT;
	*ret_first_sec = (double)(first < last ? first : last);
	*ret_last_sec = (double)last;
	return 0;
}
