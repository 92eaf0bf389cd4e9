/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/trend.c — see trend.h. */
#include <errno.h>
#include <math.h>

#include "growth/trend.h"

#define PAIRS_MAX (SERIES_MAX * (SERIES_MAX - 1) / 2)

static void swap(double *a, double *b)
{
	double c = *a;

	*a = *b;
	*b = c;
}

/* The k-th smallest, by Hoare's selection: about 2 n steps where sorting takes n log n. */
static double nth_smallest(double *v, size_t n, size_t k)
{
	size_t low = 0, high = n - 1;

	while (low < high) {
		double pivot = v[low + (high - low) / 2];
		size_t i = low, j = high;

		for (;;) {
			while (v[i] < pivot)
				i++;
			while (v[j] > pivot)
				j--;
			if (i >= j)
				break;
			swap(&v[i++], &v[j--]);
		}
		/* v[low..j] <= pivot <= v[j+1..high] */
		if (i == j && v[j] > pivot)
			j--;
		if (k <= j)
			high = j;
		else
			low = j + 1;
	}
	return v[k];
}

static double median(double *v, size_t n)
{
	double upper = nth_smallest(v, n, n / 2);

	return n % 2 ? upper : (upper + nth_smallest(v, n, n / 2 - 1)) / 2;
}

/* Points that are equal to this one, itself too. */
static size_t ties_of(const struct series_point *p, size_t n, size_t i)
{
	size_t ties = 0;

	for (size_t j = 0; j < n; j++)
		ties += p[j].live_bytes == p[i].live_bytes;
	return ties;
}

/* Of the score where nothing rises or falls, corrected for ties. A group of t equal points is met t
 * times, hence (t - 1) where the textbook has t (t - 1). */
static double score_variance(const struct series_point *p, size_t n, double *ret_tied_pairs)
{
	double variance = (double)(n * (n - 1) * (2 * n + 5)), tied_pairs = 0;

	for (size_t i = 0; i < n; i++) {
		double t = (double)ties_of(p, n, i);

		tied_pairs += (t - 1) / 2;
		variance -= (t - 1) * (2 * t + 5);
	}
	*ret_tied_pairs = tied_pairs;
	return variance / 18;
}

/* Mann–Kendall with the usual corrections for ties and continuity. */
static void kendall(size_t n, double score, double variance, double tied_pairs, struct trend *ret)
{
	double pairs = (double)(n * (n - 1)) / 2;

	if (pairs - tied_pairs < 0.5) {
		ret->tau = 0;
		ret->p_value = 1;
		return;
	}
	ret->tau = score / sqrt(pairs * (pairs - tied_pairs));
	ret->p_value = erfc(fmax(fabs(score) - 1, 0) / sqrt(2 * variance));
}

/* Sen: the slopes whose ranks lie as far from the middle as the score may by chance. */
static void interval(double *slopes, size_t n, double variance, struct trend *ret)
{
	double reach = 1.96 * sqrt(variance);
	double below = floor(((double)n - reach) / 2), above = ceil(((double)n + reach) / 2);
	size_t last = n - 1;

	ret->slope_low = nth_smallest(slopes, n, below < 1 ? 0 : (size_t)below - 1);
	ret->slope_high = nth_smallest(slopes, n, above > (double)last ? last : (size_t)above);
}

static double sign_beyond_error(double rise, double a, double b)
{
	if (4 * rise * rise <= a * a + b * b)
		return 0;
	return (rise > 0) - (rise < 0);
}

int trend_fit(const struct series_point *points, size_t n, struct trend *ret)
{
	double slopes[PAIRS_MAX];
	double score = 0, variance, tied_pairs;
	size_t n_slopes = 0;

	if (n < TREND_POINTS_MIN || n > SERIES_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		for (size_t j = i + 1; j < n; j++) {
			const struct series_point *a = &points[i], *b = &points[j];
			double rise = b->live_bytes - a->live_bytes;
			double run = b->time_sec - a->time_sec;

			if (!(run > 0) || !isfinite(rise / run) || !isfinite(a->error_bytes) ||
			    !isfinite(b->error_bytes))
				return -EINVAL;
			score += sign_beyond_error(rise, a->error_bytes, b->error_bytes);
			slopes[n_slopes++] = rise / run;
		}
	}
	variance = score_variance(points, n, &tied_pairs);
	ret->slope_bytes_per_sec = median(slopes, n_slopes);
	interval(slopes, n_slopes, variance, ret);
	kendall(n, score, variance, tied_pairs, ret);
	return 0;
}
