/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/cli/text_stack.c where it tells of the past; the rest of it is in
 * test_writer_text.c.
 */
#include <json-c/json.h>
#include <stdio.h>

#include "cli/writer.h"
#include "lib/cleanup.h"
#include "test.h"

#define POINT(at, step, bytes, restart)                                        \
	"{\"at\":\"" at "\",\"step_seconds\":" #step ",\"live_bytes\":" #bytes \
	",\"live_bytes_error\":0,\"peak_bytes\":" #bytes ",\"is_restart\":" restart "},"
#define LAST(at) "{\"at\":\"" at "\",\"step_seconds\":10,\"live_bytes\":2097152}"
#define FRAME	 "{\"function\":\"put\",\"file\":\"/srv/cache.py\",\"line\":17}"

static char *show(const char *stack)
{
	char document[4096], *text = NULL;
	struct writer_options o;
	json_object *doc;
	size_t n;
	FILE *out;

	snprintf(document, sizeof(document), "{\"stacks\":[%s]}", stack);
	doc = json_tokener_parse(document);
	assert_non_null(doc);
	writer_options_init(&o);
	o.utf8 = true;
	out = open_memstream(&text, &n);
	assert_non_null(out);
	assert_ok(writer_document(&writer_text, out, WRITER_SHOW, doc, &o));
	fclose(out);
	json_object_put(doc);
	return text;
}

static void expect(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in:\n%s", part, text);
}

/* A day in points of a quarter of an hour is as wide as it is long, beside an hour of seconds. */
static void text_stack__the_past_is_drawn_by_time(void **state)
{
	char *text = show("{\"id\":\"1f\",\"pid\":7,\"live_bytes\":2097152,\"series\":[" POINT(
		"2026-01-01T00:00:00.000Z", 900, 0,
		"false") POINT("2026-01-01T12:00:00.000Z", 900, 1048576,
			       "false") POINT("2026-01-01T23:59:30.000Z", 10, 2097152, "false")
				  POINT("2026-01-01T23:59:40.000Z", 10, 2097152, "false")
					  POINT("2026-01-01T23:59:50.000Z", 10, 2097152, "false")
						  LAST("2026-01-02T00:00:00.500Z") "]}");

	(void)state;
	expect(text, "\n  series      0 B ▁▁▁▁▁▁▁▅▁▁▁▁▁▁▁█ 2.00 MiB\n"
		     "              from 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z\n");
	assert_null(strstr(text, "started anew"));
	free(text);
}

static void text_stack__a_restart_is_said(void **state)
{
	char *text = show("{\"id\":\"1f\",\"pid\":7,\"live_bytes\":2097152,\"series\":[" POINT(
		"2026-01-01T00:00:00.000Z", 60, 1048576, "false")
				  POINT("2026-01-01T00:10:00.000Z", 10, 0, "true")
					  LAST("2026-01-01T00:20:00.000Z") "]}");

	(void)state;
	expect(text, "pygrowd was started anew in that time");
	free(text);
}

static void text_stack__what_is_gone_is_told(void **state)
{
	char *text = show("{\"id\":\"1f2e\",\"is_gone\":true,\"pid\":null,\"live_bytes\":null,"
			  "\"process\":{\"unit\":\"web.service\",\"comm\":\"python3\","
			  "\"cmdline\":\"python3 app.py\"},\"since\":\"2026-01-01T00:00:00Z\","
			  "\"last_seen\":\"2026-01-01T00:20:00Z\",\"last_bytes\":2097152,"
			  "\"peak_bytes\":4194304,\"blame\":" FRAME ",\"frames\":[" FRAME "],"
			  "\"series\":[" POINT("2026-01-01T00:00:00.000Z", 60, 1048576, "false")
				  LAST("2026-01-01T00:20:00.000Z") "]}");

	(void)state;
	expect(text, "Stack 1f2e holds nothing any more\n"
		     "  process     web.service · python3 app.py\n"
		     "  held last   2.00 MiB, at 2026-01-01T00:20:00Z; at most 4.00 MiB\n"
		     "  first seen  2026-01-01T00:00:00Z\n"
		     "  series      1.00 MiB ");
	expect(text, ">   0  put  /srv/cache.py:17");
	free(text);
}

/* What another version, or nobody, may send. */
static void text_stack__a_past_without_sense_is_left_out(void **state)
{
	static const char *const rows[] = {
		"\"series\":null",
		"\"series\":[]",
		"\"series\":[1,null,{}]",
		"\"series\":[{\"at\":\"then\",\"step_seconds\":10,\"live_bytes\":5}]",
		"\"series\":[{\"at\":7}]",
		"\"series\":\"text\"",
		"\"is_gone\":true",
		"\"is_gone\":true,\"series\":[{}],\"process\":7,\"frames\":[null]",
		"\"series\":[" LAST("2026-01-01T00:20:00.000Z") "]",
		"\"series\":[" POINT("2026-01-01T00:20:00.000Z", 0, 1, "false")
			LAST("2025-01-01T00:20:00.000Z") "]",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char stack[512], *text;

		snprintf(stack, sizeof(stack), "{\"id\":\"1f\",\"pid\":7,%s}", rows[i]);
		text = show(stack);
		expect(text, "Stack 1f ");
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_stack__the_past_is_drawn_by_time),
		cmocka_unit_test(text_stack__a_restart_is_said),
		cmocka_unit_test(text_stack__what_is_gone_is_told),
		cmocka_unit_test(text_stack__a_past_without_sense_is_left_out),
	};

	return cmocka_run_group_tests_name("text_stack", tests, NULL, NULL);
}
