/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/growth/cycles.c. */
#include <math.h>

#include "growth/cycles.h"
#include "lib/cleanup.h"
#include "lib/splitmix.h"
#include "test.h"

static const struct cycles_collector on = { .is_state_known = true,
					    .is_enabled = true,
					    .are_fulls_known = true };
static const struct cycles_collector off = { .is_state_known = true, .are_fulls_known = true };
static const struct cycles_collector freezing = {
	.is_state_known = true, .is_enabled = true, .is_freezing = true, .are_fulls_known = true
};
static const struct cycles_collector unknown = { .are_fulls_known = true };
static const struct cycles_collector incremental = { .is_state_known = true, .is_enabled = true };

static void cycles__untouched_since_a_full_collection_is_what_it_left(void **state)
{
	struct pgd_stack_total t = { .live_bytes = 100, .floor_bytes = 40, .fulls_seen = 3 };

	(void)state;
	cycles_settle(&t, 3);
	assert_int_equal(t.floor_bytes, 40);
	cycles_settle(&t, 5);
	assert_int_equal(t.floor_bytes, 100);
	assert_int_equal(t.full_grown_bytes, 60);
	assert_int_equal(t.fulls_survived, 2);
	assert_int_equal(t.fulls_seen, 5);
	cycles_settle(&t, 4); /* read before it: the row is newer */
	assert_int_equal(t.fulls_seen, 5);
	t.live_bytes = 0;
	cycles_settle(&t, 6);
	assert_int_equal(t.fulls_survived, 0);
}

/* The kernel has counted its growth when it freed the first block in that collection. */
static void cycles__touched_in_a_full_collection_has_grown_once(void **state)
{
	struct pgd_stack_total t = {
		.live_bytes = 50, .floor_bytes = 40, .full_grown_bytes = 60, .is_in_full = 1
	};

	(void)state;
	cycles_settle(&t, 1);
	assert_int_equal(t.full_grown_bytes, 60);
	assert_int_equal(t.floor_bytes, 50);
	assert_int_equal(t.is_in_full, 0);
}

static void cycles__rows_add_up_and_those_that_went_hold_nothing(void **state)
{
	const struct pgd_stack_total a = { .freed_bytes = 10,
					   .gc_freed_bytes = 4,
					   .gc_freed_blocks = 1,
					   .full_freed_bytes = 3,
					   .full_grown_bytes = 6,
					   .floor_bytes = 100,
					   .fulls_survived = 2 };
	struct cycles c = { 0 };

	(void)state;
	cycles_add(&c, &a, true);
	cycles_add(&c, &a, false);
	assert_int_equal(c.freed_bytes, 20);
	assert_int_equal(c.gc_freed_bytes, 8);
	assert_int_equal(c.gc_freed_blocks, 2);
	assert_int_equal(c.full_freed_bytes, 6);
	assert_int_equal(c.full_grown_bytes, 12);
	assert_int_equal(c.floor_bytes, 100);
	assert_int_equal(c.fulls_survived, 2);
}

static void cycles__what_waits_and_what_stays_are_told_apart(void **state)
{
	const struct row {
		const char *name;
		struct cycles c;
		const struct cycles_collector *gc;
		double live, waiting; /* < 0: not known */
		enum cycles_verdict verdict;
	} rows[] = {
		{ "nothing seen", { 0 }, &on, 1000, -1, CYCLES_NOT_KNOWN },
		{ "off, nobody asks", { 0 }, &off, 1000, -1, CYCLES_OFF },
		{ "nobody knows if it is off", { 0 }, &unknown, 1000, -1, CYCLES_NOT_KNOWN },
		{ "off, but asked for",
		  { .full_freed_bytes = 500, .full_grown_bytes = 500 },
		  &off,
		  1000,
		  1000,
		  CYCLES_WAITS },
		{ "all garbage",
		  { .full_freed_bytes = 500, .full_grown_bytes = 500 },
		  &on,
		  1000,
		  1000,
		  CYCLES_WAITS },
		{ "half of what comes",
		  { .full_freed_bytes = 250,
		    .full_grown_bytes = 500,
		    .floor_bytes = 600,
		    .fulls_survived = 2 },
		  &on,
		  1000,
		  200,
		  CYCLES_SURVIVES },
		{ "none of it",
		  { .full_grown_bytes = 900, .floor_bytes = 900, .fulls_survived = 9 },
		  &on,
		  1000,
		  0,
		  CYCLES_SURVIVES },
		{ "frozen meanwhile",
		  { .full_grown_bytes = 900, .floor_bytes = 900, .fulls_survived = 9 },
		  &freezing,
		  1000,
		  0,
		  CYCLES_FROZEN },
		{ "most is younger, and stays",
		  { .full_grown_bytes = 100, .floor_bytes = 100, .fulls_survived = 1 },
		  &on,
		  1000,
		  0,
		  CYCLES_NOT_KNOWN },
		{ "less than after the last one",
		  { .full_freed_bytes = 1,
		    .full_grown_bytes = 9,
		    .floor_bytes = 900,
		    .fulls_survived = 1 },
		  &on,
		  800,
		  0,
		  CYCLES_SURVIVES },
		{ "more freed than it had grown",
		  { .full_freed_bytes = 900,
		    .full_grown_bytes = 500,
		    .floor_bytes = 100,
		    .fulls_survived = 1 },
		  &on,
		  1000,
		  900,
		  CYCLES_WAITS },
		{ "incremental",
		  { .full_grown_bytes = 900, .floor_bytes = 900, .fulls_survived = 9 },
		  &incremental,
		  1000,
		  -1,
		  CYCLES_SURVIVES },
		{ "holds nothing", { .full_grown_bytes = 9 }, &on, 0, 0, CYCLES_NOT_KNOWN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		double waiting = cycles_waiting_bytes(&row->c, row->gc, row->live);
		enum cycles_verdict verdict = cycles_judge(&row->c, row->gc, row->live);

		if (verdict != row->verdict ||
		    (row->waiting < 0 ? !isnan(waiting) : !(fabs(waiting - row->waiting) < 1e-6)))
			fail_msg("%s: %g wait, verdict %d", row->name, waiting, (int)verdict);
	}
}

static void cycles__what_survived_is_known_once_one_was_met(void **state)
{
	const struct cycles none = { 0 }, all_freed = { .full_grown_bytes = 7 };

	(void)state;
	assert_true(isnan(cycles_survived_bytes(&none)));
	assert_true(cycles_survived_bytes(&all_freed) == 0);
	assert_null(cycles_verdict_name[CYCLES_NOT_KNOWN]);
}

/* ── drawn ────────────────────────────────────────────────────────────────────────────────── */

static void cycles__share_of_what_is_known(void **state)
{
	struct cycles_drawn d = { 0 };
	double error;

	(void)state;
	assert_true(isnan(cycles_drawn_share(&d, &error)));
	assert_true(isnan(error));
	cycles_drawn_add(&d, CYCLES_BY_REFERENCES, 100, 64, 6);
	cycles_drawn_add(&d, CYCLES_BY_COLLECTOR, 100, 64, 1);
	assert_true(isnan(cycles_drawn_share(&d, &error))); /* seven are not enough */
	assert_true(isnan(cycles_drawn_share_of_blocks(&d)));
	cycles_drawn_add(&d, CYCLES_BY_FULL, 100, 64, 1);
	assert_true(fabs(cycles_drawn_share(&d, &error) - 0.25) < 1e-9);
	assert_true(error > 0.2 && error < 0.35);
	assert_true(fabs(cycles_drawn_share_of_blocks(&d) - 0.25) < 1e-9);
	/* Taken in a window, and there at its end after all. */
	cycles_drawn_add(&d, CYCLES_BY_REFERENCES, 100, 64, 10);
	cycles_drawn_add(&d, CYCLES_BY_REFERENCES, 100, 64, -10);
	assert_true(fabs(cycles_drawn_share(&d, &error) - 0.25) < 1e-9);
}

static void cycles__large_blocks_weigh_in_bytes_and_not_in_blocks(void **state)
{
	struct cycles_drawn d = { 0 };
	double error;

	(void)state;
	cycles_drawn_add(&d, CYCLES_BY_REFERENCES, 10, 100, 50);
	cycles_drawn_add(&d, CYCLES_BY_COLLECTOR, 10, 300, 50);
	assert_true(fabs(cycles_drawn_share(&d, &error) - 0.75) < 1e-9);
	assert_true(fabs(cycles_drawn_share_of_blocks(&d) - 0.5) < 1e-9);
}

/* One heavy one is one: its weight makes nobody surer. */
static void cycles__one_that_stands_for_many_says_little(void **state)
{
	struct cycles_drawn d = { 0 };
	double error, heavy_error;

	(void)state;
	cycles_drawn_add(&d, CYCLES_BY_REFERENCES, 1, 64, 50);
	cycles_drawn_add(&d, CYCLES_BY_COLLECTOR, 1, 64, 50);
	cycles_drawn_share(&d, &error);
	assert_true(error < 0.1);
	cycles_drawn_add(&d, CYCLES_BY_COLLECTOR, 25, 64, 1);
	cycles_drawn_share(&d, &heavy_error);
	assert_true(heavy_error > 1.5 * error);
	cycles_drawn_add(&d, CYCLES_BY_COLLECTOR, 1000, 64, 1);
	assert_true(isnan(cycles_drawn_share(&d, &heavy_error)));
}

static void cycles__none_of_it_and_all_of_it_have_an_error(void **state)
{
	static const enum cycles_fate fates[] = { CYCLES_BY_REFERENCES, CYCLES_BY_COLLECTOR };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct cycles_drawn d = { 0 };
		double error;

		cycles_drawn_add(&d, fates[i], 40, 64, 20);
		assert_true(cycles_drawn_share(&d, &error) == i);
		assert_true(error > 0.05 && error < 0.15);
	}
}

/* Half of what full collections met they have freed: of what has come since, half waits. */
static void cycles__what_waits_is_drawn_too(void **state)
{
	struct cycles_drawn d = { .floor_bytes = 6400, .fulls_survived = 3 };
	struct cycles c;

	(void)state;
	cycles_drawn_add(&d, CYCLES_MET_FULL, 1, 64, 6);
	cycles_drawn_add(&d, CYCLES_BY_FULL, 1, 64, 3);
	c = cycles_drawn_sums(&d);
	assert_true(isnan(cycles_waiting_bytes(&c, &on, 12800))); /* six are not enough */
	assert_int_equal(cycles_judge(&c, &on, 6500), CYCLES_SURVIVES);
	cycles_drawn_add(&d, CYCLES_MET_FULL, 1, 64, 6);
	cycles_drawn_add(&d, CYCLES_BY_FULL, 1, 64, 3);
	c = cycles_drawn_sums(&d);
	assert_true(fabs(cycles_waiting_bytes(&c, &on, 12800) - 3200) < 1);
	assert_true(fabs(cycles_survived_bytes(&c) - 6400) < 1);
}

/* ±, counted: how often does it hold the truth? Draws of a known share, by weights as windows have
 * them. */
static void cycles__the_interval_holds_the_truth(void **state)
{
	static const double shares[] = { 0, 0.05, 0.25, 0.5, 0.9, 1 };
	uint64_t seed = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
		unsigned n_held = 0, n_runs = 1000;

		for (unsigned run = 0; run < n_runs; run++) {
			struct cycles_drawn d = { 0 };
			double error, share;

			for (int k = 0; k < 60; k++)
				cycles_drawn_add(&d,
						 splitmix_uniform(&seed) < shares[i]
							 ? CYCLES_BY_COLLECTOR
							 : CYCLES_BY_REFERENCES,
						 1 + 9 * splitmix_uniform(&seed), 64, 1);
			share = cycles_drawn_share(&d, &error);
			n_held += fabs(share - shares[i]) <= error;
		}
		if (n_held < 0.9 * n_runs)
			fail_msg("%g: held by %u of %u", shares[i], n_held, n_runs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cycles__untouched_since_a_full_collection_is_what_it_left),
		cmocka_unit_test(cycles__touched_in_a_full_collection_has_grown_once),
		cmocka_unit_test(cycles__rows_add_up_and_those_that_went_hold_nothing),
		cmocka_unit_test(cycles__what_waits_and_what_stays_are_told_apart),
		cmocka_unit_test(cycles__what_survived_is_known_once_one_was_met),
		cmocka_unit_test(cycles__share_of_what_is_known),
		cmocka_unit_test(cycles__large_blocks_weigh_in_bytes_and_not_in_blocks),
		cmocka_unit_test(cycles__one_that_stands_for_many_says_little),
		cmocka_unit_test(cycles__none_of_it_and_all_of_it_have_an_error),
		cmocka_unit_test(cycles__what_waits_is_drawn_too),
		cmocka_unit_test(cycles__the_interval_holds_the_truth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
