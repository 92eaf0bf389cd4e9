/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/lib/proto.c. */
#include "lib/cleanup.h"
#include "lib/proto.h"
#include "test.h"

static void proto__heads(void **state)
{
	static const struct {
		const char *name;
		unsigned char bytes[12];
		int r;
		size_t length;
	} rows[] = {
		{ "good", { 'P', 'Y', 'G', 'D', 1, 0, 0, 0, 3, 0, 0, 0 }, 0, 3 },
		{ "empty", { 'P', 'Y', 'G', 'D', 1, 0, 0, 0, 0, 0, 0, 0 }, 0, 0 },
		{ "at the limit", { 'P', 'Y', 'G', 'D', 1, 0, 0, 0, 0, 0, 1, 0 }, 0, 65536 },
		{ "oversized", { 'P', 'Y', 'G', 'D', 1, 0, 0, 0, 1, 0, 1, 0 }, -EMSGSIZE, 0 },
		{ "huge", { 'P', 'Y', 'G', 'D', 1, 0, 0, 0, 255, 255, 255, 255 }, -EMSGSIZE, 0 },
		{ "not ours",
		  { 'G', 'E', 'T', ' ', '/', ' ', 'H', 'T', 'T', 'P', '/', '1' },
		  -EBADMSG,
		  0 },
		{ "all 0", { 0 }, -EBADMSG, 0 },
		{ "big-endian", { 'D', 'G', 'Y', 'P', 0, 0, 0, 1, 0, 0, 0, 3 }, -EBADMSG, 0 },
		{ "another version",
		  { 'P', 'Y', 'G', 'D', 2, 0, 0, 0, 3, 0, 0, 0 },
		  -EPROTONOSUPPORT,
		  0 },
	};
	struct pgd_proto_head head;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t length = 4711;

		memcpy(&head, rows[i].bytes, sizeof(head));
		if (proto_head_unpack(&head, PGD_PROTO_REQUEST_BYTES_MAX, &length) != rows[i].r ||
		    length != (rows[i].r ? 4711 : rows[i].length))
			fail_msg("%s", rows[i].name);
	}
	proto_head_pack(&head, 3);
	assert_memory_equal(&head, rows[0].bytes, sizeof(head));
}

static void proto__texts(void **state)
{
	static const struct {
		const char *text;
		size_t length; /* 0: all of it */
		int r;
	} rows[] = {
		{ "{}", 0, 0 },
		{ "{\"a\":{\"b\":[1,2,null]}}", 0, 0 },
		{ "", 0, -EBADMSG },
		{ "{", 0, -EBADMSG },
		{ "{\"a\":1", 0, -EBADMSG },
		{ "{}x", 0, -EBADMSG },
		{ "{}{}", 0, -EBADMSG },
		{ "{}\0", 3, -EBADMSG },
		{ "[]", 0, -EBADMSG },
		{ "null", 0, -EBADMSG },
		{ "12", 0, -EBADMSG },
		{ "\"x\"", 0, -EBADMSG },
		{ "{\"a\":\"na\xc3\xafve \xe2\x80\xa6 \xf0\x9f\x90\x8d\"}", 0, 0 },
		{ "{\"\xc3\xa9.py\":1}", 0, 0 },
		{ "{\"a\":\"\xff\"}", 0, -EBADMSG },
		{ "{\"a\":\"\xc3\"}", 0, -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t length = rows[i].length ? rows[i].length : strlen(rows[i].text);
		json_object *o = NULL;

		if (proto_text_parse(rows[i].text, length, &o) != rows[i].r)
			fail_msg("%s", rows[i].text);
		assert_true((o != NULL) == (rows[i].r == 0));
		json_object_put(o);
	}
}

/* Deep nesting must not exhaust the stack. */
static void proto__deep_nesting_is_refused(void **state)
{
	char text[20001];
	json_object *o = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i += 5)
		memcpy(text + i, "{\"a\":", 5);
	assert_err(proto_text_parse(text, sizeof(text) - 1, &o), -EBADMSG);
	assert_null(o);
}

static void proto__oversized_frame_is_not_made(void **state)
{
	_cleanup_free_ char *frame = NULL;
	json_object *o = json_object_new_object();
	size_t n;

	(void)state;
	json_object_object_add(o, "a", json_object_new_string("1234567890"));
	assert_err(proto_frame_new(o, 5, &frame, &n), -EMSGSIZE);
	assert_null(frame);
	assert_ok(proto_frame_new(o, 100, &frame, &n));
	assert_int_equal(n, sizeof(struct pgd_proto_head) + strlen("{\"a\":\"1234567890\"}"));
	json_object_put(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(proto__heads),
		cmocka_unit_test(proto__texts),
		cmocka_unit_test(proto__deep_nesting_is_refused),
		cmocka_unit_test(proto__oversized_frame_is_not_made),
	};

	return cmocka_run_group_tests_name("proto", tests, NULL, NULL);
}
