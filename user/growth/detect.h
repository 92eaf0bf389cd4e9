/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/detect.h — is this stack a leak?
 *
 *              rises for some minutes         has risen for long enough
 *   ┌───────┐ ────────────────────► ┌─────────┐ ───────────────► ┌─────────┐
 *   │ quiet │                       │ suspect │                  │ growing │  one alert
 *   └───────┘ ◄──────────────────── └─────────┘                  └─────────┘
 *       ▲      not for wait_sec          settle_sec of work without ▲  │
 *       │                                growth, or memory released │  │
 *       │  a day later              ┌─────────┐  grows to new highs │  │
 *       └────────────────────────── │ settled │ ────────────────────┘  │
 *                                   └─────────┘ ◄──────────────────────┘
 *
 * What rises is no leak yet: load, caches and batches rise, too. So beside the statistics of
 * trend.h a rise must pass, in this order, what enum detect_why lists. Two of these tests use the
 * ages of what is alive:
 *   - judged is what is older than a while (DETECT_LEVELS), not the requests in flight;
 *   - survivors of a leak are of all ages back to its beginning, in equal measure. Those of a load
 *     that rises, of a cache that turns over, of a batch are young.
 * A buffer that grows is a single block, born once. So where every block is followed it will do,
 * too, that most of what was taken meanwhile has stayed, or that what was there before has grown.
 *
 * What no test here can tell: a cache that fills in a straight line for longer than wait_sec is a
 * leak until it is full. docs/DETECTOR.md has the figures.
 *
 * Pure: no clock, no I/O; time comes in with the points. Allocates in detect_new only.
 */
#ifndef USER_GROWTH_DETECT_H
#define USER_GROWTH_DETECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/cleanup.h"

enum detect_state {
	DETECT_QUIET,
	DETECT_SUSPECT,
	DETECT_GROWING,
	DETECT_SETTLED,
	DETECT_STATE_MAX,
};

/* Why it is in its state: how far the best of the time spans looked at has come in the tests. */
enum detect_why {
	DETECT_TOO_NEW, /* not enough history */
	DETECT_NOT_RISING,
	DETECT_WITHIN_ERROR, /* rises by less than sampling can tell */
	DETECT_TOO_SMALL, /* less than min_growth_bytes, or slower than min_bytes_per_sec */
	DETECT_LEVELS_OFF, /* rose, but its last quarter does not, or much less */
	DETECT_TURNS_OVER, /* what was born early is gone: load, or a cache with turnover */
	DETECT_FEW_BIRTHS, /* a few large steps and not a growth */
	DETECT_SEEN_BEFORE, /* has been as large before: day and night, batches */
	DETECT_WAITS_FOR_COLLECTOR, /* each full collection takes it back */
	DETECT_PROCESS_STEADY, /* the process does not grow: something else is replaced */
	DETECT_TOO_SHORT, /* passes, but not for long enough yet */
	DETECT_RISES, /* growing: survives whatever there was to survive */
	DETECT_RISES_UNCOLLECTED, /* growing, and no full collection happened meanwhile */
	DETECT_STOPPED, /* settled: no growth where there should have been */
	DETECT_RELEASED, /* settled: the memory was given back */
	DETECT_WHY_MAX,
};

extern const char *const detect_state_name[DETECT_STATE_MAX]; /* "quiet", … as in JSON */
extern const char *const detect_why_name[DETECT_WHY_MAX]; /* "too-new", … */

/* Thresholds. */
struct detect_limits {
	double bin_sec; /* the unit of time that all history is kept in; several points should fall
			 * into it */
	double wait_sec; /* a rise must have lasted so long; twice as long where ages do not show
			  * it, twice as long where no full collection happened meanwhile */
	double settle_sec; /* of work without growth: settled */
	double min_growth_bytes; /* over the span looked at */
	double min_bytes_per_sec;
	double headroom_share; /* a rise that has taken this share of the memory that was free, in
				* a quarter of wait_sec or more, need not wait_sec; 0: it must */
	double tau_min, p_max; /* of trend.h */
	double still_rising; /* slope of the last quarter, over that of all */
};

/* The defaults: bins of a minute, 72 minutes, 2 hours, 128 KiB, 8 bytes a second, a third, …
 * (detect.c says why). */
struct detect_limits detect_limits_default(void);
/* All times by `factor`, the rate by its inverse: for tests that run a day in minutes, and for who
 * would rather be alerted early. factor > 0. */
struct detect_limits detect_limits_scale(const struct detect_limits *limits, double factor);
/* 0 or -EINVAL: a limit that is not finite, negative, or a time or bin that is 0. */
int detect_limits_check(const struct detect_limits *limits);

/* Age classes: class 0 is below bin_sec / 6 (10 s), each next ends at 1.5 times that, the last
 * (from 31 h on) never ends. */
#define DETECT_AGES 25
/* The class of a block; below 0 or NAN: 0. */
unsigned detect_age(const struct detect_limits *limits, double age_sec);

/* More points in a bin than so many say nothing new; births are told apart by as much. */
#define DETECT_POINTS_PER_BIN 6

#define DETECT_BYTES_MAX 1e18 /* more is refused as a mistake */

/* What the daemon knows of a stack at the end of an interval. */
struct detect_point {
	double time_sec; /* monotonic */
	double live_bytes;
	double error_bytes; /* half of a 95 % interval; 0: exact */
	bool has_ages; /* bytes_by_age and birth_intervals are known. Of a whole process they are
			* not: it is there to compare with */
	double bytes_by_age[DETECT_AGES]; /* sum of weight × bytes of the samples by age; should add
					   * up to about live_bytes */
	uint32_t birth_intervals; /* different intervals of bin_sec / 6 in which what is alive now
				   * was born */
	double taken_bytes; /* by this stack, since the target was first seen; NAN: not known */
	int64_t full_collections; /* by the target so far; -1: not known, or no collector */
	double headroom_bytes; /* until the memory limit of cgroup or host; NAN: not known */
};

struct detect_verdict {
	enum detect_state state;
	enum detect_why why;
	/* Of the span that tells most; NAN where nothing rises. What a stack that settled had when
	 * it grew. */
	double since_sec; /* the growth is at least this old; monotonic */
	double span_sec;
	double growth_bytes; /* in the span */
	double slope_bytes_per_sec, slope_low, slope_high; /* Theil–Sen, 95 % */
	double tau, p_value;
	bool is_after_collections; /* there were full collections in the span, so that it was judged
				    * by what was held just after them */
};

struct detect; /* 2.4 KiB a stack */

/* 0 or -ENOMEM. */
int detect_new(struct detect **ret);
void detect_free(struct detect *d);
DEFINE_CLEANUP(struct detect *, detect_free)

/* Once an interval. `process`: the same for the bytes of the whole process (has_ages false), fed
 * before its stacks; may be NULL. The judgement is made once in bin_sec, and stays until the next.
 * limits must pass detect_limits_check and not change between calls without a detect_restart.
 * A time before the last one is taken for a restart of the target (see there); a gap is one.
 * 0, or -EINVAL: a time that is the last one again or not finite, bytes or an error that are
 * negative, not finite or above DETECT_BYTES_MAX: the point is refused, *ret untouched, and nothing
 * has changed. */
int detect_push(struct detect *d, const struct detect_limits *limits, const struct detect_point *p,
		const struct detect *process, struct detect_verdict *ret);

/* The target began anew (same unit, new process), or limits changed: history is forgotten. A stack
 * that was growing stays so until settle_sec of work show that it does no longer, so that an alert
 * does not end and begin with each restart. */
void detect_restart(struct detect *d);

/* What a stack that grows must know of itself to go on in another daemon. */
struct detect_memory {
	struct detect_verdict verdict;
	double taken_per_sec; /* when it was found to grow; NAN: not known */
};

/* Does it grow? Then *ret. */
bool detect_remember(const struct detect *d, struct detect_memory *ret);
/* One that grows, as after detect_restart. 0, -ENOMEM, or -EINVAL: what it says cannot be. */
int detect_revive(const struct detect_memory *memory, struct detect **ret);

#endif
