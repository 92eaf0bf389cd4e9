/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/growth/detect_past.c. */
#include <math.h>

#include "growth/detect_internal.h"
#include "lib/cleanup.h"
#include "test.h"

static const struct detect_point plain = { .taken_bytes = NAN, .full_collections = -1 };

static void push(struct detect_past *past, double time_sec, double bytes, int64_t collections)
{
	struct detect_limits limits = detect_limits_default();
	struct detect_point p = plain;
	unsigned closed;

	p.time_sec = time_sec;
	p.live_bytes = bytes;
	p.full_collections = collections;
	detect_past_push(past, &limits, &p, &closed);
}

static double low_bytes(const struct detect_past *past, unsigned level, unsigned i)
{
	const struct detect_bin *bin = detect_bin_get(&past->levels[level], i);

	return bin ? past->base_bytes + (double)bin->low : NAN;
}

static void detect_past__a_bin_keeps_its_least(void **state)
{
	struct detect_past past;

	(void)state;
	detect_past_init(&past);
	for (int i = 0; i < 60; i++) /* ten minutes of a sawtooth */
		push(&past, i * 10.0, 1000 + i + (i % 6 == 3 ? 0 : 500), -1);
	assert_int_equal(past.levels[0].n, 9);
	assert_true(low_bytes(&past, 0, 0) == 1000 + 51);
	assert_true(low_bytes(&past, 0, 8) == 1000 + 3);
	assert_true(low_bytes(&past, 1, 0) == 1000 + 3);
	assert_true(isnan(low_bytes(&past, 0, 9)));
	assert_true(isnan(low_bytes(&past, 2, 0)));
}

static void detect_past__after_a_collection_only_what_it_left_counts(void **state)
{
	struct detect_past past;

	(void)state;
	detect_past_init(&past);
	push(&past, 0, 100, 5);
	push(&past, 10, 200, 5);
	push(&past, 20, 150, 6);
	push(&past, 30, 170, 6);
	push(&past, 60, 999, 6);
	assert_true(low_bytes(&past, 0, 0) == 150);
	assert_int_equal(detect_bin_get(&past.levels[0], 0)->is_collected, 1);
}

static void detect_past__the_ring_forgets_and_gaps_are_empty(void **state)
{
	struct detect_past past;

	(void)state;
	detect_past_init(&past);
	for (int i = 0; i < 100; i++)
		push(&past, i * 60.0, i, -1);
	assert_int_equal(past.levels[0].n, DETECT_BINS);
	assert_true(low_bytes(&past, 0, 0) == 98);
	assert_true(low_bytes(&past, 0, DETECT_BINS - 1) == 98 - (DETECT_BINS - 1));
	push(&past, 103 * 60.0, 7, -1);
	assert_true(isnan(low_bytes(&past, 0, 0)) && isnan(low_bytes(&past, 0, 2)));
	assert_true(low_bytes(&past, 0, 3) == 99);
	push(&past, 1e9, 7, -1);
	assert_int_equal(past.levels[0].n, 0);
}

static void detect_past__bytes_between_ages(void **state)
{
	struct detect_limits limits = detect_limits_default();
	struct detect_point p = plain;

	(void)state;
	p.live_bytes = 1000;
	assert_true(detect_bytes_between(&limits, &p, 60, INFINITY) == 1000); /* ages not known */
	p.has_ages = true;
	p.bytes_by_age[0] = 100; /* 0 to 10 s */
	p.bytes_by_age[1] = 50; /* 10 to 15 s */
	p.bytes_by_age[DETECT_AGES - 1] = 7; /* above 31 h */
	assert_true(detect_bytes_between(&limits, &p, 0, INFINITY) == 157);
	assert_true(fabs(detect_bytes_between(&limits, &p, 5, 12) - 70) < 1e-9);
	assert_true(detect_bytes_between(&limits, &p, 15, 3600) == 0);
	assert_true(detect_bytes_between(&limits, &p, 15, INFINITY) == 7);
}

/* Of `young` bytes that are 5 s old and `old` ones of an hour. */
static void push_aged(struct detect_past *past, double time_sec, double young, double old,
		      bool has_ages)
{
	struct detect_limits limits = detect_limits_default();
	struct detect_point p = plain;
	unsigned closed;

	p.time_sec = time_sec;
	p.live_bytes = young + old;
	p.error_bytes = 100;
	p.has_ages = has_ages;
	p.bytes_by_age[0] = young;
	p.bytes_by_age[detect_age(&limits, 3600)] = old;
	p.birth_intervals = 7;
	p.taken_bytes = 5 * time_sec;
	detect_past_push(past, &limits, &p, &closed);
}

static void detect_past__a_bin_has_what_is_held(void **state)
{
	static const double young[] = { 0, 1, 300, 1e6, 1e12, 1e17 };

	(void)state;
	for (size_t i = 0; i < sizeof(young) / sizeof(*young); i++) {
		const struct detect_bin *bin;
		struct detect_amount held;
		struct detect_past past;

		detect_past_init(&past);
		for (int k = 0; k < 7; k++)
			push_aged(&past, k * 10.0, young[i], 5000, true);
		bin = detect_bin_get(&past.levels[0], 0);
		held = detect_bin_amount(&past, bin);
		assert_true(fabs(held.bytes - 5000) <= 1e-6 * young[i] + 1e-3);
		assert_true(held.error <= 100 && (young[i] > 0 || held.error == 100));
		assert_int_equal(bin->births, 7);
		assert_true(fabs(detect_rate_decode(bin->taken_code) - 5) < 0.01);
	}
}

static void detect_past__without_ages_a_bin_has_all(void **state)
{
	struct detect_amount amount;
	struct detect_past past;

	(void)state;
	detect_past_init(&past);
	for (int k = 0; k < 7; k++)
		push_aged(&past, k * 10.0, 300, 5000, false);
	amount = detect_bin_amount(&past, detect_bin_get(&past.levels[0], 0));
	assert_true(amount.bytes == 5300 && amount.error == 100);
}

static void push_taken(struct detect_past *past, double time_sec, double taken_bytes)
{
	struct detect_limits limits = detect_limits_default();
	struct detect_point p = plain;
	unsigned closed;

	p.time_sec = time_sec;
	p.live_bytes = 1000;
	p.taken_bytes = taken_bytes;
	detect_past_push(past, &limits, &p, &closed);
}

/* In bytes a second of each minute, the newest first. */
static void assert_taken(const struct detect_past *past, const double *want, size_t n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct detect_bin *bin = detect_bin_get(&past->levels[0], i);
		double got = detect_rate_decode(bin->taken_code);

		if (!(fabs(got - want[i]) < 0.01 * want[i]))
			fail_msg("bin %u: %g bytes a second", i, got);
	}
}

/* A calm program takes what it takes now and then: when in the bin is a matter of chance. */
static void detect_past__a_bin_has_all_that_was_taken_in_it(void **state)
{
	static const struct {
		double time_sec, taken_bytes;
	} points[] = {
		{ 5, 7000 }, /* before it is nobody's */
		{ 55, 12500 },	{ 65, 18500 }, /* all of it at the beginning of its minute, */
		{ 115, 18500 }, { 125, 18500 }, { 175, 21500 }, /* at the end of its minute, */
		{ 235, 21800 }, /* or who knows when */
		{ 245, 10 }, /* counted anew */
		{ 295, 510 },	{ 305, 510 },
	};
	static const double want[] = { 10, 5, 50, 100, 110 };
	struct detect_past past;

	(void)state;
	detect_past_init(&past);
	for (size_t i = 0; i < ARRAY_SIZE(points); i++)
		push_taken(&past, points[i].time_sec, points[i].taken_bytes);
	assert_taken(&past, want, ARRAY_SIZE(want));
}

static void detect_past__rates_fit_into_16_bits(void **state)
{
	static const double rates[] = { 1e-6, 0.3, 1, 17, 1e6, 1e12, 1e18 };

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++)
		assert_true(fabs(detect_rate_decode(detect_rate_encode(rates[i])) / rates[i] - 1) <
			    1e-3);
	assert_true(isnan(detect_rate_decode(detect_rate_encode(NAN))));
	assert_true(detect_rate_decode(detect_rate_encode(0)) == 1e-6);
	assert_true(detect_rate_decode(detect_rate_encode(1e300)) > 1e18);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(detect_past__a_bin_keeps_its_least),
		cmocka_unit_test(detect_past__after_a_collection_only_what_it_left_counts),
		cmocka_unit_test(detect_past__the_ring_forgets_and_gaps_are_empty),
		cmocka_unit_test(detect_past__bytes_between_ages),
		cmocka_unit_test(detect_past__a_bin_has_what_is_held),
		cmocka_unit_test(detect_past__without_ages_a_bin_has_all),
		cmocka_unit_test(detect_past__a_bin_has_all_that_was_taken_in_it),
		cmocka_unit_test(detect_past__rates_fit_into_16_bits),
	};

	return cmocka_run_group_tests_name("detect_past", tests, NULL, NULL);
}
