/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/growth/series.c. */
#include <math.h>
#include <stdbool.h>

#include "growth/series.h"
#include "lib/cleanup.h"
#include "test.h"

#define TRIALS 600

/* The same numbers on every machine and run: Knuth's MMIX generator, twelve of them make a normal.
 */
static double uniform(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (double)(*seed >> 11) * 0x1p-53;
}

static double normal(uint64_t *seed)
{
	double sum = -6;

	for (int i = 0; i < 12; i++)
		sum += uniform(seed);
	return sum;
}

static void series__the_ring_forgets_the_oldest(void **state)
{
	struct series s;
	double history[4];

	(void)state;
	series_init(&s);
	assert_null(series_get(&s, 0));
	for (int i = 0; i < SERIES_MAX + 5; i++)
		assert_ok(series_push(&s, i, i * 10, 0));
	assert_int_equal(s.n, SERIES_MAX);
	assert_true(series_get(&s, 0)->time_sec == 5);
	assert_true(series_get(&s, SERIES_MAX - 1)->live_bytes == (SERIES_MAX + 4) * 10);
	assert_null(series_get(&s, SERIES_MAX));
	assert_int_equal(series_history(&s, 4, history), 4);
	assert_true(history[0] == (SERIES_MAX + 1) * 10 && history[3] == (SERIES_MAX + 4) * 10);
}

static void series__bad_points_are_refused(void **state)
{
	static const struct series_point rows[] = {
		{ 10, 1, 0 }, /* not after the last */
		{ 9, 1, 0 },	     { NAN, 1, 0 }, { 11, NAN, 0 },
		{ 11, INFINITY, 0 }, { 11, 1, -1 }, { 11, 1, NAN },
	};
	struct series s;

	(void)state;
	series_init(&s);
	assert_ok(series_push(&s, 10, 1, 0));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_err(
			series_push(&s, rows[i].time_sec, rows[i].live_bytes, rows[i].error_bytes),
			-EINVAL);
	assert_int_equal(s.n, 1);
}

static void series__too_few_points_have_no_rate(void **state)
{
	struct series s;

	(void)state;
	series_init(&s);
	for (int i = 0; i < SERIES_RATE_POINTS_MIN; i++) {
		assert_true(isnan(series_rate(&s, SERIES_RATE_POINTS).bytes_per_sec));
		assert_true(isnan(series_rate(&s, SERIES_RATE_POINTS).error));
		assert_ok(series_push(&s, i, i, 0));
	}
	assert_true(isfinite(series_rate(&s, SERIES_RATE_POINTS).bytes_per_sec));
	assert_true(isnan(series_rate(&s, SERIES_RATE_POINTS_MIN - 1).bytes_per_sec));
}

static void series__a_straight_line_has_its_slope_and_no_error(void **state)
{
	struct series_rate rate;
	struct series s;

	(void)state;
	series_init(&s);
	/* Uneven steps, and a clock that has run for long. */
	for (int i = 0; i < 20; i++)
		assert_ok(series_push(&s, 1e7 + i + (i % 3) * 0.2, 500 * (i + (i % 3) * 0.2), 0));
	rate = series_rate(&s, SERIES_RATE_POINTS);
	assert_true(fabs(rate.bytes_per_sec - 500) < 1e-3);
	assert_true(rate.error < 1e-2);
}

static void series__only_the_last_points_count(void **state)
{
	struct series s;

	(void)state;
	series_init(&s);
	for (int i = 0; i < 60; i++)
		assert_ok(series_push(&s, i, i < 30 ? i * 1e6 : 30e6, 0));
	assert_true(series_rate(&s, 30).bytes_per_sec == 0);
	assert_true(series_rate(&s, 60).bytes_per_sec > 1e5);
}

static void series__errors_of_points_make_an_error_of_the_rate(void **state)
{
	struct series s;

	(void)state;
	series_init(&s);
	for (int i = 0; i < 3; i++)
		assert_ok(series_push(&s, i, i * 100, 30));
	/* (x2 - x0) / 2: sqrt(30² + 30²) / 2 */
	assert_true(fabs(series_rate(&s, 3).error - 30 / sqrt(2)) < 1e-9);
}

static void series__an_absent_stack_had_nothing(void **state)
{
	struct series others, s;

	(void)state;
	series_init(&others);
	for (int i = 0; i < 9; i++)
		assert_ok(series_push(&others, i, 77, 0));
	series_init_absent(&s, &others);
	assert_int_equal(s.n, 9);
	assert_ok(series_push(&s, 9, 1000, 0));
	assert_true(series_rate(&s, SERIES_RATE_POINTS).bytes_per_sec > 0);
}

/* Why least squares: the rates of stacks add up to that of their sum, whatever each looks like. */
static void series__rates_of_parts_add_up(void **state)
{
	struct series sum, parts[40];
	double rates = 0;

	(void)state;
	series_init(&sum);
	for (int k = 0; k < 40; k++)
		series_init(&parts[k]);
	for (int i = 0; i < 30; i++) {
		double total = 0;

		for (int k = 0; k < 40; k++) {
			double live = i * 40 / 30 > k ? 1000 : 0; /* each grows once */

			total += live;
			assert_ok(series_push(&parts[k], i, live, 0));
		}
		assert_ok(series_push(&sum, i, total, 0));
	}
	for (int k = 0; k < 40; k++)
		rates += series_rate(&parts[k], 30).bytes_per_sec;
	assert_true(fabs(rates - series_rate(&sum, 30).bytes_per_sec) < 1e-6);
	assert_true(fabs(rates - 40 * 1000 / 30.0) < 40);
}

/* In how many of TRIALS made-up pasts does the interval hold the true rate? */
static int trials_that_hold(size_t n_points, bool is_walk)
{
	uint64_t seed = 20260101 + n_points;
	int holds = 0;

	for (int trial = 0; trial < TRIALS; trial++) {
		struct series_rate rate;
		struct series s;
		double walk = 0;

		series_init(&s);
		for (size_t i = 0; i < n_points; i++) {
			double noise = 300 * normal(&seed);

			walk += 100 + noise;
			assert_ok(series_push(&s, (double)i,
					      is_walk ? walk : 100 * (double)i + noise, 0));
		}
		rate = series_rate(&s, n_points);
		holds += fabs(rate.bytes_per_sec - 100) <= rate.error;
	}
	return holds;
}

static void series__intervals_hold_the_truth(void **state)
{
	(void)state;
	for (const size_t *n = (const size_t[]){ 3, 5, 10, 30, 100, 0 }; *n; n++) {
		assert_true(trials_that_hold(*n, false) >= TRIALS * 93 / 100);
		assert_true(trials_that_hold(*n, true) >= TRIALS * 93 / 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(series__the_ring_forgets_the_oldest),
		cmocka_unit_test(series__bad_points_are_refused),
		cmocka_unit_test(series__too_few_points_have_no_rate),
		cmocka_unit_test(series__a_straight_line_has_its_slope_and_no_error),
		cmocka_unit_test(series__only_the_last_points_count),
		cmocka_unit_test(series__errors_of_points_make_an_error_of_the_rate),
		cmocka_unit_test(series__an_absent_stack_had_nothing),
		cmocka_unit_test(series__rates_of_parts_add_up),
		cmocka_unit_test(series__intervals_hold_the_truth),
	};

	return cmocka_run_group_tests_name("series", tests, NULL, NULL);
}
