/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/jsonrow.c. */
#include <math.h>

#include "lib/cleanup.h"
#include "report/jsonrow.h"
#include "test.h"

#define NOW 1767225600.5

struct row {
	uint64_t id;
	int line;
	size_t cnt;
	bool is_good;
	double number, moment;
	char *text;
};

#define FIELD(key, type, member)                                  \
	{                                                         \
		key, JSONROW_##type, offsetof(struct row, member) \
	}

static const struct jsonrow_field fields[] = {
	FIELD("id", ID, id),
	FIELD("line", INT, line),
	FIELD("cnt", COUNT, cnt),
	FIELD("is_good", BOOL, is_good),
	FIELD("number", NUMBER, number),
	FIELD("moment", MOMENT, moment),
	FIELD("text", TEXT, text),
};

static void jsonrow__what_is_read_is_what_was_written(void **state)
{
	static char name[] = "a \"quoted\"\n\x1b[31m n\xc3\xa4me";
	static const double numbers[] = { 0.1, -1e-300, 1e300, 1.0 / 3, 0, NAN };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		const struct row row = { UINT64_MAX - i, -7,	     1u << 31,
					 i % 2,		 numbers[i], NOW - 0.123456,
					 i ? name : NULL };
		json_object *o = jsonrow_new(fields, ARRAY_SIZE(fields), &row);
		json_object *again = json_tokener_parse(json_object_to_json_string(o));
		struct row ret = { 0 };

		assert_ok(jsonrow_read(fields, ARRAY_SIZE(fields), again, NOW, &ret));
		assert_true(ret.id == row.id && ret.line == -7 && ret.cnt == row.cnt);
		assert_true(ret.is_good == row.is_good && ret.moment == row.moment);
		assert_true(isnan(row.number) ? isnan(ret.number) : ret.number == row.number);
		assert_true(i ? !strcmp(ret.text, name) : !ret.text);
		json_object_put(o);
		json_object_put(again);
	}
}

#define GOOD                                                                              \
	"\"id\":\"00000000000000ff\",\"line\":1,\"cnt\":2,\"is_good\":true,\"number\":1," \
	"\"moment\":5,\"text\":\"x\""

static void jsonrow__what_cannot_be_is_bad(void **state)
{
	static const struct {
		const char *more; /* a key that comes again replaces the one before */
		int want;
	} rows[] = {
		{ "", 0 },
		{ ",\"unknown\":[1,2]", 0 },
		{ ",\"number\":null,\"moment\":null,\"text\":null", 0 },
		{ ",\"id\":255", -EBADMSG },
		{ ",\"id\":\"ff\"", -EBADMSG },
		{ ",\"id\":\"-00000000000000f\"", -EBADMSG },
		{ ",\"id\":\"00000000000000ff0\"", -EBADMSG },
		{ ",\"id\":null", -EBADMSG },
		{ ",\"line\":1.5", -EBADMSG },
		{ ",\"line\":3000000000", -EBADMSG },
		{ ",\"line\":null", -EBADMSG },
		{ ",\"cnt\":-1", -EBADMSG },
		{ ",\"cnt\":\"2\"", -EBADMSG },
		{ ",\"is_good\":1", -EBADMSG },
		{ ",\"number\":\"1\"", -EBADMSG },
		{ ",\"number\":1e999", -EBADMSG },
		{ ",\"number\":NaN", -EBADMSG },
		{ ",\"moment\":-1", -EBADMSG },
		{ ",\"moment\":1e15", -EBADMSG },
		{ ",\"moment\":Infinity", -EBADMSG },
		{ ",\"text\":5", -EBADMSG },
		{ ",\"text\":{}", -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct row ret = { 0 };
		char text[300];
		json_object *o;

		snprintf(text, sizeof(text), "{" GOOD "%s}", rows[i].more);
		o = json_tokener_parse(text);
		if (jsonrow_read(fields, ARRAY_SIZE(fields), o, NOW, &ret) != rows[i].want)
			fail_msg("%s", rows[i].more);
		json_object_put(o);
	}
	assert_err(jsonrow_read(fields, ARRAY_SIZE(fields), NULL, NOW, &(struct row){ 0 }),
		   -EBADMSG);
}

/* A moment to come was written when the clock was wrong, or it is wrong now. */
static void jsonrow__no_moment_is_in_the_future(void **state)
{
	json_object *o = json_tokener_parse("{" GOOD ",\"moment\":1767225700}");
	struct row ret = { 0 };

	(void)state;
	assert_ok(jsonrow_read(fields, ARRAY_SIZE(fields), o, NOW, &ret));
	assert_true(ret.moment == NOW);
	json_object_put(o);
}

static void jsonrow__long_and_broken_texts_are_cut_and_mended(void **state)
{
	static char text[3 * JSONROW_TEXT_BYTES];
	const struct row row = { .text = text };
	struct row ret = { 0 };
	json_object *o;

	(void)state;
	memset(text, 0xff, sizeof(text) - 1);
	o = jsonrow_new(fields, ARRAY_SIZE(fields), &row);
	assert_ok(jsonrow_read(fields, ARRAY_SIZE(fields), o, NOW, &ret));
	assert_int_equal(strlen(ret.text), 3 * JSONROW_TEXT_BYTES);
	assert_memory_equal(ret.text, "\xef\xbf\xbd", 3);
	json_object_put(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jsonrow__what_is_read_is_what_was_written),
		cmocka_unit_test(jsonrow__what_cannot_be_is_bad),
		cmocka_unit_test(jsonrow__no_moment_is_in_the_future),
		cmocka_unit_test(jsonrow__long_and_broken_texts_are_cut_and_mended),
	};

	return cmocka_run_group_tests_name("jsonrow", tests, NULL, NULL);
}
