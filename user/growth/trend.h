/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/trend.h — is this series of numbers going up, and how fast at its middle?
 *
 * Order statistics: one spike cannot tilt them, and no shape of noise is assumed. What is assumed
 * is that points are independent; live bytes are not quite (what leaked stays), so p_value is too
 * sure of itself on short series of big accidents: a reason to look, not a verdict. detect.h has
 * the verdict.
 * Pure arithmetic: no clock, no I/O, no allocation, so a test can feed it any past. Costs O(n²):
 * about 20 µs at 60 points; reports ask for the stacks they print.
 */
#ifndef USER_GROWTH_TREND_H
#define USER_GROWTH_TREND_H

#include "growth/series.h"

#define TREND_POINTS_MIN 4 /* three points in order are no rarer than a coin falling twice */

struct trend {
	double slope_bytes_per_sec; /* Theil–Sen: the median of pairwise slopes */
	double slope_low, slope_high; /* Sen's 95 % interval; too few points: the extreme slopes */
	double tau; /* Kendall's tau-b: -1 always falling .. +1 always rising */
	double p_value; /* Mann–Kendall, two-sided: chance of such a tau without a trend */
};

/* Oldest point first. Two points that are no further apart than the standard error of their
 * difference (error_bytes is half of a 95 % interval, so about two of them) speak neither for a
 * rise nor for a fall; the variance stays that of points without error, so that p_value errs to
 * the safe side.
 * 0, or -EINVAL if n < TREND_POINTS_MIN, n > SERIES_MAX, times do not rise or a figure is not
 * finite; *ret untouched then. */
int trend_fit(const struct series_point *points, size_t n, struct trend *ret);

#endif
