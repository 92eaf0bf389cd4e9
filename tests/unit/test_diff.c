/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/growth/diff.c. */
#include <math.h>
#include <stdbool.h>

#include "growth/diff.h"
#include "lib/cleanup.h"
#include "test.h"

static void expect_row(const struct diff_row *row, uint64_t stack, double change, double error,
		       bool is_new, bool is_gone)
{
	assert_int_equal(row->stack, stack);
	assert_true(row->change_bytes == change);
	assert_true(fabs(row->change_error - error) < 1e-9);
	assert_int_equal(row->is_new, is_new);
	assert_int_equal(row->is_gone, is_gone);
}

static void diff__largest_change_comes_first_new_and_gone_are_marked(void **state)
{
	static const struct diff_stack before[] = {
		{ 1, 11, 1000, 30 }, /* grows */
		{ 1, 12, 4000, 0 }, /* goes */
		{ 1, 13, 7, 0 }, /* stays */
		{ 1, 14, 0, 0 }, /* was listed without a byte: new */
	};
	static const struct diff_stack after[] = {
		{ 1, 15, 9000, 5 }, { 1, 14, 1, 0 }, { 1, 13, 7, 0 }, { 1, 11, 1500, 40 }
	};
	struct diff_side from = { before, 4, 0 }, to = { after, 4, 0 };
	struct diff d;

	(void)state;
	assert_ok(diff_new(&from, &to, &d));
	assert_int_equal(d.n_rows, 5);
	expect_row(&d.rows[0], 15, 9000, 5, true, false);
	expect_row(&d.rows[1], 12, -4000, 0, false, true);
	expect_row(&d.rows[2], 11, 500, 50, false, false);
	expect_row(&d.rows[3], 14, 1, 0, true, false);
	expect_row(&d.rows[4], 13, 0, 0, false, false);
	assert_true(d.change_bytes == 5501);
	assert_true(fabs(d.change_error - sqrt(2500 + 25)) < 1e-9);
	diff_done(&d);
	assert_null(d.rows);
}

static void diff__the_same_stack_in_two_processes_is_two(void **state)
{
	static const struct diff_stack before[] = { { 1, 5, 100, 0 }, { 2, 5, 100, 0 } };
	static const struct diff_stack after[] = { { 2, 5, 300, 0 }, { 1, 5, 90, 0 } };
	struct diff_side from = { before, 2, 0 }, to = { after, 2, 0 };
	struct diff d;

	(void)state;
	assert_ok(diff_new(&from, &to, &d));
	assert_int_equal(d.n_rows, 2);
	assert_int_equal(d.rows[0].process, 2);
	assert_true(d.rows[0].change_bytes == 200 && d.rows[1].change_bytes == -10);
	diff_done(&d);
}

static void diff__a_pair_listed_twice_is_added_up(void **state)
{
	static const struct diff_stack before[] = { { 1, 5, 100, 3 },
						    { 1, 6, 1, 0 },
						    { 1, 5, 50, 4 } };
	static const struct diff_stack after[] = { { 1, 5, 150, 12 }, { 1, 6, 1, 0 } };
	struct diff_side from = { before, 3, 0 }, to = { after, 2, 0 };
	struct diff d;

	(void)state;
	assert_ok(diff_new(&from, &to, &d));
	assert_int_equal(d.n_rows, 2);
	expect_row(&d.rows[0], 5, 0, 13, false, false);
	diff_done(&d);
}

/* What a cut list does not name held something below the cut: that is its error. */
static void diff__what_a_cut_list_left_out_is_uncertain(void **state)
{
	static const struct diff_stack one[] = { { 1, 5, 100, 30 } };
	struct diff_side cut = { one, 1, 40 }, nothing = { NULL, 0, 40 };
	struct diff d;

	(void)state;
	assert_ok(diff_new(&nothing, &cut, &d));
	expect_row(&d.rows[0], 5, 100, 50, true, false);
	diff_done(&d);
	assert_ok(diff_new(&cut, &nothing, &d));
	expect_row(&d.rows[0], 5, -100, 50, false, true);
	diff_done(&d);
}

static void diff__nothing_changed_of_nothing(void **state)
{
	static const struct diff_stack zero[] = { { 1, 5, 0, 0 } };
	struct diff_side nothing = { NULL, 0, 0 }, zeros = { zero, 1, 0 };
	struct diff d;

	(void)state;
	assert_ok(diff_new(&nothing, &zeros, &d));
	assert_int_equal(d.n_rows, 0);
	assert_true(d.change_bytes == 0 && d.change_error == 0);
	diff_done(&d);
}

static void diff__impossible_figures_are_refused(void **state)
{
	static const struct diff_stack rows[] = {
		{ 1, 5, -1, 0 }, { 1, 5, NAN, 0 }, { 1, 5, INFINITY, 0 },
		{ 1, 5, 1, -1 }, { 1, 5, 1, NAN },
	};
	static const struct diff_stack good = { 1, 5, 1, 0 };
	struct diff_side fine = { &good, 1, 0 };
	struct diff d = { .n_rows = 77 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct diff_side bad = { &rows[i], 1, 0 };

		assert_err(diff_new(&bad, &fine, &d), -EINVAL);
		assert_err(diff_new(&fine, &bad, &d), -EINVAL);
	}
	fine.floor_bytes = NAN;
	assert_err(diff_new(&fine, &fine, &d), -EINVAL);
	assert_int_equal(d.n_rows, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(diff__largest_change_comes_first_new_and_gone_are_marked),
		cmocka_unit_test(diff__the_same_stack_in_two_processes_is_two),
		cmocka_unit_test(diff__a_pair_listed_twice_is_added_up),
		cmocka_unit_test(diff__what_a_cut_list_left_out_is_uncertain),
		cmocka_unit_test(diff__nothing_changed_of_nothing),
		cmocka_unit_test(diff__impossible_figures_are_refused),
	};

	return cmocka_run_group_tests_name("diff", tests, NULL, NULL);
}
