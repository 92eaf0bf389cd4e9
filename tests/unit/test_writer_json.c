/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/cli/writer_json.c and writer.c. */
#include "cli/writer.h"
#include "lib/cleanup.h"
#include "report/document.h"
#include "sample.h"
#include "test.h"

static void writer_json__prints_the_document_whatever_the_view(void **state)
{
	const struct document_options o = DOCUMENT_OPTIONS_INIT;
	struct writer_options options;
	struct sample sample;
	json_object *doc;

	(void)state;
	sample_windows(&sample);
	writer_options_init(&options);
	assert_ok(document_new(&sample.snapshot, &o, &doc));
	for (int view = 0; view < WRITER_VIEW_MAX; view++) {
		_cleanup_free_ char *text = NULL;
		json_object *again;
		FILE *out;
		size_t n;

		out = open_memstream(&text, &n);
		assert_ok(
			writer_document(&writer_json, out, (enum writer_view)view, doc, &options));
		fclose(out);
		again = json_tokener_parse(text);
		assert_non_null(again);
		assert_string_equal(json_object_to_json_string(again),
				    json_object_to_json_string(doc));
		for (size_t i = 0; i < n; i++)
			assert_true((unsigned char)text[i] >= 0x20 || text[i] == '\n');
		json_object_put(again);
	}
	json_object_put(doc);
}

static void writer__a_full_disk_is_an_error(void **state)
{
	json_object *doc = json_object_new_object();
	struct writer_options options;
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	writer_options_init(&options);
	assert_err(writer_document(&writer_json, full, WRITER_REPORT, doc, &options), -ENOSPC);
	fclose(full);
	json_object_put(doc);
}

static void writer__by(void **state)
{
	enum writer_by by = WRITER_BY_MAX;

	(void)state;
	assert_err(writer_by_parse("colour", &by), -EINVAL);
	assert_err(writer_by_parse("", &by), -EINVAL);
	assert_int_equal(by, WRITER_BY_MAX);
	assert_ok(writer_by_parse("stack", &by));
	assert_int_equal(by, WRITER_BY_STACK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writer_json__prints_the_document_whatever_the_view),
		cmocka_unit_test(writer__a_full_disk_is_an_error),
		cmocka_unit_test(writer__by),
	};

	return cmocka_run_group_tests_name("writer_json", tests, NULL, NULL);
}
