/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/series.h — the recent past of one stack: when, how many bytes live, how sure.
 *
 *            first                     first + n - 1
 *              ▼                             ▼          a ring: push number SERIES_MAX + 1
 *   ┌────┬────┬────┬────┬────┬────┬────┬────┬────┐      overwrites the oldest point
 *   │    │    │ t₀ │ t₁ │ …  │    │    │    │ tₙ │
 *   └────┴────┴────┴────┴────┴────┴────┴────┴────┘
 *
 * Pure: no clock, no I/O, no allocation. The pipeline pushes once per interval and stack; 3 KiB
 * each.
 */
#ifndef USER_GROWTH_SERIES_H
#define USER_GROWTH_SERIES_H

#include <stddef.h>

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

/* i = 0 is the oldest; NULL if there is no such point. */
const struct series_point *series_get(const struct series *s, size_t i);
/* The last `max` points at most, oldest first; how many were written. */
size_t series_copy(const struct series *s, size_t max, struct series_point *ret);
size_t series_history(const struct series *s, size_t max, double *ret_live_bytes);

/* How fast the last `max` points go up or down: least squares.
 *
 * Least squares and not the median of slopes, because reports add the rates of many stacks to that
 * of a line, and only a linear estimate adds up: of a leak that reaches its line by a thousand
 * stacks, each growing once a minute, every single median is 0, and their sum would be too. */
struct series_rate series_rate(const struct series *s, size_t max);

#endif
