/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/growth/survival.c. */
#include <math.h>
#include <stdbool.h>

#include "growth/survival.h"
#include "lib/cleanup.h"
#include "test.h"

static bool is_near(double got, double want)
{
	return isnan(want) ? isnan(got) : fabs(got - want) < 1e-12;
}

static void survival__ages_start_at_0_and_rise(void **state)
{
	(void)state;
	assert_true(survival_age_sec[0] == 0);
	for (unsigned age = 1; age < SURVIVAL_AGES; age++)
		assert_true(survival_age_sec[age] > survival_age_sec[age - 1]);
	assert_true(survival_age_sec[SURVIVAL_AGES - 1] == 3600);
	assert_true(isinf(survival_age_sec[SURVIVAL_AGES]));
}

static void survival__look_counts_for_the_oldest_age_not_above(void **state)
{
	static const struct {
		double age_sec;
		unsigned want;
	} rows[] = {
		{ 0, 0 },	  { 0.05, 0 },	     { 0.0998, 0 },
		{ 0.1, 1 },	  { 0.3, 1 },	     { 0.5, 2 },
		{ 2, 3 },	  { 29.9, 4 },	     { 30, 5 },
		{ 119, 5 },	  { 120, 6 },	     { 600, 7 },
		{ 3599.99, 7 },	  { 3600, 8 },	     { 1e9, 8 },
		{ INFINITY, 8 },  { -1, 0 },	     { NAN, 0 },
		{ -INFINITY, 0 }, { 0.1 - 1e-9, 1 }, { 1e7 + 0.1 - 1e7, 1 }, /* 0.0999999996 */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (survival_age(rows[i].age_sec) != rows[i].want)
			fail_msg("%g s: age %u", rows[i].age_sec, survival_age(rows[i].age_sec));
}

static void survival__shares_are_products(void **state)
{
	struct survival s = { 0 };

	(void)state;
	survival_add(&s, 0, 1000, 500);
	survival_add(&s, 1, 500, 400);
	survival_add(&s, 2, 100, 0);
	survival_add(&s, 3, 60, 30); /* 40 were too young yet: they do not bend the curve */
	assert_true(is_near(survival_share(&s, 0), 0.5));
	assert_true(is_near(survival_share(&s, 1), 0.1));
	assert_true(is_near(survival_share(&s, 2), 0.1));
	assert_true(is_near(survival_share(&s, 3), 0.05));
}

static void survival__nobody_looked_at_is_not_known(void **state)
{
	static const struct {
		const char *name;
		struct survival s;
		double want[SURVIVAL_AGES];
	} rows[] = {
		{ "nobody", { { 0 }, { 0 } }, { NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN } },
		{ "young ones only",
		  { { 10, 10 }, { 0, 5 } },
		  { 1, 0.5, NAN, NAN, NAN, NAN, NAN, NAN, NAN } },
		{ "not when they were young",
		  { { 0, 0, 10, 10 }, { 0, 0, 5, 5 } },
		  { NAN, NAN, 0.5, 0.25, NAN, NAN, NAN, NAN, NAN } },
		{ "an age between was missed",
		  { { 10, 0, 0, 10 }, { 2, 0, 0, 5 } },
		  { 0.8, 0.8, 0.8, 0.4, NAN, NAN, NAN, NAN, NAN } },
		{ "all died",
		  { { 10, 3, 3 }, { 0, 3, 0 } },
		  { 1, 0, 0, NAN, NAN, NAN, NAN, NAN, NAN } },
		{ "more died than were looked at",
		  { { 10, 10 }, { 0, 25 } },
		  { 1, 0, NAN, NAN, NAN, NAN, NAN, NAN, NAN } },
		{ "died, but nobody was looked at",
		  { { 10, 0 }, { 0, 5 } },
		  { 1, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN } },
		{ "to the last age",
		  { { 4, 4, 4, 4, 4, 4, 4, 4, 4 }, { 0, 0, 0, 0, 0, 0, 0, 0, 1 } },
		  { 1, 1, 1, 1, 1, 1, 1, 1, 0.75 } },
		{ "as many as can be counted",
		  { { UINT64_MAX }, { UINT64_MAX / 2 } },
		  { 0.5, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (unsigned age = 0; age < SURVIVAL_AGES; age++) {
			double share = survival_share(&rows[i].s, age);

			if (!is_near(share, rows[i].want[age]))
				fail_msg("%s: %g at age %u", rows[i].name, share, age);
		}
}

static void survival__looks_beyond_the_last_age_count_nowhere(void **state)
{
	struct survival s = { 0 }, nothing = { 0 };

	(void)state;
	survival_add(&s, SURVIVAL_AGES, 10, 10);
	survival_add(&s, UINT32_MAX, 10, 10);
	assert_memory_equal(&s, &nothing, sizeof(s));
	survival_add(&s, SURVIVAL_AGES - 1, 10, 5);
	assert_true(is_near(survival_share(&s, SURVIVAL_AGES - 1), 0.5));
	assert_true(isnan(survival_share(&s, SURVIVAL_AGES)));
	assert_true(isnan(survival_share(&s, UINT32_MAX)));
}

static void survival__kernel_stacks_of_one_stack_are_added_up(void **state)
{
	struct survival a = { { 10, 10 }, { 0, 10 } }, b = { { 30, 10, 10 }, { 0, 0, 5 } };

	(void)state;
	survival_merge(&a, &b);
	assert_int_equal(a.looked[0], 40);
	assert_int_equal(a.looked[1], 20);
	assert_int_equal(a.died[1], 10);
	assert_true(is_near(survival_share(&a, 1), 0.5));
	assert_true(is_near(survival_share(&a, 2), 0.25));
	assert_int_equal(b.looked[0], 30);
}

/* Blocks that live for a time with a long tail, of which 30 in 100 for ever, seen for as long as it
 * is since each was born: what Kaplan and Meier are for. A share of those that are still watched
 * would rise with age, since the dead of all ages are seen and the living are not yet old. */
static void survival__young_blocks_do_not_bend_the_curve(void **state)
{
	const double now_sec = 1000;
	struct survival s = { 0 };
	uint64_t seed = 7;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		double random[2], born_sec, life_sec;

		for (int j = 0; j < 2; j++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			random[j] = (double)(seed >> 11) * 0x1p-53;
		}
		born_sec = now_sec * random[0];
		life_sec =
			random[1] < 0.3 ? INFINITY : 0.2 / (random[1] - 0.3); /* 0.29 s or more */
		for (unsigned age = 0; age < SURVIVAL_AGES; age++) {
			bool dead = life_sec <= survival_age_sec[age];

			if (born_sec + survival_age_sec[age] > now_sec)
				break;
			survival_add(&s, age, 1, dead);
			if (dead)
				break;
		}
	}
	for (unsigned age = 0; age < SURVIVAL_AGES - 1; age++) {
		double want =
			survival_age_sec[age] ? fmin(1, 0.3 + 0.2 / survival_age_sec[age]) : 1;

		assert_true(fabs(survival_share(&s, age) - want) < 0.015);
	}
	assert_true(isnan(survival_share(&s, SURVIVAL_AGES - 1))); /* nobody is an hour old */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(survival__ages_start_at_0_and_rise),
		cmocka_unit_test(survival__look_counts_for_the_oldest_age_not_above),
		cmocka_unit_test(survival__shares_are_products),
		cmocka_unit_test(survival__nobody_looked_at_is_not_known),
		cmocka_unit_test(survival__looks_beyond_the_last_age_count_nowhere),
		cmocka_unit_test(survival__kernel_stacks_of_one_stack_are_added_up),
		cmocka_unit_test(survival__young_blocks_do_not_bend_the_curve),
	};

	return cmocka_run_group_tests_name("survival", tests, NULL, NULL);
}
