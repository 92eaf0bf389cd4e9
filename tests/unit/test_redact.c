/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/redact.c. */
#include "lib/cleanup.h"
#include "report/redact.h"
#include "test.h"

#define VIEWER 1000

static void redact__only_own_command_lines_stay(void **state)
{
	static const struct {
		const char *document, *want;
	} rows[] = {
		{ "{\"uid\":1000,\"cmdline\":\"a\"}", "{\"uid\":1000,\"cmdline\":\"a\"}" },
		{ "{\"uid\":0,\"cmdline\":\"a\"}", "{\"uid\":0,\"cmdline\":null}" },
		{ "{\"cmdline\":\"a\",\"comm\":\"c\"}", "{\"cmdline\":null,\"comm\":\"c\"}" },
		{ "{\"uid\":null,\"cmdline\":\"a\"}", "{\"uid\":null,\"cmdline\":null}" },
		{ "{\"uid\":\"1000\",\"cmdline\":\"a\"}", "{\"uid\":\"1000\",\"cmdline\":null}" },
		/* 2^32 + 1000 is another user. */
		{ "{\"uid\":4294968296,\"cmdline\":\"a\"}",
		  "{\"uid\":4294968296,\"cmdline\":null}" },
		{ "{\"p\":[{\"uid\":1000,\"cmdline\":\"a\"},{\"uid\":1,\"cmdline\":\"b\"}]}",
		  "{\"p\":[{\"uid\":1000,\"cmdline\":\"a\"},{\"uid\":1,\"cmdline\":null}]}" },
		/* The owner of an outer row says nothing about an inner one. */
		{ "{\"uid\":1000,\"process\":{\"cmdline\":\"a\"}}",
		  "{\"uid\":1000,\"process\":{\"cmdline\":null}}" },
		{ "{\"cmdline\":{\"cmdline\":\"a\"}}", "{\"cmdline\":null}" },
		{ "{\"a\":[[[{\"cmdline\":\"a\"}]],null,1,\"cmdline\"]}",
		  "{\"a\":[[[{\"cmdline\":null}]],null,1,\"cmdline\"]}" },
		{ "{}", "{}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_object *o = json_tokener_parse(rows[i].document);

		assert_non_null(o);
		redact_cmdlines(o, VIEWER);
		assert_string_equal(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
				    rows[i].want);
		json_object_put(o);
	}
}

/* What is too deep to be looked at is not shown. */
static void redact__nothing_hides_in_depth(void **state)
{
	json_object *o = json_object_new_object();

	(void)state;
	json_object_object_add(o, "cmdline", json_object_new_string("secret"));
	for (int i = 0; i < REDACT_DEPTH_MAX * 2; i++) {
		json_object *outer = i % 2 ? json_object_new_object() : json_object_new_array();

		if (i % 2)
			json_object_object_add(outer, "x", o);
		else
			json_object_array_add(outer, o);
		o = outer;
	}
	redact_cmdlines(o, VIEWER);
	assert_null(strstr(json_object_to_json_string(o), "secret"));
	json_object_put(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(redact__only_own_command_lines_stay),
		cmocka_unit_test(redact__nothing_hides_in_depth),
	};

	return cmocka_run_group_tests_name("redact", tests, NULL, NULL);
}
