/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/sample/stacktab.c. */
#include "lib/cleanup.h"
#include "sample/stacktab.h"
#include "test.h"

static struct snapshot_frame frame(struct stacktab *t, const char *function, int line)
{
	return (struct snapshot_frame){ .function = stacktab_name(t, function),
					.file = stacktab_name(t, "/srv/app.py"),
					.line = line,
					.in_application = true };
}

static struct pgd_stack_key key(uint64_t hash, uint32_t slot)
{
	return (struct pgd_stack_key){ .hash = hash, .slot = slot };
}

static struct pgd_stack_total holds(int64_t bytes, int64_t blocks, uint64_t gc_bytes)
{
	return (struct pgd_stack_total){ .live_bytes = bytes,
					 .live_blocks = blocks,
					 .gc_freed_bytes = gc_bytes };
}

/* The stack with this id; NULL if there is none. */
static struct stack *only(struct stacktab *t, size_t want)
{
	_cleanup_free_ struct stack **list = NULL;
	size_t n = 0;

	assert_ok(stacktab_list(t, &list, &n));
	assert_int_equal(n, want);
	return n ? list[0] : NULL;
}

static void tick(struct stacktab *t, const struct pgd_stack_key *k,
		 const struct pgd_stack_total *total, double time_sec)
{
	stacktab_begin(t);
	if (k)
		assert_ok(stacktab_account(t, k, total, false));
	stacktab_end(t, time_sec);
}

static void stacktab__rows_with_the_same_lines_are_one_stack(void **state)
{
	_cleanup_(stacktab_freep) struct stacktab *t = NULL;
	struct pgd_stack_key a = key(100, 0), b = key(200, 0);
	struct pgd_stack_total ta = holds(64, 1, 16), tb = holds(128, 2, 0);
	struct snapshot_frame frames[2];
	struct stack *s;

	(void)state;
	assert_ok(stacktab_new(&t));
	frames[0] = frame(t, "leaf", 3);
	frames[1] = frame(t, "<module>", 10);
	assert_ok(stacktab_add(t, &a, frames, 2, false, 1.0));
	assert_ok(stacktab_add(t, &b, frames, 2, false, 2.0));
	assert_ok(stacktab_add(t, &b, frames, 1, false, 3.0)); /* known: left as it is */
	stacktab_begin(t);
	assert_ok(stacktab_account(t, &a, &ta, false));
	assert_ok(stacktab_account(t, &b, &tb, false));
	stacktab_end(t, 1.0);
	s = only(t, 1);
	assert_int_equal(s->live_bytes, 192);
	assert_int_equal(s->live_blocks, 3);
	assert_int_equal(s->cycles.gc_freed_bytes, 16);
	assert_int_equal(s->n_rows, 2);
	assert_int_equal(s->blame, 0);
}

static void stacktab__id_is_of_names_and_lines_alone(void **state)
{
	_cleanup_(stacktab_freep) struct stacktab *t = NULL, *other = NULL;
	struct pgd_stack_key a = key(100, 0), b = key(7, 5);
	struct snapshot_frame f;
	uint64_t id;

	(void)state;
	assert_ok(stacktab_new(&t));
	assert_ok(stacktab_new(&other));
	f = frame(t, "leaf", 3);
	assert_ok(stacktab_add(t, &a, &f, 1, false, 1.0));
	id = only(t, 1)->id;
	f = frame(other, "leaf", 3);
	assert_ok(stacktab_add(other, &b, &f, 1, false, 9.0));
	assert_int_equal(only(other, 1)->id, id);
	/* A promise to dashboards, FNV-1a of the text: it must not change from release to release.
	 */
	assert_int_equal(id, 0xebd175e7b48c3de3ull);
}

static void stacktab__slots_are_apart_and_are_forgotten_apart(void **state)
{
	_cleanup_(stacktab_freep) struct stacktab *t = NULL;
	struct pgd_stack_key a = key(100, 0), b = key(100, 1);
	struct pgd_stack_total total = holds(64, 1, 0);
	struct snapshot_frame f;

	(void)state;
	assert_ok(stacktab_new(&t));
	f = frame(t, "leaf", 3);
	assert_ok(stacktab_add(t, &a, &f, 1, false, 1.0));
	assert_ok(stacktab_add(t, &b, &f, 1, false, 1.0));
	only(t, 2);
	stacktab_forget(t, 0);
	assert_int_equal(only(t, 1)->slot, 1);
	stacktab_begin(t);
	assert_err(stacktab_account(t, &a, &total, false), -ENOENT);
	assert_ok(stacktab_account(t, &b, &total, false));
}

static void stacktab__new_stack_held_nothing_before(void **state)
{
	_cleanup_(stacktab_freep) struct stacktab *t = NULL;
	struct pgd_stack_key a = key(100, 0), b = key(200, 0);
	struct pgd_stack_total total = holds(1000, 1, 0);
	struct snapshot_frame f, g;
	struct series_rate rate;

	(void)state;
	assert_ok(stacktab_new(&t));
	f = frame(t, "old", 3);
	assert_ok(stacktab_add(t, &a, &f, 1, false, 1.0));
	for (int i = 1; i <= 4; i++)
		tick(t, &a, &total, i);
	stacktab_forget(t, 0);
	g = frame(t, "new", 4);
	assert_ok(stacktab_add(t, &b, &g, 1, false, 5.0));
	tick(t, &b, &total, 5);
	rate = series_rate(stacktab_series(t, only(t, 1)), SERIES_RATE_POINTS);
	assert_true(rate.bytes_per_sec > 0); /* 0 0 0 0 1000, not one lonely point */
	assert_int_equal(stacktab_series(t, only(t, 1))->n, 5);
	assert_true(series_get(stacktab_series(t, only(t, 1)), 0)->live_bytes == 0);
	assert_true(series_get(stacktab_series(t, only(t, 1)), 4)->live_bytes == 1000);
}

static void stacktab__stack_that_never_held_anything_has_no_series(void **state)
{
	_cleanup_(stacktab_freep) struct stacktab *t = NULL;
	struct pgd_stack_key a = key(100, 0);
	struct pgd_stack_total nothing = holds(0, 0, 64), total = holds(1000, 1, 64);
	struct snapshot_frame f;

	(void)state;
	assert_ok(stacktab_new(&t));
	f = frame(t, "leaf", 3);
	assert_ok(stacktab_add(t, &a, &f, 1, false, 1.0));
	for (int i = 1; i <= 4; i++)
		tick(t, &a, &nothing, i);
	assert_null(only(t, 1)->series);
	assert_ptr_equal(stacktab_series(t, only(t, 1)), stacktab_absent(t));
	assert_int_equal(stacktab_absent(t)->n, 4);
	assert_true(series_rate(stacktab_absent(t), SERIES_RATE_POINTS).bytes_per_sec == 0);
	tick(t, &a, &total, 5);
	assert_non_null(only(t, 1)->series);
	tick(t, &a, &nothing, 6); /* what it held once is not forgotten */
	assert_int_equal(only(t, 1)->series->n, 6);
	assert_true(series_get(only(t, 1)->series, 4)->live_bytes == 1000);
	assert_true(series_get(only(t, 1)->series, 5)->live_bytes == 0);
	assert_true(series_get(stacktab_absent(t), 4)->live_bytes == 0);
}

/* ── samples ──────────────────────────────────────────────────────────────────────────────── */
static const struct estimate_sample samples[] = {
	{ 7, 64, 20, 0 }, { 2, 100, 20, 0 }, { 7, 32, 20, 0 }, { 4, 64, 20, 0 }, { 2, 16, 20, 0 },
};

/* Stack a of slot 0 with some samples, of the tick that ends at time_sec. */
static void tick_samples(struct stacktab *t, const struct pgd_stack_key *a, size_t n,
			 double time_sec)
{
	struct pgd_stack_total total = holds(48, 1, 0);

	stacktab_begin(t);
	assert_ok(stacktab_account(t, a, &total, false));
	for (size_t i = 0; i < n; i++)
		assert_ok(stacktab_add_sample(stacktab_find(t, a), &samples[i], NULL));
	stacktab_estimate(t, 0, 50, 0.1);
	stacktab_end(t, time_sec);
}

static void stacktab__samples_are_added_up_and_estimated(void **state)
{
	_cleanup_(stacktab_freep) struct stacktab *t = NULL;
	struct pgd_stack_key a = key(100, 0);
	const struct series_point *last;
	struct snapshot_frame f;
	struct stack *s;
	struct estimate e;

	(void)state;
	assert_ok(stacktab_new(&t));
	f = frame(t, "leaf", 3);
	assert_ok(stacktab_add(t, &a, &f, 1, false, 1.0));
	tick_samples(t, &a, ARRAY_SIZE(samples), 1);
	s = only(t, 1);
	assert_int_equal(s->n_samples, ARRAY_SIZE(samples));
	for (size_t i = 1; i < s->n_samples; i++)
		assert_true(s->samples[i - 1].window <= s->samples[i].window);
	e = estimate_live(s->samples, s->n_samples, 50, 0.1);
	assert_true(s->sampled_bytes == 276 * 20 && s->sampled_blocks == 5 * 20);
	assert_true(s->sampled_error == e.bytes_error && s->sampled_error > 0);
	assert_true(s->n_windows == 50 && s->weight_error == 0.1);
	last = series_get(s->series, 0);
	assert_true(last->live_bytes == 48 + 276 * 20 && last->error_bytes == s->sampled_error);

	tick_samples(t, &a, 1, 2); /* the others have died */
	assert_true(s->n_samples == 1 && s->sampled_bytes == 64 * 20);
	tick_samples(t, &a, 0, 3);
	assert_true(s->n_samples == 0 && s->sampled_bytes == 0 && s->sampled_error == 0);
	assert_true(series_get(s->series, 2)->live_bytes == 48);
}

static void stacktab__targets_are_estimated_apart(void **state)
{
	_cleanup_(stacktab_freep) struct stacktab *t = NULL;
	struct pgd_stack_key keys[] = { key(100, 0), key(100, 1) };
	struct snapshot_frame f;

	(void)state;
	assert_ok(stacktab_new(&t));
	f = frame(t, "leaf", 3);
	for (size_t i = 0; i < 2; i++)
		assert_ok(stacktab_add(t, &keys[i], &f, 1, false, 1.0));
	stacktab_begin(t);
	for (size_t i = 0; i < 2; i++)
		assert_ok(stacktab_add_sample(stacktab_find(t, &keys[i]), &samples[i], NULL));
	stacktab_estimate(t, 0, 50, 0);
	stacktab_estimate(t, 1, 7, 0.5);
	assert_true(stacktab_find(t, &keys[0])->sampled_bytes == 64 * 20);
	assert_true(stacktab_find(t, &keys[0])->n_windows == 50);
	assert_true(stacktab_find(t, &keys[1])->sampled_bytes == 100 * 20);
	assert_true(stacktab_find(t, &keys[1])->n_windows == 7);
	assert_true(stacktab_find(t, &keys[1])->weight_error == 0.5);
}

static void stacktab__types_are_weighted(void **state)
{
	_cleanup_(stacktab_freep) struct stacktab *t = NULL;
	struct pgd_stack_key a = key(100, 0);
	struct snapshot_frame f;
	struct stack *s;
	char name[] = "type 0";

	(void)state;
	assert_ok(stacktab_new(&t));
	f = frame(t, "leaf", 3);
	assert_ok(stacktab_add(t, &a, &f, 1, false, 1.0));
	stacktab_begin(t);
	s = stacktab_find(t, &a);
	assert_ok(stacktab_add_sample(s, &samples[0], stacktab_name(t, "dict")));
	assert_ok(stacktab_add_sample(s, &samples[1], stacktab_name(t, "str")));
	assert_ok(stacktab_add_sample(s, &samples[2], stacktab_name(t, "dict")));
	assert_ok(stacktab_add_sample(s, &samples[3], NULL)); /* not known */
	assert_string_equal(s->types[0].name, "dict");
	assert_true(s->types[0].bytes == (64 + 32) * 20);
	assert_string_equal(s->types[1].name, "str");
	assert_true(s->types[1].bytes == 100 * 20);
	assert_null(s->types[2].name);
	assert_true(s->typed_bytes == (64 + 100 + 32 + 64) * 20);

	/* More types than there are places: they are in the sum alone. */
	stacktab_begin(t);
	assert_true(s->typed_bytes == 0 && !s->types[0].name);
	for (int i = 0; i <= STACKTAB_TYPES_MAX; i++) {
		name[5] = (char)('0' + i);
		assert_ok(stacktab_add_sample(s, &samples[0], stacktab_name(t, name)));
	}
	assert_string_equal(s->types[STACKTAB_TYPES_MAX - 1].name, "type 7");
	assert_true(s->typed_bytes == (STACKTAB_TYPES_MAX + 1) * 64 * 20);
}

/* ── who may go ───────────────────────────────────────────────────────────────────────────── */

/* As many stacks as make a table crowded, but for `less`. */
static void crowd(struct stacktab *t, int less)
{
	struct snapshot_frame f = frame(t, "crowd", 0);

	for (int i = 0; i < STACKTAB_CROWDED - less; i++) {
		struct pgd_stack_key k = key(1000 + (uint64_t)i, 1);

		f.line = i;
		assert_ok(stacktab_add(t, &k, &f, 1, false, 1.0));
	}
}

static void stacktab__idle_stack_of_a_crowded_table_may_go(void **state)
{
	static const struct {
		const char *name;
		int64_t live_blocks;
		size_t n_samples;
		uint64_t births_before, births; /* at the end of two ticks */
		int less; /* stacks than are a crowd */
		bool want;
	} rows[] = {
		{ "idle", 0, 0, 5, 5, 1, true },
		{ "not crowded", 0, 0, 5, 5, 2, false },
		{ "holds a block", 1, 0, 5, 5, 1, false },
		{ "holds a sample", 0, 1, 5, 5, 1, false },
		{ "takes", 0, 0, 5, 6, 1, false },
		{ "is new", 0, 0, 0, 1, 1, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(stacktab_freep) struct stacktab *t = NULL;
		struct pgd_stack_key a = key(100, 0), unknown = key(101, 0);
		struct pgd_stack_total total = holds(0, rows[i].live_blocks, 0);
		struct snapshot_frame f;

		assert_ok(stacktab_new(&t));
		crowd(t, rows[i].less);
		f = frame(t, "leaf", 3);
		assert_ok(stacktab_add(t, &a, &f, 1, false, 1.0));
		assert_false(stacktab_is_idle(t, &a)); /* it has only just come */
		for (int now = 1; now <= 2; now++) {
			stacktab_begin(t);
			total.alloc_blocks = now == 1 ? rows[i].births_before : rows[i].births;
			assert_ok(stacktab_account(t, &a, &total, false));
			for (size_t j = 0; j < rows[i].n_samples; j++)
				assert_ok(stacktab_add_sample(stacktab_find(t, &a), &samples[j],
							      NULL));
			stacktab_estimate(t, 0, 50, 0);
			stacktab_end(t, now);
		}
		if (stacktab_is_idle(t, &a) != rows[i].want)
			fail_msg("%s, at the end of a tick", rows[i].name);
		/* As it is asked in the next one: before its rows and samples are in. */
		stacktab_begin(t);
		if (stacktab_is_idle(t, &a) != rows[i].want)
			fail_msg("%s, in the next tick", rows[i].name);
		assert_false(stacktab_is_idle(t, &unknown));
	}
}

static void stacktab__new_stack_is_not_idle_in_its_first_tick(void **state)
{
	_cleanup_(stacktab_freep) struct stacktab *t = NULL;
	struct pgd_stack_key a = key(100, 0);
	struct snapshot_frame f;

	(void)state;
	assert_ok(stacktab_new(&t));
	crowd(t, 0);
	f = frame(t, "leaf", 3);
	assert_ok(stacktab_add(t, &a, &f, 1, false, 1.0));
	stacktab_begin(t);
	assert_false(stacktab_is_idle(t, &a));
}

static void stacktab__row_that_goes_takes_its_stack_along(void **state)
{
	_cleanup_(stacktab_freep) struct stacktab *t = NULL;
	struct pgd_stack_key a = key(100, 0), b = key(200, 0);
	struct pgd_stack_total gone = holds(0, 0, 48), stays = holds(32, 1, 16);
	struct snapshot_frame f;

	(void)state;
	gone.taken_bytes = 48;
	stays.taken_bytes = 64;
	assert_ok(stacktab_new(&t));
	f = frame(t, "leaf", 3);
	assert_ok(stacktab_add(t, &a, &f, 1, false, 1.0));
	assert_ok(stacktab_add(t, &b, &f, 1, false, 1.0));
	stacktab_begin(t);
	assert_ok(stacktab_account(t, &a, &gone, true));
	assert_ok(stacktab_account(t, &b, &stays, false));
	stacktab_end(t, 1);
	tick(t, &b, &stays, 2);
	assert_int_equal(only(t, 1)->cycles.gc_freed_bytes, 64); /* what the row had is kept */
	assert_int_equal(only(t, 1)->taken_bytes, 112);
	stacktab_begin(t);
	assert_ok(stacktab_account(t, &b, &gone, true));
	stacktab_end(t, 3);
	only(t, 0);
}

static void stacktab__full_table_is_refused(void **state)
{
	_cleanup_(stacktab_freep) struct stacktab *t = NULL;
	struct snapshot_frame f;

	(void)state;
	assert_ok(stacktab_new(&t));
	f = frame(t, "leaf", 0);
	for (int i = 0; i <= STACKTAB_STACKS_MAX; i++) {
		struct pgd_stack_key k = key(1000 + (uint64_t)i, 0);

		f.line = i;
		assert_err(stacktab_add(t, &k, &f, 1, false, 1.0),
			   i < STACKTAB_STACKS_MAX ? 0 : -ENOSPC);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stacktab__rows_with_the_same_lines_are_one_stack),
		cmocka_unit_test(stacktab__id_is_of_names_and_lines_alone),
		cmocka_unit_test(stacktab__slots_are_apart_and_are_forgotten_apart),
		cmocka_unit_test(stacktab__new_stack_held_nothing_before),
		cmocka_unit_test(stacktab__stack_that_never_held_anything_has_no_series),
		cmocka_unit_test(stacktab__samples_are_added_up_and_estimated),
		cmocka_unit_test(stacktab__targets_are_estimated_apart),
		cmocka_unit_test(stacktab__types_are_weighted),
		cmocka_unit_test(stacktab__idle_stack_of_a_crowded_table_may_go),
		cmocka_unit_test(stacktab__new_stack_is_not_idle_in_its_first_tick),
		cmocka_unit_test(stacktab__row_that_goes_takes_its_stack_along),
		cmocka_unit_test(stacktab__full_table_is_refused),
	};

	return cmocka_run_group_tests_name("stacktab", tests, NULL, NULL);
}
