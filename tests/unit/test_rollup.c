/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/growth/rollup.c. */
#include "growth/rollup.h"
#include "lib/cleanup.h"
#include "sample.h"
#include "test.h"

#define MANY 3000

struct fixture {
	struct sample sample;
	const struct snapshot_stack *stacks[4];
	struct rollup rollup;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	sample_init(&f->sample);
	for (size_t i = 0; i < ARRAY_SIZE(f->stacks); i++)
		f->stacks[i] = &f->sample.stacks[i];
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rollup_done(&f->rollup);
	free(f);
	return 0;
}

static const struct rollup_row *row_of(const struct fixture *f, const char *function, int line)
{
	for (size_t i = 0; i < f->rollup.n_rows; i++) {
		const struct rollup_row *row = &f->rollup.rows[i];

		if (row->function && strcmp(row->function, function) == 0 && row->line == line)
			return row;
	}
	fail_msg("no row of %s:%d", function, line);
	return NULL;
}

static void rollup__the_line_to_mend_is_on_top(void **state)
{
	struct fixture *f = *state;
	const struct rollup_row *top;

	assert_ok(rollup_new(f->stacks, 4, ROLLUP_BY_LINE, &f->rollup));
	top = &f->rollup.rows[0];
	assert_string_equal(top->function, "get_user");
	assert_int_equal(top->line, 17);
	assert_true(top->in_application);
	assert_true(top->blamed.live_bytes == 24 << 20);
	assert_true(top->blamed.growth_bytes_per_sec == (1 << 20) + 200000);
	assert_int_equal(top->blamed.n_stacks, 2);
	assert_ptr_equal(top->top_stack, f->stacks[0]);
}

static void rollup__errors_add_in_quadrature(void **state)
{
	struct fixture *f = *state;

	f->sample.stacks[0].live_bytes_error = 3;
	f->sample.stacks[1].live_bytes_error = 4;
	assert_ok(rollup_new(f->stacks, 4, ROLLUP_BY_LINE, &f->rollup));
	assert_true(fabs(f->rollup.rows[0].blamed.growth_error - 50000) < 1e-6);
	assert_true(fabs(f->rollup.rows[0].blamed.live_error - 5) < 1e-9);
}

static void rollup__outer_frames_have_it_all_but_are_not_blamed(void **state)
{
	struct fixture *f = *state;
	const struct rollup_row *loop;

	assert_ok(rollup_new(f->stacks, 4, ROLLUP_BY_LINE, &f->rollup));
	loop = row_of(f, "Handle._run", 80);
	/* It is twice in the first stack, and counts once. */
	assert_true(loop->all.live_bytes == (24 << 20) + (64 << 10));
	assert_int_equal(loop->all.n_stacks, 3);
	assert_int_equal(loop->blamed.n_stacks, 0);
	assert_true(isnan(loop->blamed.growth_bytes_per_sec));
	assert_true(loop > row_of(f, "get_user", 17));
}

static void rollup__functions_join_their_lines(void **state)
{
	struct fixture *f = *state;
	struct snapshot_frame other_line[] = { sample_frames[1][0], sample_frames[1][1] };

	other_line[1].line = 18;
	f->sample.stacks[1].frames = other_line;
	f->sample.stacks[1].n_frames = 2;
	assert_ok(rollup_new(f->stacks, 4, ROLLUP_BY_FUNCTION, &f->rollup));
	assert_true(row_of(f, "get_user", 0)->blamed.live_bytes == 24 << 20);
}

static void rollup__processes_stay_apart(void **state)
{
	struct fixture *f = *state;

	f->sample.stacks[1].pid = 4712;
	assert_ok(rollup_new(f->stacks, 4, ROLLUP_BY_LINE, &f->rollup));
	assert_int_equal(f->rollup.rows[0].pid, 4711);
	assert_int_equal(f->rollup.rows[1].pid, 4712);
	assert_true(f->rollup.rows[1].blamed.live_bytes == 4 << 20);
}

static void rollup__stacks_without_frames_are_one_row(void **state)
{
	struct fixture *f = *state;
	const struct rollup_row *last = NULL;

	f->sample.stacks[2].n_frames = 0;
	f->sample.stacks[2].blame = 7; /* out of range: not followed */
	assert_ok(rollup_new(f->stacks, 4, ROLLUP_BY_LINE, &f->rollup));
	for (size_t i = 0; i < f->rollup.n_rows; i++)
		last = f->rollup.rows[i].file ? last : &f->rollup.rows[i];
	assert_non_null(last);
	assert_null(last->function);
	assert_int_equal(last->blamed.n_stacks, 2);
	/* One rate is known, the other adds nothing to it. */
	assert_true(last->blamed.growth_bytes_per_sec == 0);
	assert_true(last->blamed.live_bytes == (64 << 10) + 4096);
}

static void rollup__histories_are_aligned_at_the_newest(void **state)
{
	struct fixture *f = *state;
	double history[SNAPSHOT_HISTORY_MAX];

	f->sample.stacks[1].n_history = 2;
	f->sample.stacks[1].history[0] = 7;
	f->sample.stacks[1].history[1] = 8;
	assert_ok(rollup_new(f->stacks, 4, ROLLUP_BY_LINE, &f->rollup));
	assert_int_equal(rollup_history(f->stacks, 4, ROLLUP_BY_LINE, &f->rollup.rows[0], history),
			 20);
	assert_true(history[19] == (20 << 20) + 8);
	assert_true(history[18] == (19 << 20) + 7);
	assert_true(history[17] == 18 << 20);
}

static void rollup__nothing_gives_nothing(void **state)
{
	struct fixture *f = *state;

	assert_ok(rollup_new(f->stacks, 0, ROLLUP_BY_LINE, &f->rollup));
	assert_int_equal(f->rollup.n_rows, 0);
	assert_true(isnan(rollup_sum(f->stacks, 0).growth_bytes_per_sec));
	assert_true(rollup_sum(f->stacks, 0).live_bytes == 0);
}

/* More rows than the first table has room for: none is lost or split when it grows. */
static void rollup__many_rows(void **state)
{
	struct fixture *f = *state;
	static struct snapshot_frame frames[MANY];
	static struct snapshot_stack stacks[MANY];
	static const struct snapshot_stack *list[MANY * 2];
	double sum = 0;

	for (int i = 0; i < MANY; i++) {
		frames[i] = (struct snapshot_frame){ "f", "f.py", i + 1, true };
		sample_stack(&stacks[i], (uint64_t)i, 1, 0, i, i, 0);
		stacks[i].frames = &frames[i];
		list[i] = list[MANY + i] = &stacks[i];
		sum += 2.0 * i;
	}
	assert_ok(rollup_new(list, MANY * 2, ROLLUP_BY_LINE, &f->rollup));
	assert_int_equal(f->rollup.n_rows, MANY);
	assert_int_equal(f->rollup.rows[0].line, MANY);
	for (size_t i = 0; i < MANY; i++)
		sum -= f->rollup.rows[i].blamed.live_bytes;
	assert_true(sum == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rollup__the_line_to_mend_is_on_top, setup,
						teardown),
		cmocka_unit_test_setup_teardown(rollup__errors_add_in_quadrature, setup, teardown),
		cmocka_unit_test_setup_teardown(rollup__outer_frames_have_it_all_but_are_not_blamed,
						setup, teardown),
		cmocka_unit_test_setup_teardown(rollup__functions_join_their_lines, setup,
						teardown),
		cmocka_unit_test_setup_teardown(rollup__processes_stay_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(rollup__stacks_without_frames_are_one_row, setup,
						teardown),
		cmocka_unit_test_setup_teardown(rollup__histories_are_aligned_at_the_newest, setup,
						teardown),
		cmocka_unit_test_setup_teardown(rollup__nothing_gives_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(rollup__many_rows, setup, teardown),
	};

	return cmocka_run_group_tests_name("rollup", tests, NULL, NULL);
}
