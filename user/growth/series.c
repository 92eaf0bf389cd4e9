/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/series.c — see series.h. The error of a rate is the largest of three, because live
 * bytes can be noisy in three ways, and the points do not say in which:
 *   a  scatter about a straight line, each point for itself (a sawtooth of garbage);
 *   b  a walk: each step is an accident and stays (requests that arrive at random and leak). The
 *      points then hug their line, so that (a) would promise far too much;
 *   c  the points' own errors (sampling).
 * tests/unit/test_series.c counts how often the interval holds the truth under (a) and (b).
 */
#include <assert.h>
#include <errno.h>
#include <math.h>

#include "growth/series.h"

void series_init(struct series *s)
{
	s->first = 0;
	s->n = 0;
}

void series_init_absent(struct series *s, const struct series *other)
{
	series_init(s);
	for (size_t i = 0; i < other->n; i++)
		series_push(s, series_get(other, i)->time_sec, 0, 0);
}

int series_push(struct series *s, double time_sec, double live_bytes, double error_bytes)
{
	if (!isfinite(time_sec) || !isfinite(live_bytes) || !isfinite(error_bytes) ||
	    error_bytes < 0)
		return -EINVAL;
	if (s->n && time_sec <= series_get(s, s->n - 1)->time_sec)
		return -EINVAL;
	s->points[(s->first + s->n) % SERIES_MAX] =
		(struct series_point){ time_sec, live_bytes, error_bytes };
	if (s->n < SERIES_MAX)
		s->n++;
	else
		s->first = (s->first + 1) % SERIES_MAX;
	return 0;
}

const struct series_point *series_get(const struct series *s, size_t i)
{
	return i < s->n ? &s->points[(s->first + i) % SERIES_MAX] : NULL;
}

size_t series_copy(const struct series *s, size_t max, struct series_point *ret)
{
	size_t n = s->n < max ? s->n : max;

	for (size_t i = 0; i < n; i++)
		ret[i] = *series_get(s, s->n - n + i);
	return n;
}

size_t series_history(const struct series *s, size_t max, double *ret_live_bytes)
{
	size_t n = s->n < max ? s->n : max;

	for (size_t i = 0; i < n; i++)
		ret_live_bytes[i] = series_get(s, s->n - n + i)->live_bytes;
	return n;
}

/* Student's t for a two-sided 95 % interval; within 0.2 % of it beyond the table. */
static double student_t95(size_t freedom)
{
	static const double t[] = { 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306,
				    2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120 };

	assert(freedom > 0);
	if (freedom <= sizeof(t) / sizeof(t[0]))
		return t[freedom - 1];
	return 1.960 + 2.45 / ((double)freedom - 0.2);
}

struct line {
	double mean_time, mean_live, slope;
	double spread; /* sum of squared distances from mean_time */
};

static struct line line_fit(const struct series_point *p, size_t n)
{
	struct line l = { 0 };
	double product = 0;

	for (size_t i = 0; i < n; i++) {
		l.mean_time += p[i].time_sec / (double)n;
		l.mean_live += p[i].live_bytes / (double)n;
	}
	for (size_t i = 0; i < n; i++) {
		double t = p[i].time_sec - l.mean_time;

		l.spread += t * t;
		product += t * (p[i].live_bytes - l.mean_live);
	}
	l.slope = product / l.spread;
	return l;
}

/* (a) the textbook's standard error of a slope, independent residuals. */
static double error_of_scatter(const struct series_point *p, size_t n, const struct line *l)
{
	double squares = 0;

	for (size_t i = 0; i < n; i++) {
		double r =
			p[i].live_bytes - l->mean_live - l->slope * (p[i].time_sec - l->mean_time);

		squares += r * r;
	}
	return student_t95(n - 2) * sqrt(squares / (double)(n - 2) / l->spread);
}

/* (b) independent steps whose variance is in proportion to their duration. The slope of least
 * squares through such a walk has 6/5 of the variance of its best estimate, (last - first) / time.
 */
static double error_of_walk(const struct series_point *p, size_t n)
{
	double duration = p[n - 1].time_sec - p[0].time_sec;
	double drift = (p[n - 1].live_bytes - p[0].live_bytes) / duration;
	double squares = 0;

	for (size_t i = 1; i < n; i++) {
		double dt = p[i].time_sec - p[i - 1].time_sec;
		double r = p[i].live_bytes - p[i - 1].live_bytes - drift * dt;

		squares += r * r / dt;
	}
	return student_t95(n - 2) * sqrt(1.2 * squares / (double)(n - 2) / duration);
}

/* (c) the slope is a weighted sum of the points; so is its variance. */
static double error_of_points(const struct series_point *p, size_t n, const struct line *l)
{
	double squares = 0;

	for (size_t i = 0; i < n; i++) {
		double weighted = (p[i].time_sec - l->mean_time) * p[i].error_bytes;

		squares += weighted * weighted;
	}
	return sqrt(squares) / l->spread;
}

struct series_rate series_rate(const struct series *s, size_t max)
{
	struct series_point p[SERIES_MAX];
	size_t n = series_copy(s, max, p);
	struct line l;
	double error;

	if (n < SERIES_RATE_POINTS_MIN)
		return (struct series_rate){ NAN, NAN };
	l = line_fit(p, n);
	error = fmax(error_of_scatter(p, n, &l), error_of_walk(p, n));
	return (struct series_rate){ l.slope, fmax(error, error_of_points(p, n, &l)) };
}
