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
	stacktab_end(t, time_sec, true);
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
	stacktab_end(t, 1.0, true);
	s = only(t, 1);
	assert_int_equal(s->live_bytes, 192);
	assert_int_equal(s->live_blocks, 3);
	assert_int_equal(s->gc_freed_bytes, 16);
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
	rate = series_rate(&only(t, 1)->series, SERIES_RATE_POINTS);
	assert_true(rate.bytes_per_sec > 0); /* 0 0 0 0 1000, not one lonely point */
}

static void stacktab__row_that_goes_takes_its_stack_along(void **state)
{
	_cleanup_(stacktab_freep) struct stacktab *t = NULL;
	struct pgd_stack_key a = key(100, 0), b = key(200, 0);
	struct pgd_stack_total gone = holds(0, 0, 48), stays = holds(32, 1, 16);
	struct snapshot_frame f;

	(void)state;
	assert_ok(stacktab_new(&t));
	f = frame(t, "leaf", 3);
	assert_ok(stacktab_add(t, &a, &f, 1, false, 1.0));
	assert_ok(stacktab_add(t, &b, &f, 1, false, 1.0));
	stacktab_begin(t);
	assert_ok(stacktab_account(t, &a, &gone, true));
	assert_ok(stacktab_account(t, &b, &stays, false));
	stacktab_end(t, 1, true);
	tick(t, &b, &stays, 2);
	assert_int_equal(only(t, 1)->gc_freed_bytes, 64); /* what the row had is kept */
	stacktab_begin(t);
	assert_ok(stacktab_account(t, &b, &gone, true));
	stacktab_end(t, 3, true);
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
		cmocka_unit_test(stacktab__row_that_goes_takes_its_stack_along),
		cmocka_unit_test(stacktab__full_table_is_refused),
	};

	return cmocka_run_group_tests_name("stacktab", tests, NULL, NULL);
}
