/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/growth/trend.c. */
#include <math.h>

#include "growth/trend.h"
#include "lib/cleanup.h"
#include "test.h"

#define POINTS 10

static void trend__known_series(void **state)
{
	static const struct {
		const char *name;
		double live[POINTS];
		size_t n;
		double slope, tau, p; /* by the formulas, pair by pair, in another language */
	} rows[] = {
		{ "flat", { 5, 5, 5, 5, 5 }, 5, 0, 0, 1 },
		{ "rising", { 0, 2, 4, 6, 8, 10, 12, 14, 16, 18 }, 10, 2, 1, 0.000083 },
		{ "falling", { 9, 6, 3, 0 }, 4, -3, -1, 0.0894 },
		{ "one spike", { 0, 1, 2, 300, 4, 5, 6, 7, 8, 9 }, 10, 1, 0.7333, 0.0042 },
		{ "one step", { 0, 0, 0, 0, 0, 0, 0, 0, 9, 9 }, 10, 0, 0.5963, 0.0502 },
		{ "up and down", { 0, 1, 0, 1, 0, 1, 0, 1 }, 8, 0, 0.1890, 0.6650 },
	};
	struct series_point p[POINTS];
	struct trend t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t j = 0; j < rows[i].n; j++)
			p[j] = (struct series_point){ (double)j, rows[i].live[j], 0 };
		assert_ok(trend_fit(p, rows[i].n, &t));
		if (fabs(t.slope_bytes_per_sec - rows[i].slope) > 1e-9 ||
		    fabs(t.tau - rows[i].tau) > 1e-3 || fabs(t.p_value - rows[i].p) > 1e-3)
			fail_msg("%s: slope %g tau %g p %g", rows[i].name, t.slope_bytes_per_sec,
				 t.tau, t.p_value);
	}
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The selection against a sort, on values with many ties. */
static void trend__slope_is_the_median_of_all_slopes(void **state)
{
	struct series_point p[SERIES_MAX];
	static double slopes[SERIES_MAX * SERIES_MAX];
	unsigned seed = 7;
	struct trend t;

	(void)state;
	for (size_t n = TREND_POINTS_MIN; n <= SERIES_MAX; n += n < 20 ? 1 : 27) {
		size_t k = 0;

		for (size_t i = 0; i < n; i++) {
			seed = seed * 1103515245 + 12345;
			p[i] = (struct series_point){ (double)i, seed >> 16 & 7, 0 };
			for (size_t j = 0; j < i; j++)
				slopes[k++] = (p[i].live_bytes - p[j].live_bytes) / (double)(i - j);
		}
		qsort(slopes, k, sizeof(slopes[0]), compare);
		assert_ok(trend_fit(p, n, &t));
		assert_true(fabs(t.slope_bytes_per_sec -
				 (k % 2 ? slopes[k / 2]
					: (slopes[k / 2 - 1] + slopes[k / 2]) / 2)) < 1e-12);
	}
}

/* Sen's interval against its definition, for series without ties: slopes sorted, the ranks
 * (N ∓ 1.96 sqrt(n (n - 1) (2 n + 5) / 18)) / 2, rounded outwards. */
static void trend__interval_is_that_of_sen(void **state)
{
	static const double live[] = { 3, 11, 7, 20, 31, 25, 38, 52, 45, 66 };
	const size_t n = ARRAY_SIZE(live), n_slopes = n * (n - 1) / 2;
	double slopes[ARRAY_SIZE(live) * ARRAY_SIZE(live)];
	struct series_point p[ARRAY_SIZE(live)];
	struct trend t;
	size_t k = 0;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		p[i] = (struct series_point){ (double)i, live[i], 0 };
		for (size_t j = 0; j < i; j++)
			slopes[k++] = (live[i] - live[j]) / (double)(i - j);
	}
	qsort(slopes, n_slopes, sizeof(slopes[0]), compare);
	assert_ok(trend_fit(p, n, &t));
	/* 1.96 × sqrt(125) = 21.91: ranks 11 and 34 + 1 of 45 */
	assert_true(t.slope_low == slopes[11 - 1]);
	assert_true(t.slope_high == slopes[35 - 1]);
	assert_true(t.slope_low > 0 && t.slope_low < t.slope_bytes_per_sec &&
		    t.slope_bytes_per_sec < t.slope_high);
}

static void trend__what_is_within_error_is_no_rise(void **state)
{
	static const struct {
		double error, tau; /* of 0, 1, … 9: pairs further apart than error / sqrt(2) */
	} rows[] = {
		{ 0, 1 }, { 1.4, 1 }, { 1.5, 36.0 / 45 }, { 4.3, 21.0 / 45 }, { 100, 0 },
	};
	struct series_point p[POINTS];
	struct trend t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t j = 0; j < POINTS; j++)
			p[j] = (struct series_point){ (double)j, (double)j, rows[i].error };
		assert_ok(trend_fit(p, POINTS, &t));
		if (fabs(t.tau - rows[i].tau) > 1e-9)
			fail_msg("error %g: tau %g", rows[i].error, t.tau);
		assert_true(t.slope_bytes_per_sec == 1);
	}
	assert_true(t.p_value == 1);
}

static void trend__bad_input_leaves_the_result_alone(void **state)
{
	struct series_point p[SERIES_MAX + 1];
	struct trend t = { .slope_bytes_per_sec = 1, .tau = 2, .p_value = 3 };

	(void)state;
	for (size_t i = 0; i <= SERIES_MAX; i++)
		p[i] = (struct series_point){ (double)i, 1, 0 };
	assert_err(trend_fit(p, 0, &t), -EINVAL);
	assert_err(trend_fit(p, TREND_POINTS_MIN - 1, &t), -EINVAL);
	assert_err(trend_fit(p, SERIES_MAX + 1, &t), -EINVAL);
	p[2].time_sec = p[1].time_sec;
	assert_err(trend_fit(p, 10, &t), -EINVAL);
	p[2].time_sec = NAN;
	assert_err(trend_fit(p, 10, &t), -EINVAL);
	p[2].time_sec = 2;
	p[2].live_bytes = NAN;
	assert_err(trend_fit(p, 10, &t), -EINVAL);
	assert_true(t.slope_bytes_per_sec == 1 && t.tau == 2 && t.p_value == 3);
}

/* An hour in which nobody looked: the line goes through it, and what happened there is one pair. */
static void trend__a_gap_tilts_nothing(void **state)
{
	struct series_point p[20];
	struct trend t;

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		double time_sec = (double)i * 10 + (i < 10 ? 0 : 3600);

		p[i] = (struct series_point){ time_sec, 5 * time_sec, 0 };
	}
	assert_ok(trend_fit(p, 20, &t));
	assert_true(t.slope_bytes_per_sec == 5 && t.slope_low == 5 && t.slope_high == 5);
	assert_true(t.tau == 1);
}

/* Too large for a double as a difference, a square or a slope: refused, or a finite answer. */
static void trend__huge_and_negative_values_are_survived(void **state)
{
	static const double wild[] = { 1e308, -1e308, 1e200, -1e200, 1e-308, INFINITY, NAN, -5, 0 };
	static const double steps_sec[] = { 1e-300, 1, 1e300 };
	unsigned seed = 3, n_fits = 0;
	struct series_point p[POINTS];
	struct trend t;

	(void)state;
	for (int k = 0; k < 20000; k++) {
		for (size_t i = 0; i < POINTS; i++) {
			seed = seed * 1103515245 + 12345;
			p[i] = (struct series_point){ (double)i * steps_sec[k % 3],
						      wild[(seed >> 16) % (k % 2 ? 9 : 5)],
						      wild[(seed >> 20) % (k % 2 ? 9 : 5)] };
		}
		if (trend_fit(p, POINTS, &t) < 0)
			continue;
		n_fits++;
		assert_true(isfinite(t.slope_bytes_per_sec) && isfinite(t.slope_low) &&
			    isfinite(t.slope_high));
		assert_true(fabs(t.tau) <= 1 && t.p_value >= 0 && t.p_value <= 1);
	}
	assert_true(n_fits > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trend__known_series),
		cmocka_unit_test(trend__slope_is_the_median_of_all_slopes),
		cmocka_unit_test(trend__interval_is_that_of_sen),
		cmocka_unit_test(trend__what_is_within_error_is_no_rise),
		cmocka_unit_test(trend__bad_input_leaves_the_result_alone),
		cmocka_unit_test(trend__a_gap_tilts_nothing),
		cmocka_unit_test(trend__huge_and_negative_values_are_survived),
	};

	return cmocka_run_group_tests_name("trend", tests, NULL, NULL);
}
