/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/lib/strbuf.c. */
#include "lib/cleanup.h"
#include "lib/strbuf.h"
#include "test.h"

static void strbuf__is_a_string_from_the_start(void **state)
{
	struct strbuf b = STRBUF_INIT;
	char *taken;

	(void)state;
	assert_string_equal(b.buf, "");
	taken = strbuf_take(&b);
	assert_string_equal(taken, "");
	free(taken);
	strbuf_reset(&b);
	assert_string_equal(b.buf, "");
	strbuf_done(&b);
	strbuf_done(&b);
}

static void strbuf__grows_and_keeps_what_it_has(void **state)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		strbuf_putc(&b, 'a');
		strbuf_puts(&b, "bc");
		strbuf_printf(&b, "%d", i % 10);
	}
	assert_ok(strbuf_error(&b));
	assert_int_equal(b.len, 4000);
	assert_int_equal(strlen(b.buf), 4000);
	assert_memory_equal(b.buf + 3996, "abc9", 5);
	strbuf_add(&b, "x\0y", 3);
	assert_int_equal(b.len, 4003);
	assert_int_equal(b.buf[4003], 0);
}

static void strbuf__taken_string_is_the_callers(void **state)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *taken = NULL;

	(void)state;
	strbuf_puts(&b, "mine");
	taken = strbuf_take(&b);
	assert_string_equal(taken, "mine");
	assert_int_equal(b.len, 0);
	strbuf_puts(&b, "yours");
	assert_string_equal(b.buf, "yours");
	assert_string_equal(taken, "mine");
}

static void strbuf__fail_says_and_returns(void **state)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;

	(void)state;
	assert_err(strbuf_fail(&why, -ENOTSUP, "pid %d: %s", 7, "no"), -ENOTSUP);
	assert_string_equal(why.buf, "pid 7: no");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strbuf__is_a_string_from_the_start),
		cmocka_unit_test(strbuf__grows_and_keeps_what_it_has),
		cmocka_unit_test(strbuf__taken_string_is_the_callers),
		cmocka_unit_test(strbuf__fail_says_and_returns),
	};

	return cmocka_run_group_tests_name("strbuf", tests, NULL, NULL);
}
