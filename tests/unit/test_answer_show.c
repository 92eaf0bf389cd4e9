/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/answer_show.c, as answer.c asks it. */
#include "historyfix.h"
#include "report/answer.h"

#define ID_OTHER 0xfedcba9800000001

static json_object *ask(struct fixture *f, struct history *h, const char *stack)
{
	json_object *request = json_object_new_object(), *answer;

	json_object_object_add(request, "command", json_object_new_string("show"));
	json_object_object_add(request, "stack", json_object_new_string(stack));
	answer = answer_new(&f->snapshot, h, request);
	json_object_put(request);
	assert_non_null(answer);
	return answer;
}

static json_object *get(json_object *o, const char *key)
{
	return json_object_object_get(o, key);
}

static json_object *stack_at(json_object *answer, size_t i)
{
	return json_object_array_get_idx(get(answer, "stacks"), i);
}

static const char *text_at(json_object *o, const char *key)
{
	return json_object_get_string(get(o, key));
}

/* 100 ticks of the first stack; of another one before that. */
static void fill_two(struct fixture *f)
{
	f->snapshot.n_stacks = 2;
	f->stacks[1].id = ID_OTHER;
	for (int i = 0; i < 100; i++) {
		if (i == 60)
			reopen(f, T0 + 600);
		f->stacks[0].live_bytes = i < 50 ? 0 : 100 * i;
		f->stacks[1].live_bytes = i < 50 ? 1000 + i : 0;
		f->snapshot.at = T0 + i * 10;
		assert_ok(history_add(f->h, &f->snapshot, f->snapshot.at));
	}
	f->snapshot.n_stacks = 1;
}

static void show__a_live_stack_has_its_series(void **state)
{
	struct fixture *f = *state;
	json_object *answer, *series, *point;
	size_t n;

	fill_two(f);
	answer = ask(f, f->h, "9e3779b97f4a7c15");
	series = get(stack_at(answer, 0), "series");
	n = json_object_array_length(series);
	assert_true(n > 40);
	point = json_object_array_get_idx(series, n - 1);
	assert_string_equal(text_at(point, "at"), "2026-01-01T00:16:30.000Z");
	assert_string_equal(text_at(point, "step_seconds"), "10");
	assert_string_equal(text_at(point, "live_bytes"), "9900");
	assert_string_equal(text_at(point, "live_bytes_error"), "0");
	assert_string_equal(text_at(point, "peak_bytes"), "9900");
	assert_string_equal(text_at(point, "is_restart"), "false");
	for (size_t i = 0, n_restarts = 0; i < n; i++) {
		point = json_object_array_get_idx(series, i);
		n_restarts += json_object_get_boolean(get(point, "is_restart"));
		assert_true(i + 1 < n || n_restarts > 0);
	}
	json_object_put(answer);
	/* No history: not known. */
	answer = ask(f, NULL, "9e3779b97f4a7c15");
	assert_true(json_object_object_get_ex(stack_at(answer, 0), "series", NULL));
	assert_null(get(stack_at(answer, 0), "series"));
	json_object_put(answer);
}

static void show__what_is_gone_is_told_from_the_history(void **state)
{
	struct fixture *f = *state;
	json_object *answer, *stack;

	fill_two(f);
	f->snapshot.n_processes = 0; /* nor does its process live */
	for (int i = 0; i < 2; i++) {
		answer = ask(f, f->h, i ? "fedCBA9800000001" : "fe");
		assert_int_equal(json_object_array_length(get(answer, "stacks")), 1);
		stack = stack_at(answer, 0);
		assert_string_equal(text_at(stack, "id"), "fedcba9800000001");
		assert_string_equal(text_at(stack, "is_gone"), "true");
		assert_null(get(stack, "pid"));
		assert_null(get(stack, "live_bytes"));
		assert_string_equal(text_at(stack, "last_bytes"), "1049");
		assert_string_equal(text_at(stack, "peak_bytes"), "1049");
		assert_string_equal(text_at(stack, "last_seen"), "2026-01-01T00:08:10.000Z");
		assert_string_equal(text_at(stack, "since"), "2026-01-01T00:00:00.000Z");
		assert_string_equal(text_at(get(stack, "process"), "cmdline"), "python3 app.py");
		assert_string_equal(text_at(get(stack, "blame"), "function"), "Cache.put");
		assert_int_equal(json_object_array_length(get(stack, "frames")), 3);
		assert_int_equal(json_object_array_length(get(stack, "series")), 100);
		json_object_put(answer);
	}
}

static void show__what_is_alive_comes_before_what_is_gone(void **state)
{
	struct fixture *f = *state;
	json_object *answer;

	fill_two(f);
	f->stacks[1].id = 0x9e00000000000001; /* begins like the one that is alive */
	f->stacks[1].live_bytes = 5;
	f->snapshot.n_stacks = 2;
	assert_ok(history_add(f->h, &f->snapshot, T0 + 1000));
	f->snapshot.n_stacks = 1;
	answer = ask(f, f->h, "9e");
	assert_string_equal(text_at(stack_at(answer, 0), "id"), "9e3779b97f4a7c15");
	json_object_put(answer);
	f->snapshot.n_stacks = 0;
	answer = ask(f, f->h, "9e");
	assert_non_null(
		strstr(text_at(answer, "error"), "could be 9e00000000000001 or 9e3779b97f4a7c15"));
	json_object_put(answer);
	answer = ask(f, f->h, "77");
	assert_non_null(strstr(text_at(answer, "error"), "not known"));
	json_object_put(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(show__a_live_stack_has_its_series),
		WITH_DIR(show__what_is_gone_is_told_from_the_history),
		WITH_DIR(show__what_is_alive_comes_before_what_is_gone),
	};

	return cmocka_run_group_tests_name("answer_show", tests, NULL, NULL);
}
