/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/answer_diff.c: a history of two moments in a directory of our own. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "report/answer_diff.h"
#include "test.h"

#define T 1800000000.0 /* Unix time */

struct fixture {
	char directory[64];
	struct history *history;
	json_object *request, *answer;
};

static struct snapshot_frame frames[] = {
	{ .function = "dumps", .file = "/usr/lib/json.py" },
	{ .function = "handler", .file = "/srv/app.py", .line = 7, .in_application = true }
};
static struct snapshot_process process = { .pid = 42,
					   .comm = "python3",
					   .cmdline = "python3 app.py",
					   .build_id = "abc",
					   .python = "3.11.2" };

/* One stack with so many bytes, and a second one. */
static void remember(struct fixture *f, double now_sec, double bytes, double others)
{
	struct snapshot_stack stacks[2] = {
		{ .id = 0xa, .pid = 42, .live_bytes = bytes, .live_blocks = 1 },
		{ .id = 0xb, .pid = 42, .live_bytes = others, .live_blocks = 1 },
	};
	struct snapshot s = { .version = "0",
			      .at = now_sec,
			      .processes = &process,
			      .n_processes = 1,
			      .stacks = stacks,
			      .n_stacks = others > 0 ? 2 : 1 };

	for (size_t i = 0; i < 2; i++) {
		stacks[i].frames = frames;
		stacks[i].n_frames = ARRAY_SIZE(frames);
		stacks[i].blame = 1;
	}
	assert_ok(history_add(f->history, &s, now_sec));
}

static int open_history(struct fixture *f)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	struct history_options o;

	history_options_init(&o);
	o.dir = f->directory;
	return history_open(&o, T, &why, &f->history);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->directory, "/tmp/pygrowd-test-diff-XXXXXX");
	if (!mkdtemp(f->directory))
		return -1;
	*state = f;
	return open_history(f);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	json_object_put(f->request);
	json_object_put(f->answer);
	history_close(f->history);
	snprintf(command, sizeof(command), "rm -rf %s", f->directory);
	free(f);
	return system(command);
}

static json_object *ask(struct fixture *f, struct history *h, const char *request)
{
	json_object_put(f->request);
	json_object_put(f->answer);
	f->request = json_tokener_parse(request);
	assert_non_null(f->request);
	f->answer = answer_diff_new(h, f->request, T + 600);
	assert_non_null(f->answer);
	return f->answer;
}

static const char *text_at(json_object *o, const char *key)
{
	return json_object_get_string(json_object_object_get(o, key));
}

static void answer_diff__largest_change_comes_first(void **state)
{
	struct fixture *f = *state;
	json_object *rows, *row, *doc;

	remember(f, T, 1000, 0);
	remember(f, T + 600, 900, 5000);
	doc = ask(f, f->history, "{\"command\": \"diff\", \"from\": 1800000000}");
	rows = json_object_object_get(doc, "stacks");
	assert_int_equal(json_object_array_length(rows), 2);
	assert_int_equal(json_object_get_int(json_object_object_get(doc, "change_bytes")), 4900);
	row = json_object_array_get_idx(rows, 0);
	assert_string_equal(text_at(row, "id"), "000000000000000b");
	assert_string_equal(text_at(row, "is_new"), "true");
	assert_string_equal(text_at(json_object_object_get(row, "blame"), "function"), "handler");
	assert_string_equal(text_at(json_object_object_get(row, "process"), "cmdline"),
			    "python3 app.py");
	row = json_object_array_get_idx(rows, 1);
	assert_int_equal(json_object_get_int(json_object_object_get(row, "change_bytes")), -100);
}

static void answer_diff__limit_cuts_rows_and_says_how_many(void **state)
{
	struct fixture *f = *state;
	json_object *doc;

	remember(f, T, 1000, 10);
	remember(f, T + 600, 2000, 5000);
	doc = ask(f, f->history, "{\"from\": 1800000000, \"limit\": 1}");
	assert_int_equal(json_object_array_length(json_object_object_get(doc, "stacks")), 1);
	assert_string_equal(text_at(doc, "changed"), "2");
}

/* What another daemon held is not known to the next one, and would look like freed. */
static void answer_diff__restarts_in_between_are_counted(void **state)
{
	static const struct {
		const char *request, *want;
	} rows[] = {
		{ "{\"from\": 1800000000}", "1" },
		{ "{\"from\": 1800000600, \"to\": 1800000660}", "0" },
		{ "{\"from\": 1800000000, \"to\": 1800000060}", "0" },
	};
	struct fixture *f = *state;

	remember(f, T, 1000, 0);
	remember(f, T + 60, 2000, 0);
	history_close(f->history);
	assert_ok(open_history(f));
	remember(f, T + 600, 10, 0);
	remember(f, T + 660, 20, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(text_at(ask(f, f->history, rows[i].request), "restarts"),
				    rows[i].want);
}

static void answer_diff__what_cannot_be_told_is_said(void **state)
{
	static const struct {
		const char *name, *request, *want;
		bool has_history;
	} rows[] = {
		{ "no history", "{\"from\": 1}", "keeps no history", false },
		{ "no from", "{}", "not Unix times", true },
		{ "from is text", "{\"from\": \"-10m\"}", "not Unix times", true },
		{ "to is a list", "{\"from\": 1, \"to\": []}", "not Unix times", true },
		{ "huge", "{\"from\": 1e400}", "not Unix times", true },
		{ "backwards", "{\"from\": 1800000300, \"to\": 1800000100}", "not before", true },
		{ "same", "{\"from\": 1800000100, \"to\": 1800000100}", "not before", true },
		{ "limit 0", "{\"from\": 1800000000, \"limit\": 0}", "limit", true },
		{ "limit is text", "{\"from\": 1800000000, \"limit\": \"x\"}", "limit", true },
		{ "long ago", "{\"from\": 1}", "nothing is known of that moment", true },
		{ "one point for both", "{\"from\": 1799999990, \"to\": 1800000000}",
		  "the same point", true },
	};
	struct fixture *f = *state;

	remember(f, T, 1000, 0);
	remember(f, T + 600, 1000, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *error = text_at(
			ask(f, rows[i].has_history ? f->history : NULL, rows[i].request), "error");

		if (!error || !strstr(error, rows[i].want))
			fail_msg("%s: %s", rows[i].name, json_object_get_string(f->answer));
	}
}

static void answer_diff__empty_history_says_so(void **state)
{
	struct fixture *f = *state;
	const char *error = text_at(ask(f, f->history, "{\"from\": 1800000000}"), "error");

	assert_non_null(error);
	assert_non_null(strstr(error, "the history is empty"));
}

static void answer_diff__is_asked_by_its_name(void **state)
{
	static const struct {
		const char *request;
		bool want;
	} rows[] = { { "{\"command\": \"diff\"}", true },
		     { "{\"command\": \"report\"}", false },
		     { "{\"command\": 1}", false },
		     { "{}", false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_object *request = json_tokener_parse(rows[i].request);

		assert_int_equal(answer_diff_is_asked(request), rows[i].want);
		json_object_put(request);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answer_diff__largest_change_comes_first),
		TEST(answer_diff__restarts_in_between_are_counted),
		TEST(answer_diff__limit_cuts_rows_and_says_how_many),
		TEST(answer_diff__what_cannot_be_told_is_said),
		TEST(answer_diff__empty_history_says_so),
		cmocka_unit_test(answer_diff__is_asked_by_its_name),
	};

	return cmocka_run_group_tests_name("answer_diff", tests, NULL, NULL);
}
