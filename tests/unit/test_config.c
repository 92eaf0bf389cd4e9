/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/daemon/config.c: real files in a directory of our own; run from the project's
 * directory, since deploy/pygrowd.conf is tested here, too. */
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/options.h"
#include "growth/detect.h"
#include "lib/fsutil.h"
#include "report/metrics_http.h"
#include "pgd_proto.h"
#include "test.h"

#define SEE "; pygrowd.conf(5) has the syntax and all keys"

struct fixture {
	char directory[64], path[100], dropins[110];
	struct config config;
	struct strbuf why;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->why = (struct strbuf)STRBUF_INIT;
	strcpy(f->directory, "/tmp/pygrowd-test-XXXXXX");
	if (!mkdtemp(f->directory))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/pygrowd.conf", f->directory);
	snprintf(f->dropins, sizeof(f->dropins), "%s.d", f->path);
	*state = f;
	return mkdir(f->dropins, 0755);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	config_done(&f->config);
	strbuf_done(&f->why);
	snprintf(command, sizeof(command), "rm -rf %s", f->directory);
	free(f);
	return system(command);
}

static void write_bytes(const char *path, const char *bytes, size_t n)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
	assert_ok(fclose(file));
}

static void write_main(struct fixture *f, const char *text)
{
	write_bytes(f->path, text, strlen(text));
}

static void write_dropin(struct fixture *f, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->dropins, name);
	write_bytes(path, text, strlen(text));
}

static int load(struct fixture *f)
{
	strbuf_reset(&f->why);
	return config_load(f->path, true, &f->config, &f->why);
}

static void expect_ok(struct fixture *f)
{
	if (load(f) != 0)
		fail_msg("%s", f->why.buf);
	assert_string_equal(f->why.buf, "");
	assert_non_null(f->config.rules);
}

/* `why` is the directory, then `rest`, and nothing more. */
static void expect_why(struct fixture *f, int error, const char *rest)
{
	char want[1024];
	int r = load(f);

	snprintf(want, sizeof(want), "%s%s", f->directory, rest);
	if (r != error)
		fail_msg("%d, not %d and %s", r, error, want);
	assert_string_equal(f->why.buf, want);
}

static void config__every_key_is_read(void **state)
{
	struct fixture *f = *state;

	write_main(f, "interval = 1m30s\n"
		      "overhead = 0.5%\n"
		      "host-overhead=0.2 socket = /run/x/y.sock # three in a line\n"
		      "state = \"/var/lib/a \\\"b\\\" \\\\c\"\n"
		      "metrics = '[::1]:9748'\n"
		      "history-max-bytes = 64MiB\n"
		      "history-levels = '1s for 10m,1m for 1d , 1h  for 2d'\n"
		      "alert-after = 2h\n"
		      "alert-min-growth = 1MiB\n"
		      "alert-min-rate = 100\n"
		      "alert-scale = 0.4%\n"
		      "alert-exec = '/usr/bin/logger  -t pygrowd'\n"
		      "alert-webhook = 'https://x.example/a?b=c'\n"
		      "alert-alertmanager = 'http://localhost:9093'\n");
	expect_ok(f);
	assert_true(f->config.interval_sec == 90);
	assert_true(f->config.overhead == 0.005);
	assert_true(f->config.host_overhead == 0.2);
	assert_string_equal(f->config.socket, "/run/x/y.sock");
	assert_string_equal(f->config.state, "/var/lib/a \"b\" \\c");
	assert_string_equal(f->config.metrics, "[::1]:9748");
	assert_int_equal(f->config.history.max_bytes, 64 << 20);
	assert_int_equal(f->config.history.levels[0].step_sec, 1);
	assert_int_equal(f->config.history.levels[0].keep_sec, 600);
	assert_int_equal(f->config.history.levels[1].step_sec, 60);
	assert_int_equal(f->config.history.levels[2].step_sec, 3600);
	assert_int_equal(f->config.history.levels[2].keep_sec, 2 * 86400);
	assert_true(f->config.alert.thresholds.after_sec == 7200);
	assert_int_equal(f->config.alert.thresholds.min_growth_bytes, 1 << 20);
	assert_int_equal(f->config.alert.thresholds.min_rate_bytes, 100);
	assert_true(f->config.alert.scale == 0.004);
	assert_string_equal(f->config.alert.exec, "/usr/bin/logger  -t pygrowd");
	assert_string_equal(f->config.alert.webhook, "https://x.example/a?b=c");
	assert_string_equal(f->config.alert.alertmanager, "http://localhost:9093");
}

static void config__wrong_alert_keys_say_what_is_right(void **state)
{
	static const struct {
		const char *line, *want;
	} rows[] = {
		{ "alert-after = 11m", "not a duration between 720 s and 25200 s" },
		{ "alert-after = 8h", "not a duration" },
		{ "alert-after = -1h", "not a duration" },
		{ "alert-min-growth = 1023", "not a whole number of bytes between 1.00 KiB and" },
		{ "alert-min-growth = 2TiB", "not a whole number" },
		{ "alert-min-rate = 0", "not a whole number of bytes between 1 B and 1.00 GiB" },
		{ "alert-min-rate = 0.5", "not a whole number" },
		{ "alert-scale = 0", "not a share between 0.1 % and 100 %" },
		{ "alert-scale = 101%", "not a share" },
		{ "alert-exec = ''", "not a program by its absolute path" },
		{ "alert-exec = '  '", "not a program" },
		{ "alert-exec = 'logger -t x'", "not a program" },
		{ "alert-exec = '/a 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 "
		  "2'",
		  "up to 31 arguments" },
		{ "alert-webhook = 'file:///etc/shadow'", "alert-webhook: " },
		{ "alert-webhook = ''", "alert-webhook: " },
		{ "alert-alertmanager = 'ftp://x'", "alert-alertmanager: " },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		write_main(f, rows[i].line);
		assert_err(load(f), -EINVAL);
		if (!strstr(f->why.buf, rows[i].want) || strchr(f->why.buf, '\n'))
			fail_msg("%s: %s", rows[i].line, f->why.buf);
	}
}

/* An URL is as good as a password. */
static void config__an_url_is_not_repeated(void **state)
{
	struct fixture *f = *state;

	write_main(f, "alert-webhook = 'gopher://user:secret@x.example/'\n");
	assert_err(load(f), -EINVAL);
	assert_null(strstr(f->why.buf, "secret"));
}

static void config__words_are_split_at_blanks(void **state)
{
	char text[] = " /bin/a  b\tc ", many[2 * CONFIG_ALERT_ARGS_MAX + 8] = "";
	char *words[CONFIG_ALERT_ARGS_MAX + 1];

	(void)state;
	assert_int_equal(config_words_split(text, words), 3);
	assert_string_equal(words[0], "/bin/a");
	assert_string_equal(words[2], "c");
	assert_null(words[3]);
	for (int i = 0; i < CONFIG_ALERT_ARGS_MAX + 1; i++)
		strcat(many, "x ");
	assert_int_equal(config_words_split(many, words), CONFIG_ALERT_ARGS_MAX + 1);
	assert_null(words[CONFIG_ALERT_ARGS_MAX]);
}

static void config__what_is_not_set_is_told_apart(void **state)
{
	struct fixture *f = *state;

	write_main(f, "");
	expect_ok(f);
	assert_true(f->config.interval_sec == 0 && f->config.overhead == 0);
	assert_true(f->config.host_overhead == 0 && f->config.history.max_bytes == 0);
	assert_int_equal(f->config.history.levels[0].step_sec, 0);
	assert_null(f->config.socket);
	assert_null(f->config.state);
	assert_null(f->config.metrics);
	assert_int_equal(rules_cnt(f->config.rules, RULES_INCLUDE), 0);
	assert_non_null(f->config.policy);
	assert_true(rules_match(f->config.rules, &(struct rules_facts){ 0 }).is_watched);
}

static void config__levels_that_cannot_be_are_refused(void **state)
{
	static const struct {
		const char *value, *want;
	} rows[] = {
		{ "", "three times STEP for KEEP" },
		{ "10s for 2h", "three times" },
		{ "10s for 2h, 1m for 2d", "three times" },
		{ "10s for 2h, 1m for 2d, 15m for 60d, 1h for 1d", "three times" },
		{ "10s for 2h, 1m for 2d, 15m for 60d x", "three times" },
		{ "10s, 1m, 15m", "three times" },
		{ "10s 2h, 1m 2d, 15m 60d", "three times" },
		{ "10s for 2h 1m for 2d 15m for 60d", "three times" },
		{ "10s for two hours, 1m for 2d, 15m for 60d", "three times" },
		{ "10s for long, 1m for 2d, 15m for 60d", "durations of whole seconds" },
		{ "100ms for 2h, 1m for 2d, 15m for 60d", "durations of whole seconds" },
		{ "10.5s for 2h, 1m for 2d, 15m for 60d", "durations of whole seconds" },
		{ "0 for 2h, 1m for 2d, 15m for 60d", "durations of whole seconds" },
		{ "-10s for 2h, 1m for 2d, 15m for 60d", "durations of whole seconds" },
		{ "10s for 2h, 1m for 2d, 15m for 100000d", "durations of whole seconds" },
		{ "10s for 2h, 1m for 20d, 2d for 60d", "a step must be 1 s to 86400 s" },
		{ "10s for 2h, 15s for 2d, 15m for 60d", "15 s is no multiple of the one before" },
		{ "10s for 2h, 10s for 2d, 15m for 60d", "10 s is no multiple of the one before" },
		{ "10s for 1m, 1m for 2d, 15m for 60d", "kept for two steps of 60 s" },
		{ "15m for 60d, 1m for 2d, 10s for 2h", "no multiple of the one before" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[160];

		snprintf(text, sizeof(text), "\nhistory-levels = '%s'\n", rows[i].value);
		write_main(f, text);
		assert_err(load(f), -EINVAL);
		if (!strstr(f->why.buf, "/pygrowd.conf:2: history-levels \"") ||
		    !strstr(f->why.buf, rows[i].want) || strchr(f->why.buf, '\n'))
			fail_msg("%s: %s", rows[i].value, f->why.buf);
	}
}

static void config__sizes_and_addresses(void **state)
{
	static const struct {
		const char *line;
		uint64_t bytes; /* 0: it is of metrics */
	} rows[] = {
		{ "history-max-bytes = 4194304", 4 << 20 },
		{ "history-max-bytes = 4194305B", (4 << 20) + 1 },
		{ "history-max-bytes = 4096K", 4 << 20 },
		{ "history-max-bytes = 2GiB", 2ull << 30 },
		{ "history-max-bytes = 1T", 1ull << 40 },
		{ "metrics = off", 0 },
		{ "metrics = 0.0.0.0:1", 0 },
		{ "metrics = [fe80::1]:65535", 0 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		write_main(f, rows[i].line);
		expect_ok(f);
		if (rows[i].bytes)
			assert_int_equal(f->config.history.max_bytes, rows[i].bytes);
		else
			assert_string_equal(f->config.metrics, rows[i].line + strlen("metrics = "));
	}
}

static void config__sections_become_rules(void **state)
{
	static const struct rules_facts worker = { .comm = "gunicorn",
						   .cmdline = "python3 gunicorn web.app:app",
						   .user = "www-data",
						   .unit = "web.service",
						   .cgroup = "/system.slice/web.service",
						   .container = "3f2a" };
	static const struct rules_facts shell = { .cmdline = "python3 -m pdb web.app" };
	struct fixture *f = *state;
	struct rules_verdict verdict;

	write_main(f, "include web {\n"
		      "	comm = 'gun*'	cmdline = 'web\\.app'\n"
		      "	user = www-data\n	unit = \"*.service\"\n"
		      "	cgroup = /system.slice/web.service\n	container = '*'\n"
		      "}\n"
		      "exclude shells { cmdline = ' -m (IPython|pdb)( |$)' }\n"
		      "include \"web\" {}\n");
	expect_why(f, -EINVAL, "/pygrowd.conf:9: found duplicate title 'web'" SEE);
	write_main(f, "include web {\n"
		      "	comm = 'gun*'	cmdline = 'web\\.app'\n"
		      "	user = www-data\n	unit = \"*.service\"\n"
		      "	cgroup = /system.slice/web.service\n	container = '*'\n"
		      "}\n"
		      "exclude web { cmdline = ' -m (IPython|pdb)( |$)' }\n");
	expect_ok(f);
	verdict = rules_match(f->config.rules, &worker);
	assert_true(verdict.is_watched);
	assert_string_equal(verdict.name, "web");
	verdict = rules_match(f->config.rules, &shell);
	assert_false(verdict.is_watched);
	assert_int_equal(verdict.kind, RULES_EXCLUDE);
}

static const struct snapshot_frame frame = { "Cache.get", "/srv/app.py", 17, true };
static const struct snapshot_stack stack = { .frames = &frame, .n_frames = 1 };

static const struct policy_thresholds *thresholds_of(struct fixture *f, const char *unit)
{
	const struct snapshot_process process = { .pid = 1, .unit = unit, .user = "www-data" };

	return policy_thresholds(f->config.policy, &process, &stack);
}

static const struct alert_suppression *suppression_of(struct fixture *f, const char *unit,
						      double now_sec)
{
	const struct snapshot_process process = { .pid = 1, .unit = unit, .user = "www-data" };

	return policy_suppression(f->config.policy, &process, &stack, now_sec);
}

static void config__sections_become_a_policy(void **state)
{
	const struct alert_suppression *s;
	const struct policy_thresholds *t;
	struct fixture *f = *state;

	write_main(f, "alert batch {\n"
		      "	unit = 'batch@*.service'	user = www-data\n"
		      "	alert-after = 3h\n	alert-min-growth = 1MiB\n	alert-min-rate = "
		      "64\n"
		      "}\n"
		      "alert cache { function = 'Cache.*' file = /srv/app.py alert-after = 2h }\n"
		      "suppress issue-17 {\n"
		      "	function = Cache.get\n"
		      "	reason = \"it's known: #17\"\n"
		      "	until = 2027-01-31\n"
		      "}\n");
	expect_ok(f);
	t = thresholds_of(f, "batch@7.service");
	assert_true(t && t->after_sec == 10800);
	assert_int_equal(t->min_growth_bytes, 1 << 20);
	assert_int_equal(t->min_rate_bytes, 64);
	t = thresholds_of(f, "web.service");
	assert_true(t && t->after_sec == 7200);
	assert_int_equal(t->min_growth_bytes, 0); /* as elsewhere */
	s = suppression_of(f, "web.service", 1801353599);
	assert_non_null(s);
	assert_string_equal(s->by, "issue-17");
	assert_string_equal(s->reason, "it's known: #17");
	assert_true(s->until_sec == 1801353600);
	assert_null(suppression_of(f, "web.service", 1801353600));
	assert_int_equal(f->config.alert.thresholds.min_growth_bytes, 0);
}

/* … in its place; and where it is, that a suppression has ended. */
static void config__later_dropins_replace_policies(void **state)
{
	const struct policy_section *ended;
	struct fixture *f = *state;
	char want[256];

	write_main(f, "alert a { unit = 'web*' alert-after = 2h }\n"
		      "alert b { unit = '*' alert-after = 3h }\n"
		      "suppress a { unit = '*' reason = x until = 2027-01-31 }\n");
	write_dropin(f, "a.conf",
		     "alert a { unit = 'db*' alert-after = 4h }\n"
		     "suppress a {\n\tunit = '*'\n\treason = y\n"
		     "\tuntil = '2020-01-01T12:00:00+02:00'\n}\n");
	expect_ok(f);
	assert_true(thresholds_of(f, "web.service")->after_sec == 10800);
	assert_true(thresholds_of(f, "db.service")->after_sec == 14400);
	assert_null(suppression_of(f, "db.service", 1790000000));
	ended = policy_ended_next(f->config.policy, 1790000000);
	assert_non_null(ended);
	snprintf(want, sizeof(want), "%s/a.conf:5", f->dropins);
	assert_string_equal(ended->where, want);
	assert_null(policy_ended_next(f->config.policy, 1790000000));
}

static void config__later_dropins_win(void **state)
{
	struct fixture *f = *state;
	struct rules_facts facts = { .comm = "b", .user = "u" };

	write_main(f, "interval = 1s\noverhead = 1%\nmetrics = off\nstate = /a\n"
		      "include x { comm = a }\n");
	write_dropin(f, "10-a.conf", "interval = 2s\noverhead = 2%\nstate = /b\n");
	write_dropin(f, "9-b.conf", "interval = 3s\n"); /* by bytes: "9" is after "1" */
	write_dropin(f, "a.conf", "include x { comm = b }\nexclude y { user = u }\n");
	write_dropin(f, "b.conf", "exclude y { user = v }\n");
	write_dropin(f, ".hidden.conf", "interval = 4s\n");
	write_dropin(f, "z.conf.bak", "interval = 5s\n");
	write_dropin(f, ".conf", "interval = 6s\n");
	expect_ok(f);
	assert_true(f->config.interval_sec == 3);
	assert_true(f->config.overhead == 0.02);
	assert_string_equal(f->config.metrics, "off");
	assert_string_equal(f->config.state, "/b");
	assert_true(rules_match(f->config.rules, &facts).is_watched);
	facts.comm = "a";
	assert_false(rules_match(f->config.rules, &facts).is_watched);
}

static void config__a_failed_reload_keeps_the_old(void **state)
{
	struct fixture *f = *state;
	struct config before;

	write_main(f, "interval = 7s\nstate = /old\nexclude x { comm = a }\n");
	expect_ok(f);
	before = f->config;

	/* All but the last line is good. */
	write_main(f, "interval = 8s\nstate = /new\nexclude x { comm = b }\n");
	write_dropin(f, "10-web.conf",
		     "socket = /s\ninclude w {\n\tcomm = c\n}\n\n\n"
		     "overhead = 12x\n");
	expect_why(f, -EINVAL,
		   "/pygrowd.conf.d/10-web.conf:7: overhead \"12x\": not a share between 0.01 % "
		   "and 50 % (examples: 1%, 0.5%)");
	assert_memory_equal(&f->config, &before, sizeof(before));
	assert_string_equal(f->config.state, "/old");
	assert_false(rules_match(f->config.rules, &(struct rules_facts){ .comm = "a" }).is_watched);

	write_dropin(f, "10-web.conf", "overhead = 12%\n");
	expect_ok(f);
	assert_true(f->config.interval_sec == 8);
	assert_string_equal(f->config.state, "/new");
	assert_true(rules_match(f->config.rules, &(struct rules_facts){ .comm = "a" }).is_watched);
}

static void config__wrong_values_say_what_is_right(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "interval = 1ms", "1: interval \"1ms\": not a duration between 0.1 s and 3600 s "
				    "(examples: 500ms, 20s, 5m)" },
		{ "interval = -1", "1: interval \"-1\": not a duration between 0.1 s and 3600 s "
				   "(examples: 500ms, 20s, 5m)" },
		{ "\n\noverhead = nan", "3: overhead \"nan\": not a share between 0.01 % and 50 % "
					"(examples: 1%, 0.5%)" },
		{ "host-overhead = 101%", "1: host-overhead \"101%\": not a share between 0.01 % "
					  "and 100 % (examples: 1%, 0.5%)" },
		{ "socket = run/x", "1: socket \"run/x\": not a path that begins with / and has 2 "
				    "to 107 bytes" },
		{ "state = ~/x", "1: ~ outside quotes: quote the whole value" },
		{ "state = '~/x'", "1: state \"~/x\": not a path that begins with / and has 2 to "
				   "1024 bytes" },
		{ "state = \"\"",
		  "1: state \"\": not a path that begins with / and has 2 to 1024 bytes" },
		{ "metrics = localhost:80",
		  "1: metrics \"localhost:80\": neither off nor ADDRESS:PORT in numbers "
		  "(examples: 127.0.0.1:9748, [::1]:9748)" },
		{ "history-max-bytes = 1.5GiB",
		  "1: history-max-bytes \"1.5GiB\": not a whole number of bytes between 4.00 MiB "
		  "and 1.00 TiB (examples: 256MiB, 1G)" },
		{ "interval = 1s\ninterval = 2s", "2: interval: given twice in this file" },
		/* What came in may not write on a terminal, or fill a log. */
		{ "interval = '\302\233[2J'",
		  "1: interval \"\\x9b[2J\": not a duration between 0.1 s and 3600 s "
		  "(examples: 500ms, 20s, 5m)" },
		{ "interval = "
		  "1234567890123456789012345678901234567890123456789012345678901234567890",
		  "1: interval "
		  "\"1234567890123456789012345678901234567890123456789012345678901234\": "
		  "not a duration between 0.1 s and 3600 s (examples: 500ms, 20s, 5m)" },
	};
	struct fixture *f = *state;
	char want[512];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		write_main(f, rows[i].text);
		snprintf(want, sizeof(want), "/pygrowd.conf:%s", rows[i].why);
		expect_why(f, -EINVAL, want);
	}
}

static void config__wrong_sizes_and_addresses_are_refused(void **state)
{
	static const char *const rows[] = {
		"history-max-bytes = 0",
		"history-max-bytes = 4095K",
		"history-max-bytes = 2T",
		"history-max-bytes = 18446744073709551617",
		"history-max-bytes = 99999999999999T",
		"history-max-bytes = 16777217T", /* 2^64 + 2^40 */
		"history-max-bytes = M",
		"history-max-bytes = ''",
		"history-max-bytes = '256 MiB'",
		"history-max-bytes = 256mb",
		"metrics = ''",
		"metrics = on",
		"metrics = :9748",
		"metrics = 127.0.0.1",
		"metrics = 127.0.0.1:",
		"metrics = 127.0.0.1:65536",
		"metrics = '127.0.0.1: 80'",
		"metrics = '127.0.0.1:+80'",
		"metrics = 127.0.0.1:4294967297",
		"metrics = 1.2.3:80",
		"metrics = 1.2.3.4.5:80",
		"metrics = ::1:9748",
		"metrics = [::1:9748",
		"metrics = []:9748",
		"metrics = [:9748",
		"metrics = [127.0.0.1]:9748",
		"metrics = [1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]:80",
		"socket = /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		write_main(f, rows[i]);
		if (load(f) != -EINVAL || !strstr(f->why.buf, "/pygrowd.conf:1: "))
			fail_msg("%s: %s", rows[i], f->why.buf);
		assert_null(f->config.metrics);
	}
}

static void config__wrong_sections_say_why(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "exclude x {\n}\n",
		  "2: exclude x: without a condition it is every process; give it one" },
		{ "include 'a b' { }", "1: include \"a b\": a name has 1 to 64 letters, digits or "
				       "any of \"_-.@:\"" },
		{ "exclude x {\n# why\n\ncmdline = '('\n}",
		  "4: exclude x: cmdline \"(\": not a regular expression: Unmatched ( or \\(" },
		{ "include x {\ncomm = a\ncomm = b\n}",
		  "3: include x: comm \"b\": given twice; make two sections of it" },
		{ "include x {\ncomn = a\n}", "2: no such option 'comn'" SEE },
		{ "include x {\ninterval = 3s\n}", "2: no such option 'interval'" SEE },
		{ "include x { include y { } }", "1: no such option 'include'" SEE },
		{ "comm = a", "1: no such option 'comm'" SEE },
		{ "include { comm = a }", "1: missing title for section 'include'" SEE },
		{ "include = a", "1: missing title for section 'include'" SEE },
		{ "include x comm = a", "1: missing opening brace for section 'include'" SEE },
		{ "\ninclude x {\ncomm = a\n", "2: a { that is not closed" },
		{ "interval =\n", "2: premature end of file" SEE },
		{ "include x { comm = a }\n\"include|comm\" = b", "2: comm: not in a section" SEE },
		{ "include x { comm = a }\n\"include=x|comm\" = b",
		  "2: comm: not in a section" SEE },
	};
	struct fixture *f = *state;
	char want[512];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		write_main(f, rows[i].text);
		snprintf(want, sizeof(want), "/pygrowd.conf:%s", rows[i].why);
		expect_why(f, -EINVAL, want);
	}
}

#define DATES "not a date that there is (examples: 2027-01-31, 2027-01-31T18:00:00+01:00)"

static void config__wrong_policies_say_why(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "alert x {\nalert-after = 2h\n}",
		  "3: alert x: without a condition it is every stack; give it one" },
		{ "alert x {\nunit = y\n}", "3: alert x: without a threshold it changes nothing; "
					    "give it alert-after, alert-min-growth or "
					    "alert-min-rate" },
		{ "alert x {\nunit = y\nalert-after = 5m\n}",
		  "3: alert x: alert-after \"5m\": not a duration between 720 s and 25200 s "
		  "(examples: 500ms, 20s, 5m)" },
		{ "alert x {\nalert-after = 2h\nalert-after = 3h\n}",
		  "3: alert x: alert-after \"3h\": given twice" },
		{ "alert x { unit = y alert-scale = 1% }", "1: no such option 'alert-scale'" SEE },
		{ "alert x { unit = y until = 2027-01-31 }", "1: no such option 'until'" SEE },
		{ "alert x { function = '' }",
		  "1: alert x: function \"\": empty; leave it out if all will do" },
		{ "alert x { cmdline = '(' }",
		  "1: alert x: cmdline \"(\": not a regular expression: Unmatched ( or \\(" },
		{ "alert 'x y' { unit = y }",
		  "1: alert \"x y\": a name has 1 to 64 letters, digits "
		  "or any of \"_-.@:\"" },
		{ "alert x { unit = y alert-after = 2h }\nalert x { unit = z }",
		  "2: found duplicate title 'x'" SEE },
		{ "suppress x {\nreason = y\nuntil = 2027-01-31\n}",
		  "4: suppress x: without a condition it is every stack; give it one" },
		{ "suppress x {\nunit = y\nuntil = 2027-01-31\n}",
		  "4: suppress x: without a reason nobody knows later why; give it one" },
		{ "suppress x {\nunit = y\nreason = z\n}",
		  "4: suppress x: without an end it is forgotten; give it until = a date" },
		{ "suppress x { unit = y\nreason = '' }",
		  "2: suppress x: reason \"\": not a reason in words, of at most 256 bytes" },
		{ "suppress x { reason = ' \t' }",
		  "1: suppress x: reason \" \\x09\": not a reason in words, of at most 256 bytes" },
		{ "suppress x { reason = a\nreason = b }",
		  "2: suppress x: reason \"b\": given twice" },
		{ "suppress x { until = 2027-01-31\nuntil = 2027-01-31 }",
		  "2: suppress x: until \"2027-01-31\": given twice" },
		{ "suppress x {\nuntil = 2027-02-30\n}",
		  "2: suppress x: until \"2027-02-30\": " DATES },
		{ "suppress x { until = never }", "1: suppress x: until \"never\": " DATES },
		{ "suppress x { until = -10m }", "1: suppress x: until \"-10m\": " DATES },
		{ "suppress x { until = '' }", "1: suppress x: until \"\": " DATES },
		{ "suppress x { until = '\302\233[2J' }",
		  "1: suppress x: until \"\\x9b[2J\": " DATES },
		{ "suppress x { alert-after = 2h }", "1: no such option 'alert-after'" SEE },
		{ "include x { function = y }", "1: no such option 'function'" SEE },
		{ "exclude x { reason = y }", "1: no such option 'reason'" SEE },
		{ "suppress x { unit = y reason = z until = 2027-01-31",
		  "1: a { that is not closed" },
		{ "suppress x { unit = y reason = z until = 2027-01-31 }\n\"suppress|until\" = b",
		  "2: until: not in a section" SEE },
	};
	struct fixture *f = *state;
	char want[512];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		write_main(f, rows[i].text);
		snprintf(want, sizeof(want), "/pygrowd.conf:%s", rows[i].why);
		expect_why(f, -EINVAL, want);
	}
}

/* Each of these libconfuse alone takes for something else, or puts on the wrong line. */
static void config__text_has_one_meaning(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "intervall = 3s", "1: no such option 'intervall'" SEE },
		{ "# one\n# two\n\n## three\nx = 1", "5: no such option 'x'" SEE },
		{ "interval 3s", "1: missing equal sign after option 'interval'" SEE },
		{ "interval = {}", "1: unexpected token '{'" SEE },
		{ "}", "1: unexpected closing brace" SEE },
		{ "\"\" = 1", "1: not understood" SEE },
		{ "include(\"/etc/passwd\")", "1: ( outside quotes: quote the whole value" },
		{ "include x {\nunit = web*\n}", "2: * outside quotes: quote the whole value" },
		{ "interval += 3s", "1: + outside quotes: quote the whole value" },
		{ "state = ${HOME}", "1: $ outside quotes: quote the whole value" },
		{ "state = caf\303\251", "1: \\xc3 outside quotes: quote the whole value" },
		{ "state = /a//b", "1: // outside quotes: comments begin with #, other text with "
				   "// is to be quoted" },
		{ "\n/* x */", "2: * outside quotes: quote the whole value" },
		{ "state = \"${HOME}/x\"",
		  "1: ${ in double quotes: the environment is not looked at; write the value, or "
		  "use single quotes for these characters" },
		{ "include x {\ncmdline = \"web\\.app\"\n}",
		  "2: \\. in double quotes: write \\\\ for a backslash, or use single quotes" },
		{ "state = \"/a\\\303b\"", "1: \\\\xc3 in double quotes: write \\\\ for a "
					   "backslash, or use single quotes" },
		{ "state = \"/a\\", "1: a \" that is not closed on its line" },
		{ "\nstate = \"/a\\\nb\"", "2: a \" that is not closed on its line" },
		{ "\nstate = '/a\nb'", "2: a ' that is not closed on its line" },
		{ "state = '/a\\'", "1: a ' that is not closed on its line" },
		{ "state = \"", "1: a \" that is not closed on its line" },
		{ "#\033[2J", "1: a byte 0x1b: this is not a text file" },
		{ "interval = 3s\r", "1: a byte 0x0d: this is not a text file" },
	};
	struct fixture *f = *state;
	char want[512];

	setenv("HOME", "/root", 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		write_main(f, rows[i].text);
		snprintf(want, sizeof(want), "/pygrowd.conf:%s", rows[i].why);
		expect_why(f, -EINVAL, want);
		/* And nothing of it is left in libconfuse's scanner. */
		write_main(f, "interval = 4s");
		expect_ok(f);
	}
}

static void config__text_is_what_is_written(void **state)
{
	struct fixture *f = *state;

	setenv("HOME", "/root", 1);
	write_main(f, "\r\n# 'it's'\r\nstate = '/${HOME}/\\.\\\\\\'\"#//*caf\303\251' #'x\r\n"
		      "socket\n=\n/s");
	expect_ok(f);
	assert_string_equal(f->config.state, "/${HOME}/\\.\\'\"#//*caf\303\251");
	assert_string_equal(f->config.socket, "/s");
}

static void config__a_nul_does_not_end_a_file(void **state)
{
	static const char bytes[] = "interval = 3s\n\0\noverhead = x\n";
	struct fixture *f = *state;

	write_bytes(f->path, bytes, sizeof(bytes) - 1);
	expect_why(f, -EINVAL, "/pygrowd.conf:2: a byte 0x00: this is not a text file");
}

static void config__files_have_a_length(void **state)
{
	char *text = malloc(CONFIG_FILE_BYTES_MAX + 2);
	struct fixture *f = *state;

	assert_non_null(text);
	memset(text, '\n', CONFIG_FILE_BYTES_MAX + 1);
	memcpy(text, "interval=9s#", 12);
	write_bytes(f->path, text, CONFIG_FILE_BYTES_MAX);
	expect_ok(f);
	assert_true(f->config.interval_sec == 9);
	write_bytes(f->path, text, CONFIG_FILE_BYTES_MAX + 1);
	expect_why(f, -EFBIG, "/pygrowd.conf: longer than 256 KiB; split it into drop-ins");
	free(text);
}

static void config__sections_and_files_have_a_number(void **state)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	struct fixture *f = *state;
	char name[32], path[256];

	for (int i = 0; i < 10000; i++)
		strbuf_printf(&text, "exclude r%d {comm=x}\n", i);
	assert_true(text.len < CONFIG_FILE_BYTES_MAX);
	write_main(f, text.buf);
	expect_why(f, -EINVAL,
		   "/pygrowd.conf:257: exclude r256: more than 256 include and exclude sections");

	strbuf_reset(&text);
	for (int i = 0; i < 300; i++)
		strbuf_printf(&text, "alert r%d {comm=x alert-after=2h}\n", i);
	write_main(f, text.buf);
	expect_why(f, -EINVAL,
		   "/pygrowd.conf:257: alert r256: more than 256 alert and suppress sections");

	write_main(f, "");
	for (int i = 0; i <= CONFIG_DROPINS_MAX; i++) {
		snprintf(name, sizeof(name), "%03d.conf", i);
		write_dropin(f, name, "interval = 3s");
	}
	expect_why(f, -EINVAL, "/pygrowd.conf.d: more than 64 files *.conf");
	snprintf(path, sizeof(path), "%s/000.conf", f->dropins);
	assert_ok(unlink(path));
	expect_ok(f);
}

static void config__only_a_default_file_may_be_missing(void **state)
{
	struct fixture *f = *state;

	expect_why(f, -ENOENT, "/pygrowd.conf: cannot be read: No such file or directory");
	write_dropin(f, "a.conf", "interval = 3s");
	strbuf_reset(&f->why);
	assert_ok(config_load(f->path, false, &f->config, &f->why));
	assert_string_equal(f->why.buf, "");
	assert_true(f->config.interval_sec == 3);

	/* But if it is there, it counts. */
	write_main(f, "interval = x");
	assert_err(config_load(f->path, false, &f->config, &f->why), -EINVAL);
	assert_true(f->config.interval_sec == 3);
}

static void config__what_is_no_file_is_refused(void **state)
{
	struct fixture *f = *state;
	char path[256];

	assert_ok(mkdir(f->path, 0755));
	expect_why(f, -EINVAL, "/pygrowd.conf: cannot be read: not a regular file");
	assert_ok(rmdir(f->path));
	assert_ok(mkfifo(f->path, 0600)); /* nobody will ever write */
	expect_why(f, -EINVAL, "/pygrowd.conf: cannot be read: not a regular file");
	assert_ok(unlink(f->path));
	assert_ok(symlink("pygrowd.conf", f->path));
	expect_why(f, -ELOOP, "/pygrowd.conf: cannot be read: Too many levels of symbolic links");
	assert_ok(unlink(f->path));

	assert_ok(symlink("/dev/null", f->path));
	expect_ok(f);
	snprintf(path, sizeof(path), "%s/a.conf", f->dropins);
	assert_ok(symlink("/dev/zero", path));
	expect_why(f, -EINVAL, "/pygrowd.conf.d/a.conf: cannot be read: not a regular file");
	assert_ok(unlink(path));
	assert_ok(symlink("/nowhere", path));
	expect_why(f, -ENOENT, "/pygrowd.conf.d/a.conf: cannot be read: No such file or directory");
	assert_ok(unlink(path));
	assert_ok(rmdir(f->dropins));
	expect_ok(f);
	write_bytes(f->dropins, "", 0);
	expect_why(f, -ENOTDIR, "/pygrowd.conf.d: cannot be read: Not a directory");
}

/* A name of a file is text of somebody else, too. */
static void config__names_of_files_are_escaped(void **state)
{
	struct fixture *f = *state;

	write_main(f, "");
	write_dropin(f, "a\nb.conf", "x = 1");
	expect_why(f, -EINVAL, "/pygrowd.conf.d/a\\x0ab.conf:1: no such option 'x'" SEE);
}

static void config__an_unreadable_file_is_an_error(void **state)
{
	struct fixture *f = *state;
	bool is_root = geteuid() == 0;

	write_main(f, "interval = 3s");
	assert_ok(chmod(f->path, 0));
	assert_ok(chmod(f->directory, 0755));
	if (is_root)
		assert_ok(seteuid(65534));
	strbuf_reset(&f->why);
	if (config_load(f->path, false, &f->config, &f->why) != -EACCES)
		f->why.len = 0;
	if (is_root)
		assert_ok(seteuid(0));
	assert_true(f->why.len > 0);
	assert_non_null(strstr(f->why.buf, "/pygrowd.conf: cannot be read: Permission denied"));
}

/* Takes the # from settings, which have no blank behind it. */
static void uncomment(char *text)
{
	char *to = text;

	for (char *s = text; *s; s++)
		if (*s != '#' || (s > text && s[-1] != '\n') || strchr(" \n#", s[1]))
			*to++ = *s;
	*to = '\0';
}

static void config__the_manual_is_right(void **state)
{
	_cleanup_free_ char *text = NULL;
	const struct detect_limits limits = detect_limits_default();
	struct history_options history;
	struct fixture *f = *state;
	size_t n;

	assert_ok(fsutil_file_load("deploy/pygrowd.conf", CONFIG_FILE_BYTES_MAX, &text, &n));
	write_main(f, text);
	expect_ok(f);
	assert_null(f->config.socket); /* all of it is comments */

	uncomment(text);
	write_main(f, text);
	expect_ok(f);
	assert_true(f->config.interval_sec == OPTIONS_INTERVAL_SEC);
	assert_true(f->config.overhead == OPTIONS_OVERHEAD);
	assert_true(f->config.host_overhead == OPTIONS_HOST_OVERHEAD);
	assert_string_equal(f->config.socket, PGD_SOCKET_PATH);
	assert_string_equal(f->config.state, OPTIONS_STATE);
	assert_string_equal(f->config.metrics, METRICS_HTTP_ADDRESS);
	assert_int_equal(f->config.history.max_bytes, CONFIG_HISTORY_BYTES_DEFAULT);
	history_options_init(&history);
	assert_memory_equal(f->config.history.levels, history.levels, sizeof(history.levels));
	assert_true(f->config.alert.thresholds.after_sec == limits.wait_sec);
	assert_true((double)f->config.alert.thresholds.min_growth_bytes == limits.min_growth_bytes);
	assert_true((double)f->config.alert.thresholds.min_rate_bytes == limits.min_bytes_per_sec);
	assert_true(f->config.alert.scale == 1);
	assert_true(thresholds_of(f, "batch@7.service")->after_sec == 3 * 3600);
	assert_non_null(suppression_of(f, "web.service", 1790000000));
	assert_int_equal(rules_cnt(f->config.rules, RULES_INCLUDE), 2);
	assert_int_equal(rules_cnt(f->config.rules, RULES_EXCLUDE), 1);
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FILES(config__every_key_is_read),
		WITH_FILES(config__wrong_alert_keys_say_what_is_right),
		WITH_FILES(config__an_url_is_not_repeated),
		cmocka_unit_test(config__words_are_split_at_blanks),
		WITH_FILES(config__what_is_not_set_is_told_apart),
		WITH_FILES(config__levels_that_cannot_be_are_refused),
		WITH_FILES(config__sizes_and_addresses),
		WITH_FILES(config__sections_become_rules),
		WITH_FILES(config__sections_become_a_policy),
		WITH_FILES(config__later_dropins_replace_policies),
		WITH_FILES(config__later_dropins_win),
		WITH_FILES(config__a_failed_reload_keeps_the_old),
		WITH_FILES(config__wrong_values_say_what_is_right),
		WITH_FILES(config__wrong_sizes_and_addresses_are_refused),
		WITH_FILES(config__wrong_sections_say_why),
		WITH_FILES(config__wrong_policies_say_why),
		WITH_FILES(config__text_has_one_meaning),
		WITH_FILES(config__text_is_what_is_written),
		WITH_FILES(config__a_nul_does_not_end_a_file),
		WITH_FILES(config__files_have_a_length),
		WITH_FILES(config__sections_and_files_have_a_number),
		WITH_FILES(config__only_a_default_file_may_be_missing),
		WITH_FILES(config__what_is_no_file_is_refused),
		WITH_FILES(config__names_of_files_are_escaped),
		WITH_FILES(config__an_unreadable_file_is_an_error),
		WITH_FILES(config__the_manual_is_right),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
