/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/lib/escape.c. */
#include "lib/escape.h"
#include "lib/utf8.h"
#include "test.h"

static void escape__bytes(void **state)
{
	static const struct {
		const char *bytes, *want;
	} rows[] = {
		{ "/srv/app.py", "/srv/app.py" },
		{ "/tmp/日本語/🐍.py", "/tmp/日本語/🐍.py" },
		{ "a\tb\r\n\x1b]0;x\x07", "a\\x09b\\x0d\\x0a\\x1b]0;x\\x07" },
		{ "\x7f", "\\x7f" },
		{ "\xc2\x85 \xc2\xa0", "\\x85 \xc2\xa0" },
		{ "\xff\xfe", "\\xff\\xfe" },
		{ "caf\xe9", "caf\\xe9" },
		{ "\xc0\x80", "\\xc0\\x80" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
		{ "\xe2\x80\xae"
		  "abc",
		  "\\u202eabc" },
		{ "\xe2\x80\xa8", "\\u2028" },
		{ "\xef\xbb\xbf", "\\ufeff" },
		{ "\xf3\xa0\x81\x81", "\\U000e0041" },
		{ "\xe2\x82", "\\xe2\\x82" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct strbuf b = STRBUF_INIT;

		escape_add_bytes(&b, rows[i].bytes, strlen(rows[i].bytes));
		assert_string_equal(b.buf, rows[i].want);
		strbuf_done(&b);
	}
}

static void escape__every_character_gives_valid_visible_utf8(void **state)
{
	struct strbuf b = STRBUF_INIT;

	(void)state;
	for (uint32_t c = 0; c < 0x120000; c += c < 0x3000 ? 1 : 97) {
		size_t len;

		strbuf_reset(&b);
		escape_add_char(&b, c);
		for (size_t at = 0; at < b.len; at += len) {
			uint32_t got = utf8_decode(b.buf + at, b.len - at, &len);

			assert_true(got != UTF8_INVALID && !utf8_is_control(got));
			assert_true(got == c || got < 0x80);
		}
	}
	strbuf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escape__bytes),
		cmocka_unit_test(escape__every_character_gives_valid_visible_utf8),
	};

	return cmocka_run_group_tests_name("escape", tests, NULL, NULL);
}
