/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/history.h — what every stack held, for two months, in DIR/history.db (SQLite).
 *
 *   snapshot ─► 10 s, kept 2 h ─► 1 min, kept 2 days ─► 15 min, kept 60 days        (defaults)
 *
 * One transaction a tick: killed at any moment, it has every tick that was written; after a power
 * cut the last ones may be missing, never a part of one. A point of a coarse level is made of the
 * committed points of the level below when its time is over, so a crash loses nothing of it.
 *
 * A point is the mean and the highest of its ticks. The mean, because sums of stacks and rates by
 * least squares stay true of means, at every level (see series.h); the highest, because that is
 * what means hide. Means are kept as sums of whole bytes: exact, however often they are put
 * together. The error of a mean is the mean of the errors: ticks next to each other rest on the
 * same samples, so their accidents do not cancel out.
 *
 * Stacks are told apart by snapshot_stack.id and by a process key that survives restarts; workers
 * with the same key are one process here, their errors added in quadrature.
 *
 * Limits, each with a counter below: stacks_max of a tick, the rest is summed up as "other";
 * HISTORY_NEW_MAX stacks that history has never seen a tick; max_bytes for the database with its
 * write-ahead log (beyond: old ticks lose the half of their points that has grown least since, then
 * the oldest ticks go). One damaged database is kept beside, no more.
 *
 * No disk, no history, but a daemon that goes on: a database that cannot be written (full,
 * read-only, failing) is said once and tried again every minute; ticks of the meantime are counted
 * and are not in the history. What could be read before can be read still. One that somebody
 * removes is said, too, and begun anew.
 *
 * SQLite is called on the caller's thread and never waits for a lock; it does wait for the disk.
 */
#ifndef USER_REPORT_HISTORY_H
#define USER_REPORT_HISTORY_H

#include "growth/diff.h"
#include "growth/series.h"
#include "growth/snapshot.h"
#include "lib/cleanup.h"
#include "lib/strbuf.h"

#define HISTORY_LEVELS	      3
#define HISTORY_BYTES_MIN     (4u << 20)
#define HISTORY_STACKS_MAX    16384
#define HISTORY_NEW_MAX	      200 /* below 25 MiB of max_bytes fewer: max_bytes / 128 KiB */
#define HISTORY_POINTS_MAX    20000 /* of one history_series(); older ones are left out */
#define HISTORY_RETRY_SEC     60
#define HISTORY_PROCESS_ANY   0
#define HISTORY_STARTS_MAX    4096 /* restarts of the daemon that are remembered; the last ones */
#define HISTORY_CHECKED_BYTES (64u << 20) /* larger: only the small tables are checked at open */

/* X(ID, "name", "what happened, and what it does to the figures") */
#define HISTORY_COUNTERS(X)                                                                       \
	X(UNWRITTEN, "history_unwritten", "a tick could not be written: a gap in the history")    \
	X(OTHER, "history_other", "a stack was not among the largest of its tick: summed up")     \
	X(DEFERRED, "history_deferred", "too many new stacks, or no room: summed up until later") \
	X(THINNED, "history_thinned", "size limit: an old point that grew little was summed up")  \
	X(DROPPED, "history_dropped", "size limit: an old tick was deleted before its time")      \
	X(BAD_ROW, "history_bad_row", "a row made no sense and was left out")                     \
	X(CORRUPT, "history_corrupt", "the database was damaged, put aside and begun anew")       \
	X(VANISHED, "history_vanished", "the database was removed while it was in use")

enum history_counter {
#define HISTORY_COUNTER_ID(id, name, help) HISTORY_COUNTER_##id,
	HISTORY_COUNTERS(HISTORY_COUNTER_ID)
#undef HISTORY_COUNTER_ID
	HISTORY_COUNTER_MAX
};

struct history_level {
	unsigned step_sec; /* a multiple of the level's before */
	unsigned keep_sec; /* at least two steps of the next level */
};

/* The numbers that a level may have: what 0 and too much would do to arithmetic and patience. */
#define HISTORY_STEP_SEC_MAX 86400
#define HISTORY_KEEP_SEC_MAX (3660u * 86400)

struct history_options {
	const char *dir; /* copied; made if it is missing */
	uint64_t max_bytes; /* at least HISTORY_BYTES_MIN */
	size_t stacks_max; /* of a tick; 1 to HISTORY_STACKS_MAX */
	struct history_level levels[HISTORY_LEVELS]; /* finest first */
};

/* 256 MiB, 2,000 stacks, the levels above; dir is NULL. */
void history_options_init(struct history_options *o);
/* "STEP for KEEP, STEP for KEEP, STEP for KEEP", as "10s for 2h". 0, or -EINVAL and `why` says what
 * it is not; *ret untouched then. */
int history_levels_parse(const char *text, struct history_level ret[HISTORY_LEVELS],
			 struct strbuf *why);

struct history;

/* Opens, repairs or makes the database; times are Unix times throughout. 0 also if there is none
 * for now (see above). -EBUSY: another daemon has this directory; -EPROTONOSUPPORT: a newer pygrowd
 * wrote it; -EINVAL: options; each with a sentence in `why`. -ENOMEM. */
int history_open(const struct history_options *o, double now_sec, struct strbuf *why,
		 struct history **ret);
void history_close(struct history *h);
DEFINE_CLEANUP(struct history *, history_close)

/* One tick. 0, or why it is not in the history: -EINVAL (the time is not a time), else what the
 * disk or SQLite says; that is counted and logged already. Ticks of the same finest step are one
 * point, but not those of two daemons: after a restart it begins with the next step (0 until then);
 * a clock that was set back adds to the points that are there. */
int history_add(struct history *h, const struct snapshot *snapshot, double now_sec);

bool history_is_failed(const struct history *h);
uint64_t history_counter_get(const struct history *h, enum history_counter counter);
/* Database and write-ahead log, on disk now. */
uint64_t history_bytes(const struct history *h);

/* What a process is across restarts: the interpreter's build id and its service, or its command
 * line if it belongs to none. (A scope is no name: every login has another one.) Never 0. */
uint64_t history_process_key(const struct snapshot_process *p);

struct history_point {
	double time_sec; /* mean of its ticks */
	int64_t begin_sec; /* of its step */
	unsigned step_sec; /* of the level that it comes from */
	double live_bytes, live_error; /* mean; error 0: exact */
	double peak_bytes;
	/* pygrowd was started anew between the point before and the end of this one's step: what is
	 * held from before is not known, so figures begin at 0 again. The first point: false. */
	bool is_break;
};

struct history_series {
	struct history_point *points; /* oldest first */
	size_t n;
};

/* Readers return 0, -ENOENT (nothing known of that), -ENOMEM, or -EIO if the database cannot be
 * read. A tick without the stack is a point of 0 bytes; no points before its first tick, nor where
 * no tick is. */

/* from <= time < to, at the finest level that reaches back to `from`, or else as far as any does;
 * where that level is not complete yet, the finer ones continue it. HISTORY_PROCESS_ANY: the sum
 * over all processes. */
int history_series(struct history *h, uint64_t stack, uint64_t process, double from_sec,
		   double to_sec, struct history_series *ret);
/* All that is known of it, each moment at the finest level that has it. */
int history_series_whole(struct history *h, uint64_t stack, uint64_t process,
			 struct history_series *ret);
void history_series_done(struct history_series *s);

/* A moment at which everything was looked at. */
struct history_moment {
	double time_sec;
	bool is_break; /* as of history_point */
};

/* The last n_max of the finest level with from <= its step < to, oldest first. */
int history_moments(struct history *h, double from_sec, double to_sec,
		    struct history_moment *ret_moments, size_t n_max, size_t *ret_n);
/* A series' points at these moments; no points before its first tick, which is ret_since_sec (there
 * may be no point at all: *ret_n 0). Times are Unix times; take the clocks' difference off for a
 * monotonic series. 0.1 ms for 60 points: not for thousands of stacks in one go. */
int history_recall(struct history *h, uint64_t stack, uint64_t process, double from_sec,
		   double to_sec, struct series_point *ret_points, size_t n_max, size_t *ret_n,
		   double *ret_since_sec);

#define HISTORY_WINDOW_MAX	30 /* moments */
#define HISTORY_WINDOW_ROWS_MAX 8192 /* series, those that held most; the rest is left out */

struct history_row {
	uint64_t process, stack;
	const double *live_bytes, *live_error; /* at each moment; 0: held nothing, or too little */
};

/* What everything held at some moments, spread evenly over a time. */
struct history_window {
	struct history_moment moments[HISTORY_WINDOW_MAX]; /* oldest first */
	size_t n;
	bool is_cut; /* something that is not listed held something */
	/* Nothing of it was taken by the daemon that has this history open now. */
	bool is_before_start;
	struct history_row *rows; /* by process, then stack */
	size_t n_rows;
	double *figures; /* the rows' */
};

/* At most n_max moments with from <= time < to (from the first that is known on), each at the level
 * that suits their distance and knows of it. -ENOENT: there is none. Some 20 ms for 2,000 stacks.
 */
int history_window(struct history *h, double from_sec, double to_sec, size_t n_max,
		   struct history_window *ret);
void history_window_done(struct history_window *w);
/* NULL: it held nothing, or too little. */
const struct history_row *history_window_find(const struct history_window *w, uint64_t process,
					      uint64_t stack);

struct history_snapshot {
	double time_sec; /* of what was found, mean of its ticks */
	unsigned step_sec;
	struct diff_stack *stacks; /* in no order */
	size_t n;
	double floor_bytes; /* see diff_side: what is not listed held at most this */
	double other_bytes; /* of all that is not listed */
	uint64_t other_cnt; /* how many stacks those were, a tick on average */
};

/* Everything at a moment, at the finest level with a point within a step of it; failing that the
 * nearest point within a step of the coarsest. -ENOENT: no daemon ran then, or it is too long ago.
 */
int history_snapshot_at(struct history *h, double time_sec, struct history_snapshot *ret);
void history_snapshot_done(struct history_snapshot *s);
/* How often was pygrowd started anew between two such moments? What it held before is not known
 * after it, though it may be there. 0 too if the history cannot be read. */
unsigned history_restarts(struct history *h, const struct history_snapshot *from,
			  const struct history_snapshot *to);

/* The first and the last tick that are known. */
int history_extent(struct history *h, double *ret_first_sec, double *ret_last_sec);

/* A stack's frames, of processes that are gone too; strings belong to it. */
struct history_stack {
	struct snapshot_frame frames[PGD_FRAMES_MAX]; /* [0] is the innermost */
	size_t n_frames;
	bool truncated;
};

/* Stacks whose ids lie between these two (as a beginning in hex digits says it), at most n_max. */
int history_stacks_find(struct history *h, uint64_t first, uint64_t last, uint64_t *ret_ids,
			size_t n_max, size_t *ret_n);
int history_stack_get(struct history *h, uint64_t stack, struct history_stack *ret);
void history_stack_done(struct history_stack *s);

struct history_owner {
	uint64_t process;
	double since_sec; /* of the stack's first tick in it */
};

/* The processes that a stack was seen in, latest first, at most n_max. */
int history_stack_owners(struct history *h, uint64_t stack, struct history_owner *ret, size_t n_max,
			 size_t *ret_n);

struct history_process { /* strings may be NULL */
	char *unit, *comm, *cmdline, *python, *build_id;
};

int history_process_get(struct history *h, uint64_t process, struct history_process *ret);
void history_process_done(struct history_process *p);

#endif
