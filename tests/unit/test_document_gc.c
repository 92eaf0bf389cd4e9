/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/document_gc.c. */
#include "lib/cleanup.h"
#include "report/document_gc.h"
#include "sample.h"
#include "test.h"

#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

/* The object's text; the object goes. */
static void expect_text(json_object *o, const char *want)
{
	const char *text = json_object_to_json_string_ext(o, PLAIN);

	if (strcmp(text, want))
		fail_msg("%s\nis not\n%s", text, want);
	json_object_put(o);
}

static void document_gc__all_that_is_known_is_said(void **state)
{
	struct sample s;

	(void)state;
	sample_init(&s);
	s.process.gc.frozen_objects = 375;
	expect_text(
		document_gc_new(&s.process.gc),
		"{\"known\":true,\"probe_duty\":1,\"enabled\":true,\"collector\":\"generational\","
		"\"frozen_objects\":375,\"freezing\":false,\"collections\":[120,10,1],"
		"\"pause_seconds\":[0.1,0.25,0.5],\"generations\":["
		"{\"generation\":0,\"kind\":\"young\",\"threshold\":700,\"count\":320,"
		"\"collections\":120,\"asked\":0,\"collected\":2400,\"uncollectable\":0,"
		"\"yield\":20,\"timed\":120,\"pause_seconds\":0.1,\"pause_p50_seconds\":0.0008,"
		"\"pause_p99_seconds\":0.0021,\"pause_max_seconds\":0.004,\"time_share\":0.005,"
		"\"last\":\"2026-01-01T00:00:20.000Z\"},"
		"{\"generation\":1,\"kind\":\"middle\",\"threshold\":10,\"count\":4,"
		"\"collections\":10,\"asked\":0,\"collected\":50,\"uncollectable\":0,"
		"\"yield\":5,\"timed\":10,\"pause_seconds\":0.25,\"pause_p50_seconds\":0.025,"
		"\"pause_p99_seconds\":0.03,\"pause_max_seconds\":0.03,\"time_share\":0.0125,"
		"\"last\":\"2026-01-01T00:00:15.000Z\"},"
		"{\"generation\":2,\"kind\":\"full\",\"threshold\":10,\"count\":2,"
		"\"collections\":1,\"asked\":1,\"collected\":1200,\"uncollectable\":3,"
		"\"yield\":1200,\"timed\":1,\"pause_seconds\":0.5,\"pause_p50_seconds\":0.5,"
		"\"pause_p99_seconds\":0.5,\"pause_max_seconds\":0.5,\"time_share\":0.025,"
		"\"last\":\"2026-01-01T00:00:10.500Z\"}],"
		"\"last_full_collection\":\"2026-01-01T00:00:10.500Z\","
		"\"freed_bytes\":3145728,\"freed_blocks\":1200}");
}

/* Probes that came off before they had seen any of a generation. */
static void document_gc__pauses_that_nobody_timed_are_null(void **state)
{
	struct sample s;
	json_object *o;

	(void)state;
	sample_init(&s);
	s.process.gc.probe_duty = 0.125;
	s.process.gc.generations[1].timed = 0;
	s.process.gc.generations[1].pause_seconds = NAN;
	o = document_gc_new(&s.process.gc);
	assert_non_null(strstr(json_object_to_json_string_ext(o, PLAIN), "\"probe_duty\":0.125,"));
	assert_non_null(strstr(json_object_to_json_string_ext(o, PLAIN),
			       "\"pause_seconds\":[0.1,null,0.5]"));
	assert_non_null(strstr(json_object_to_json_string_ext(o, PLAIN),
			       "\"timed\":0,\"pause_seconds\":null"));
	json_object_put(o);
}

/* Of a process that nobody could look into, every figure is null, and none is 0. */
static void document_gc__nothing_known_is_null(void **state)
{
	static const struct snapshot_gc nothing;
	json_object *o = document_gc_new(&nothing);
	const char *text = json_object_to_json_string_ext(o, PLAIN);

	(void)state;
	for (const char *c = text; *c; c++)
		if (*c == ':' && c[1] >= '0' && c[1] <= '9' &&
		    strncmp(c - strlen("\"generation\""), "\"generation\"", 12))
			fail_msg("a figure in %s at %s", text, c);
	assert_non_null(strstr(text, "\"enabled\":null"));
	assert_non_null(strstr(text, "\"collections\":null"));
	json_object_put(o);
}

static void document_gc__incremental_collector_has_other_kinds(void **state)
{
	static const struct snapshot_gc gc = { .is_incremental = true };
	json_object *o = document_gc_new(&gc);

	(void)state;
	assert_non_null(strstr(json_object_to_json_string_ext(o, PLAIN),
			       "\"generation\":1,\"kind\":\"increment\""));
	json_object_put(o);
}

static void document_gc__stack(void **state)
{
	const struct snapshot_cycles nothing = SNAPSHOT_CYCLES_NOT_KNOWN;
	struct sample s;

	(void)state;
	sample_init(&s);
	expect_text(document_cycles_new(&s.stacks[1].cycles),
		    "{\"freed_by_collector_bytes\":3145728,\"freed_by_collector_blocks\":24576,"
		    "\"freed_by_references_bytes\":1048576,\"freed_by_references_blocks\":8192,"
		    "\"cyclic_share\":0.75,\"cyclic_share_error\":0.125,"
		    "\"survived_full_collections\":1,"
		    "\"survived_bytes\":1048576,\"waiting_bytes\":3145728,\"verdict\":\"waits\"}");
	expect_text(document_cycles_new(&nothing),
		    "{\"freed_by_collector_bytes\":null,\"freed_by_collector_blocks\":null,"
		    "\"freed_by_references_bytes\":null,\"freed_by_references_blocks\":null,"
		    "\"cyclic_share\":null,\"cyclic_share_error\":null,"
		    "\"survived_full_collections\":null,"
		    "\"survived_bytes\":null,\"waiting_bytes\":null,\"verdict\":null}");
}

static void document_gc__most_cyclic_first(void **state)
{
	const struct snapshot_stack *list[4];
	json_object *rows = NULL;
	bool is_cut = false;
	struct sample s;

	(void)state;
	sample_init(&s);
	s.stacks[0].cycles = SNAPSHOT_CYCLES_NOT_KNOWN;
	s.stacks[2].cycles.by_collector_bytes = 4 << 20;
	for (size_t i = 0; i < 4; i++)
		list[i] = &s.stacks[i];
	assert_ok(document_cyclic_new(list, 4, 10, &rows, &is_cut));
	assert_int_equal(json_object_array_length(rows), 2); /* nothing is no garbage */
	assert_false(is_cut);
	assert_non_null(strstr(json_object_to_json_string_ext(rows, PLAIN),
			       "[{\"id\":\"00000000000000ab\",\"pid\":4711,\"live_bytes\":65536,"));
	json_object_put(rows);
	assert_ok(document_cyclic_new(list, 4, 1, &rows, &is_cut));
	assert_int_equal(json_object_array_length(rows), 1);
	assert_true(is_cut);
	json_object_put(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(document_gc__all_that_is_known_is_said),
		cmocka_unit_test(document_gc__pauses_that_nobody_timed_are_null),
		cmocka_unit_test(document_gc__nothing_known_is_null),
		cmocka_unit_test(document_gc__incremental_collector_has_other_kinds),
		cmocka_unit_test(document_gc__stack),
		cmocka_unit_test(document_gc__most_cyclic_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
