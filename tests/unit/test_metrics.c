/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/metrics.c. The page is read the way Prometheus reads it, by each(), which
 * fails on any line that is not what the format allows; promtool is asked too where it is there.
 */
#include <ctype.h>
#include <stdbool.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/utf8.h"
#include "report/metrics.h"
#include "sample.h"
#include "test.h"

#define FRAME_LABELS "function=\"get_user\",file=\"/srv/demo/service.py\",line=\"17\""
#define MANY	     600 /* stacks */

struct fixture {
	struct sample sample;
	struct metrics_options options;
	struct strbuf page;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	sample_init(&f->sample);
	f->options = (struct metrics_options)METRICS_OPTIONS_INIT;
	f->page = (struct strbuf)STRBUF_INIT;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	strbuf_done(&f->page);
	free(f);
	return 0;
}

static void set_verdict(struct snapshot_stack *s, enum detect_state state)
{
	s->is_judged = true;
	s->verdict.state = state;
}

static void make(struct fixture *f)
{
	strbuf_reset(&f->page);
	assert_ok(metrics_format(&f->sample.snapshot, &f->options, &f->page));
}

static bool has_line(const struct fixture *f, const char *line)
{
	size_t len = strlen(line);

	for (const char *at = f->page.buf; (at = strstr(at, line)); at++)
		if ((at == f->page.buf || at[-1] == '\n') && at[len] == '\n')
			return true;
	return false;
}

static void expect_lines(const struct fixture *f, const char *const *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!has_line(f, lines[i]))
			fail_msg("no line %s in\n%s", lines[i], f->page.buf);
}

/* How many samples a family has. */
static size_t count(const struct fixture *f, const char *family)
{
	size_t len = strlen(family), n = 0;

	for (const char *at = f->page.buf; *at; at = strchr(at, '\n') + 1)
		n += !strncmp(at, family, len) && (at[len] == '{' || at[len] == ' ');
	return n;
}

/* ── a reader, as strict as the format ────────────────────────────────────────────────────── */

static const char *skip_name(const char *s)
{
	assert_true(isalpha((unsigned char)*s) || *s == '_');
	while (isalnum((unsigned char)*s) || *s == '_')
		s++;
	return s;
}

static const char *skip_labels(const char *s)
{
	assert_int_equal(*s++, '{');
	for (;;) {
		s = skip_name(s);
		assert_int_equal(*s++, '=');
		assert_int_equal(*s++, '"');
		while (*s != '"') {
			size_t n = 1;
			uint32_t c = utf8_decode(s, strnlen(s, 4), &n);

			assert_true(c != UTF8_INVALID && !utf8_is_control(c));
			if (c == '\\') {
				s++;
				assert_true(*s == '\\' || *s == '"' || *s == 'n');
			}
			s += n;
		}
		s++;
		if (*s == '}')
			return s + 1;
		assert_int_equal(*s++, ',');
	}
}

/* Lines between the end of one and the next; the series must be new, the family the last TYPE's. */
static void read_sample(const char *page, const char *line, const char *family)
{
	size_t len;
	const char *end = skip_name(line);
	char *rest;

	assert_int_equal(end - line, strlen(family));
	assert_memory_equal(line, family, strlen(family));
	if (*end == '{')
		end = skip_labels(end);
	assert_int_equal(*end, ' ');
	len = (size_t)(end - line);
	for (const char *at = page; at < line; at = strchr(at, '\n') + 1)
		if (!strncmp(at, line, len) && at[len] == ' ')
			fail_msg("twice: %.*s", (int)len, line);
	(void)strtod(end + 1, &rest);
	assert_true(rest > end + 1 && *rest == '\n');
	assert_null(memchr(end, 'n', (size_t)(rest - end))); /* nan, inf */
}

/* true: it is one, and *family is the name of a TYPE line. */
static bool read_comment(const char *line, char family[64])
{
	char kind[8] = "", name[64] = "", type[16] = "";

	if (*line != '#')
		return false;
	assert_int_equal(sscanf(line, "# %7s %63s %15s", kind, name, type), 3);
	if (!strcmp(kind, "TYPE")) {
		assert_true(!strcmp(type, "gauge") || !strcmp(type, "counter"));
		assert_string_equal(name, family); /* HELP comes first */
	} else {
		assert_string_equal(kind, "HELP");
		assert_string_not_equal(name, family);
		strcpy(family, name);
	}
	return true;
}

static void read_page(const char *page)
{
	char family[64] = "";

	for (const char *at = page; *at; at = strchr(at, '\n') + 1) {
		assert_non_null(strchr(at, '\n'));
		if (!read_comment(at, family))
			read_sample(page, at, family);
	}
}

/* ── tests ────────────────────────────────────────────────────────────────────────────────── */

static void metrics__families_are_as_promised(void **state)
{
	static const char *const lines[] = {
		"# TYPE pygrowd_build_info gauge",
		"pygrowd_build_info{version=\"0.1.0\"} 1",
		"pygrowd_target_info{pid=\"4711\",python=\"3.11.2\",unit=\"web.service\"} 1",
		"pygrowd_target_overhead_ratio{pid=\"4711\"} 0.007",
		"pygrowd_target_coverage_ratio{pid=\"4711\"} 0.9991",
		"pygrowd_target_memory_bytes{pid=\"4711\",kind=\"rss\"} 95420416",
		"pygrowd_target_memory_bytes{pid=\"4711\",kind=\"uss\"} 1",
		"pygrowd_target_memory_bytes{pid=\"4711\",kind=\"pymalloc\"} 2",
		"pygrowd_target_memory_bytes{pid=\"4711\",kind=\"libc\"} 3",
		"pygrowd_target_memory_bytes{pid=\"4711\",kind=\"unexplained\"} 0",
		"pygrowd_stack_live_bytes{pid=\"4711\",stack=\"1f2e3d4c5b6a7988\"," FRAME_LABELS
		"} 20971520",
		"pygrowd_stack_growth_bytes_per_second{pid=\"4711\",stack=\"1f2e3d4c5b6a7988"
		"\"," FRAME_LABELS "} 1048576",
		"pygrowd_stack_verdict{pid=\"4711\",stack=\"1f2e3d4c5b6a7988\"," FRAME_LABELS "} 3",
		"pygrowd_stack_live_bytes{pid=\"4711\",stack=\"0000000000000001\",function=\"\","
		"file=\"\",line=\"\"} 4096",
		"pygrowd_stacks_left_out{pid=\"4711\"} 0",
		"pygrowd_alerts_firing 2",
		"pygrowd_alerts_suppressed 3",
		"# TYPE pygrowd_gc_collections_total counter",
		"pygrowd_gc_collections_total{pid=\"4711\",generation=\"0\"} 120",
		"pygrowd_gc_collections_total{pid=\"4711\",generation=\"2\"} 1",
		"pygrowd_gc_pause_seconds_total{pid=\"4711\",generation=\"0\"} 0.1",
		"pygrowd_gc_pause_seconds_total{pid=\"4711\",generation=\"1\"} 0.25",
		"pygrowd_gc_timed_total{pid=\"4711\",generation=\"0\"} 120",
		"pygrowd_gc_asked_total{pid=\"4711\",generation=\"2\"} 1",
		"pygrowd_gc_collected_objects_total{pid=\"4711\",generation=\"0\"} 2400",
		"pygrowd_gc_uncollectable_objects_total{pid=\"4711\",generation=\"2\"} 3",
		"pygrowd_gc_pause_max_seconds{pid=\"4711\",generation=\"2\"} 0.5",
		"pygrowd_gc_last_timestamp_seconds{pid=\"4711\",generation=\"2\"} 1767225610.5",
		"pygrowd_gc_enabled{pid=\"4711\"} 1",
		"pygrowd_gc_frozen_objects{pid=\"4711\"} 0",
		"# TYPE pygrowd_lost_total counter",
		"pygrowd_lost_total{reason=\"live_full\"} 0",
		"pygrowd_lost_total{reason=\"stack_truncated\"} 12",
	};
	struct fixture *f = *state;

	f->sample.process.unit = "web.service";
	f->sample.process.overhead = 0.007;
	f->sample.process.uss_bytes = 1;
	f->sample.process.pymalloc_bytes = 2;
	f->sample.process.libc_bytes = 3;
	f->sample.process.unexplained_bytes = 0;
	f->options.alerts_firing = 2;
	f->options.alerts_suppressed = 3;
	set_verdict(&f->sample.stacks[0], DETECT_GROWING);
	set_verdict(&f->sample.stacks[1], DETECT_SUSPECT);
	set_verdict(&f->sample.stacks[2], DETECT_QUIET);
	make(f);
	read_page(f->page.buf);
	expect_lines(f, lines, ARRAY_SIZE(lines));
	assert_int_equal(count(f, "pygrowd_stack_verdict"), 3);
	assert_int_equal(count(f, "pygrowd_lost_total"), PGD_COUNTER_MAX);
}

/* No line, and not 0; but what the family is stays said. */
static void metrics__what_is_not_known_has_no_line(void **state)
{
	static const char *const empty[] = {
		"pygrowd_target_overhead_ratio",
		"pygrowd_target_coverage_ratio",
		"pygrowd_target_memory_bytes",
		"pygrowd_stack_verdict",
		"pygrowd_alerts_firing",
		"pygrowd_gc_collections_total",
		"pygrowd_gc_pause_seconds_total",
		"pygrowd_gc_timed_total",
		"pygrowd_gc_asked_total",
		"pygrowd_gc_collected_objects_total",
		"pygrowd_gc_pause_max_seconds",
		"pygrowd_gc_last_timestamp_seconds",
		"pygrowd_gc_enabled",
		"pygrowd_gc_frozen_objects",
		"pygrowd_alerts_suppressed",
	};
	struct fixture *f = *state;
	char type[80];

	f->sample.process.coverage = NAN;
	f->sample.process.overhead = INFINITY;
	f->sample.process.rss_bytes = -1;
	f->sample.process.gc.known = f->sample.process.gc.is_state_known = false;
	f->sample.process.python = NULL;
	f->sample.stacks[0].live_bytes = NAN;
	f->sample.stacks[0].growth_bytes_per_second = -INFINITY;
	make(f);
	read_page(f->page.buf);
	for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
		assert_int_equal(count(f, empty[i]), 0);
		snprintf(type, sizeof(type), "# TYPE %s ", empty[i]);
		assert_non_null(strstr(f->page.buf, type));
	}
	assert_int_equal(count(f, "pygrowd_stack_live_bytes"), 3);
	assert_int_equal(count(f, "pygrowd_stack_growth_bytes_per_second"), 2);
	assert_true(has_line(f, "pygrowd_target_info{pid=\"4711\",python=\"\",unit=\"\"} 1"));

	f->sample.snapshot.n_processes = f->sample.snapshot.n_stacks = 0;
	f->sample.snapshot.processes = NULL;
	f->sample.snapshot.stacks = NULL;
	f->sample.snapshot.version = NULL;
	make(f);
	read_page(f->page.buf);
	assert_true(has_line(f, "pygrowd_build_info{version=\"\"} 1"));
	assert_true(has_line(f, "pygrowd_lost_total{reason=\"live_full\"} 0"));
	assert_int_equal(count(f, "pygrowd_target_info"), 0);
}

static void metrics__numbers(void **state)
{
	static const struct {
		double value;
		const char *want;
	} rows[] = {
		{ 0, "0" },
		{ -0.0, "0" },
		{ -12.5, "-12.5" },
		{ 0.1, "0.1" },
		{ 9007199254740991, "9007199254740991" },
		{ 1e300, "1e+300" },
		{ 5e-324, "4.940656458412465e-324" },
	};
	struct fixture *f = *state;
	char line[256];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		f->sample.stacks[0].growth_bytes_per_second = rows[i].value;
		make(f);
		snprintf(line, sizeof(line),
			 "pygrowd_stack_growth_bytes_per_second{pid=\"4711\","
			 "stack=\"1f2e3d4c5b6a7988\"," FRAME_LABELS "} %s",
			 rows[i].want);
		expect_lines(f, (const char *const[]){ line }, 1);
	}
}

static void metrics__hostile_names(void **state)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
		{ "a\"} 1\npygrowd_alerts_firing 9", "a\\\"} 1\\npygrowd_alerts_firing 9" },
		{ "C:\\new\\", "C:\\\\new\\\\" },
		{ "\\", "\\\\" },
		{ "\"", "\\\"" },
		{ "\n", "\\n" },
		{ "\x1b[31m\a\r\t\x7f", "\xef\xbf\xbd[31m\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
					"\xef\xbf\xbd" },
		{ "\xff\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd" },
		{ "turn\xe2\x80\xae"
		  "around",
		  "turn\xef\xbf\xbd"
		  "around" },
		{ "\xc2\x85", "\xef\xbf\xbd" },
		{ "grün/日本.py", "grün/日本.py" },
		{ "", "" },
		{ NULL, "" },
		{ "# HELP {} , =", "# HELP {} , =" },
	};
	struct fixture *f = *state;
	char want[512];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct snapshot_frame frame = { rows[i].name, rows[i].name, -3, true };

		f->sample.stacks[0].frames = &frame;
		f->sample.stacks[0].n_frames = 1;
		f->sample.stacks[0].blame = 0;
		f->sample.process.unit = rows[i].name;
		f->sample.process.python = rows[i].name;
		f->sample.snapshot.version = rows[i].name;
		make(f);
		read_page(f->page.buf);
		snprintf(want, sizeof(want), ",function=\"%s\",file=\"%s\",line=\"\"} 20971520\n",
			 rows[i].want, rows[i].want);
		if (!strstr(f->page.buf, want))
			fail_msg("%s: not in %s", want, f->page.buf);
		assert_int_equal(count(f, "pygrowd_alerts_firing"), 0);
	}
}

/* Cut behind a whole character, also if a name is one long run of three-byte ones. */
static void metrics__long_names_are_cut(void **state)
{
	struct fixture *f = *state;
	char name[4096], want[METRICS_LABEL_BYTES + 64];
	struct snapshot_frame frame = { name, "f", 1, true };

	f->sample.stacks[0].frames = &frame;
	f->sample.stacks[0].n_frames = 1;
	f->sample.stacks[0].blame = 0;
	for (size_t len = METRICS_LABEL_BYTES - 1; len < METRICS_LABEL_BYTES + 3; len++) {
		memset(name, 'x', sizeof(name));
		name[len] = '\0';
		make(f);
		snprintf(want, sizeof(want), ",function=\"%.*s%s\",", METRICS_LABEL_BYTES, name,
			 len > METRICS_LABEL_BYTES ? "…" : "");
		assert_non_null(strstr(f->page.buf, want));
	}
	for (size_t i = 0; i + 3 < sizeof(name); i += 3)
		memcpy(name + i, "日", 3);
	name[sizeof(name) - 1] = '\0';
	make(f);
	read_page(f->page.buf);
	snprintf(want, sizeof(want), ",function=\"%.*s…\",",
		 METRICS_LABEL_BYTES - METRICS_LABEL_BYTES % 3, name);
	assert_non_null(strstr(f->page.buf, want));
}

/* ── bounds ───────────────────────────────────────────────────────────────────────────────── */

static void make_many(struct fixture *f, struct snapshot_stack stacks[MANY])
{
	for (size_t i = 0; i < MANY; i++) {
		stacks[i] = f->sample.stacks[0];
		stacks[i].id = i;
		stacks[i].live_bytes = (double)(MANY - i);
	}
	f->sample.snapshot.stacks = stacks;
	f->sample.snapshot.n_stacks = MANY;
	make(f);
	read_page(f->page.buf);
}

static void metrics__only_the_first_stacks_have_series(void **state)
{
	static const struct {
		size_t max, want;
	} rows[] = {
		{ METRICS_STACKS, METRICS_STACKS },
		{ 0, 0 },
		{ 1, 1 },
		{ SIZE_MAX, METRICS_STACKS_MAX },
	};
	static struct snapshot_stack stacks[MANY];
	struct fixture *f = *state;
	char line[128];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		f->options.stacks_max = rows[i].max;
		make_many(f, stacks);
		assert_int_equal(count(f, "pygrowd_stack_live_bytes"), rows[i].want);
		assert_int_equal(count(f, "pygrowd_stack_growth_bytes_per_second"), rows[i].want);
		snprintf(line, sizeof(line), "pygrowd_stacks_left_out{pid=\"4711\"} %zu",
			 MANY - rows[i].want);
		assert_true(has_line(f, line));
		if (rows[i].want)
			assert_non_null(strstr(f->page.buf, "stack=\"0000000000000000\""));
	}
}

/* A page with the same series twice would be refused as a whole. */
static void metrics__no_series_comes_twice(void **state)
{
	struct fixture *f = *state;
	struct snapshot_process processes[4] = { f->sample.process, f->sample.process,
						 f->sample.process, f->sample.process };

	processes[0].regime = "gone";
	processes[0].rss_bytes = 1;
	processes[1].pid = 12;
	processes[2].rss_bytes = 3;
	processes[3].rss_bytes = 4;
	processes[3].regime = "excluded";
	f->sample.snapshot.processes = processes;
	f->sample.snapshot.n_processes = 4;
	f->sample.stacks[1].id = f->sample.stacks[0].id;
	f->sample.stacks[2].pid = 12;
	f->sample.stacks[2].id = f->sample.stacks[0].id;
	f->sample.stacks[3].pid = -1;
	make(f);
	read_page(f->page.buf);
	assert_int_equal(count(f, "pygrowd_target_info"), 2);
	assert_true(has_line(f, "pygrowd_target_memory_bytes{pid=\"4711\",kind=\"rss\"} 3"));
	assert_int_equal(count(f, "pygrowd_stack_live_bytes"), 2);
	assert_true(has_line(f, "pygrowd_stacks_left_out{pid=\"4711\"} 1"));
	assert_true(has_line(f, "pygrowd_stacks_left_out{pid=\"12\"} 0"));
	/* What was lost was lost, by whomever. */
	assert_true(has_line(f, "pygrowd_lost_total{reason=\"stack_truncated\"} 48"));
}

static void metrics__counters_outlive_their_target(void **state)
{
	uint64_t before[PGD_COUNTER_MAX] = {
		[PGD_COUNTER_STACK_TRUNCATED] = 30, [PGD_COUNTER_DRAIN_ERROR] = 1ull << 50
	};
	static const struct metrics_lost more[] = { { "history_unwritten", 3 }, { "a\"b", 0 } };
	struct fixture *f = *state;

	f->options.lost_besides = before;
	f->options.lost_more = more;
	f->options.n_lost_more = ARRAY_SIZE(more);
	make(f);
	read_page(f->page.buf);
	assert_true(has_line(f, "pygrowd_lost_total{reason=\"stack_truncated\"} 42"));
	assert_true(has_line(f, "pygrowd_lost_total{reason=\"drain_error\"} 1125899906842624"));
	assert_true(has_line(f, "pygrowd_lost_total{reason=\"history_unwritten\"} 3"));
	assert_true(has_line(f, "pygrowd_lost_total{reason=\"a\\\"b\"} 0"));
}

static void metrics__who_is_left_out_is_no_target(void **state)
{
	struct fixture *f = *state;

	f->sample.process.regime = "unsupported";
	make(f);
	read_page(f->page.buf);
	assert_int_equal(count(f, "pygrowd_target_info"), 0);
	assert_int_equal(count(f, "pygrowd_stack_live_bytes"), 0);
}

static void metrics__a_failed_buffer_stays_failed(void **state)
{
	struct fixture *f = *state;
	struct strbuf b = STRBUF_INIT;

	b.error = -ENOMEM;
	assert_err(metrics_format(&f->sample.snapshot, &f->options, &b), -ENOMEM);
	assert_int_equal(b.len, 0);
	strbuf_done(&b);
}

/* ── what Prometheus itself says ──────────────────────────────────────────────────────────── */

static void metrics__promtool_has_nothing_to_say(void **state)
{
	char path[] = "/tmp/pygrowd-test-XXXXXX", command[160];
	struct fixture *f = *state;
	int fd, status;

	if (system("command -v promtool >/dev/null") != 0)
		skip();
	sample_windows(&f->sample);
	f->options.alerts_firing = 1;
	for (int i = 0; i < DETECT_STATE_MAX; i++)
		set_verdict(&f->sample.stacks[i], (enum detect_state)i);
	make(f);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, f->page.buf, f->page.len), f->page.len);
	close(fd);
	/* Its status is 3 if it only has advice. */
	snprintf(command, sizeof(command), "promtool check metrics <%s >&2", path);
	status = system(command);
	unlink(path);
	assert_int_equal(status, 0);
}

#define WITH_SAMPLE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SAMPLE(metrics__families_are_as_promised),
		WITH_SAMPLE(metrics__what_is_not_known_has_no_line),
		WITH_SAMPLE(metrics__numbers),
		WITH_SAMPLE(metrics__hostile_names),
		WITH_SAMPLE(metrics__long_names_are_cut),
		WITH_SAMPLE(metrics__only_the_first_stacks_have_series),
		WITH_SAMPLE(metrics__no_series_comes_twice),
		WITH_SAMPLE(metrics__counters_outlive_their_target),
		WITH_SAMPLE(metrics__who_is_left_out_is_no_target),
		WITH_SAMPLE(metrics__a_failed_buffer_stays_failed),
		WITH_SAMPLE(metrics__promtool_has_nothing_to_say),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
