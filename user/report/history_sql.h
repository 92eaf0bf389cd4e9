/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/history_sql.h — what is in history.db: schema, statements, and how points are packed.
 * For history*.c only: see history_internal.h.
 *
 *   process ◄── series ──► stack ──► frame           who and where; ids of processes, stacks and
 *                 ▲                                   frames are hashes, so nothing is looked up
 *                 │ id = part * 64 + 0..63
 *   tick ──► points (level, at, part): up to 64 series of one tick in one row
 *   start                                               where another daemon went on
 *
 * Not a row per point: for 2,000 stacks that was 1.9 ms of CPU and 56 KiB a tick; so, it is half of
 * that and a third (test_history prints the figures). Not a row per tick: then one series of two
 * months would be read from all of 100 MiB. 64, since so many points are about 700 bytes, and rows
 * over 1,000 bytes spill into pages of their own.
 */
#ifndef USER_REPORT_HISTORY_SQL_H
#define USER_REPORT_HISTORY_SQL_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

#define SCHEMA_VERSION	 2
#define SCHEMA_APP_ID	 0x50594744 /* "PYGD": whose file this is */
#define PART_SERIES	 64
#define PARTS_MAX	 (INT64_C(1) << 40) /* of one tick; series are numbered from 1 */
#define PART_BYTES_MAX	 (PART_SERIES * 31) /* a byte and three varints each */
#define SUM_MAX		 (UINT64_C(1) << 60) /* so that sums of what is read cannot overflow */
#define TICK_ENTRIES_MAX 32768 /* of one tick; merged they may be more for a moment */

static const char schema_sql[] =
	"CREATE TABLE process (id INTEGER PRIMARY KEY, unit TEXT, comm TEXT, cmdline TEXT,"
	" python TEXT, build_id TEXT);"
	"CREATE TABLE frame (id INTEGER PRIMARY KEY, function TEXT NOT NULL, file TEXT NOT NULL,"
	" line INTEGER NOT NULL, in_application INTEGER NOT NULL);"
	/* frames: 8 bytes each, ids in this machine's byte order, innermost first */
	"CREATE TABLE stack (id INTEGER PRIMARY KEY, truncated INTEGER NOT NULL,"
	" frames BLOB NOT NULL);"
	/* since: of its first tick; seen: of its last point of the coarsest level, or since */
	"CREATE TABLE series (id INTEGER PRIMARY KEY, stack INTEGER NOT NULL,"
	" process INTEGER NOT NULL, since INTEGER NOT NULL, seen INTEGER NOT NULL,"
	" UNIQUE (stack, process));"
	"CREATE INDEX series_seen ON series (seen);"
	/* at: where its step begins; offset_ms: of its ticks from there, summed up */
	"CREATE TABLE tick (level INTEGER NOT NULL, at INTEGER NOT NULL, ticks INTEGER NOT NULL,"
	" offset_ms INTEGER NOT NULL, other_sum INTEGER NOT NULL, other_cnt INTEGER NOT NULL,"
	" floor_sum INTEGER NOT NULL, thinned INTEGER NOT NULL, PRIMARY KEY (level, at))"
	" WITHOUT ROWID;"
	"CREATE INDEX tick_age ON tick (thinned, at);"
	"CREATE TABLE points (level INTEGER NOT NULL, at INTEGER NOT NULL, part INTEGER NOT NULL,"
	" data BLOB NOT NULL, PRIMARY KEY (level, at, part)) WITHOUT ROWID;";

/* Since schema 2. at: the finest step of a daemon's first tick, a second more if another daemon's
 * ticks are in that step, too. */
static const char schema_2_sql[] = "CREATE TABLE start (at INTEGER PRIMARY KEY);";

#define TICK_COLUMNS "level, at, ticks, offset_ms, other_sum, other_cnt, floor_sum, thinned"

/* X(ID, "statement"), prepared once. */
#define HISTORY_SQL(X)                                                                             \
	X(BEGIN, "BEGIN IMMEDIATE")                                                                \
	X(COMMIT, "COMMIT")                                                                        \
	X(PAGES,                                                                                   \
	  "SELECT page_count, freelist_count FROM pragma_page_count, pragma_freelist_count")       \
	X(VACUUM, "PRAGMA incremental_vacuum(256)")                                                \
	X(PROCESS_PUT, "INSERT OR IGNORE INTO process VALUES (?, ?, ?, ?, ?, ?)")                  \
	X(PROCESS_GET, "SELECT unit, comm, cmdline, python, build_id FROM process WHERE id = ?")   \
	X(PROCESS_SWEEP, "DELETE FROM process WHERE id NOT IN (SELECT process FROM series)")       \
	X(FRAME_PUT, "INSERT OR IGNORE INTO frame VALUES (?, ?, ?, ?, ?)")                         \
	X(FRAME_GET, "SELECT function, file, line, in_application FROM frame WHERE id = ?")        \
	X(FRAME_EACH, "SELECT id FROM frame")                                                      \
	X(FRAME_DEL, "DELETE FROM frame WHERE id = ?")                                             \
	X(STACK_PUT, "INSERT OR IGNORE INTO stack VALUES (?, ?, ?)")                               \
	X(STACK_GET, "SELECT truncated, frames FROM stack WHERE id = ?")                           \
	X(STACK_FIND, "SELECT id FROM stack WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?")         \
	X(STACK_EACH, "SELECT frames FROM stack")                                                  \
	X(STACK_DEL, "DELETE FROM stack WHERE id = ?1 AND NOT EXISTS"                              \
		     " (SELECT 1 FROM series WHERE stack = ?1)")                                   \
	X(SERIES_GET, "SELECT id FROM series WHERE stack = ? AND process = ?")                     \
	X(SERIES_OF, "SELECT id, since FROM series WHERE stack = ?1 AND (?2 = 0 OR process = ?2)") \
	X(SERIES_WHOSE, "SELECT process, since FROM series WHERE stack = ? ORDER BY id DESC"       \
			" LIMIT ?")                                                                \
	X(SERIES_PUT, "INSERT INTO series (stack, process, since, seen) VALUES (?1, ?2, ?3, ?3)")  \
	X(SERIES_SEEN, "UPDATE series SET seen = ?2 WHERE id = ?1 AND seen < ?2")                  \
	X(SERIES_NAME, "SELECT process, stack FROM series WHERE id = ?")                           \
	X(SERIES_OLD, "SELECT id, stack FROM series WHERE seen < ? LIMIT 200")                     \
	X(SERIES_DEL, "DELETE FROM series WHERE id = ?")                                           \
	X(SERIES_READ, "SELECT t.level, t.at, t.ticks, t.offset_ms, p.data FROM tick t"            \
		       " LEFT JOIN points p ON p.level = t.level AND p.at = t.at AND p.part = ?1"  \
		       " WHERE t.level = ?2 AND t.at >= ?3 AND t.at < ?4"                          \
		       " ORDER BY t.at DESC LIMIT ?5")                                             \
	X(TICK_PUT, "INSERT OR REPLACE INTO tick VALUES (?, ?, ?, ?, ?, ?, ?, ?)")                 \
	X(TICK_GET, "SELECT " TICK_COLUMNS " FROM tick WHERE level = ? AND at = ?")                \
	X(TICK_DEL, "DELETE FROM tick WHERE level = ? AND at = ?")                                 \
	X(TICK_RANGE, "SELECT " TICK_COLUMNS " FROM tick WHERE level = ? AND at >= ? AND at < ?"   \
		      " ORDER BY at LIMIT ?")                                                      \
	X(TICK_BEFORE, "SELECT " TICK_COLUMNS " FROM tick WHERE level = ? AND at <= ?"             \
		       " ORDER BY at DESC LIMIT 1")                                                \
	X(TICK_OLDEST, "SELECT " TICK_COLUMNS " FROM tick WHERE thinned = ?"                       \
		       " ORDER BY at, level LIMIT 1")                                              \
	X(POINTS_PUT, "INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?)")                         \
	X(POINTS_GET, "SELECT part, data FROM points WHERE level = ? AND at = ? ORDER BY part")    \
	X(POINTS_DEL, "DELETE FROM points WHERE level = ? AND at = ?")                             \
	X(START_PUT, "INSERT OR IGNORE INTO start VALUES (?)")                                     \
	X(START_EACH, "SELECT at FROM start WHERE at > ? AND at < ? ORDER BY at LIMIT ?")          \
	X(START_EXPIRE, "DELETE FROM start WHERE at < ?1 OR at <="                                 \
			" (SELECT at FROM start ORDER BY at DESC LIMIT 1 OFFSET ?2)")

enum sql {
#define HISTORY_SQL_ID(id, text) SQL_##id,
	HISTORY_SQL(HISTORY_SQL_ID)
#undef HISTORY_SQL_ID
	SQL_MAX
};

/* One series in one tick. */
struct entry {
	int64_t series;
	uint64_t sum, error_sum; /* over the ticks, whole bytes */
	uint64_t peak;
};

/* One row of tick with its points. */
struct tick {
	int64_t level, at, ticks, offset_ms;
	uint64_t other_sum, other_cnt; /* of stacks without an entry */
	uint64_t floor_sum; /* no stack without an entry has a larger sum */
	bool is_thinned;
	struct entry *entries; /* sorted by series */
	size_t n, cap;
};

static inline void tick_done(struct tick *t)
{
	free(t->entries);
	t->entries = NULL;
	t->n = t->cap = 0;
}

static inline int tick_reserve(struct tick *t, size_t n)
{
	struct entry *p;

	if (n <= t->cap)
		return 0;
	p = realloc(t->entries, n * 2 * sizeof(*p));
	if (!p)
		return -ENOMEM;
	t->entries = p;
	t->cap = n * 2;
	return 0;
}

static inline void entry_merge(struct entry *into, const struct entry *from)
{
	into->sum += from->sum;
	into->error_sum += from->error_sum;
	into->peak = into->peak > from->peak ? into->peak : from->peak;
}

/* Adds the ticks of `from`, which are in the same step. -ENOMEM: `into` is as it was. */
static inline int tick_merge(struct tick *into, const struct tick *from)
{
	struct tick sum = *into;
	size_t i = 0, j = 0;
	int r;

	sum.entries = NULL;
	sum.n = sum.cap = 0;
	r = tick_reserve(&sum, into->n + from->n + 1);
	if (r < 0)
		return r;
	while (i < into->n || j < from->n) {
		const struct entry *a = i < into->n ? &into->entries[i] : NULL;
		const struct entry *b = j < from->n ? &from->entries[j] : NULL;

		if (a && (!b || a->series <= b->series)) {
			sum.entries[sum.n] = *a;
			if (b && a->series == b->series)
				entry_merge(&sum.entries[sum.n], &from->entries[j++]);
			i++;
		} else {
			sum.entries[sum.n] = *b;
			j++;
		}
		sum.n++;
	}
	sum.ticks += from->ticks;
	sum.offset_ms += from->offset_ms + (from->at - into->at) * 1000 * from->ticks;
	sum.other_sum += from->other_sum;
	sum.other_cnt += from->other_cnt;
	sum.floor_sum += from->floor_sum;
	sum.is_thinned |= from->is_thinned;
	tick_done(into);
	*into = sum;
	return 0;
}

struct rank {
	double score;
	size_t index;
};

static inline int by_score(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->score != y->score)
		return x->score < y->score ? 1 : -1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Leaves the n_keep entries with the best scores; the others are summed up as "other". */
static inline int tick_keep(struct tick *t, const double *scores, size_t n_keep)
{
	_cleanup_free_ struct rank *ranks = NULL;
	size_t n = 0;

	if (t->n <= n_keep)
		return 0;
	ranks = calloc(t->n, sizeof(*ranks));
	if (!ranks)
		return -ENOMEM;
	for (size_t i = 0; i < t->n; i++)
		ranks[i] = (struct rank){ scores[i], i };
	qsort(ranks, t->n, sizeof(*ranks), by_score);
	for (size_t i = n_keep; i < t->n; i++) {
		struct entry *e = &t->entries[ranks[i].index];

		t->other_sum += e->sum;
		t->other_cnt += (uint64_t)t->ticks;
		t->floor_sum = t->floor_sum > e->sum ? t->floor_sum : e->sum;
		e->series = 0;
	}
	for (size_t i = 0; i < t->n; i++)
		if (t->entries[i].series)
			t->entries[n++] = t->entries[i];
	t->n = n;
	return 0;
}

static inline uint8_t *varint_put(uint8_t *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

/* NULL: it is cut short, or larger than a sum can be. */
static inline const uint8_t *varint_get(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; p && p < end && shift < 63; shift += 7) {
		v |= (uint64_t)(*p & 0x7f) << shift;
		if (!(*p++ & 0x80)) {
			*ret = v;
			return v <= SUM_MAX ? p : NULL;
		}
	}
	return NULL;
}

/* The entries from `first` on that are of its part: how many. The peak is kept as what it is above
 * the mean, which is 0 in the finest level. */
static inline size_t part_pack(const struct tick *t, size_t first, uint8_t buf[PART_BYTES_MAX],
			       size_t *ret_bytes)
{
	int64_t part = t->entries[first].series / PART_SERIES;
	uint8_t *p = buf;
	size_t i;

	for (i = first; i < t->n && t->entries[i].series / PART_SERIES == part; i++) {
		const struct entry *e = &t->entries[i];
		uint64_t mean = e->sum / (uint64_t)t->ticks;

		*p++ = (uint8_t)(e->series % PART_SERIES);
		p = varint_put(p, e->sum);
		p = varint_put(p, e->peak > mean ? e->peak - mean : 0);
		p = varint_put(p, e->error_sum);
	}
	*ret_bytes = (size_t)(p - buf);
	return i - first;
}

/* How many entries, at most PART_SERIES, or -EBADMSG: nothing that part_pack() makes. */
static inline int part_unpack(const uint8_t *data, size_t data_bytes, int64_t part, int64_t ticks,
			      struct entry ret[PART_SERIES])
{
	const uint8_t *p = data, *end = data + data_bytes;
	int n = 0, last = -1;

	if (part < 0 || part > PARTS_MAX || ticks < 1)
		return -EBADMSG;
	while (p < end) {
		struct entry *e = &ret[n];
		int low = *p++;

		if (low <= last || low >= PART_SERIES)
			return -EBADMSG;
		last = low;
		p = varint_get(p, end, &e->sum);
		p = varint_get(p, end, &e->peak);
		p = varint_get(p, end, &e->error_sum);
		if (!p)
			return -EBADMSG;
		e->peak += e->sum / (uint64_t)ticks;
		e->series = part * PART_SERIES + low;
		n++;
	}
	return n;
}

#endif
