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

/* A daemon that was restarted: 20 MiB leaked before are not known any more. */
static void series__a_restart_is_no_drop(void **state)
{
	double history[40], before[20];
	struct series s, joined;
	struct series_rate rate;

	(void)state;
	series_init(&s);
	for (int i = 0; i < 20; i++) {
		before[i] = 20e6 + 500 * i;
		assert_ok(series_push(&s, i, before[i], 0));
	}
	series_break(&s);
	for (int i = 0; i < 8; i++) {
		assert_ok(series_push(&s, 25 + i, 500 * i, 0));
		rate = series_rate(&s, SERIES_RATE_POINTS);
		assert_true(fabs(rate.bytes_per_sec - 500) < 1e-6 && rate.error < 1e-3);
	}
	/* In one piece it is the line it would have been, and has the same rate. */
	assert_int_equal(series_history(&s, 40, history), 28);
	series_init(&joined);
	for (size_t i = 0; i < 28; i++) {
		assert_ok(series_push(&joined, series_get(&s, i)->time_sec, history[i], 0));
		assert_true(fabs(history[i] - 500 * (series_get(&s, i)->time_sec - 25)) < 1e-3);
	}
	assert_true(fabs(series_rate(&joined, 30).bytes_per_sec - 500) < 1e-6);
	assert_true(series_is_break(&s, 0) && series_is_break(&s, 20) && !series_is_break(&s, 21));
}

/* What a stack holds anyway is not known after a restart, and comes back in the first minute. */
static void series__what_comes_back_after_a_restart_is_hardly_growth(void **state)
{
	struct series_rate rate;
	struct series s, fresh;

	(void)state;
	series_init(&s);
	series_init(&fresh);
	for (int i = 0; i < 30; i++)
		assert_ok(series_push(&s, i * 10, 10e6 + 1e4 * (i % 3), 0));
	series_break(&s);
	for (int i = 0; i < 5; i++) {
		assert_ok(series_push(&s, 310 + i * 10, 2e6 * i, 0));
		assert_ok(series_push(&fresh, 310 + i * 10, 2e6 * i, 0));
	}
	assert_true(series_rate(&fresh, 30).bytes_per_sec > 150e3);
	rate = series_rate(&s, 30);
	assert_true(fabs(rate.bytes_per_sec) < 3e3 && fabs(rate.bytes_per_sec) < rate.error);
}

/* Sums of stacks, some of which have a past: their rates add up, with breaks and in one piece. */
static void series__segments_of_parts_add_up(void **state)
{
	struct series sum, joined_sum, parts[5];
	double rates = 0, joined[30] = { 0 };
	uint64_t seed = 5;

	(void)state;
	series_init(&sum);
	series_init(&joined_sum);
	for (int k = 0; k < 5; k++)
		series_init(&parts[k]);
	for (int i = 0; i < 30; i++) {
		double total = 0;

		for (int k = 0; k < 5; k++) {
			double live = 1e5 * uniform(&seed) + (i < 11 ? 1e6 : 100) * i;

			total += live;
			if (i == 11 || i == 17)
				series_break(&parts[k]);
			assert_ok(series_push(&parts[k], i, live, 0));
		}
		if (i == 11 || i == 17)
			series_break(&sum);
		assert_ok(series_push(&sum, i, total, 0));
	}
	for (int k = 0; k < 5; k++) {
		double history[30];

		rates += series_rate(&parts[k], 30).bytes_per_sec;
		assert_int_equal(series_history(&parts[k], 30, history), 30);
		for (int i = 0; i < 30; i++)
			joined[i] += history[i];
	}
	for (int i = 0; i < 30; i++)
		assert_ok(series_push(&joined_sum, i, joined[i], 0));
	assert_true(fabs(rates - series_rate(&sum, 30).bytes_per_sec) < 1e-3);
	assert_true(fabs(rates - series_rate(&joined_sum, 30).bytes_per_sec) < 1e-3);
}

static void series__breaks_that_leave_no_slope(void **state)
{
	double history[4];
	struct series s;

	(void)state;
	series_init(&s);
	assert_int_equal(series_history(&s, 4, history), 0);
	for (int i = 0; i < 4; i++) {
		series_break(&s);
		assert_ok(series_push(&s, i, 100 * i, 0));
	}
	assert_true(isnan(series_rate(&s, 4).bytes_per_sec));
	/* No slope: the level of the last one is all that is known. */
	assert_int_equal(series_history(&s, 4, history), 4);
	assert_true(history[0] == 300 && history[3] == 300);
	/* Two points make a slope, of which nobody can say how sure it is. */
	assert_ok(series_push(&s, 4, 400, 0));
	assert_true(isnan(series_rate(&s, 4).bytes_per_sec));
	assert_ok(series_push(&s, 5, 500, 0));
	assert_true(series_rate(&s, 4).bytes_per_sec == 100);
	/* A ring that has gone round has forgotten its breaks. */
	for (int i = 6; i < 6 + SERIES_MAX; i++)
		assert_ok(series_push(&s, i, 0, 0));
	for (size_t i = 1; i < s.n; i++)
		assert_false(series_is_break(&s, i));
}

static void series__the_past_of_a_stack_is_put_in(void **state)
{
	struct series others, s;

	(void)state;
	series_init(&others);
	for (int i = 0; i < 4; i++)
		assert_ok(series_push(&others, i, 0, 0));
	series_break(&others);
	series_init_absent(&s, &others);
	assert_ok(series_push(&s, 9, 0, 0)); /* begins a segment, as it did for the others */
	assert_true(series_is_break(&s, 4) && !series_is_break(&s, 3));
	for (int i = 1; i < 4; i++)
		assert_ok(series_amend(&s, &(struct series_point){ i, 1000 + 10 * i, 0 }));
	assert_err(series_amend(&s, &(struct series_point){ 3.5, 1, 0 }), -ENOENT);
	assert_err(series_amend(&s, &(struct series_point){ 3, NAN, 0 }), -EINVAL);
	assert_true(series_get(&s, 0)->live_bytes == 0 && series_get(&s, 3)->live_bytes == 1030);
	assert_ok(series_push(&s, 10, 10, 0));
	assert_true(series_rate(&s, 5).bytes_per_sec == 10);
}

/* In how many of TRIALS made-up pasts does the interval hold the true rate? */
static int trials_that_hold(size_t n_points, size_t n_before, bool is_walk)
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
			if (i && i == n_before) {
				series_break(&s);
				walk = 0;
			}
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
		for (size_t n_before = 0; n_before + 2 < *n; n_before += 1 + *n / 5) {
			assert_true(trials_that_hold(*n, n_before, false) >= TRIALS * 93 / 100);
			assert_true(trials_that_hold(*n, n_before, true) >= TRIALS * 93 / 100);
		}
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
		cmocka_unit_test(series__a_restart_is_no_drop),
		cmocka_unit_test(series__what_comes_back_after_a_restart_is_hardly_growth),
		cmocka_unit_test(series__segments_of_parts_add_up),
		cmocka_unit_test(series__breaks_that_leave_no_slope),
		cmocka_unit_test(series__the_past_of_a_stack_is_put_in),
		cmocka_unit_test(series__intervals_hold_the_truth),
	};

	return cmocka_run_group_tests_name("series", tests, NULL, NULL);
}
