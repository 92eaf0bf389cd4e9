/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/series.c — see series.h. The error of a rate is the largest of three, because live
 * bytes can be noisy in three ways, and the points do not say in which:
 *   a  scatter about a straight line, each point for itself (a sawtooth of garbage);
 *   b  a walk: each step is an accident and stays (requests that arrive at random and leak). The
 *      points then hug their line, so that (a) would promise far too much;
 *   c  the points' own errors (sampling).
 * tests/unit/test_series.c counts how often the interval holds the truth under (a) and (b).
 * Each is taken within the segments: what is between two of them is no step of the series.
 */
#include <assert.h>
#include <errno.h>
#include <math.h>

#include "growth/series.h"

void series_init(struct series *s)
{
	s->first = 0;
	s->n = 0;
	s->is_broken = false;
}

static size_t place_of(const struct series *s, size_t i)
{
	return (s->first + i) % SERIES_MAX;
}

bool series_is_break(const struct series *s, size_t i)
{
	size_t place = place_of(s, i);

	return !i || s->breaks[place / 64] >> place % 64 & 1;
}

void series_init_absent(struct series *s, const struct series *other)
{
	series_init(s);
	for (size_t i = 0; i < other->n; i++) {
		s->is_broken = series_is_break(other, i);
		(void)series_push(s, series_get(other, i)->time_sec, 0, 0); /* times rise */
	}
	s->is_broken = other->is_broken;
}

static bool is_point(double time_sec, double live_bytes, double error_bytes)
{
	return isfinite(time_sec) && isfinite(live_bytes) && isfinite(error_bytes) &&
	       error_bytes >= 0;
}

int series_push(struct series *s, double time_sec, double live_bytes, double error_bytes)
{
	size_t place = place_of(s, s->n);
	uint64_t bit = UINT64_C(1) << place % 64;

	if (!is_point(time_sec, live_bytes, error_bytes) ||
	    (s->n && time_sec <= series_get(s, s->n - 1)->time_sec))
		return -EINVAL;
	s->points[place] = (struct series_point){ time_sec, live_bytes, error_bytes };
	s->breaks[place / 64] &= ~bit;
	s->breaks[place / 64] |= s->is_broken ? bit : 0;
	s->is_broken = false;
	if (s->n < SERIES_MAX)
		s->n++;
	else
		s->first = (s->first + 1) % SERIES_MAX;
	return 0;
}

void series_break(struct series *s)
{
	s->is_broken = true;
}

int series_amend(struct series *s, const struct series_point *point)
{
	if (!is_point(point->time_sec, point->live_bytes, point->error_bytes))
		return -EINVAL;
	for (size_t i = 0; i < s->n; i++) {
		struct series_point *p = &s->points[place_of(s, i)];

		if (p->time_sec != point->time_sec)
			continue;
		*p = *point;
		return 0;
	}
	return -ENOENT;
}

const struct series_point *series_get(const struct series *s, size_t i)
{
	return i < s->n ? &s->points[place_of(s, i)] : NULL;
}

size_t series_copy(const struct series *s, size_t max, struct series_point *ret)
{
	size_t n = s->n < max ? s->n : max;

	for (size_t i = 0; i < n; i++)
		ret[i] = *series_get(s, s->n - n + i);
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

/* Points of one level, and where they are. */
struct segment {
	const struct series_point *points;
	size_t n;
	double mean_time, mean_live;
	double spread, product; /* sums of squared distances from mean_time, and of time by live */
};

/* The last points of a series: segments with a slope in common. */
struct lines {
	struct series_point points[SERIES_MAX];
	struct segment segments[SERIES_MAX];
	size_t n, n_segments;
	double slope, spread; /* slope NAN: no segment has two points */
};

static void segment_fit(struct segment *g)
{
	for (size_t i = 0; i < g->n; i++) {
		g->mean_time += g->points[i].time_sec / (double)g->n;
		g->mean_live += g->points[i].live_bytes / (double)g->n;
	}
	for (size_t i = 0; i < g->n; i++) {
		double t = g->points[i].time_sec - g->mean_time;

		g->spread += t * t;
		g->product += t * (g->points[i].live_bytes - g->mean_live);
	}
}

static void lines_fit(const struct series *s, size_t max, struct lines *l)
{
	double product = 0;

	l->n = series_copy(s, max, l->points);
	l->n_segments = 0;
	l->spread = 0;
	for (size_t i = 0; i < l->n; i++) {
		if (!i || series_is_break(s, s->n - l->n + i))
			l->segments[l->n_segments++] = (struct segment){ .points = &l->points[i] };
		l->segments[l->n_segments - 1].n++;
	}
	for (size_t k = 0; k < l->n_segments; k++) {
		segment_fit(&l->segments[k]);
		l->spread += l->segments[k].spread;
		product += l->segments[k].product;
	}
	l->slope = l->spread > 0 ? product / l->spread : NAN;
}

size_t series_history(const struct series *s, size_t max, double *ret_live_bytes)
{
	const struct segment *last;
	struct lines l;
	double slope;
	size_t n = 0;

	lines_fit(s, max < SERIES_MAX ? max : SERIES_MAX, &l);
	if (!l.n)
		return 0;
	last = &l.segments[l.n_segments - 1];
	slope = isnan(l.slope) ? 0 : l.slope;
	for (size_t k = 0; k < l.n_segments; k++) {
		const struct segment *g = &l.segments[k];
		double level = last->mean_live - slope * (last->mean_time - g->mean_time);
		double up = g == last ? 0 : level - g->mean_live;

		for (size_t i = 0; i < g->n; i++)
			ret_live_bytes[n++] = g->points[i].live_bytes + up;
	}
	return n;
}

/* (a) the textbook's standard error of a slope, independent residuals. */
static double error_of_scatter(const struct lines *l)
{
	size_t freedom = l->n - l->n_segments - 1;
	double squares = 0;

	for (size_t k = 0; k < l->n_segments; k++) {
		const struct segment *g = &l->segments[k];

		for (size_t i = 0; i < g->n; i++) {
			double r = g->points[i].live_bytes - g->mean_live -
				   l->slope * (g->points[i].time_sec - g->mean_time);

			squares += r * r;
		}
	}
	return student_t95(freedom) * sqrt(squares / (double)freedom / l->spread);
}

static double duration_of(const struct segment *g)
{
	return g->points[g->n - 1].time_sec - g->points[0].time_sec;
}

/* What a walk has gone in all segments, a second. */
static double drift_of(const struct lines *l)
{
	double way = 0, duration = 0;

	for (size_t k = 0; k < l->n_segments; k++) {
		const struct segment *g = &l->segments[k];

		way += g->points[g->n - 1].live_bytes - g->points[0].live_bytes;
		duration += duration_of(g);
	}
	return way / duration;
}

/* (b) independent steps whose variance is in proportion to their duration. The slope of least
 * squares through such a walk has 6/5 of the variance of its best estimate, (last - first) / time;
 * the common slope is the mean of the segments' own, weighted by their spread.
 */
static double error_of_walk(const struct lines *l)
{
	size_t freedom = l->n - l->n_segments - 1;
	double drift = drift_of(l), squares = 0, weights = 0;

	for (size_t k = 0; k < l->n_segments; k++) {
		const struct segment *g = &l->segments[k];
		double weight = g->spread / l->spread;

		for (size_t i = 1; i < g->n; i++) {
			double dt = g->points[i].time_sec - g->points[i - 1].time_sec;
			double r =
				g->points[i].live_bytes - g->points[i - 1].live_bytes - drift * dt;

			squares += r * r / dt;
		}
		if (g->n > 1)
			weights += weight * weight / duration_of(g);
	}
	return student_t95(freedom) * sqrt(1.2 * squares / (double)freedom * weights);
}

/* (c) the slope is a weighted sum of the points; so is its variance. */
static double error_of_points(const struct lines *l)
{
	double squares = 0;

	for (size_t k = 0; k < l->n_segments; k++) {
		const struct segment *g = &l->segments[k];

		for (size_t i = 0; i < g->n; i++) {
			double weighted =
				(g->points[i].time_sec - g->mean_time) * g->points[i].error_bytes;

			squares += weighted * weighted;
		}
	}
	return sqrt(squares) / l->spread;
}

struct series_rate series_rate(const struct series *s, size_t max)
{
	struct lines l;
	double error;

	lines_fit(s, max < SERIES_MAX ? max : SERIES_MAX, &l);
	/* Each segment's level and the slope take a point each; one is for the scatter. */
	if (l.n < l.n_segments + SERIES_RATE_POINTS_MIN - 1 || isnan(l.slope))
		return (struct series_rate){ NAN, NAN };
	error = fmax(error_of_scatter(&l), error_of_walk(&l));
	return (struct series_rate){ l.slope, fmax(error, error_of_points(&l)) };
}
