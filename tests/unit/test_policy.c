/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/daemon/policy.c: which section is a stack's, and until when. */
#include <stdbool.h>

#include "daemon/policy.h"
#include "sample.h"
#include "test.h"

#define NOW   1767300000.0
#define LATER (NOW + 86400)

struct fixture {
	struct policy *policy;
	struct sample sample; /* stack 0 and 1: get_user in SAMPLE_SERVICE; 3: no frames */
	struct strbuf why;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	sample_init(&f->sample);
	f->sample.process.unit = "web@1.service";
	f->sample.process.user = "www-data";
	f->sample.process.cgroup = "/system.slice/web@1.service";
	f->why = (struct strbuf)STRBUF_INIT;
	*state = f;
	return policy_new(&f->policy);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	policy_free(f->policy);
	strbuf_done(&f->why);
	free(f);
	return 0;
}

static struct policy_section section(enum rules_kind kind, const char *name)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	struct policy_section s = { 0 };

	assert_ok(rule_new(kind, name, &s.rule, &why));
	return s;
}

static void condition(struct policy_section *s, enum rules_key key, const char *pattern)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;

	if (rule_set(s->rule, key, pattern, &why) < 0)
		fail_msg("%s: %s", pattern, why.buf);
}

/* "alert NAME { KEY = PATTERN alert-after = …s }" */
static void put_alert(struct fixture *f, const char *name, enum rules_key key, const char *pattern,
		      double after_sec)
{
	struct policy_section s = section(RULES_ALERT, name);

	condition(&s, key, pattern);
	s.thresholds.after_sec = after_sec;
	assert_ok(policy_put(f->policy, &s, &f->why));
	assert_null(s.rule); /* taken over */
}

static void put_suppress(struct fixture *f, const char *name, enum rules_key key,
			 const char *pattern, double until_sec)
{
	struct policy_section s = section(RULES_SUPPRESS, name);

	condition(&s, key, pattern);
	s.reason = strdup(name);
	s.until_sec = until_sec;
	s.where = strdup("pygrowd.conf:7");
	assert_ok(policy_put(f->policy, &s, &f->why));
}

/* 0: no section. */
static double after_of(struct fixture *f, size_t stack)
{
	const struct policy_thresholds *t =
		policy_thresholds(f->policy, &f->sample.process, &f->sample.stacks[stack]);

	return t ? t->after_sec : 0;
}

static const char *suppressed_by(struct fixture *f, size_t stack, double now_sec)
{
	const struct alert_suppression *s = policy_suppression(f->policy, &f->sample.process,
							       &f->sample.stacks[stack], now_sec);

	return s ? s->by : "";
}

static void policy__conditions(void **state)
{
	static const struct {
		enum rules_key key;
		const char *pattern;
		bool matches[4]; /* of the sample's stacks */
	} rows[] = {
		{ RULES_COMM, "uvi*", { true, true, true, true } },
		{ RULES_CMDLINE, "service:app", { true, true, true, true } },
		{ RULES_CMDLINE, "^service", { false } },
		{ RULES_USER, "www-*", { true, true, true, true } },
		{ RULES_UNIT, "web@*.service", { true, true, true, true } },
		{ RULES_UNIT, "db.service", { false } },
		{ RULES_CGROUP, "/system.slice/*", { true, true, true, true } },
		{ RULES_CONTAINER, "*", { false } }, /* it is in none */
		{ RULES_FUNCTION, "get_user", { true, true, false, false } },
		{ RULES_FUNCTION, "get_*", { true, true, false, false } },
		{ RULES_FUNCTION, "*", { true, true, true, false } }, /* one has no frames */
		{ RULES_FUNCTION, "Generator.parse", { false } }, /* not to blame */
		{ RULES_FILE, SAMPLE_SERVICE, { true, true, true, false } },
		{ RULES_FILE, "*/service.py", { true, true, true, false } },
		{ RULES_FILE, "service.py", { false } },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		put_alert(f, "it", rows[i].key, rows[i].pattern, 1);
		put_suppress(f, "it", rows[i].key, rows[i].pattern, LATER);
		for (size_t k = 0; k < 4; k++)
			if ((after_of(f, k) > 0) != rows[i].matches[k] ||
			    !*suppressed_by(f, k, NOW) == rows[i].matches[k])
				fail_msg("%s = %s, stack %zu", rules_key_name(rows[i].key),
					 rows[i].pattern, k);
	}
}

/* No frame is to blame, it is not there, or has no names: no condition about it is met. */
static void policy__what_is_not_known_of_a_stack_matches_nothing(void **state)
{
	static const struct snapshot_frame nameless = { .line = 1 };
	static const int blames[] = { -1, 0, 5, 1 << 30 };
	struct fixture *f = *state;

	put_alert(f, "function", RULES_FUNCTION, "*", 1);
	put_alert(f, "file", RULES_FILE, "*", 1);
	for (size_t i = 0; i < ARRAY_SIZE(blames); i++) {
		f->sample.stacks[0].blame = blames[i];
		f->sample.stacks[0].frames = &nameless;
		f->sample.stacks[0].n_frames = 1;
		assert_true(after_of(f, 0) == 0);
	}
	put_alert(f, "process", RULES_COMM, "uvicorn", 2);
	assert_true(after_of(f, 0) == 2);
}

static void policy__all_conditions_must_match(void **state)
{
	struct policy_section s = section(RULES_ALERT, "both");
	struct fixture *f = *state;

	condition(&s, RULES_UNIT, "web*");
	condition(&s, RULES_FUNCTION, "get_user");
	s.thresholds.min_growth_bytes = 5;
	assert_ok(policy_put(f->policy, &s, &f->why));
	assert_non_null(policy_thresholds(f->policy, &f->sample.process, &f->sample.stacks[0]));
	assert_null(policy_thresholds(f->policy, &f->sample.process, &f->sample.stacks[2]));
	f->sample.process.unit = "db.service";
	assert_null(policy_thresholds(f->policy, &f->sample.process, &f->sample.stacks[0]));
}

static void policy__the_first_one_that_matches_decides(void **state)
{
	struct fixture *f = *state;

	put_alert(f, "a", RULES_FUNCTION, "nobody", 1);
	put_alert(f, "b", RULES_UNIT, "web*", 2);
	put_alert(f, "c", RULES_FUNCTION, "get_user", 3);
	assert_true(after_of(f, 0) == 2);
	/* In its namesake's place; of another kind it is no namesake. */
	put_suppress(f, "a", RULES_FUNCTION, "get_user", LATER);
	assert_true(after_of(f, 0) == 2);
	put_alert(f, "a", RULES_FUNCTION, "get_user", 4);
	assert_true(after_of(f, 0) == 4);
	assert_true(after_of(f, 3) == 2);
}

static void policy__a_suppression_ends(void **state)
{
	struct fixture *f = *state;

	put_suppress(f, "short", RULES_FUNCTION, "get_user", NOW + 10);
	put_suppress(f, "long", RULES_UNIT, "web*", NOW + 20);
	assert_string_equal(suppressed_by(f, 0, NOW), "short");
	assert_string_equal(suppressed_by(f, 0, NOW + 9.9), "short");
	assert_string_equal(suppressed_by(f, 0, NOW + 10), "long");
	assert_string_equal(suppressed_by(f, 0, NOW + 20), "");
	assert_string_equal(suppressed_by(f, 0, NOW), "short"); /* the clock was set back */
}

static void policy__each_end_is_told_once(void **state)
{
	struct fixture *f = *state;
	const struct policy_section *s;

	put_alert(f, "a", RULES_UNIT, "web*", 1);
	put_suppress(f, "b", RULES_UNIT, "web*", NOW);
	put_suppress(f, "c", RULES_UNIT, "web*", LATER);
	assert_null(policy_ended_next(f->policy, NOW - 1));
	s = policy_ended_next(f->policy, NOW);
	assert_non_null(s);
	assert_string_equal(rule_name(s->rule), "b");
	assert_string_equal(s->where, "pygrowd.conf:7");
	assert_null(policy_ended_next(f->policy, NOW));
	assert_string_equal(rule_name(policy_ended_next(f->policy, LATER)->rule), "c");
	assert_null(policy_ended_next(f->policy, LATER));
	assert_null(policy_ended_next(NULL, LATER));
}

/* What was found of a process is remembered, and is not another one's. */
static void policy__memory_is_of_one_process(void **state)
{
	struct fixture *f = *state;

	put_alert(f, "a", RULES_CMDLINE, "batch", 1);
	assert_true(after_of(f, 0) == 0);
	f->sample.process.cmdline = "python3 batch.py"; /* exec */
	assert_true(after_of(f, 0) == 1);
	f->sample.process.cmdline = NULL;
	assert_true(after_of(f, 0) == 0);
	/* More than it remembers, and the first ones again. */
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 3 * POLICY_PROCESSES_MAX; i++) {
			f->sample.process.pid = 1 + i;
			f->sample.process.cmdline = i % 2 ? "batch" : "web";
			assert_true(after_of(f, 0) == i % 2);
		}
	/* And nothing of what was before other sections. */
	put_alert(f, "a", RULES_CMDLINE, "web", 2);
	assert_true(after_of(f, 0) == 0);
}

static void policy__what_lacks_something_is_refused(void **state)
{
	static const struct {
		enum rules_kind kind;
		const char *unit, *reason;
		double until_sec, after_sec;
		const char *why;
	} rows[] = {
		{ RULES_ALERT, NULL, NULL, 0, 1, "without a condition" },
		{ RULES_ALERT, "x", NULL, 0, 0, "without a threshold" },
		{ RULES_SUPPRESS, NULL, "y", 1, 0, "without a condition" },
		{ RULES_SUPPRESS, "x", NULL, 1, 0, "without a reason" },
		{ RULES_SUPPRESS, "x", "y", 0, 0, "without an end" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy_section s = section(rows[i].kind, "x");

		if (rows[i].unit)
			condition(&s, RULES_UNIT, rows[i].unit);
		s.reason = rows[i].reason ? strdup(rows[i].reason) : NULL;
		s.until_sec = rows[i].until_sec;
		s.thresholds.after_sec = rows[i].after_sec;
		strbuf_reset(&f->why);
		assert_err(policy_put(f->policy, &s, &f->why), -EINVAL);
		assert_non_null(strstr(f->why.buf, rows[i].why));
		assert_non_null(s.rule); /* still ours */
		policy_section_done(&s);
	}
}

static void policy__sections_have_a_number(void **state)
{
	struct policy_section s = section(RULES_ALERT, "more");
	struct fixture *f = *state;
	char name[16];

	for (int i = 0; i < POLICY_MAX; i++) {
		snprintf(name, sizeof(name), "r%d", i);
		put_alert(f, name, RULES_UNIT, i == POLICY_MAX - 1 ? "web*" : "db*", 1 + i);
	}
	assert_true(after_of(f, 0) == POLICY_MAX);
	condition(&s, RULES_UNIT, "x");
	s.thresholds.after_sec = 1;
	assert_err(policy_put(f->policy, &s, &f->why), -ENOSPC);
	assert_string_equal(f->why.buf, "more than 256 alert and suppress sections");
	policy_section_done(&s);
	put_alert(f, "r0", RULES_UNIT, "web*", 9); /* one that replaces is not more */
	assert_true(after_of(f, 0) == 9);
}

static void policy__without_sections_nothing_matches(void **state)
{
	struct fixture *f = *state;

	assert_true(after_of(f, 0) == 0);
	assert_string_equal(suppressed_by(f, 0, NOW), "");
	assert_null(policy_thresholds(NULL, &f->sample.process, &f->sample.stacks[0]));
}

#define WITH_POLICY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_POLICY(policy__conditions),
		WITH_POLICY(policy__what_is_not_known_of_a_stack_matches_nothing),
		WITH_POLICY(policy__all_conditions_must_match),
		WITH_POLICY(policy__the_first_one_that_matches_decides),
		WITH_POLICY(policy__a_suppression_ends),
		WITH_POLICY(policy__each_end_is_told_once),
		WITH_POLICY(policy__memory_is_of_one_process),
		WITH_POLICY(policy__what_lacks_something_is_refused),
		WITH_POLICY(policy__sections_have_a_number),
		WITH_POLICY(policy__without_sections_nothing_matches),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
