/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/sample/births.c, but for reading the map: tests/bpf/test_account.c does that. */
#include <math.h>

#include "sample/births.h"
#include "test.h"

#define SHIFT	 30
#define UNIT_SEC (1.073741824)
#define NOW	 1000u /* units */

static struct births *begin(void)
{
	struct births_options o = { 0 };
	struct births *b = NULL;

	assert_ok(births_new(-1, SHIFT, &o, &b));
	births_begin(b, ((uint64_t)NOW << SHIFT) + (1u << SHIFT) / 2);
	return b;
}

static void add(struct births *b, uint32_t slot, uint64_t stack, uint32_t born, uint32_t bytes)
{
	struct pgd_live live = { .stack = stack, .bytes = bytes, .born = born };

	assert_ok(births_add(b, slot, &live));
}

static double bytes_of(const struct births *b, uint32_t slot, uint64_t stack, double born_sec)
{
	double bytes = 0;

	for (size_t i = 0; i < births_count(b); i++) {
		struct births_row row = births_get(b, i);

		if (row.slot == slot && row.stack == stack &&
		    fabs(row.born_sec - born_sec) < UNIT_SEC / 100)
			bytes += row.bytes;
	}
	return bytes;
}

static void births__are_added_up_by_stack_and_time(void **state)
{
	_cleanup_(births_freep) struct births *b = begin();

	(void)state;
	add(b, 1, 7, 10, 100);
	add(b, 1, 7, 10, 50);
	add(b, 1, 7, 11, 3);
	add(b, 2, 7, 10, 5);
	add(b, 1, 8, 10, 9);
	assert_int_equal(births_count(b), 4);
	assert_true(bytes_of(b, 1, 7, 10.5 * UNIT_SEC) == 150);
	assert_true(bytes_of(b, 1, 7, 11.5 * UNIT_SEC) == 3);
	assert_true(bytes_of(b, 2, 7, 10.5 * UNIT_SEC) == 5);
	assert_true(bytes_of(b, 1, 8, 10.5 * UNIT_SEC) == 9);
	births_begin(b, (uint64_t)NOW << SHIFT);
	assert_int_equal(births_count(b), 0);
}

static void births__come_round_again_and_are_never_in_the_future(void **state)
{
	static const struct {
		uint32_t born;
		double age_units;
	} rows[] = { { NOW, 0 },
		     { NOW + 1, 0 },
		     { NOW - 1, 1 },
		     { 0, NOW },
		     { (1u << PGD_BORN_BITS) - 1, NOW + 1 } };
	uint64_t now_ns = (uint64_t)NOW << SHIFT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_true(fabs(births_sec(rows[i].born, SHIFT, now_ns) -
				 ((double)NOW - rows[i].age_units) * UNIT_SEC) < 1e-6);
}

/* More of them than there is room for. */
static void births__many_are_told_less_finely_and_none_is_lost(void **state)
{
	_cleanup_(births_freep) struct births *b = begin();
	uint32_t stacks = BIRTHS_MAX / 100, distinct = 0;
	double bytes = 0, last = NAN;

	(void)state;
	for (uint32_t born = NOW - 300; born < NOW; born++)
		for (uint64_t stack = 1; stack <= stacks; stack++)
			add(b, 3, stack, born, 16);
	assert_true(births_count(b) <= BIRTHS_MAX);
	for (size_t i = 0; i < births_count(b); i++) {
		struct births_row row = births_get(b, i);

		bytes += row.bytes;
		assert_true(row.born_sec <= (NOW + 1) * UNIT_SEC);
		if (row.stack == 1) {
			assert_true(row.born_sec != last);
			last = row.born_sec;
			distinct++;
		}
	}
	assert_true(bytes == 16.0 * 300 * stacks);
	assert_in_range(distinct, 70, 80); /* each four units */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(births__are_added_up_by_stack_and_time),
		cmocka_unit_test(births__come_round_again_and_are_never_in_the_future),
		cmocka_unit_test(births__many_are_told_less_finely_and_none_is_lost),
	};

	return cmocka_run_group_tests_name("births", tests, NULL, NULL);
}
