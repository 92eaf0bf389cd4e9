/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/document.c, jsonput.c and answer.c. */
#include <stdbool.h>

#include "lib/cleanup.h"
#include "report/answer.h"
#include "report/document.h"
#include "report/jsonput.h"
#include "sample.h"
#include "test.h"

struct fixture {
	struct sample sample;
	struct document_options options;
	json_object *doc;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	sample_init(&f->sample);
	f->options = (struct document_options)DOCUMENT_OPTIONS_INIT;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	json_object_put(f->doc);
	free(f);
	return 0;
}

static void make(struct fixture *f)
{
	json_object_put(f->doc);
	f->doc = NULL;
	assert_ok(document_new(&f->sample.snapshot, &f->options, &f->doc));
}

/* The value at "stacks.0.blame.line" as JSON text; "(none)" if there is no such field. */
static const char *at(json_object *o, const char *path)
{
	char part[64];

	while (*path) {
		size_t n = strcspn(path, ".");

		snprintf(part, sizeof(part), "%.*s", (int)n, path);
		path += n + (path[n] == '.');
		if (json_object_is_type(o, json_type_array))
			o = json_object_array_get_idx(o, (size_t)atoi(part));
		else if (!json_object_object_get_ex(o, part, &o))
			return "(none)";
	}
	return json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
							 JSON_C_TO_STRING_NOSLASHESCAPE);
}

struct expectation {
	const char *path, *want;
};

static void expect_all(json_object *doc, const struct expectation *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(at(doc, rows[i].path), rows[i].want) != 0)
			fail_msg("%s: %s, not %s", rows[i].path, at(doc, rows[i].path),
				 rows[i].want);
}

static void document__fields_are_as_promised(void **state)
{
	static const struct expectation rows[] = {
		{ "version", "\"0.1.0\"" },
		{ "at", "\"2026-01-01T00:00:20.250Z\"" },
		{ "uptime_seconds", "20.000" },
		{ "alerts", "[]" },
		{ "processes.0.pid", "4711" },
		{ "processes.0.pid_inside", "null" },
		{ "processes.0.comm", "\"uvicorn\"" },
		{ "processes.0.unit", "null" },
		{ "processes.0.python", "\"3.11.2\"" },
		{ "processes.0.build_id", "\"0123abcd\"" },
		{ "processes.0.regime", "\"exact\"" },
		{ "processes.0.duty", "1" },
		{ "processes.0.coverage", "0.9991" },
		{ "processes.0.overhead", "null" },
		{ "processes.0.overhead_budget", "null" },
		{ "processes.0.windows", "0" },
		{ "processes.0.samples_alive", "0" },
		{ "processes.0.rss_bytes", "95420416" },
		{ "processes.0.uss_bytes", "null" },
		{ "processes.0.unexplained_bytes", "null" },
		{ "processes.0.samples", "1234567" },
		{ "processes.0.live_bytes", "25235456" },
		{ "processes.0.lost", "{\"stack_truncated\":12}" },
		{ "processes.0.gc.collections", "[120,10,1]" },
		{ "processes.0.gc.pause_seconds", "[0.1,0.25,0.5]" },
		{ "lost_help.stack_truncated",
		  "\"deeper than 128 frames: outer frames are missing\"" },
		{ "stacks.0.id", "\"1f2e3d4c5b6a7988\"" },
		{ "stacks.1.id", "\"00000000000000aa\"" },
		{ "stacks.0.pid", "4711" },
		{ "stacks.0.verdict", "null" },
		{ "stacks.0.live_bytes", "20971520" },
		{ "stacks.0.live_bytes_error", "0" },
		{ "stacks.0.live_blocks", "163840" },
		{ "stacks.0.growth_bytes_per_second", "1048576.000" },
		{ "stacks.0.growth_error", "30000.000" },
		{ "stacks.0.tau", "1" },
		{ "stacks.0.since", "\"2026-01-01T00:00:00.500Z\"" },
		{ "stacks.0.age_seconds", "19.500" },
		{ "stacks.0.survival", "[]" },
		{ "stacks.0.types", "[]" },
		{ "stacks.0.samples", "0" },
		{ "stacks.0.gc.freed_by_collector_bytes", "0" },
		{ "stacks.0.gc.survived_full_collections", "null" },
		{ "stacks.0.blame.function", "\"get_user\"" },
		{ "stacks.0.blame.file", "\"/srv/demo/service.py\"" },
		{ "stacks.0.blame.line", "17" },
		{ "stacks.0.frames.0.function", "\"Generator.parse\"" },
		{ "stacks.0.frames.4.line", "8" },
		{ "stacks.0.truncated", "false" },
		{ "stacks.3.growth_bytes_per_second", "null" },
		{ "stacks.3.growth_error", "null" },
		{ "stacks.3.tau", "null" },
		{ "stacks.3.blame", "null" },
		{ "stacks.3.frames", "[]" },
		{ "lines.0.pid", "4711" },
		{ "lines.0.pids", "[4711]" },
		{ "lines.0.unit", "null" },
		{ "lines.0.function", "\"get_user\"" },
		{ "lines.0.line", "17" },
		{ "lines.0.blamed_live_bytes", "25165824" },
		{ "lines.0.blamed_stacks", "2" },
		{ "lines.0.blamed_growth_error", "50000.000" },
		{ "lines.0.top_stack", "\"1f2e3d4c5b6a7988\"" },
		{ "lines.0.through.line", "98" },
		{ "functions.0.function", "\"get_user\"" },
		{ "functions.0.line", "null" },
		{ "unit_stacks", "(none)" },
		{ "stacks_total", "4" },
		{ "truncated_to", "(none)" },
	};
	struct fixture *f = *state;

	make(f);
	expect_all(f->doc, rows, ARRAY_SIZE(rows));
}

static void document__what_is_not_known_is_null(void **state)
{
	static const char *const paths[] = {
		"processes.0.duty",
		"processes.0.coverage",
		"processes.0.gc.collections",
		"processes.0.gc.pause_seconds",
		"processes.0.gc.freed_bytes",
		"processes.0.comm",
		"stacks.0.live_bytes",
		"stacks.0.growth_bytes_per_second",
		"stacks.0.since",
		"stacks.0.live_blocks",
		"stacks.0.blame.line",
		"stacks.0.blame.file",
		"at",
	};
	struct fixture *f = *state;
	struct snapshot_frame no_place = { .function = "f" };

	f->sample.process.duty = NAN;
	f->sample.process.coverage = -INFINITY;
	f->sample.process.gc.known = false;
	f->sample.process.comm = NULL;
	f->sample.stacks[0].live_bytes = NAN;
	f->sample.stacks[0].growth_bytes_per_second = INFINITY;
	f->sample.stacks[0].since = NAN;
	f->sample.stacks[0].live_blocks = -1;
	f->sample.stacks[0].frames = &no_place;
	f->sample.stacks[0].n_frames = 1;
	f->sample.stacks[0].blame = 0;
	f->sample.snapshot.at = NAN;
	make(f);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (strcmp(at(f->doc, paths[i]), "null") != 0)
			fail_msg("%s: %s", paths[i], at(f->doc, paths[i]));
	/* What is printed must be JSON, which knows no NaN. */
	assert_null(strstr(at(f->doc, ""), "NaN"));
	assert_null(strstr(at(f->doc, ""), "Infinity"));
}

static void document__what_is_judged(void **state)
{
	static const struct expectation rows[] = {
		{ "stacks.0.verdict", "\"growing\"" },
		{ "stacks.0.verdict_why", "\"rises\"" },
		{ "stacks.0.verdict_since", "\"2026-01-01T00:00:01.000Z\"" },
		{ "stacks.0.tau", "0.75" },
		{ "stacks.0.p_value", "0.001" },
		{ "stacks.1.verdict", "\"quiet\"" }, /* nothing rises: tau is that of its history */
		{ "stacks.1.verdict_since", "null" },
		{ "stacks.1.tau", "1" },
		{ "stacks.2.verdict", "null" },
		{ "stacks.2.verdict_why", "null" },
		{ "processes.0.headroom_bytes", "1048576" },
		{ "processes.0.headroom_of", "\"cgroup\"" },
	};
	struct fixture *f = *state;

	f->sample.stacks[0].is_judged = f->sample.stacks[1].is_judged = true;
	f->sample.stacks[0].verdict = (struct detect_verdict){ .state = DETECT_GROWING,
							       .why = DETECT_RISES,
							       .since_sec = 1767225601,
							       .tau = 0.75,
							       .p_value = 0.001 };
	f->sample.stacks[1].verdict = (struct detect_verdict){
		.why = DETECT_NOT_RISING, .since_sec = NAN, .tau = NAN, .p_value = NAN
	};
	f->sample.process.headroom_bytes = 1 << 20;
	make(f);
	expect_all(f->doc, rows, ARRAY_SIZE(rows));
	f->sample.process.headroom_bytes = NAN;
	make(f);
	assert_string_equal(at(f->doc, "processes.0.headroom_of"), "null");
}

static void document__what_windows_tell(void **state)
{
	static const struct expectation rows[] = {
		{ "processes.0.regime", "\"windows\"" },
		{ "processes.0.duty", "0.02" },
		{ "processes.0.overhead", "0.007" },
		{ "processes.0.overhead_budget", "0.01" },
		{ "processes.0.windows", "1204" },
		{ "processes.0.samples", "68900" },
		{ "processes.0.samples_alive", "4064" },
		{ "stacks.0.samples", "2004" },
		{ "stacks.0.live_bytes_error", "3145728" },
		{ "stacks.0.survival.0", "{\"age_seconds\":0.000,\"share\":0.712}" },
		{ "stacks.0.survival.1", "{\"age_seconds\":0.100,\"share\":0.34}" },
		{ "stacks.0.survival.7", "{\"age_seconds\":600.000,\"share\":null}" },
		{ "stacks.0.types.0", "{\"name\":\"dict\",\"share\":0.61}" },
		{ "stacks.0.types.2.name", "\"(memory of containers)\"" },
		{ "stacks.1.survival", "[]" },
		{ "stacks.1.types", "[]" },
	};
	struct fixture *f = *state;

	sample_windows(&f->sample);
	make(f);
	expect_all(f->doc, rows, ARRAY_SIZE(rows));
}

static void document__shares_that_cannot_be_are_null(void **state)
{
	static const struct snapshot_survival survival[] = {
		{ NAN, 0.5 }, { -1, 0.5 }, { INFINITY, 0.5 }, { 0, 1.0000000001 }, { 1, 1.5 },
		{ 2, -0.1 },  { 3, NAN },  { 4, -INFINITY },  { 5, -1e-12 },
	};
	static const struct expectation rows[] = {
		{ "stacks.0.survival", "[{\"age_seconds\":0.000,\"share\":1},"
				       "{\"age_seconds\":1.000,\"share\":null},"
				       "{\"age_seconds\":2.000,\"share\":null},"
				       "{\"age_seconds\":3.000,\"share\":null},"
				       "{\"age_seconds\":4.000,\"share\":null},"
				       "{\"age_seconds\":5.000,\"share\":0}]" },
		{ "stacks.0.types", "[{\"name\":null,\"share\":0.5},"
				    "{\"name\":\"\",\"share\":null},"
				    "{\"name\":\"\\u001b[2J\\n\xef\xbf\xbd\",\"share\":null}]" },
	};
	struct fixture *f = *state;
	struct snapshot_stack *s = &f->sample.stacks[0];

	memcpy(s->survival, survival, sizeof(survival));
	s->n_survival = ARRAY_SIZE(survival);
	s->types[0] = (struct snapshot_type){ NULL, 0.5 };
	s->types[1] = (struct snapshot_type){ "", 7 };
	s->types[2] = (struct snapshot_type){ "\x1b[2J\n\xff", NAN };
	s->n_types = 3;
	make(f);
	expect_all(f->doc, rows, ARRAY_SIZE(rows));
	/* More than there is room for is cut, not read. */
	s->n_survival = s->n_types = SIZE_MAX;
	make(f);
	assert_string_equal(at(f->doc, "stacks.0.survival.12.share"), "0");
	assert_string_equal(at(f->doc, "stacks.0.survival.13"), "null");
	assert_string_equal(at(f->doc, "stacks.0.types.6"), "null");
}

static void document__text_is_valid_utf8(void **state)
{
	struct fixture *f = *state;

	make(f);
	assert_string_equal(at(f->doc, "stacks.2.blame.function"),
			    "\"churn\\u001b[31m\\n\xef\xbf\xbd\"");
}

static void document__limits_are_said(void **state)
{
	struct fixture *f = *state;

	f->options.limit = 1;
	make(f);
	assert_string_equal(at(f->doc, "truncated_to"), "1");
	assert_string_equal(at(f->doc, "stacks_total"), "4");
	assert_int_equal(json_object_array_length(json_object_object_get(f->doc, "stacks")), 1);
	assert_int_equal(json_object_array_length(json_object_object_get(f->doc, "lines")), 1);
	assert_int_equal(json_object_array_length(json_object_object_get(f->doc, "functions")), 1);
	assert_string_equal(at(f->doc, "processes.0.live_bytes"), "25235456");
	f->options.limit = SIZE_MAX;
	make(f);
	assert_string_equal(at(f->doc, "truncated_to"), "(none)");
}

static void document__filters(void **state)
{
	struct fixture *f = *state;

	f->options.stack = "00000000000000A";
	make(f);
	assert_string_equal(at(f->doc, "stacks_total"), "2");

	f->options.pid = 1;
	make(f);
	assert_string_equal(at(f->doc, "stacks"), "[]");
	assert_string_equal(at(f->doc, "processes"), "[]");
}

static void document__workers_are_one_row(void **state)
{
	static const struct expectation rows[] = {
		{ "processes.1.pid_inside", "7" },
		{ "lines.0.pid", "null" },
		{ "lines.0.pids", "[4711,4712]" },
		{ "lines.0.unit", "\"web.service\"" },
		{ "lines.0.is_gone", "false" },
		{ "lines.0.gone", "null" },
		{ "lines.0.blamed_live_bytes", "46137344" },
		{ "stacks.0.pid", "4711" },
		{ "stacks.1.pid", "4711" },
		{ "unit_stacks.0.id", "\"1f2e3d4c5b6a7988\"" },
		{ "unit_stacks.0.pid", "null" },
		{ "unit_stacks.0.live_bytes", "41943040" },
		{ "unit_stacks.0.history.19", "41943040" },
		{ "unit_stacks.0.blame.line", "17" },
		{ "unit_stacks.0.frames.4.line", "8" },
		{ "unit_stacks.1.pid", "4711" },
		{ "unit_stacks.1.pids", "[4711]" },
	};
	static const struct expectation split[] = {
		{ "lines.0.pid", "4711" },    { "lines.0.blamed_live_bytes", "25165824" },
		{ "lines.1.pids", "[4712]" }, { "lines.1.unit", "\"web.service\"" },
		{ "unit_stacks", "(none)" },
	};
	static const struct expectation gone[] = {
		{ "lines.0.pid", "4711" },
		{ "lines.0.gone", "{\"pids\":[4712],\"held_bytes\":20971520,"
				  "\"blamed_held_bytes\":20971520}" },
		{ "lines.0.blamed_live_bytes", "25165824" },
	};
	struct fixture *f = *state;
	struct snapshot_process processes[] = { f->sample.process, f->sample.process };
	struct snapshot_stack stacks[5];

	for (int i = 0; i < 2; i++) {
		processes[i].group = 4711;
		processes[i].service = "web.service";
	}
	processes[1].pid = 4712;
	processes[1].pid_inside = 7;
	memcpy(stacks, f->sample.stacks, sizeof(f->sample.stacks));
	stacks[4] = stacks[0];
	stacks[4].pid = 4712;
	f->sample.snapshot.processes = processes;
	f->sample.snapshot.n_processes = 2;
	f->sample.snapshot.stacks = stacks;
	f->sample.snapshot.n_stacks = 5;
	make(f);
	expect_all(f->doc, rows, ARRAY_SIZE(rows));
	processes[1].is_gone = true;
	make(f);
	expect_all(f->doc, gone, ARRAY_SIZE(gone));
	processes[1].is_gone = false;
	f->options.is_split = true;
	make(f);
	expect_all(f->doc, split, ARRAY_SIZE(split));
	/* Of one process there is nothing to add up. */
	f->options = (struct document_options)DOCUMENT_OPTIONS_INIT;
	f->options.pid = 4712;
	make(f);
	assert_string_equal(at(f->doc, "lines.0.pid"), "4712");
	assert_string_equal(at(f->doc, "unit_stacks"), "(none)");
}

static void document__nothing_watched_is_a_document_too(void **state)
{
	struct fixture *f = *state;

	f->sample.snapshot.n_processes = 0;
	f->sample.snapshot.n_stacks = 0;
	make(f);
	assert_string_equal(at(f->doc, "stacks"), "[]");
	assert_string_equal(at(f->doc, "lines"), "[]");
}

static void answer__requests(void **state)
{
	static const struct {
		const char *request, *error; /* NULL: a document */
	} rows[] = {
		{ "{\"command\":\"status\"}", NULL },
		{ "{\"command\":\"report\",\"limit\":3,\"pid\":4711,\"since\":12.5}", NULL },
		{ "{\"command\":\"report\",\"limit\":null,\"more\":[1]}", NULL },
		{ "{\"command\":\"report\",\"pid\":1}", NULL },
		{ "{\"command\":\"report\",\"split\":true}", NULL },
		{ "{\"command\":\"report\",\"split\":1}", "split" },
		{ "{\"command\":\"show\",\"stack\":\"1f2e\"}", NULL },
		{ "{\"command\":\"show\",\"stack\":\"1F2E3D4C5B6A7988\"}", NULL },
		{ "{\"command\":\"show\",\"stack\":\"00\"}", "could be 00000000000000a" },
		{ "{\"command\":\"show\",\"stack\":\"beef\"}", "not known" },
		{ "{\"command\":\"show\",\"stack\":\"no-such-stack\"}", "not the id" },
		{ "{\"command\":\"show\",\"stack\":\"\"}", "not the id" },
		{ "{\"command\":\"show\",\"stack\":\"1f\\u0000\"}", "not the id" },
		{ "{\"command\":\"show\",\"stack\":12}", "not the id" },
		{ "{\"command\":\"show\"}", "no stack given" },
		{ "{\"command\":\"reboot\\n\\u001b[2J\"}", "command 'reboot??[2J'" },
		{ "{\"command\":7}", "not known" },
		{ "{}", "not known" },
		{ "{\"command\":\"report\",\"limit\":-1}", "limit" },
		{ "{\"command\":\"report\",\"limit\":\"10\"}", "limit" },
		{ "{\"command\":\"report\",\"limit\":1.5}", "limit" },
		{ "{\"command\":\"report\",\"pid\":99999999999}", "pid" },
		{ "{\"command\":\"report\",\"pid\":{}}", "pid" },
		{ "{\"command\":\"report\",\"since\":\"now\"}", "since" },
		{ "{\"command\":\"report\",\"since\":1e999}", "since" },
		{ "{\"command\":\"report\",\"since\":NaN}", "since" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_object *request = json_tokener_parse(rows[i].request);
		json_object *answer = answer_new(&f->sample.snapshot, NULL, request);
		const char *error = at(answer, "error");
		bool is_as_wanted = rows[i].error ? strstr(error, rows[i].error) != NULL
						  : strcmp(error, "(none)") == 0;

		if (!is_as_wanted)
			fail_msg("%s: %s", rows[i].request, error);
		json_object_put(answer);
		json_object_put(request);
	}
}

static void answer__before_the_first_figures(void **state)
{
	json_object *request = json_tokener_parse("{\"command\":\"report\"}");
	json_object *answer = answer_new(NULL, NULL, request);

	(void)state;
	assert_non_null(strstr(at(answer, "error"), "no figures yet"));
	json_object_put(answer);
	json_object_put(request);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(document__fields_are_as_promised, setup, teardown),
		cmocka_unit_test_setup_teardown(document__what_is_not_known_is_null, setup,
						teardown),
		cmocka_unit_test_setup_teardown(document__what_is_judged, setup, teardown),
		cmocka_unit_test_setup_teardown(document__what_windows_tell, setup, teardown),
		cmocka_unit_test_setup_teardown(document__shares_that_cannot_be_are_null, setup,
						teardown),
		cmocka_unit_test_setup_teardown(document__text_is_valid_utf8, setup, teardown),
		cmocka_unit_test_setup_teardown(document__limits_are_said, setup, teardown),
		cmocka_unit_test_setup_teardown(document__filters, setup, teardown),
		cmocka_unit_test_setup_teardown(document__workers_are_one_row, setup, teardown),
		cmocka_unit_test_setup_teardown(document__nothing_watched_is_a_document_too, setup,
						teardown),
		cmocka_unit_test_setup_teardown(answer__requests, setup, teardown),
		cmocka_unit_test(answer__before_the_first_figures),
	};

	return cmocka_run_group_tests_name("document", tests, NULL, NULL);
}
