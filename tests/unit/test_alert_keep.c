/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/alert_keep.c. */
#include <math.h>

#include "lib/cleanup.h"
#include "report/alert_keep.h"
#include "test.h"

#define NOW 1767300000.0

static const struct alert firing = { .id = 7,
				     .is_firing = true,
				     .since_sec = NOW - 9000.25,
				     .fired_sec = NOW - 3000.125,
				     .resolved_sec = NAN,
				     .why = DETECT_RISES,
				     .stack = 0xaa,
				     .pid = 4711,
				     .function = "get\x1b[31m_user",
				     .file = "/srv/app.py",
				     .unit = "web.service",
				     .line = 17,
				     .in_application = true,
				     .n_stacks = 3,
				     .n_processes = 2,
				     .growth_bytes_per_sec = 1000.0 / 3,
				     .growth_error = NAN,
				     .growth_bytes = 1e6,
				     .tau = 0.97,
				     .p_value = 1e-7,
				     .headroom_bytes = NAN,
				     .coverage = 0.999,
				     .has_gc = true };
static const struct alert over = { .id = 8,
				   .since_sec = NAN,
				   .fired_sec = NOW - 5000,
				   .resolved_sec = NOW - 4000,
				   .why = ALERT_ENDED,
				   .growth_bytes_per_sec = 1,
				   .headroom_bytes = NAN,
				   .coverage = NAN,
				   .is_silent = true };

static const struct alert suppressed = { .id = 9,
					 .is_firing = true,
					 .since_sec = NOW - 900,
					 .fired_sec = NOW - 300,
					 .resolved_sec = NAN,
					 .why = DETECT_RISES,
					 .is_silent = true,
					 .suppressed_by = "issue-17",
					 .suppressed_reason = "mended in 2.4",
					 .suppressed_until_sec = NOW + 86400 };

static size_t n_said;

static void on_change(void *userdata, const struct alert *a)
{
	(void)userdata;
	(void)a;
	n_said++;
}

static struct alerts *list_new(void)
{
	struct alerts *a;

	n_said = 0;
	assert_ok(alerts_new(on_change, NULL, &a));
	return a;
}

static void expect_same(const struct alerts *a, const struct alerts *b)
{
	json_object *x = alert_keep_new(a), *y = alert_keep_new(b);

	assert_string_equal(json_object_to_json_string(x), json_object_to_json_string(y));
	json_object_put(x);
	json_object_put(y);
}

static void alert_keep__the_next_list_is_the_same_and_nothing_is_said(void **state)
{
	struct alerts *a = list_new(), *b = list_new();
	uint64_t bad = 0;
	json_object *kept, *row, *again;

	(void)state;
	assert_ok(alerts_restore(a, &over));
	assert_ok(alerts_restore(a, &firing));
	assert_ok(alerts_restore(a, &suppressed));
	kept = alert_keep_new(a);
	again = json_tokener_parse(json_object_to_json_string(kept));
	assert_int_equal(alert_keep_load(b, again, NOW, &bad), 3);
	assert_int_equal(bad, 0);
	expect_same(a, b);
	assert_int_equal(alerts_firing(b), 1);
	assert_int_equal(alerts_suppressed(b), 1);
	assert_string_equal(alerts_get(b, 2)->suppressed_reason, "mended in 2.4");
	assert_true(alerts_get(b, 2)->suppressed_until_sec == NOW + 86400);
	assert_true(alert_keep_mark(a) == alert_keep_mark(b));
	row = alert_json_new(alerts_get(b, 1), NOW);
	assert_string_equal(json_object_get_string(json_object_object_get(row, "fired_at")),
			    "2026-01-01T19:49:59.875Z");
	assert_non_null(strstr(json_object_get_string(json_object_object_get(row, "message")),
			       "get\\x1b[31m_user"));
	json_object_put(row);
	/* A second time, as if somebody had doubled the file: the first ones stay. */
	assert_int_equal(alert_keep_load(b, again, NOW, &bad), 0);
	assert_int_equal(bad, 3);
	expect_same(a, b);
	assert_int_equal(n_said, 0);
	json_object_put(kept);
	json_object_put(again);
	alerts_free(a);
	alerts_free(b);
}

/* Its cause waits: it goes on. Without a cause it is over, and that is said. */
static void alert_keep__what_fires_goes_on_or_ends(void **state)
{
	struct alert_cause waiting = { .key = 7, .state = DETECT_GROWING, .why = DETECT_RISES };
	struct alerts *a = list_new();

	(void)state;
	assert_ok(alerts_restore(a, &firing));
	alerts_update(a, &waiting, 1, NOW);
	assert_int_equal(n_said, 0);
	assert_int_equal(alerts_firing(a), 1);
	assert_true(alerts_get(a, 0)->fired_sec == firing.fired_sec);
	waiting.state = DETECT_SETTLED;
	waiting.why = DETECT_STOPPED;
	alerts_update(a, &waiting, 1, NOW + 10);
	assert_int_equal(n_said, 1);
	assert_int_equal(alerts_get(a, 0)->why, DETECT_STOPPED);
	assert_true(alerts_get(a, 0)->since_sec == firing.since_sec);
	alerts_free(a);
}

/* Who was not told that it fires is not told that it is over, by the next daemon neither. */
static void alert_keep__a_silent_one_stays_silent(void **state)
{
	struct alerts *a = list_new();
	struct alert silent = firing;

	(void)state;
	silent.is_silent = true;
	assert_ok(alerts_restore(a, &silent));
	alerts_update(a, NULL, 0, NOW);
	assert_int_equal(alerts_firing(a), 0);
	assert_int_equal(n_said, 0);
	alerts_free(a);
}

static void alert_keep__clocks_that_jumped_make_no_nonsense(void **state)
{
	static const double clocks_sec[] = { 0, NOW - 1e6, NOW - 3500, NOW - 1, NOW + 1e9 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(clocks_sec); i++) {
		struct alerts *a = list_new(), *b = list_new();
		json_object *kept;
		uint64_t bad = 0;

		assert_ok(alerts_restore(a, &firing));
		assert_ok(alerts_restore(a, &over));
		kept = alert_keep_new(a);
		assert_int_equal(alert_keep_load(b, kept, clocks_sec[i], &bad), 2);
		for (size_t k = 0; k < 2; k++) {
			const struct alert *row = alerts_get(b, k);

			assert_false(row->since_sec > row->fired_sec);
			assert_false(row->fired_sec > clocks_sec[i]);
			assert_false(row->resolved_sec < row->fired_sec);
			assert_false(row->resolved_sec > clocks_sec[i]);
		}
		json_object_put(kept);
		alerts_free(a);
		alerts_free(b);
	}
}

static void alert_keep__nonsense_is_left_out(void **state)
{
	static const char *const lists[] = {
		"null", "5", "{}", "[null,5,{},[]]", "[{\"id\":\"0000000000000007\"}]",
	};
	static const struct {
		const char *key, *value;
	} rows[] = {
		{ "why", "\"no-such\"" },     { "why", "null" },
		{ "why", "\"ended\"" },	      { "fired", "null" },
		{ "resolved", "1767299000" }, { "is_firing", "false" },
	};
	struct alerts *a = list_new(), *from = list_new();
	uint64_t bad = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		json_object *o = json_tokener_parse(lists[i]);

		assert_int_equal(alert_keep_load(a, o, NOW, &bad), 0);
		json_object_put(o);
	}
	assert_int_equal(bad, 5);
	assert_ok(alerts_restore(from, &firing));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_object *o = alert_keep_new(from);

		json_object_object_add(json_object_array_get_idx(o, 0), rows[i].key,
				       json_tokener_parse(rows[i].value));
		if (alert_keep_load(a, o, NOW, &bad))
			fail_msg("%s: %s", rows[i].key, rows[i].value);
		json_object_put(o);
	}
	assert_null(alerts_get(a, 0));
	alerts_free(a);
	alerts_free(from);
}

/* More than there is room for: the newest changes are at the end, so the oldest that is over goes.
 */
static void alert_keep__too_many_are_counted(void **state)
{
	struct alerts *a = list_new();
	struct alert row = firing;

	(void)state;
	for (row.id = 1; row.id <= ALERTS_MAX; row.id++)
		assert_ok(alerts_restore(a, &row));
	assert_err(alerts_restore(a, &row), -ENOSPC);
	assert_int_equal(alerts_counter_get(a, ALERT_COUNTER_FULL), 1);
	alerts_free(a);
}

static void alert_keep__the_mark_tells_changes(void **state)
{
	struct alert_cause waiting = { .key = 7, .state = DETECT_GROWING, .why = DETECT_RISES };
	struct alerts *a = list_new();
	uint64_t none = alert_keep_mark(a), one;

	(void)state;
	assert_ok(alerts_restore(a, &firing));
	one = alert_keep_mark(a);
	assert_true(one != none);
	alerts_update(a, &waiting, 1, NOW);
	assert_true(alert_keep_mark(a) == one);
	alerts_update(a, NULL, 0, NOW);
	assert_true(alert_keep_mark(a) != one);
	alerts_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alert_keep__the_next_list_is_the_same_and_nothing_is_said),
		cmocka_unit_test(alert_keep__what_fires_goes_on_or_ends),
		cmocka_unit_test(alert_keep__a_silent_one_stays_silent),
		cmocka_unit_test(alert_keep__clocks_that_jumped_make_no_nonsense),
		cmocka_unit_test(alert_keep__nonsense_is_left_out),
		cmocka_unit_test(alert_keep__too_many_are_counted),
		cmocka_unit_test(alert_keep__the_mark_tells_changes),
	};

	return cmocka_run_group_tests_name("alert_keep", tests, NULL, NULL);
}
