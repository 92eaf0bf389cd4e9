/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/cli/text_gc.c, and what text_stack.c says of the collector. */
#include <locale.h>

#include "cli/text_gc.h"
#include "cli/writer.h"
#include "lib/cleanup.h"
#include "report/document.h"
#include "sample.h"
#include "test.h"

static struct sample sample;
static char *text;

static int setup(void **state)
{
	(void)state;
	setlocale(LC_CTYPE, "C.UTF-8");
	sample_init(&sample);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	return 0;
}

static void show(enum writer_view view)
{
	const struct document_options o = DOCUMENT_OPTIONS_INIT;
	struct writer_options w;
	json_object *doc;
	size_t n;
	FILE *out;

	free(text);
	text = NULL;
	writer_options_init(&w);
	assert_ok(document_new(&sample.snapshot, &o, &doc));
	out = open_memstream(&text, &n);
	assert_non_null(out);
	assert_ok(writer_document(&writer_text, out, view, doc, &w));
	fclose(out);
	json_object_put(doc);
}

static void expect(const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in:\n%s", part, text);
}

static void text_gc__each_generation_has_a_line(void **state)
{
	(void)state;
	show(WRITER_GC);
	expect("pid 4711 uvicorn\n  on; thresholds 700, 10, 10\n");
	expect("  GENERATION       RUNS   ASKED      TIME   SHARE     P50     P99      MAX   YIELD "
	       " "
	       "STUCK LAST, AGO\n");
	expect("  0 young           120       0    100 ms  0.50 %  800 us  2.1 ms   4.0 ms      20"
	       "      0 250 ms\n");
	expect("  2 full              1       1    500 ms   2.5 %  500 ms  500 ms   500 ms   1,200"
	       "      3 9.8 s\n");
	expect("  freed 3.00 MiB in 1,200 followed blocks\n");
}

static void text_gc__pauses_of_a_part_are_said_to_be(void **state)
{
	(void)state;
	show(WRITER_GC);
	assert_null(strstr(text, "timed"));
	sample.process.gc.probe_duty = 0.125;
	sample.process.gc.generations[0].timed = 20;
	show(WRITER_GC);
	expect("  pauses: of the 23.7 % of the collections that were timed, probes on 12.5 % of "
	       "the "
	       "time (all would\n    cost more than the budget allows); sums are estimates\n");
	show(WRITER_STATUS);
	expect("collector: 120 + 10 + 1 collections in 850 ms (estimated: 23.7 % of them timed) ");
	sample.process.gc.generations[2].timed = 0;
	sample.process.gc.generations[2].pause_seconds = NAN;
	show(WRITER_STATUS);
	expect("collections in 350 ms (estimated: 22.9 % of them timed) ");
}

static void text_gc__stacks_with_garbage_in_cycles_are_named(void **state)
{
	(void)state;
	show(WRITER_GC);
	expect("\nStacks with the most garbage in cycles:\n"
	       "  1. 3.00 MiB by the collector, 75.0 % ±12.5 % of what was freed  service.py:17 "
	       "get_user\n"
	       "     stack 00000000000000aa of pid 4711, live 4.00 MiB, of which 3.00 MiB wait; "
	       "waits "
	       "for the\n     collector\n");
	sample.stacks[1].cycles.by_collector_bytes = 0;
	show(WRITER_GC);
	assert_null(strstr(text, "Stacks with"));
}

static void text_gc__off_frozen_and_not_known_are_said(void **state)
{
	(void)state;
	sample.process.gc.is_enabled = false;
	sample.process.gc.frozen_objects = 1234;
	sample.process.gc.is_freezing = true;
	show(WRITER_GC);
	expect("  OFF: what is in cycles stays; thresholds 700, 10, 10; 1,234 objects frozen, more "
	       "and more\n");
	sample.process.gc.is_state_known = sample.process.gc.known = false;
	show(WRITER_GC);
	expect("  whether it is on is not known\n  not seen: the collector's function was not "
	       "found\n");
}

static void text_gc__never_run_is_no_zero(void **state)
{
	struct snapshot_generation *g = &sample.process.gc.generations[0];

	(void)state;
	g->collections = 0;
	g->asked = -1;
	g->pause_p50_seconds = g->pause_p99_seconds = g->pause_max_seconds = g->last = NAN;
	show(WRITER_GC);
	expect("  0 young             0       -    100 ms  0.50 %       -       -        -       -"
	       "      0 never\n");
}

static void text_gc__show_says_what_survives_and_what_waits(void **state)
{
	(void)state;
	show(WRITER_SHOW);
	expect("  collector   freed 3.00 MiB of it so far, 75.0 % ±12.5 % of all that was freed\n"
	       "              1 full collection left something, the last 1.00 MiB\n"
	       "              the next is expected to free 3.00 MiB\n"
	       "              waits for the collector\n");
}

/* Counts have no ±; of too few samples nothing is said but the verdict. */
static void text_gc__counts_are_exact_and_little_is_nothing(void **state)
{
	struct snapshot_cycles *c = &sample.stacks[1].cycles;

	(void)state;
	c->share_error = 0;
	show(WRITER_SHOW);
	expect("  collector   freed 3.00 MiB of it so far, 75.0 % of all that was freed\n");
	c->by_collector_bytes = c->by_references_bytes = NAN;
	c->waiting_bytes = NAN;
	show(WRITER_SHOW);
	expect("  collector   who frees it is not known\n"
	       "              1 full collection left something, the last 1.00 MiB\n"
	       "              waits for the collector\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(text_gc__each_generation_has_a_line, setup,
						teardown),
		cmocka_unit_test_setup_teardown(text_gc__pauses_of_a_part_are_said_to_be, setup,
						teardown),
		cmocka_unit_test_setup_teardown(text_gc__stacks_with_garbage_in_cycles_are_named,
						setup, teardown),
		cmocka_unit_test_setup_teardown(text_gc__off_frozen_and_not_known_are_said, setup,
						teardown),
		cmocka_unit_test_setup_teardown(text_gc__never_run_is_no_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(text_gc__show_says_what_survives_and_what_waits,
						setup, teardown),
		cmocka_unit_test_setup_teardown(text_gc__counts_are_exact_and_little_is_nothing,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
