/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/sink_alertmanager.c. */
#include "lib/cleanup.h"
#include "lib/utf8.h"
#include "report/sink_alertmanager.h"
#include "test.h"

#define NOW_SEC 1767225600.0

static void expect(const char *alert, const char *want)
{
	json_object *in = json_tokener_parse(alert);
	json_object *out = sink_alertmanager_new(in, "host1", NOW_SEC);

	assert_non_null(out);
	assert_string_equal(json_object_to_json_string_ext(
				    out, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
			    want);
	json_object_put(out);
	json_object_put(in);
}

static void alertmanager__firing(void **state)
{
	(void)state;
	expect("{\"id\":\"0a\",\"stack\":\"0b\",\"pid\":7,\"state\":\"firing\","
	       "\"since\":\"2025-12-31T20:00:00.000Z\",\"message\":\"it grows\",\"function\":\"f\","
	       "\"file\":\"/a.py\",\"line\":3,\"unit\":\"a.service\",\"comm\":\"python3\","
	       "\"growth_bytes_per_second\":12.5,\"headroom_seconds\":null,"
	       "\"resolved_at\":null}",
	       "{\"labels\":{\"alertname\":\"PygrowdStackGrows\",\"severity\":\"warning\","
	       "\"instance\":\"host1\",\"alert_id\":\"0a\",\"unit\":\"a.service\","
	       "\"function\":\"f\",\"file\":\"/a.py\"},"
	       "\"annotations\":{\"summary\":\"it grows\",\"line\":\"3\",\"pid\":\"7\","
	       "\"comm\":\"python3\",\"stack\":\"0b\",\"growth_bytes_per_second\":\"12.5\","
	       "\"command\":\"pygrowctl show 0b\"},"
	       "\"startsAt\":\"2025-12-31T20:00:00.000Z\"}");
}

static void alertmanager__resolved_has_an_end(void **state)
{
	(void)state;
	expect("{\"id\":\"0a\",\"state\":\"resolved\",\"since\":\"2025-12-31T20:00:00.000Z\","
	       "\"resolved_at\":\"2025-12-31T21:00:00.000Z\"}",
	       "{\"labels\":{\"alertname\":\"PygrowdStackGrows\",\"severity\":\"warning\","
	       "\"instance\":\"host1\",\"alert_id\":\"0a\"},\"annotations\":{},"
	       "\"startsAt\":\"2025-12-31T20:00:00.000Z\",\"endsAt\":\"2025-12-31T21:00:00."
	       "000Z\"}");
}

/* What is not known has no label: an empty one would be another alert to Alertmanager. */
static void alertmanager__what_is_not_known_is_left_out(void **state)
{
	static const char nothing[] =
		"{\"labels\":{\"alertname\":\"PygrowdStackGrows\",\"severity\":\"warning\","
		"\"instance\":\"host1\"},\"annotations\":{},\"startsAt\":\"2026-01-01T00:00:00."
		"000Z\"}";

	(void)state;
	expect("{}", nothing);
	expect("{\"id\":null,\"unit\":null,\"function\":\"\",\"since\":null}", nothing);
}

static void alertmanager__long_names_are_cut(void **state)
{
	char name[SINK_ALERTMANAGER_LABEL_BYTES * 2] = "";
	json_object *in = json_object_new_object(), *out, *labels;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	json_object_object_add(in, "function", json_object_new_string(name));
	out = sink_alertmanager_new(in, "host1", NOW_SEC);
	labels = json_object_object_get(out, "labels");
	assert_true(json_object_get_string_len(json_object_object_get(labels, "function")) <=
		    SINK_ALERTMANAGER_LABEL_BYTES);
	json_object_put(out);
	json_object_put(in);
}

/* Names that would end a string, a label, a line: they stay in theirs, and are UTF-8. */
static void alertmanager__hostile_names_stay_in_their_labels(void **state)
{
	static const char *const names[] = {
		"f\"},{\"labels\":{\"alertname\":\"x\"}}",
		"f\\",
		"f\n\x1b[31m\r\t\x01",
		"f\xff\xfe\xc3",
		"{{ .Labels }}${HOME}`id`%s%n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *clean = utf8_clean(names[i], SINK_ALERTMANAGER_LABEL_BYTES);
		json_object *in = json_object_new_object(), *out, *labels;
		json_tokener *strict = json_tokener_new();
		const char *text;

		json_object_object_add(in, "function", json_object_new_string(names[i]));
		json_object_object_add(in, "unit", json_object_new_string(names[i]));
		out = sink_alertmanager_new(in, "host1", NOW_SEC);
		text = json_object_to_json_string(out);
		json_tokener_set_flags(strict, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
		labels = json_tokener_parse_ex(strict, text, (int)strlen(text));
		assert_non_null(labels);
		json_object_put(out);
		out = labels;
		labels = json_object_object_get(out, "labels");
		assert_int_equal(json_object_object_length(labels), 5);
		assert_string_equal(
			json_object_get_string(json_object_object_get(labels, "function")), clean);
		assert_string_equal(
			json_object_get_string(json_object_object_get(labels, "alertname")),
			SINK_ALERTMANAGER_NAME);
		json_object_put(out);
		json_object_put(in);
		json_tokener_free(strict);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alertmanager__firing),
		cmocka_unit_test(alertmanager__resolved_has_an_end),
		cmocka_unit_test(alertmanager__what_is_not_known_is_left_out),
		cmocka_unit_test(alertmanager__long_names_are_cut),
		cmocka_unit_test(alertmanager__hostile_names_stay_in_their_labels),
	};

	return cmocka_run_group_tests_name("sink_alertmanager", tests, NULL, NULL);
}
