/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/alert_text.c. */
#include <math.h>
#include <stdbool.h>

#include "lib/log.h"
#include "lib/utf8.h"
#include "report/alert_text.h"
#include "test.h"

#define NOW   1767300000.0
#define KIB   1024.0
#define PLACE "Memory taken by get_user (/srv/demo/service.py:17) in "

static struct alert sample(void)
{
	return (struct alert){ .id = 7,
			       .is_firing = true,
			       .since_sec = NOW - 7200,
			       .fired_sec = NOW,
			       .resolved_sec = NAN,
			       .why = DETECT_RISES,
			       .stack = 0x1f2e3d4c5b6a7988,
			       .pid = 4711,
			       .function = "get_user",
			       .file = "/srv/demo/service.py",
			       .unit = "web.service",
			       .comm = "uvicorn",
			       .line = 17,
			       .in_application = true,
			       .n_stacks = 1,
			       .n_processes = 1,
			       .growth_bytes_per_sec = 57.1 * KIB,
			       .growth_error = 2 * KIB,
			       .growth_bytes = 400 * KIB * KIB,
			       .tau = 0.97,
			       .p_value = 0.00001,
			       .headroom_bytes = 57.1 * KIB * 3600 * 3,
			       .coverage = 0.999,
			       .has_gc = true };
}

static void expect_text(const struct alert *a, const char *want)
{
	struct strbuf b = STRBUF_INIT;

	alert_text_add(&b, a, NOW);
	assert_string_equal(b.buf, want);
	strbuf_done(&b);
}

static void expect_part(const struct alert *a, const char *part, bool is_there)
{
	struct strbuf b = STRBUF_INIT;

	alert_text_add(&b, a, NOW);
	if (!strstr(b.buf, part) == is_there)
		fail_msg("'%s' is %sin: %s", part, is_there ? "not " : "", b.buf);
	strbuf_done(&b);
}

static void alert_text__says_all_that_is_known(void **state)
{
	const struct alert a = sample();

	(void)state;
	expect_text(&a, PLACE
		    "web.service grows by +57.1 KiB/s ±2.0, since 2026-01-01T18:40:00Z (2 h 0 "
		    "min), 400 "
		    "MiB so far. It rises steadily: tau 0.97, p < 0.0001; full collections do not "
		    "free it. At this rate the memory limit of its cgroup is reached in about 3 h "
		    "0 min. "
		    "Next: pygrowctl show 1f2e3d4c5b6a7988");
}

static void alert_text__what_is_not_known_is_left_out(void **state)
{
	struct alert a = sample();

	(void)state;
	a.since_sec = a.growth_bytes_per_sec = a.growth_error = a.growth_bytes = NAN;
	a.tau = a.p_value = a.headroom_bytes = a.coverage = NAN;
	a.unit = NULL;
	a.line = 0;
	expect_text(&a, "Memory taken by get_user (/srv/demo/service.py) in pid 4711 (uvicorn) "
			"grows. Next: pygrowctl show 1f2e3d4c5b6a7988");
	a.function = a.file = a.comm = NULL;
	expect_text(&a, "Memory taken by code that is not Python in pid 4711 (?) grows. "
			"Next: pygrowctl show 1f2e3d4c5b6a7988");
}

static void alert_text__how_sure_and_how_long(void **state)
{
	struct alert a = sample();

	(void)state;
	a.p_value = 0.0034;
	expect_part(&a, "tau 0.97, p 0.0034;", true);
	a.why = DETECT_RISES_UNCOLLECTED;
	expect_part(&a, "; no full collection ran meanwhile.", true);
	a.is_gc_off = true;
	expect_part(&a, "; its garbage collector is off, so that garbage in cycles stays.", true);
	a.why = DETECT_RISES;
	a.has_gc = false;
	expect_part(&a, "collection", false);
	expect_part(&a, "are seen", false);
	a.coverage = 0.8;
	expect_part(&a, " Only 80.0 % of the allocations are seen: it may be more.", true);
	a.is_headroom_of_host = true;
	expect_part(&a, " At this rate the host's memory is used up in about 3 h 0 min.", true);
	a.headroom_bytes = 1e15;
	expect_part(&a, " takes more than a year until the host's memory is used up.", true);
	a.headroom_bytes = 0;
	expect_part(&a, " used up in about 0", true);
	a.growth_bytes_per_sec = 0;
	expect_part(&a, "At this rate", false);
	a.in_application = false;
	expect_part(&a, "service.py:17, a library)", true);
	a.n_processes = 4;
	expect_part(&a, " in 4 processes of web.service ", true);
	a.unit = NULL;
	expect_part(&a, " in 4 processes grows", true);
}

static void alert_text__what_is_over_says_why(void **state)
{
	struct alert a = sample();

	(void)state;
	a.is_firing = false;
	a.resolved_sec = NOW;
	a.why = DETECT_RELEASED;
	expect_text(&a, PLACE "web.service grows no more: most of it was given back. From its "
			      "beginning to now it was 2 h 0 min.");
	a.why = DETECT_STOPPED;
	expect_part(&a, " grows no more: it has worked on without growing.", true);
	a.why = ALERT_ENDED;
	expect_part(&a, " grows no more: its process has ended.", true);
}

/* Whatever a program calls its functions: one line, valid UTF-8, short enough for a log. */
static void alert_text__hostile_names_are_escaped_and_cut(void **state)
{
	static char names[][2048] = { "\x1b]0;owned\x07\r\nf", "\xff\xfe%s%n",
				      "\xe2\x80\xae"
				      "evil",
				      "", "日本" };
	struct alert a = sample();

	(void)state;
	memset(names[3], '\n', sizeof(names[3]) - 1);
	for (int i = 0; i < 600; i++)
		strcat(names[4], "日");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct strbuf b = STRBUF_INIT;
		size_t len = 1;

		a.function = a.file = a.unit = names[i];
		alert_text_add(&b, &a, NOW);
		assert_true(b.len < LOG_TEXT_BYTES - 32);
		for (size_t at = 0; at < b.len; at += len) {
			uint32_t c = utf8_decode(b.buf + at, b.len - at, &len);

			assert_true(c != UTF8_INVALID && !utf8_is_control(c));
		}
		assert_non_null(strstr(b.buf, "Next: pygrowctl show"));
		strbuf_done(&b);
	}
}

static void alert_text__names_are_cut_where_it_hurts_least(void **state)
{
	struct strbuf b = STRBUF_INIT;
	char name[400];

	(void)state;
	memset(name, 'x', sizeof(name));
	memcpy(name, "first", 5);
	strcpy(name + sizeof(name) - 6, "/last");
	alert_text_add_name(&b, name, false);
	assert_int_equal(strncmp(b.buf, "firstx", 6), 0);
	assert_string_equal(b.buf + ALERT_NAME_BYTES - 1, "x…");
	strbuf_reset(&b);
	alert_text_add_name(&b, name, true);
	assert_int_equal(strncmp(b.buf, "…xxx", 6), 0);
	assert_string_equal(b.buf + b.len - 5, "/last");
	strbuf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alert_text__says_all_that_is_known),
		cmocka_unit_test(alert_text__what_is_not_known_is_left_out),
		cmocka_unit_test(alert_text__how_sure_and_how_long),
		cmocka_unit_test(alert_text__what_is_over_says_why),
		cmocka_unit_test(alert_text__hostile_names_are_escaped_and_cut),
		cmocka_unit_test(alert_text__names_are_cut_where_it_hurts_least),
	};

	return cmocka_run_group_tests_name("alert_text", tests, NULL, NULL);
}
