/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/series.h — the recent past of one stack: when, how many bytes live, how sure.
 *
 *            first                     first + n - 1
 *              ▼                             ▼          a ring: push number SERIES_MAX + 1
 *   ┌────┬────┬────┬────┬────┬────┬────┬────┬────┐      overwrites the oldest point
 *   │    │    │ t₀ │ t₁ │ …  │    │    │    │ tₙ │
 *   └────┴────┴────┴────┴────┴────┴────┴────┴────┘
 *
 * A series can have breaks: pygrowd was started anew, blocks from before are not known any more,
 * and live bytes begin at 0 again. Between two breaks is a segment. What segments have in common is
 * the slope, not the level:
 *
 *     ╱│    ╱          as taken                    ╱╱      as series_history() gives it:
 *    ╱ │  ╱                                      ╱         each segment at the level where the last
 *   ╱  │╱                                      ╱           one's line comes from
 *
 * Pure: no clock, no I/O, no allocation. The pipeline pushes once per interval and stack; 3 KiB
 * each.
 */
#ifndef USER_GROWTH_SERIES_H
#define USER_GROWTH_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIES_MAX	       128
#define SERIES_RATE_POINTS     30 /* what "the last intervals" are, unless the caller knows better */
#define SERIES_RATE_POINTS_MIN 3 /* a slope through fewer points has no scatter to judge it by */

struct series_point {
	double time_sec; /* any clock that only goes forward */
	double live_bytes;
	double error_bytes; /* half of a 95 % interval; 0: exact */
};

struct series {
	struct series_point points[SERIES_MAX];
	uint64_t breaks[SERIES_MAX / 64]; /* a bit for each place in `points`: a segment begins */
	bool is_broken; /* and with the next point, too */
	size_t first, n;
};

/* A rate and half of its 95 % interval; both NAN if not known. */
struct series_rate {
	double bytes_per_sec, error;
};

void series_init(struct series *s);
/* For a stack that is seen for the first time after others were watched: it held 0 bytes at each
 * moment of `other`. Without this a leak that comes through ever new stacks has no rate at all,
 * since each of them is too young, while their sum grows. */
void series_init_absent(struct series *s, const struct series *other);
/* 0, or -EINVAL if the time is not after the last point's or a figure is not finite. */
int series_push(struct series *s, double time_sec, double live_bytes, double error_bytes);
/* The next point begins a segment. */
void series_break(struct series *s);
/* Another figure for the point of that time, if there is one: of a stack that was taken for absent
 * until its past was looked up. 0, -ENOENT, or -EINVAL as above. */
int series_amend(struct series *s, const struct series_point *point);

/* i = 0 is the oldest; NULL if there is no such point. */
const struct series_point *series_get(const struct series *s, size_t i);
/* Does a segment begin with it? The oldest point: always. */
bool series_is_break(const struct series *s, size_t i);
/* The last `max` points at most, oldest first; how many were written. */
size_t series_copy(const struct series *s, size_t max, struct series_point *ret);
/* Likewise, in one piece: segments before the last one are moved up or down onto the line that all
 * have in common. So a series_rate() of these figures, without breaks, or of sums of several
 * series' figures, is the same as with them. What was moved may be below 0. */
size_t series_history(const struct series *s, size_t max, double *ret_live_bytes);

/* How fast the last `max` points go up or down: least squares, one slope for all segments and a
 * level for each. A short segment weighs little, by the cube of its duration: what a stack holds
 * anyway comes back in the first minutes after a restart, and is no growth.
 *
 * Least squares and not the median of slopes, because reports add the rates of many stacks to that
 * of a line, and only a linear estimate adds up: of a leak that reaches its line by a thousand
 * stacks, each growing once a minute, every single median is 0, and their sum would be too. */
struct series_rate series_rate(const struct series *s, size_t max);

#endif
