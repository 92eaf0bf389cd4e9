/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/history_window.c: what everything held at some moments, and where another
 * daemon went on.
 */
#include <math.h>

#include "lib/clock.h"
#include "historyfix.h"

static void window__has_figures_of_all_at_even_distances(void **state)
{
	struct fixture *f = *state;
	const struct history_row *row;
	struct history_window w;

	f->snapshot.n_stacks = 2;
	f->stacks[1].live_bytes_error = 50;
	for (int i = 0; i < 60; i++) {
		f->stacks[1].live_bytes = i < 40 ? 0 : 500 + i; /* comes late */
		add(f, T0 + i * 10, 1000 * i);
	}
	assert_ok(history_window(f->h, T0, T0 + 600, 20, &w));
	assert_int_equal(w.n, 20);
	assert_false(w.is_cut || w.is_before_start);
	for (size_t i = 0; i < w.n; i++) {
		assert_true(w.moments[i].time_sec == T0 + 20 + 30 * (double)i);
		assert_false(w.moments[i].is_break);
	}
	row = history_window_find(&w, key_of(f), f->stacks[0].id);
	assert_non_null(row);
	for (size_t i = 0; i < w.n; i++)
		assert_true(row->live_bytes[i] == 1000 * (2 + 3 * (double)i));
	row = history_window_find(&w, key_of(f), f->stacks[1].id);
	assert_non_null(row);
	assert_true(row->live_bytes[12] == 0 && row->live_bytes[13] == 541);
	assert_true(row->live_error[12] == 0 && row->live_error[13] == 50);
	assert_null(history_window_find(&w, key_of(f), 77));
	assert_null(history_window_find(&w, 77, f->stacks[0].id));
	history_window_done(&w);
	assert_err(history_window(f->h, T0 + 700, T0 + 800, 20, &w), -ENOENT);
	assert_err(history_window(f->h, T0 + 10, T0, 20, &w), -ENOENT);
	assert_err(history_window(f->h, NAN, NAN, 20, &w), -ENOENT);
}

static void window__takes_the_level_that_suits_and_others_where_it_has_none(void **state)
{
	struct fixture *f = *state;
	const struct history_row *row;
	struct history_window w;

	f->options.levels[0].keep_sec = 1800;
	f->options.levels[1].keep_sec = 5400;
	reopen(f, T0);
	for (int i = 0; i < 3 * 360; i++)
		add(f, T0 + i * 10, 1000 + i);
	for (int from = -5000; from < 10000; from += 1711) {
		assert_ok(history_window(f->h, T0 + from, T0 + 10800, 30, &w));
		assert_true(w.n >= 5 && w.n <= 30);
		row = history_window_find(&w, key_of(f), f->stacks[0].id);
		for (size_t i = 0; i < w.n; i++) {
			/* On the line, whatever the level, and in order. */
			assert_true(fabs(row->live_bytes[i] - 1000 -
					 (w.moments[i].time_sec - T0) / 10) < 1e-6);
			assert_true(!i || w.moments[i].time_sec > w.moments[i - 1].time_sec);
		}
		assert_true(w.moments[0].time_sec <= T0 + fmax(from, 0) + 900);
		assert_true(w.moments[w.n - 1].time_sec > T0 + 10700 - (10800 - from) / 30.0);
		history_window_done(&w);
	}
}

/* A daemon that began just before the turn of a minute: that minute has few ticks, but they are
 * what there is. T0 is the turn of a quarter of an hour.
 */
static void window__fine_ticks_are_not_hidden_by_a_coarse_one_of_the_same_time(void **state)
{
	struct fixture *f = *state;
	struct history_window w;

	for (int i = -3; i < 1; i++)
		add(f, T0 + i * 10, 1000 + i);
	assert_ok(history_window(f->h, T0 - 172800, T0 + 1, 30, &w));
	assert_int_equal(w.n, 4);
	for (int i = 0; i < 4; i++)
		assert_true(w.moments[i].time_sec == T0 + (i - 3) * 10);
	history_window_done(&w);
}

static void window__knows_where_another_daemon_went_on(void **state)
{
	struct fixture *f = *state;
	const struct history_row *row;
	struct history_window w;

	for (int i = 0; i < 60; i++) {
		if (i == 30)
			reopen(f, T0 + 300);
		if (i == 46) {
			reopen(f, T0 + 455);
			add(f, T0 + 455, 5); /* in a step of the one before: not kept */
		}
		add(f, T0 + i * 10, 1000);
	}
	assert_ok(history_window(f->h, T0, T0 + 600, 30, &w));
	row = history_window_find(&w, key_of(f), f->stacks[0].id);
	for (size_t i = 0; i < w.n; i++) {
		assert_int_equal(w.moments[i].is_break, i == 15 || i == 23);
		assert_true(row->live_bytes[i] == 1000);
	}
	assert_false(w.is_before_start);
	history_window_done(&w);
	reopen(f, T0 + 600);
	assert_ok(history_window(f->h, T0, T0 + 600, 30, &w));
	assert_true(w.is_before_start);
	history_window_done(&w);
}

static void window__is_bounded(void **state)
{
	struct fixture *f = *state;
	struct history_window w;

	f->options.stacks_max = HISTORY_STACKS_MAX;
	reopen(f, T0);
	f->snapshot.n_stacks = MAX_STACKS;
	for (int tick = 0; tick < 60; tick++) {
		for (size_t i = 0; i < MAX_STACKS; i++) {
			f->stacks[i].id = i + 1 + (uint64_t)(tick / 20) * MAX_STACKS;
			f->stacks[i].live_bytes = 1000 + (double)i;
		}
		assert_ok(history_add(f->h, &f->snapshot, T0 + tick * 10));
	}
	assert_ok(history_window(f->h, T0, T0 + 600, 30, &w));
	assert_int_equal(w.n_rows, HISTORY_WINDOW_ROWS_MAX);
	assert_true(w.is_cut);
	history_window_done(&w);
}

static void window__of_2000_stacks_is_cheap(void **state)
{
	uint64_t before, limit = 200000000;
	struct fixture *f = *state;
	struct history_window w;

#ifdef NO_SANITIZER
	limit = 40000000;
#endif
	f->snapshot.n_stacks = 2000;
	for (int tick = 0; tick < 60; tick++) {
		for (size_t i = 0; i < 2000; i++)
			f->stacks[i].live_bytes = 1e6 + (double)i * 100;
		assert_ok(history_add(f->h, &f->snapshot, T0 + tick * 10));
	}
	before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	assert_ok(history_window(f->h, T0, T0 + 600, 30, &w));
	before = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before;
	print_message("30 moments of 2,000 stacks: %.1f ms of CPU\n", (double)before / 1e6);
	assert_true(before < limit);
	history_window_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(window__has_figures_of_all_at_even_distances),
		WITH_DIR(window__takes_the_level_that_suits_and_others_where_it_has_none),
		WITH_DIR(window__fine_ticks_are_not_hidden_by_a_coarse_one_of_the_same_time),
		WITH_DIR(window__knows_where_another_daemon_went_on),
		WITH_DIR(window__is_bounded),
		WITH_DIR(window__of_2000_stacks_is_cheap),
	};

	return cmocka_run_group_tests_name("history_window", tests, NULL, NULL);
}
