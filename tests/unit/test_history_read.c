/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/history_read.c: what was written is read, whenever it is asked for; what
 * makes no sense is left out.
 */
#include <math.h>

#include "historyfix.h"

static void history__what_was_written_is_read_after_a_restart(void **state)
{
	struct fixture *f = *state;
	struct history_process process;
	struct history_snapshot s;
	struct history_stack stack;

	f->stacks[0].live_bytes_error = 300;
	f->stacks[0].truncated = true;
	f->processes[0].unit = "shop.service";
	add(f, T0 + 3, 5000);
	reopen(f, T0 + 5);

	assert_ok(history_snapshot_at(f->h, T0 + 4, &s));
	assert_int_equal(s.n, 1);
	assert_true(s.time_sec == T0 + 3 && s.step_sec == 10);
	assert_true(s.stacks[0].live_bytes == 5000 && s.stacks[0].live_error == 300);
	assert_true(s.stacks[0].process == key_of(f) && s.stacks[0].stack == f->stacks[0].id);
	assert_true(s.other_bytes == 0 && s.other_cnt == 0 && s.floor_bytes == 0);
	history_snapshot_done(&s);

	assert_ok(history_stack_get(f->h, f->stacks[0].id, &stack));
	assert_int_equal(stack.n_frames, 3);
	assert_true(stack.truncated);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(stack.frames[i].function, frames[i].function);
		assert_string_equal(stack.frames[i].file, frames[i].file);
		assert_int_equal(stack.frames[i].line, frames[i].line);
		assert_int_equal(stack.frames[i].in_application, frames[i].in_application);
	}
	history_stack_done(&stack);
	assert_ok(history_process_get(f->h, key_of(f), &process));
	assert_string_equal(process.unit, "shop.service");
	assert_string_equal(process.cmdline, "python3 app.py");
	assert_string_equal(process.build_id, "0123abcd");
	history_process_done(&process);
	assert_err(history_stack_get(f->h, 77, &stack), -ENOENT);
	assert_err(history_process_get(f->h, 77, &process), -ENOENT);
}

static void history__a_moment_is_found_at_the_finest_level(void **state)
{
	struct fixture *f = *state;
	struct history_snapshot s;
	double first, last;

	assert_err(history_extent(f->h, &first, &last), -ENOENT);
	f->options.levels[0].keep_sec = 1800;
	f->options.levels[1].keep_sec = 5400;
	reopen(f, T0);
	for (int i = 0; i < 3 * 360; i++)
		add(f, T0 + i * 10, 1000 + i);
	assert_true(live_at(f, T0 + 10700) == 1000 + 1070); /* this very tick */
	assert_true(live_at(f, T0 + 10795) == 1000 + 1079); /* after the last */
	assert_true(live_at(f, T0 + 7210) == 1000 + 722.5); /* mean of a minute */
	assert_true(live_at(f, T0 + 10) == 1000 + 44.5); /* mean of a quarter of an hour */
	assert_err(history_snapshot_at(f->h, T0 - 3600, &s), -ENOENT);
	assert_err(history_snapshot_at(f->h, T0 + 20000, &s), -ENOENT);
	assert_err(history_snapshot_at(f->h, NAN, &s), -ENOENT);
	assert_ok(history_extent(f->h, &first, &last));
	assert_true(first == T0 && last == T0 + 10790);
}

static void history__a_restart_recalls_the_last_points(void **state)
{
	struct fixture *f = *state;
	struct history_moment moments[SERIES_MAX];
	struct series_point p[SERIES_MAX];
	double since = 0;
	size_t n = 0, n_moments = 0;

	for (int i = 0; i < 50; i++) {
		if (i == 30)
			reopen(f, T0 + 300);
		add(f, T0 + i * 10, i * 100);
	}
	reopen(f, T0 + 500);
	assert_ok(history_moments(f->h, T0 + 200, T0 + 490, moments, SERIES_MAX, &n_moments));
	assert_int_equal(n_moments, 29);
	assert_ok(history_recall(f->h, f->stacks[0].id, key_of(f), T0 + 200, T0 + 490, p,
				 SERIES_MAX, &n, &since));
	assert_int_equal(n, 29);
	for (size_t i = 0; i < n; i++) {
		assert_true(p[i].time_sec == T0 + 200 + 10 * (double)i);
		assert_true(p[i].live_bytes == 2000 + 100 * (double)i);
		assert_true(moments[i].time_sec == p[i].time_sec);
		assert_int_equal(moments[i].is_break, i == 10);
	}
	assert_true(since == T0 + 10); /* at the first tick it held nothing */
	assert_ok(history_moments(f->h, T0, T0 + 9000, moments, 5, &n_moments));
	assert_int_equal(n_moments, 5);
	assert_true(moments[0].time_sec == T0 + 450);
	assert_ok(
		history_recall(f->h, f->stacks[0].id, key_of(f), T0, T0 + 9000, p, 5, &n, &since));
	assert_int_equal(n, 5);
	assert_true(p[0].live_bytes == 4500 && p[4].live_bytes == 4900);
	assert_ok(history_recall(f->h, f->stacks[0].id, key_of(f), T0 + 900, T0 + 999, p, 5, &n,
				 &since));
	assert_int_equal(n, 0); /* known, but from before */
	assert_err(history_moments(f->h, T0 + 900, T0 + 999, moments, 5, &n_moments), -ENOENT);
	assert_err(history_recall(f->h, 77, key_of(f), T0, T0 + 999, p, 5, &n, &since), -ENOENT);
}

static void history__the_whole_series_goes_through_all_levels(void **state)
{
	struct fixture *f = *state;
	struct history_series s;
	size_t n_level[3] = { 0 };

	f->options.levels[0].keep_sec = 1800;
	f->options.levels[1].keep_sec = 5400;
	reopen(f, T0);
	for (int i = 0; i < 3 * 360 + 5; i++) {
		if (i == 500 || i == 1000)
			reopen(f, T0 + i * 10);
		add(f, T0 + i * 10, 1000 + i);
	}
	assert_ok(history_series_whole(f->h, f->stacks[0].id, key_of(f), &s));
	for (size_t i = 0; i < s.n; i++) {
		const struct history_point *p = &s.points[i];
		double end = (double)p->begin_sec + p->step_sec;

		n_level[p->step_sec == 10 ? 0 : p->step_sec == 60 ? 1 : 2]++;
		/* Each second is in one point: nothing twice, nothing left out. */
		assert_true(i + 1 == s.n || end == (double)p[1].begin_sec);
		/* A restart in the middle of a step spoils it, and what follows begins anew. */
		assert_int_equal(p->is_break,
				 (p->begin_sec <= T0 + 5000 && end > T0 + 5000) ||
					 (i && p[-1].begin_sec < T0 + 5000 &&
					  p->begin_sec > T0 + 5000 &&
					  p[-1].begin_sec + p[-1].step_sec > T0 + 5000) ||
					 p->begin_sec == T0 + 10000);
	}
	assert_true(n_level[0] >= 179 && n_level[1] > 40 && n_level[2] > 3);
	history_series_done(&s);
}

static void history__stacks_are_found_by_how_their_id_begins(void **state)
{
	struct fixture *f = *state;
	struct history_owner owners[4];
	uint64_t ids[4];
	size_t n = 0;

	f->snapshot.n_stacks = 3;
	f->stacks[0].id = 0xfedcba9800000001;
	f->stacks[1].id = 0xfedcba9800000002;
	f->stacks[2].id = 0x1234000000000000;
	for (int i = 0; i < 3; i++)
		f->stacks[i].live_bytes = 100;
	assert_ok(history_add(f->h, &f->snapshot, T0));
	f->stacks[0].pid = 101;
	f->processes[1].cmdline = "another";
	assert_ok(history_add(f->h, &f->snapshot, T0 + 20));
	assert_ok(history_stacks_find(f->h, 0xfedc000000000000, 0xfedcffffffffffff, ids, 4, &n));
	assert_int_equal(n, 2);
	assert_true(ids[0] == 0xfedcba9800000001 && ids[1] == 0xfedcba9800000002);
	assert_ok(history_stacks_find(f->h, 0xfedcba9800000002, 0xfedcba9800000002, ids, 4, &n));
	assert_int_equal(n, 1);
	assert_err(history_stacks_find(f->h, 0x2000000000000000, 0x2fffffffffffffff, ids, 4, &n),
		   -ENOENT);
	assert_ok(history_stack_owners(f->h, 0xfedcba9800000001, owners, 4, &n));
	assert_int_equal(n, 2);
	assert_true(owners[0].process == history_process_key(&f->processes[1]));
	assert_true(owners[0].since_sec == T0 + 20 && owners[1].since_sec == T0);
	assert_ok(history_stack_owners(f->h, 0xfedcba9800000001, owners, 1, &n));
	assert_int_equal(n, 1);
	assert_err(history_stack_owners(f->h, 77, owners, 4, &n), -ENOENT);
}

/* Whoever changes the levels keeps what is there. */
static void history__other_levels_read_what_is_there(void **state)
{
	struct fixture *f = *state;
	struct history_series s;

	for (int i = 0; i < 400; i++)
		add(f, T0 + i * 10, 1000);
	f->options.levels[0] = (struct history_level){ 30, 7200 };
	f->options.levels[1] = (struct history_level){ 300, 86400 };
	f->options.levels[2] = (struct history_level){ 3600, 86400 * 9 };
	reopen(f, T0 + 4000);
	for (int i = 400; i < 800; i++)
		add(f, T0 + i * 10, 1000);
	assert_ok(history_series_whole(f->h, f->stacks[0].id, key_of(f), &s));
	for (size_t i = 0; i < s.n; i++)
		assert_true(s.points[i].live_bytes == 1000);
	assert_true(s.points[0].time_sec < T0 + 3600);
	assert_int_equal(history_counter_get(f->h, HISTORY_COUNTER_BAD_ROW), 0);
	history_series_done(&s);
}

/* The file is sound, what is in it is not. */
static void history__rows_without_sense_are_left_out(void **state)
{
	static const char *const rows[] = {
		"UPDATE points SET data = x''",
		"UPDATE points SET data = x'01'",
		"UPDATE points SET data = x'40000000'",
		"UPDATE points SET data = x'0200000001000000'",
		"UPDATE points SET data = x'01ffffffffffffffffffff0000'",
		"UPDATE points SET data = x'01ffffffffffffffff7f0000'",
		"UPDATE points SET data = 'text'",
		"UPDATE points SET data = randomblob(100000)",
		"UPDATE points SET part = -7",
		"UPDATE points SET part = 9223372036854775807",
		"UPDATE tick SET ticks = 0",
		"UPDATE tick SET ticks = -1",
		"UPDATE tick SET ticks = 9223372036854775807",
		"UPDATE tick SET offset_ms = -9223372036854775807",
		"UPDATE tick SET at = -9223372036854775807",
		"UPDATE tick SET at = 9223372036854775807",
		"UPDATE tick SET level = 99",
		"UPDATE tick SET other_sum = -1, floor_sum = 'x', other_cnt = 1e300",
		"UPDATE stack SET frames = x'010203'",
		"UPDATE stack SET frames = randomblob(5000)",
		"UPDATE frame SET function = x'00ff', line = 1e300",
		"UPDATE series SET since = 9223372036854775807, seen = -9223372036854775807",
		"UPDATE series SET id = 9223372036854775807",
		"DELETE FROM series",
		"DELETE FROM frame",
		"DELETE FROM tick",
		"UPDATE process SET cmdline = randomblob(100000)",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct history_snapshot s;
		struct history_series series;
		struct history_stack stack;
		struct history_process process;
		double now = T0 + (double)i * 1000;

		add(f, now, 100);
		sql(f, rows[i]);
		open_ok(f, now);
		if (history_snapshot_at(f->h, now, &s) == 0)
			history_snapshot_done(&s);
		if (history_series(f->h, f->stacks[0].id, 0, T0, now + 1, &series) == 0)
			history_series_done(&series);
		if (history_stack_get(f->h, f->stacks[0].id, &stack) == 0)
			history_stack_done(&stack);
		if (history_process_get(f->h, key_of(f), &process) == 0)
			history_process_done(&process);
		add(f, now + 950, 200);
		if (history_snapshot_at(f->h, now + 950, &s) < 0 || s.n != 1 ||
		    s.stacks[0].live_bytes != 200)
			fail_msg("not written any more after %s", rows[i]);
		history_snapshot_done(&s);
		sql(f, "DELETE FROM tick; DELETE FROM points; DELETE FROM series;"
		       "DELETE FROM stack; DELETE FROM frame");
		open_ok(f, now);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(history__what_was_written_is_read_after_a_restart),
		WITH_DIR(history__a_moment_is_found_at_the_finest_level),
		WITH_DIR(history__a_restart_recalls_the_last_points),
		WITH_DIR(history__the_whole_series_goes_through_all_levels),
		WITH_DIR(history__stacks_are_found_by_how_their_id_begins),
		WITH_DIR(history__other_levels_read_what_is_there),
		WITH_DIR(history__rows_without_sense_are_left_out),
	};

	return cmocka_run_group_tests_name("history_read", tests, NULL, NULL);
}
