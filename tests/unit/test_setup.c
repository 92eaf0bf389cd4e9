/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/daemon/setup.c, and what options.c has that does not end the program: a flag wins
 * over the config, that over the default. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/setup.h"
#include "report/metrics_http.h"
#include "pgd_proto.h"
#include "test.h"

struct fixture {
	char path[64];
	struct setup setup;
	struct strbuf why;
};

static void write_config(struct fixture *f, const char *text)
{
	FILE *out = fopen(f->path, "w");

	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

static int setup_fixture(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	snprintf(f->path, sizeof(f->path), "/tmp/pygrowd-test-setup-XXXXXX");
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	close(fd);
	f->setup.flags.config = f->path;
	*state = f;
	return 0;
}

static int teardown_fixture(void **state)
{
	struct fixture *f = *state;

	setup_done(&f->setup);
	strbuf_done(&f->why);
	unlink(f->path);
	free(f);
	return 0;
}

static void setup__defaults_are_in_force(void **state)
{
	struct fixture *f = *state;
	const struct options *o = &f->setup.options;

	write_config(f, "");
	assert_ok(setup_load(&f->setup, &f->why));
	assert_true(o->overhead == OPTIONS_OVERHEAD && o->host_overhead == OPTIONS_HOST_OVERHEAD);
	assert_true(o->interval_sec == OPTIONS_INTERVAL_SEC);
	assert_string_equal(o->socket, PGD_SOCKET_PATH);
	assert_string_equal(o->state, OPTIONS_STATE);
	assert_string_equal(o->metrics, METRICS_HTTP_ADDRESS);
	assert_non_null(setup_rules(&f->setup));
}

static void setup__flag_wins_over_config_and_that_over_default(void **state)
{
	struct fixture *f = *state;
	const struct options *o = &f->setup.options;
	struct budget_options budget;

	write_config(f, "overhead = 3%\nhost-overhead = 20%\ninterval = 5s\nsocket = /a\n"
			"state = /b\nmetrics = off\n");
	f->setup.flags.overhead = 0.02;
	f->setup.flags.socket = "/flag";
	assert_ok(setup_load(&f->setup, &f->why));
	budget = setup_windows(&f->setup).budget;
	assert_true(budget.share == 0.02 && budget.host_share == 0.2);
	assert_true(o->interval_sec == 5);
	assert_string_equal(o->socket, "/flag");
	assert_string_equal(o->state, "/b");
	assert_string_equal(o->metrics, "off");
}

static void setup__history_is_as_the_config_says_or_as_usual(void **state)
{
	struct history_options history, usual;
	struct fixture *f = *state;

	history_options_init(&usual);
	write_config(f, "state = /b\n");
	assert_ok(setup_load(&f->setup, &f->why));
	setup_history(&f->setup, &history);
	assert_string_equal(history.dir, "/b");
	assert_true(history.max_bytes == usual.max_bytes);
	assert_memory_equal(history.levels, usual.levels, sizeof(usual.levels));
	write_config(f, "history-max-bytes = 8MiB\n"
			"history-levels = '30s for 1h, 5m for 1d, 1h for 30d'\n");
	assert_ok(setup_load(&f->setup, &f->why));
	setup_history(&f->setup, &history);
	assert_true(history.max_bytes == 8 << 20);
	assert_int_equal(history.levels[0].step_sec, 30);
	assert_int_equal(history.levels[2].keep_sec, 30 * 86400);
}

static void setup__thresholds_are_as_the_config_says_or_as_usual(void **state)
{
	const struct detect_limits usual = detect_limits_default();
	struct detect_limits l;
	struct fixture *f = *state;

	write_config(f, "");
	assert_ok(setup_load(&f->setup, &f->why));
	l = setup_detect(&f->setup, NULL);
	assert_memory_equal(&l, &usual, sizeof(l));

	write_config(f, "alert-after = 36m\nalert-min-growth = 1MiB\ninterval = 40s\n");
	assert_ok(setup_load(&f->setup, &f->why));
	l = setup_detect(&f->setup, NULL);
	assert_true(l.wait_sec == 36 * 60);
	assert_true(l.settle_sec == usual.settle_sec && l.min_growth_bytes == 1 << 20);
	assert_true(l.bin_sec == 80); /* two points at least */

	write_config(f, "alert-scale = 1%\ninterval = 100ms\n");
	assert_ok(setup_load(&f->setup, &f->why));
	l = setup_detect(&f->setup, NULL);
	assert_true(fabs(l.wait_sec - usual.wait_sec / 100) < 1e-9);
	assert_true(fabs(l.bin_sec - 0.6) < 1e-9);
	assert_true(fabs(setup_births(&f->setup).unit_sec - 0.1) < 1e-9);
	assert_true(fabs(setup_windows(&f->setup).new_sec - 100 * WINDOWS_NEW_SEC) < 1e-6);
	assert_ok(detect_limits_check(&l));
}

static void setup__thresholds_of_a_section_stand_before_the_general_ones(void **state)
{
	const struct detect_limits usual = detect_limits_default();
	const struct policy_thresholds slow = { .after_sec = 144 * 60 },
				       small = { .min_growth_bytes = 1024, .min_rate_bytes = 2 };
	struct detect_limits l, again;
	struct fixture *f = *state;

	write_config(f, "alert-after = 36m\nalert-min-rate = 100\n");
	assert_ok(setup_load(&f->setup, &f->why));
	l = setup_detect(&f->setup, &slow);
	assert_true(l.wait_sec == 2 * usual.wait_sec);
	assert_true(l.min_bytes_per_sec == 100 && l.min_growth_bytes == usual.min_growth_bytes);
	l = setup_detect(&f->setup, &small);
	assert_true(l.wait_sec == usual.wait_sec / 2 && l.min_growth_bytes == 1024);
	assert_true(l.min_bytes_per_sec == 2);
	/* What is a section's own does not depend on what is general, not by a bit. */
	l = setup_detect(&f->setup, &slow);
	write_config(f, "alert-after = 13m20s\nalert-min-rate = 100\n");
	assert_ok(setup_load(&f->setup, &f->why));
	again = setup_detect(&f->setup, &slow);
	assert_memory_equal(&l, &again, sizeof(l));
	/* The rate is of the time that is scaled, as the default one. */
	write_config(f, "alert-scale = 10%\n");
	assert_ok(setup_load(&f->setup, &f->why));
	l = setup_detect(&f->setup, &small);
	assert_true(fabs(l.min_bytes_per_sec - 20) < 1e-9 && l.min_growth_bytes == 1024);
}

static void setup__a_suppression_that_has_ended_is_said_once(void **state)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	struct fixture *f = *state;
	char want[160];

	write_config(f, "suppress old {\n\tunit = x\n\treason = y\n\tuntil = 2020-01-01\n}\n"
			"suppress new { unit = x reason = y until = 2027-01-31 }\n");
	assert_ok(setup_load(&f->setup, &f->why));
	assert_true(setup_ended_next(&f->setup, 1790000000, &text));
	snprintf(want, sizeof(want),
		 "%s:4: suppress old ended on 2020-01-01T00:00:00.000Z, ignoring; remove it, or "
		 "give it another date",
		 f->path);
	assert_string_equal(text.buf, want);
	assert_false(setup_ended_next(&f->setup, 1790000000, &text));
	assert_ok(setup_load(&f->setup, &f->why)); /* and at each reload */
	assert_true(setup_ended_next(&f->setup, 1790000000, &text));
}

static void setup__bad_config_leaves_what_was_in_force(void **state)
{
	struct fixture *f = *state;

	write_config(f, "overhead = 3%\nexclude a { comm = x }\n");
	assert_ok(setup_load(&f->setup, &f->why));
	write_config(f, "interval = 1s\noverhead = much\n");
	assert_err(setup_load(&f->setup, &f->why), -EINVAL);
	assert_non_null(strstr(f->why.buf, ":2: overhead"));
	assert_true(f->setup.options.overhead == 0.03);
	assert_true(f->setup.options.interval_sec == OPTIONS_INTERVAL_SEC);
	assert_int_equal(rules_cnt(setup_rules(&f->setup), RULES_EXCLUDE), 1);
}

static void setup__config_that_was_named_must_be_there(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	assert_err(setup_load(&f->setup, &f->why), -ENOENT);
	assert_non_null(strstr(f->why.buf, f->path));
}

/* A look of some seconds reads no config, and wants points enough for a rate. */
static void setup__look_needs_no_config(void **state)
{
	struct fixture *f = *state;

	f->setup.flags.config = NULL;
	f->setup.flags.for_sec = 4;
	assert_ok(setup_load(&f->setup, &f->why));
	assert_true(f->setup.options.interval_sec == 0.2);
	f->setup.flags.for_sec = 600;
	assert_ok(setup_load(&f->setup, &f->why));
	assert_true(f->setup.options.interval_sec == 1);
}

static void setup__named_processes_are_not_scraped(void **state)
{
	struct fixture *f = *state;

	write_config(f, "");
	f->setup.flags.pids[f->setup.flags.n_pids++] = 1;
	assert_ok(setup_load(&f->setup, &f->why));
	assert_string_equal(f->setup.options.metrics, "off");
}

static void setup__match_stands_in_for_the_rules(void **state)
{
	struct fixture *f = *state;
	struct rules_facts facts = { .cmdline = "python3 app.py" };

	write_config(f, "exclude all { cmdline = 'app' }\n");
	f->setup.flags.match = "app\\.py$";
	assert_ok(setup_load(&f->setup, &f->why));
	assert_true(rules_match(setup_rules(&f->setup), &facts).is_watched);
	facts.cmdline = "python3 app.pyc";
	assert_false(rules_match(setup_rules(&f->setup), &facts).is_watched);
}

static void setup__match_that_is_no_pattern_is_refused(void **state)
{
	struct fixture *f = *state;
	struct rules *rules = NULL;

	assert_err(options_match_rules("(", &rules, &f->why), -EINVAL);
	assert_null(rules);
	assert_non_null(strstr(f->why.buf, "--match (: "));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_fixture, teardown_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(setup__defaults_are_in_force),
		TEST(setup__flag_wins_over_config_and_that_over_default),
		TEST(setup__history_is_as_the_config_says_or_as_usual),
		TEST(setup__thresholds_are_as_the_config_says_or_as_usual),
		TEST(setup__thresholds_of_a_section_stand_before_the_general_ones),
		TEST(setup__a_suppression_that_has_ended_is_said_once),
		TEST(setup__bad_config_leaves_what_was_in_force),
		TEST(setup__config_that_was_named_must_be_there),
		TEST(setup__look_needs_no_config),
		TEST(setup__named_processes_are_not_scraped),
		TEST(setup__match_stands_in_for_the_rules),
		TEST(setup__match_that_is_no_pattern_is_refused),
	};

	return cmocka_run_group_tests_name("setup", tests, NULL, NULL);
}
