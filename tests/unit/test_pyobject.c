/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/sample/pyobject.c. */
#include "pyimage.h"
#include "sample/pyobject.h"
#include "test.h"

#define BASE 0x7f0000000000ull

static struct image image;

static const struct pyruntime_names *start(uint32_t minor)
{
	image_init(&image, BASE);
	return &pylayout_of(3u << 24 | minor << 16 | 0xf0)->names;
}

static void pyobject__str_of_every_width_and_release(void **state)
{
	static const struct {
		const char *name;
		const void *chars;
		size_t length;
		unsigned int kind;
		bool is_ascii;
		const char *want;
	} rows[] = {
		{ "ascii", "f.<locals>.g", 12, 1, true, "f.<locals>.g" },
		{ "empty", "", 0, 1, true, "" },
		{ "latin-1", "caf\xe9", 4, 1, false, "café" },
		{ "ucs-2", u"функция_变量", 10, 2, false, "функция_变量" },
		{ "ucs-4", U"a😀b👩‍👧", 6, 4, false, "a😀b👩‍👧" },
		{ "controls", "a\n\x1b[31m\x7f\x80\x9f", 10, 1, false,
		  "a\\x0a\\x1b[31m\\x7f\\x80\\x9f" },
		{ "lone surrogate", u"a\xd800z", 3, 2, false, "a\\ud800z" },
		{ "turned around",
		  u"a\x202e"
		  u"b\x2066",
		  4, 2, false, "a\\u202eb\\u2066" },
		{ "no character", U"\x110000\xffffffff", 2, 4, false, "\\U00110000\\Uffffffff" },
		{ "NUL inside", "a\0b", 3, 1, true, "a\\x00b" },
	};

	(void)state;
	for (uint32_t minor = PYLAYOUT_MINOR_MIN; minor <= PYLAYOUT_MINOR_MAX; minor++) {
		const struct pyruntime_names *n = start(minor);

		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
			uint64_t addr = pyimage_str(&image, n, rows[i].chars, rows[i].length,
						    rows[i].kind, rows[i].is_ascii);

			assert_ok(
				pyobject_str(n, &image.mem, addr, 256, 1024, PYOBJECT_CUT_END, &b));
			assert_string_equal(b.buf, rows[i].want);
		}
	}
}

static void pyobject__long_str_is_cut_at_the_asked_end(void **state)
{
	static const struct {
		enum pyobject_cut cut;
		size_t chars_max, bytes_max;
		const char *want;
	} rows[] = {
		{ PYOBJECT_CUT_END, 3, 99, "абв…" }, { PYOBJECT_CUT_START, 3, 99, "…где" },
		{ PYOBJECT_CUT_END, 99, 5, "аб…" },  { PYOBJECT_CUT_START, 99, 5, "…де" },
		{ PYOBJECT_CUT_END, 0, 99, "…" },    { PYOBJECT_CUT_START, 99, 0, "…" },
		{ PYOBJECT_CUT_END, 99, 1, "…" },
	};
	const struct pyruntime_names *n = start(11);
	uint64_t addr = pyimage_str(&image, n, u"абвгде", 6, 2, false);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;

		assert_int_equal(pyobject_str(n, &image.mem, addr, rows[i].chars_max,
					      rows[i].bytes_max, rows[i].cut, &b),
				 1);
		assert_string_equal(b.buf, rows[i].want);
	}
}

static void pyobject__what_is_no_str_is_refused(void **state)
{
	static const struct {
		const char *name;
		uint64_t length;
		uint32_t state;
		int want;
	} rows[] = {
		{ "not compact", 3, 1u << 2 | 1u << 6, -EBADMSG },
		{ "kind 0", 3, 1u << 5, -EBADMSG },
		{ "kind 3", 3, 3u << 2 | 1u << 5, -EBADMSG },
		{ "wide ascii", 3, 2u << 2 | 1u << 5 | 1u << 6, -EBADMSG },
		{ "negative length", ~0ull, 1u << 2 | 1u << 5 | 1u << 6, -EBADMSG },
		{ "huge length", 1ull << 40, 4u << 2 | 1u << 5, -EFAULT },
	};
	const struct pyruntime_names *n = start(12);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
		uint64_t addr = pyimage_ascii(&image, n, "abc");
		int r;

		image_u64(&image, addr + n->str_length, rows[i].length);
		image_u32(&image, addr + n->str_state, rows[i].state);
		r = pyobject_str(n, &image.mem, addr, 256, 1024, PYOBJECT_CUT_START, &b);
		if (r != rows[i].want)
			print_error("%s\n", rows[i].name);
		assert_err(r, rows[i].want);
		assert_int_equal(b.len, 0);
	}
}

static void pyobject__wild_addresses_fail(void **state)
{
	static const uint64_t wild[] = { 0, 8, BASE - 64, BASE + IMAGE_BYTES - 20, ~0ull };
	const struct pyruntime_names *n = start(12);
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	uint8_t *bytes = NULL;
	size_t n_bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		assert_true(pyobject_str(n, &image.mem, wild[i], 9, 9, PYOBJECT_CUT_END, &b) < 0);
		assert_true(pyobject_type_name(n, &image.mem, wild[i], 99, &b) < 0);
		if (i != 3) /* its size can be read: 0 */
			assert_err(pyobject_bytes(n, &image.mem, wild[i], 99, &bytes, &n_bytes),
				   -EFAULT);
	}
	assert_null(bytes);
}

static void pyobject__bytes_are_copied_up_to_the_limit(void **state)
{
	const struct pyruntime_names *n = start(8);
	_cleanup_free_ uint8_t *bytes = NULL;
	uint8_t *empty = bytes;
	size_t n_bytes = 99;

	(void)state;
	assert_ok(pyobject_bytes(n, &image.mem, pyimage_bytes(&image, n, "a\0b", 3), 3, &bytes,
				 &n_bytes));
	assert_int_equal(n_bytes, 3);
	assert_memory_equal(bytes, "a\0b", 3);
	assert_err(pyobject_bytes(n, &image.mem, pyimage_bytes(&image, n, "abcd", 4), 3, &empty,
				  &n_bytes),
		   -EBADMSG);
	assert_ok(pyobject_bytes(n, &image.mem, pyimage_bytes(&image, n, "", 0), 3, &empty,
				 &n_bytes));
	assert_int_equal(n_bytes, 0);
	assert_null(empty);
}

static void pyobject__type_name_is_a_bounded_c_string(void **state)
{
	const struct pyruntime_names *n = start(13);
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	uint64_t type = image_alloc(&image, 64), name = image_alloc(&image, 512);
	char longer[300];

	(void)state;
	image_u64(&image, type + n->type_name, name + 5);
	image_put(&image, name + 5, "collections.OrderedDict\t", 25);
	assert_ok(pyobject_type_name(n, &image.mem, type, 99, &b));
	assert_string_equal(b.buf, "collections.OrderedDict\\x09");

	strbuf_reset(&b);
	memset(longer, 'x', sizeof(longer));
	image_put(&image, name, longer, sizeof(longer));
	assert_int_equal(pyobject_type_name(n, &image.mem, type, 20, &b), 1);
	assert_string_equal(b.buf, "xxxxxxxxxxxxxxxxxxxx…");

	strbuf_reset(&b); /* ends right before memory that is not mapped */
	image_put(&image, BASE + IMAGE_BYTES - 4, "end", 4);
	image_u64(&image, type + n->type_name, BASE + IMAGE_BYTES - 4);
	assert_ok(pyobject_type_name(n, &image.mem, type, 99, &b));
	assert_string_equal(b.buf, "end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pyobject__str_of_every_width_and_release),
		cmocka_unit_test(pyobject__long_str_is_cut_at_the_asked_end),
		cmocka_unit_test(pyobject__what_is_no_str_is_refused),
		cmocka_unit_test(pyobject__wild_addresses_fail),
		cmocka_unit_test(pyobject__bytes_are_copied_up_to_the_limit),
		cmocka_unit_test(pyobject__type_name_is_a_bounded_c_string),
	};

	return cmocka_run_group_tests_name("pyobject", tests, NULL, NULL);
}
