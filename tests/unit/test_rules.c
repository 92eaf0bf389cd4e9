/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/rules.c: tables of rules, processes and who decides. */
#include <locale.h>
#include <stdbool.h>
#include <time.h>

#include "target/rules.h"
#include "test.h"

static const struct rules_facts web = {
	.comm = "gunicorn",
	.cmdline = "/usr/bin/python3 /usr/bin/gunicorn -w 4 web.app:app",
	.user = "www-data",
	.unit = "web@2.service",
	.cgroup = "/system.slice/web@2.service",
	.container = NULL,
};
static const struct rules_facts pod = {
	.comm = "python3.11",
	.cmdline = "python3.11 -m batch --day 2024-05-01",
	.user = "uid:10001",
	.cgroup = "/kubepods.slice/pod7/cri-3f2a.scope",
	.container = "3f2a9cdb",
};
static const struct rules_facts unknown = { 0 };

static struct rule *rule_make(enum rules_kind kind, const char *name, enum rules_key key,
			      const char *pattern)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	struct rule *rule = NULL;

	if (rule_new(kind, name, &rule, &why) < 0 || rule_set(rule, key, pattern, &why) < 0)
		fail_msg("%s %s: %s", name, pattern, why.buf);
	return rule;
}

static void put(struct rules *rules, enum rules_kind kind, const char *name, enum rules_key key,
		const char *pattern)
{
	assert_ok(rules_put(rules, rule_make(kind, name, key, pattern)));
}

static void expect(const struct rules *rules, const struct rules_facts *facts, bool is_watched,
		   const char *words)
{
	struct rules_verdict verdict = rules_match(rules, facts);
	char buf[RULES_TEXT_MAX];

	assert_string_equal(rules_verdict_format(&verdict, buf), words);
	assert_int_equal(verdict.is_watched, is_watched);
}

static void rule__patterns(void **state)
{
	static const struct {
		enum rules_key key;
		const char *pattern;
		bool web, pod;
	} rows[] = {
		{ RULES_COMM, "gunicorn", true, false },
		{ RULES_COMM, "gun", false, false },
		{ RULES_COMM, "Gunicorn", false, false },
		{ RULES_COMM, "*", true, true },
		{ RULES_COMM, "python3.1[0-2]", false, true },
		{ RULES_COMM, "gunicorn?", false, false },
		{ RULES_CMDLINE, "gunicorn", true, false },
		{ RULES_CMDLINE, "^gunicorn", false, false },
		{ RULES_CMDLINE, " -m (batch|celery)( |$)", false, true },
		{ RULES_CMDLINE, "[0-9]{4}-[0-9]{2}-[0-9]{2}", false, true },
		{ RULES_CMDLINE, "web\\.app:app$", true, false },
		{ RULES_CMDLINE, "GUNICORN", false, false },
		{ RULES_USER, "www-data", true, false },
		{ RULES_USER, "uid:10001", false, true },
		{ RULES_UNIT, "web@*.service", true, false },
		{ RULES_UNIT, "*", true, false }, /* the pod is in none */
		{ RULES_CGROUP, "/kubepods*", false, true }, /* "*" and "/" */
		{ RULES_CGROUP, "/system.slice/*", true, false },
		{ RULES_CONTAINER, "3f2a*", false, true },
		{ RULES_CONTAINER, "*", false, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(rules_freep) struct rules *rules = NULL;

		assert_ok(rules_new(&rules));
		put(rules, RULES_INCLUDE, "it", rows[i].key, rows[i].pattern);
		if (rules_match(rules, &web).is_watched != rows[i].web ||
		    rules_match(rules, &pod).is_watched != rows[i].pod)
			fail_msg("%s = %s", rules_key_name(rows[i].key), rows[i].pattern);
		expect(rules, &unknown, false, "no include rule matches");
	}
}

static void rule__backslashes_of_unit_names_are_themselves(void **state)
{
	_cleanup_(rules_freep) struct rules *rules = NULL;

	(void)state;
	assert_ok(rules_new(&rules));
	put(rules, RULES_INCLUDE, "dash", RULES_UNIT, "my\\x2dapp*.service");
	expect(rules, &(struct rules_facts){ .unit = "my\\x2dapp@1.service" }, true,
	       "included by rule dash");
	expect(rules, &(struct rules_facts){ .unit = "myx2dapp@1.service" }, false,
	       "no include rule matches");
}

static void rule__all_patterns_must_match(void **state)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	_cleanup_(rules_freep) struct rules *rules = NULL;
	struct rules_facts other = web;
	struct rule *rule = rule_make(RULES_INCLUDE, "both", RULES_USER, "www-*");

	(void)state;
	assert_ok(rule_set(rule, RULES_CMDLINE, "web\\.app", &why));
	assert_ok(rule_set(rule, RULES_COMM, "gunicorn", &why));
	assert_ok(rules_new(&rules));
	assert_ok(rules_put(rules, rule));
	expect(rules, &web, true, "included by rule both");
	other.user = "root";
	expect(rules, &other, false, "no include rule matches");
	other.user = NULL;
	expect(rules, &other, false, "no include rule matches");
	other = web;
	other.cmdline = NULL;
	expect(rules, &other, false, "no include rule matches");
}

static void rules__who_decides(void **state)
{
	_cleanup_(rules_freep) struct rules *rules = NULL;

	(void)state;
	assert_ok(rules_new(&rules));
	expect(rules, &web, true, "there is no include rule");
	expect(rules, &unknown, true, "there is no include rule");

	put(rules, RULES_EXCLUDE, "batch", RULES_CMDLINE, "-m batch");
	expect(rules, &web, true, "there is no include rule");
	expect(rules, &unknown, true, "there is no include rule");
	expect(rules, &pod, false, "excluded by rule batch");

	put(rules, RULES_INCLUDE, "pods", RULES_CONTAINER, "*");
	put(rules, RULES_INCLUDE, "web", RULES_USER, "www-data");
	put(rules, RULES_INCLUDE, "later", RULES_COMM, "*");
	expect(rules, &web, true, "included by rule web");
	expect(rules, &pod, false, "excluded by rule batch");
	expect(rules, &unknown, false, "no include rule matches");
	assert_int_equal(rules_cnt(rules, RULES_INCLUDE), 3);
	assert_int_equal(rules_cnt(rules, RULES_EXCLUDE), 1);
}

static void rules__a_namesake_replaces(void **state)
{
	_cleanup_(rules_freep) struct rules *rules = NULL;
	struct rules_verdict before;

	(void)state;
	assert_ok(rules_new(&rules));
	put(rules, RULES_EXCLUDE, "web", RULES_COMM, "gunicorn");
	put(rules, RULES_INCLUDE, "web", RULES_COMM, "*");
	before = rules_match(rules, &web);
	put(rules, RULES_EXCLUDE, "web", RULES_COMM, "uwsgi");
	assert_int_equal(rules_cnt(rules, RULES_EXCLUDE), 1);
	expect(rules, &web, true, "included by rule web");
	/* What was decided is a copy. */
	assert_string_equal(before.name, "web");
	assert_int_equal(before.kind, RULES_EXCLUDE);
	assert_false(before.is_watched);
}

static void rules__an_empty_rule_is_refused(void **state)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	_cleanup_(rules_freep) struct rules *rules = NULL;
	_cleanup_(rule_freep) struct rule *rule = NULL;

	(void)state;
	assert_ok(rules_new(&rules));
	assert_ok(rule_new(RULES_EXCLUDE, "all", &rule, &why));
	assert_true(rule_is_empty(rule));
	assert_err(rules_put(rules, rule), -EINVAL);
	assert_ok(rule_set(rule, RULES_CMDLINE, ".", &why));
	assert_false(rule_is_empty(rule));
}

static void rules__more_than_fit_are_refused(void **state)
{
	_cleanup_(rules_freep) struct rules *rules = NULL;
	_cleanup_(rule_freep) struct rule *rule = NULL;
	char name[32];

	(void)state;
	assert_ok(rules_new(&rules));
	for (int i = 0; i < RULES_MAX; i++) {
		snprintf(name, sizeof(name), "rule%d", i);
		put(rules, i % 2 ? RULES_INCLUDE : RULES_EXCLUDE, name, RULES_COMM, "nobody");
	}
	rule = rule_make(RULES_INCLUDE, "rule0", RULES_COMM, "*");
	assert_err(rules_put(rules, rule), -ENOSPC);
	expect(rules, &web, false, "no include rule matches");
	put(rules, RULES_INCLUDE, "rule1", RULES_COMM, "gunicorn"); /* is there, so it fits */
	expect(rules, &web, true, "included by rule rule1");
}

static void rule__names(void **state)
{
	static const struct {
		const char *name;
		bool is_good;
	} rows[] = {
		{ "web", true },
		{ "a", true },
		{ "Web-2_b.c@d:e", true },
		{ "", false },
		{ "two words", false },
		{ "new\nline", false },
		{ "\033[2J", false },
		{ "caf\303\251", false },
		{ "a/b", false },
		{ "0123456789012345678901234567890123456789012345678901234567890123", true },
		{ "01234567890123456789012345678901234567890123456789012345678901234", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
		_cleanup_(rule_freep) struct rule *rule = NULL;

		if (rule_new(RULES_INCLUDE, rows[i].name, &rule, &why) !=
		    (rows[i].is_good ? 0 : -EINVAL))
			fail_msg("%s: %s", rows[i].name, why.buf);
		if (!rows[i].is_good)
			assert_string_equal(
				why.buf, "a name has 1 to 64 letters, digits or any of \"_-.@:\"");
	}
}

static void rule__wrong_patterns_say_why(void **state)
{
	static const struct {
		enum rules_key key;
		const char *pattern, *why;
	} rows[] = {
		{ RULES_COMM, "", "empty; leave it out if all will do" },
		{ RULES_CMDLINE, "", "empty; leave it out if all will do" },
		{ RULES_COMM, "gunicorn-worker-7",
		  "longer than 15 bytes, where the kernel cuts it; end it with *" },
		{ RULES_CMDLINE, "(", "not a regular expression: Unmatched ( or \\(" },
		{ RULES_CMDLINE, "[a", "not a regular expression: Unmatched [, [^, [:, [., or [=" },
		{ RULES_CMDLINE, "a{2", "not a regular expression: Unmatched \\{" },
		{ RULES_CMDLINE, "a{5,2}", "not a regular expression: Invalid content of \\{\\}" },
		{ RULES_CMDLINE, "a\\", "not a regular expression: Trailing backslash" },
		{ RULES_CMDLINE, "[z-a]", "not a regular expression: Invalid range end" },
		{ RULES_CMDLINE, "[[:digits:]]",
		  "not a regular expression: Invalid character class name" },
		{ RULES_CMDLINE, "a|*",
		  "not a regular expression: Invalid preceding regular expression" },
		{ RULES_CMDLINE, "(.*)\\1", "\\1, what a group matched, is not supported" },
		{ RULES_CMDLINE, "[\\]\\9", "\\9, what a group matched, is not supported" },
		{ RULES_CMDLINE, "((a{99}){99}){99}",
		  "its counts in {}, multiplied, are over 1000; use * or +" },
		{ RULES_CMDLINE, "a{1001}",
		  "its counts in {}, multiplied, are over 1000; use * or +" },
		{ RULES_CMDLINE, "a{0,99999999999999999999}",
		  "its counts in {}, multiplied, are over 1000; use * or +" },
		{ RULES_CMDLINE, "(a{10}){100}", NULL },
		{ RULES_CMDLINE, "[0-9]{1,3}(\\.[0-9]{1,3}){3}", NULL },
		{ RULES_CMDLINE, "\\{1001\\}", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
		_cleanup_(rule_freep) struct rule *rule = NULL;

		assert_ok(rule_new(RULES_EXCLUDE, "x", &rule, &why));
		if (rule_set(rule, rows[i].key, rows[i].pattern, &why) !=
		    (rows[i].why ? -EINVAL : 0))
			fail_msg("%s: %s", rows[i].pattern, why.buf);
		assert_string_equal(why.buf, rows[i].why ? rows[i].why : "");
		assert_int_equal(rule_is_empty(rule), rows[i].why != NULL);
	}
}

static void rule__patterns_have_a_length_and_come_once(void **state)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	_cleanup_(rule_freep) struct rule *rule = NULL;
	char pattern[RULES_PATTERN_BYTES_MAX + 2];

	(void)state;
	memset(pattern, 'x', sizeof(pattern) - 1);
	pattern[sizeof(pattern) - 1] = '\0';
	assert_ok(rule_new(RULES_EXCLUDE, "x", &rule, &why));
	assert_err(rule_set(rule, RULES_CMDLINE, pattern, &why), -EINVAL);
	assert_string_equal(why.buf, "longer than 1024 bytes");
	assert_ok(rule_set(rule, RULES_CMDLINE, pattern + 1, &why));
	assert_ok(rule_set(rule, RULES_CGROUP, pattern + 1, &why));
	for (int key = 0; key < 2; key++) {
		strbuf_reset(&why);
		assert_err(rule_set(rule, key ? RULES_CGROUP : RULES_CMDLINE, "y", &why), -EINVAL);
		assert_string_equal(why.buf, "given twice; make two sections of it");
	}
}

/* In UTF-8, "." matches no byte that is not UTF-8, so that one would get a process past a rule. */
static void rules__bytes_are_bytes_in_any_locale(void **state)
{
	static const struct rules_facts hidden = {
		.comm = "gun\377",
		.cmdline = "python3 \377\xc0 evil.py",
	};
	const char *locale = setlocale(LC_CTYPE, "C.UTF-8");

	(void)state;
	assert_non_null(locale);
	for (int key = 0; key < 2; key++) {
		_cleanup_(rules_freep) struct rules *rules = NULL;

		assert_ok(rules_new(&rules));
		if (key)
			put(rules, RULES_EXCLUDE, "evil", RULES_CMDLINE, "^python3.*evil");
		else
			put(rules, RULES_EXCLUDE, "evil", RULES_COMM, "gun?");
		expect(rules, &hidden, false, "excluded by rule evil");
	}
	assert_string_equal(setlocale(LC_CTYPE, NULL), "C.UTF-8");
	setlocale(LC_CTYPE, "C");
}

/* A process chooses its command line; what it takes to match must not be ours to pay. */
static void rules__hostile_facts_cost_little(void **state)
{
	static const struct {
		enum rules_key key;
		const char *pattern;
	} rows[] = {
		{ RULES_CMDLINE, "(a*)*(a|aa)*(a+)+b$" },
		{ RULES_CMDLINE, ".*.*.*.*.*.*.*.*=.*" },
		{ RULES_CGROUP, "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b" },
	};
	char text[4097];
	struct rules_facts facts = { .cmdline = text, .cgroup = text };

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(rules_freep) struct rules *rules = NULL;
		clock_t started = clock();

		assert_ok(rules_new(&rules));
		put(rules, RULES_INCLUDE, "slow", rows[i].key, rows[i].pattern);
		expect(rules, &facts, false, "no include rule matches");
		/* Milliseconds; trying all ways would take longer than the universe has had. */
		assert_true(clock() - started < 5 * CLOCKS_PER_SEC);
	}
}

static void rule__parts_are_asked_apart(void **state)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	_cleanup_(rule_freep) struct rule *rule = NULL;
	struct rules_facts facts = { .unit = "web.service", .file = "/srv/a.py", .function = "f" };

	(void)state;
	assert_ok(rule_new(RULES_SUPPRESS, "x", &rule, &why));
	assert_true(
		rule_matches(rule, RULES_PART_PROCESS, &facts)); /* no condition, no objection */
	assert_ok(rule_set(rule, RULES_UNIT, "db.service", &why));
	assert_ok(rule_set(rule, RULES_FILE, "*.py", &why));
	assert_ok(rule_set(rule, RULES_FUNCTION, "A.[a-z]", &why));
	assert_false(rule_matches(rule, RULES_PART_PROCESS, &facts));
	assert_false(rule_matches(rule, RULES_PART_STACK, &facts));
	facts.function = "A.f";
	assert_true(rule_matches(rule, RULES_PART_STACK, &facts));
	facts.file = NULL;
	assert_false(rule_matches(rule, RULES_PART_STACK, &facts));
	facts.unit = "db.service";
	assert_true(rule_matches(rule, RULES_PART_PROCESS, &facts));
	assert_int_equal(rule_kind(rule), RULES_SUPPRESS);
	assert_string_equal(rules_kind_name(rule_kind(rule)), "suppress");
	assert_string_equal(rule_name(rule), "x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule__patterns),
		cmocka_unit_test(rule__backslashes_of_unit_names_are_themselves),
		cmocka_unit_test(rule__all_patterns_must_match),
		cmocka_unit_test(rules__who_decides),
		cmocka_unit_test(rules__a_namesake_replaces),
		cmocka_unit_test(rules__an_empty_rule_is_refused),
		cmocka_unit_test(rules__more_than_fit_are_refused),
		cmocka_unit_test(rule__names),
		cmocka_unit_test(rule__wrong_patterns_say_why),
		cmocka_unit_test(rule__patterns_have_a_length_and_come_once),
		cmocka_unit_test(rules__bytes_are_bytes_in_any_locale),
		cmocka_unit_test(rules__hostile_facts_cost_little),
		cmocka_unit_test(rule__parts_are_asked_apart),
	};

	return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
