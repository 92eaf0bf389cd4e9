/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/history_trim.c: what is too old goes, and the files never pass their limit.
 */
#include "historyfix.h"

static void history__what_is_too_old_goes_with_its_names(void **state)
{
	struct fixture *f = *state;
	struct history_stack stack;
	double first, last;

	f->options.levels[0] = (struct history_level){ 10, 40 };
	f->options.levels[1] = (struct history_level){ 20, 80 };
	f->options.levels[2] = (struct history_level){ 40, 400 };
	reopen(f, T0);
	f->snapshot.n_stacks = 100;
	for (int i = 0; i < 100; i++)
		f->stacks[i].live_bytes = 100;
	add(f, T0, 100);
	assert_ok(history_stack_get(f->h, f->stacks[99].id, &stack));
	history_stack_done(&stack);
	f->snapshot.n_stacks = 1;
	for (int i = 1; i < 100; i++)
		add(f, T0 + i * 10, 100);
	assert_ok(history_extent(f->h, &first, &last));
	assert_true(first >= T0 + 990 - 400 - 40 && first <= T0 + 990 - 400 + 40);
	assert_err(history_stack_get(f->h, f->stacks[99].id, &stack), -ENOENT);
	assert_ok(history_stack_get(f->h, f->stacks[0].id, &stack));
	history_stack_done(&stack);
	for (int i = 0; i < HISTORY_COUNTER_MAX; i++)
		assert_int_equal(history_counter_get(f->h, i), 0);
}

/* Old ticks first lose what did not grow; sums stay true; the files never pass their limit. */
static void history__size_is_bounded_and_growth_outlives_the_rest(void **state)
{
	struct fixture *f = *state;
	struct history_snapshot s;
	bool is_seen = false;
	uint64_t most = 0;

	f->options.max_bytes = HISTORY_BYTES_MIN;
	f->options.levels[0].keep_sec = 86400;
	reopen(f, T0);
	f->snapshot.n_stacks = HISTORY_NEW_MAX;
	for (int tick = 0; tick < 700; tick++) {
		for (size_t i = 0; i < f->snapshot.n_stacks; i++) {
			f->stacks[i].live_bytes = i % 2 ? 1e15 : 1e14 + 1000.0 * tick;
			f->stacks[i].live_bytes_error = 1e15;
		}
		assert_ok(history_add(f->h, &f->snapshot, T0 + tick * 10));
		most = history_bytes(f->h) > most ? history_bytes(f->h) : most;
		if (is_seen || !history_counter_get(f->h, HISTORY_COUNTER_THINNED))
			continue;
		assert_ok(history_snapshot_at(f->h, T0 + 100, &s));
		is_seen = s.n < HISTORY_NEW_MAX;
		if (is_seen) {
			assert_int_equal(history_counter_get(f->h, HISTORY_COUNTER_DROPPED), 0);
			assert_int_equal(s.n, HISTORY_NEW_MAX / 2);
			for (size_t i = 0; i < s.n; i++)
				assert_true(s.stacks[i].live_bytes < 1e15);
			assert_true(s.other_bytes == 1e15 * HISTORY_NEW_MAX / 2);
			assert_true(s.floor_bytes == 1e15);
		}
		history_snapshot_done(&s);
	}
	assert_true(is_seen);
	assert_true(history_counter_get(f->h, HISTORY_COUNTER_DROPPED) > 0);
	assert_in_range(most, HISTORY_BYTES_MIN / 2, HISTORY_BYTES_MIN);
	assert_err(history_snapshot_at(f->h, T0, &s), -ENOENT);
	assert_ok(history_snapshot_at(f->h, T0 + 6990, &s));
	assert_int_equal(s.n, HISTORY_NEW_MAX);
	history_snapshot_done(&s);
}

/* A program that compiles code again and again has ever new stacks, with long names. */
static void history__ever_new_stacks_do_not_pass_the_limit(void **state)
{
	static char names[HISTORY_NEW_MAX][2000];
	static struct snapshot_frame frame[HISTORY_NEW_MAX];
	struct fixture *f = *state;
	struct history_snapshot s;
	uint64_t most = 0;

	f->options.max_bytes = HISTORY_BYTES_MIN;
	reopen(f, T0);
	f->snapshot.n_stacks = HISTORY_NEW_MAX;
	memset(names, 'x', sizeof(names));
	for (int tick = 0; tick < 150; tick++) {
		for (size_t i = 0; i < HISTORY_NEW_MAX; i++) {
			snprintf(names[i] + 1980, 20, "%zu.%d", i, tick);
			frame[i] = (struct snapshot_frame){ names[i], "<string>", 1, true };
			f->stacks[i].id += 0x9e3779b97f4a7c15u * HISTORY_NEW_MAX;
			f->stacks[i].frames = &frame[i];
			f->stacks[i].n_frames = 1;
			f->stacks[i].live_bytes = 1e6;
		}
		assert_ok(history_add(f->h, &f->snapshot, T0 + tick * 10));
		most = history_bytes(f->h) > most ? history_bytes(f->h) : most;
	}
	assert_in_range(most, HISTORY_BYTES_MIN / 2, HISTORY_BYTES_MIN);
	assert_ok(history_snapshot_at(f->h, T0 + 1490, &s));
	assert_true(s.n == 0 && s.other_cnt == HISTORY_NEW_MAX); /* no room for names */
	history_snapshot_done(&s);
	/* Later those names are gone, and there is room for new ones. */
	f->snapshot.n_stacks = 1;
	for (int tick = 150; tick < 700; tick++)
		add(f, T0 + tick * 10, 5);
	f->stacks[0].id++;
	add(f, T0 + 7000, 6);
	assert_ok(history_snapshot_at(f->h, T0 + 7000, &s));
	assert_true(s.n == 1 && s.stacks[0].stack == f->stacks[0].id);
	history_snapshot_done(&s);
	assert_true(history_counter_get(f->h, HISTORY_COUNTER_DEFERRED) > 0);
}

static void history__a_big_file_shrinks_to_a_new_limit(void **state)
{
	struct fixture *f = *state;

	fill(f, 0, 250);
	f->options.max_bytes = HISTORY_BYTES_MIN;
	reopen(f, T0);
	assert_true(history_bytes(f->h) > HISTORY_BYTES_MIN + (1 << 20));
	fill(f, 250, 330);
	assert_in_range(history_bytes(f->h), HISTORY_BYTES_MIN / 2, HISTORY_BYTES_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(history__what_is_too_old_goes_with_its_names),
		WITH_DIR(history__size_is_bounded_and_growth_outlives_the_rest),
		WITH_DIR(history__ever_new_stacks_do_not_pass_the_limit),
		WITH_DIR(history__a_big_file_shrinks_to_a_new_limit),
	};

	return cmocka_run_group_tests_name("history_trim", tests, NULL, NULL);
}
