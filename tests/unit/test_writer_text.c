/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/cli/writer_text.c, text_process.c, page.c and sparkline.c: what people get to see.
 * The documents are made by report/document, as in the programs, and then bent.
 */
#include <locale.h>

#include "cli/page.h"
#include "cli/sparkline.h"
#include "cli/writer.h"
#include "lib/cleanup.h"
#include "lib/utf8.h"
#include "report/document.h"
#include "sample.h"
#include "test.h"

struct fixture {
	struct sample sample;
	struct writer_options options;
	char *text;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || !setlocale(LC_CTYPE, "C.UTF-8"))
		return -1;
	sample_init(&f->sample);
	writer_options_init(&f->options);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->text);
	free(f);
	return 0;
}

static const char *write_doc(struct fixture *f, enum writer_view view, json_object *doc)
{
	size_t n;
	FILE *out;

	free(f->text);
	f->text = NULL;
	out = open_memstream(&f->text, &n);
	assert_non_null(out);
	assert_ok(writer_document(&writer_text, out, view, doc, &f->options));
	fclose(out);
	return f->text;
}

static const char *write_view(struct fixture *f, enum writer_view view)
{
	const struct document_options o = DOCUMENT_OPTIONS_INIT;
	json_object *doc;

	assert_ok(document_new(&f->sample.snapshot, &o, &doc));
	write_doc(f, view, doc);
	json_object_put(doc);
	return f->text;
}

static void expect(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in:\n%s", part, text);
}

/* No line over the page, none that ends in blanks, nothing that a terminal would obey. */
static void expect_harmless(const char *text, int columns)
{
	size_t len = strlen(text), n;
	int column = 0;

	assert_true(len == 0 || text[len - 1] == '\n');
	for (size_t i = 0; i < len; i += n) {
		uint32_t c = utf8_decode(text + i, len - i, &n);

		assert_true(c != UTF8_INVALID);
		if (c == '\n') {
			assert_true(i == 0 || text[i - 1] != ' ');
			column = 0;
			continue;
		}
		column++;
		if (utf8_is_control(c) || column > columns)
			fail_msg("U+%04x at column %d of:\n%s", c, column, text);
	}
}

static void writer_text__the_first_ranked_line_is_the_one_to_mend(void **state)
{
	struct fixture *f = *state;
	const char *text = write_view(f, WRITER_REPORT);

	expect(text, "pygrowd 0.1.0 · pid 4711 uvicorn (python 3.11.2, exact) · 20 s · "
		     "coverage 99.9 % alloc 100 % free\n");
	expect(text,
	       "\nGrowing most, by line of your code:\n"
	       "  1. +1.19 MiB/s ±0.05  service.py:17 get_user\n"
	       "     live 24.0 MiB in 196,608 blocks  ▁▁▂▂▃▃▄▄▅▅▆▆▇▇▇█  /srv/demo/service.py\n"
	       "     2 stacks, the fastest: pygrowctl show 1f2e3d4c5b6a7988, "
	       "through faker/generator.py:98 Gener");
	expect(text,
	       "  collector: 120 + 10 + 1 collections in 850 ms freed 3.00 MiB in 1,200 followed "
	       "blocks\n");
	expect(text, "lost: 12 stack_truncated: deeper than 128 frames");
	/* The event loop, through which all of it passes, is not a line to mend. */
	assert_null(strstr(text, "Handle._run"));
}

static void writer_text__by_stack_and_by_function(void **state)
{
	struct fixture *f = *state;

	f->options.by = WRITER_BY_STACK;
	expect(write_view(f, WRITER_REPORT), "Growing most, by whole stack:\n"
					     "  1. +1.00 MiB/s ±0.03  service.py:17 get_user\n");
	expect(f->text, "     faker/generator.py:98 Generator.parse ◄ service.py:17 get_user ◄ ");
	expect(f->text, "pygrowctl show 1f2e3d4c5b6a7988\n");
	f->options.by = WRITER_BY_FUNCTION;
	expect(write_view(f, WRITER_REPORT), "  1. +1.19 MiB/s ±0.05  service.py get_user\n");
}

static void writer_text__without_a_daemon_the_top_stack_is_printed(void **state)
{
	struct fixture *f = *state;

	f->options.is_live = false;
	expect(write_view(f, WRITER_REPORT), "Stack 1f2e3d4c5b6a7988, innermost frame first:\n"
					     "  faker/generator.py:98 Generator.parse\n"
					     "  service.py:17 get_user\n");
	assert_null(strstr(f->text, "pygrowctl"));
}

static void writer_text__nothing_grows_is_said(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < 4; i++) {
		f->sample.stacks[i].growth_bytes_per_second = 1000;
		f->sample.stacks[i].growth_error = 5000;
	}
	expect(write_view(f, WRITER_REPORT),
	       "Nothing grows for certain: no rate is above its own error.");
	f->sample.snapshot.n_stacks = 0;
	expect(write_view(f, WRITER_REPORT), "Nothing that was allocated since");
}

static void writer_text__poor_coverage_is_a_warning_in_words(void **state)
{
	struct fixture *f = *state;

	f->sample.process.coverage = 0.871;
	f->sample.process.coverage_frees = 0.5;
	expect(write_view(f, WRITER_REPORT),
	       "warning: only 87.1 % of the blocks handed out are seen: live bytes and growth");
	expect(f->text, "warning: only 50.0 % of the blocks taken back are seen");
	f->sample.process.coverage = NAN;
	f->sample.process.coverage_why = "no child ran";
	expect(write_view(f, WRITER_REPORT), "coverage not known: no child ran");
	f->sample.process.regime = "gone";
	f->sample.process.why = "it was killed by signal 9";
	expect(write_view(f, WRITER_REPORT), "gone: it was killed by signal 9");
}

static void writer_text__show_marks_the_frame_to_blame(void **state)
{
	struct fixture *f = *state;

	expect(write_view(f, WRITER_SHOW), "Stack 1f2e3d4c5b6a7988 of pid 4711\n"
					   "  holds       live 20.0 MiB in 163,840 blocks\n"
					   "  growth      +1.00 MiB/s ±0.03\n");
	expect(f->text, "\n    0  Generator.parse  "
			"/usr/lib/python3/dist-packages/faker/generator.py:98\n"
			">   1  get_user  /srv/demo/service.py:17\n");
	expect(f->text, "No Python code was running");
}

static void writer_text__status_and_gc(void **state)
{
	struct fixture *f = *state;

	expect(write_view(f, WRITER_STATUS), "   4711 uvicorn         3.11.2   exact     100 %");
	expect(f->text, "1,234,567 blocks followed, 2,345,678 hits at 219 sites");
	expect(write_view(f, WRITER_GC), "  generation 1           10 collections in 250 ms\n");
	f->sample.process.gc.known = false;
	expect(write_view(f, WRITER_GC), "  not seen: the collector");
	f->sample.snapshot.n_processes = 0;
	expect(write_view(f, WRITER_STATUS), "No such process is watched.");
}

/* Whatever the watched process calls its functions and files. */
static void writer_text__hostile_names_do_no_harm(void **state)
{
	static const char *const names[] = {
		"\x1b]0;owned\x07\x1b[2J",
		"a\nb\rc\td",
		"\xff\xfe\xc2",
		"\xe2\x80\xae"
		"gnp.yp",
		"\xc2\x9b"
		"31m",
		"%s%n%p",
		"",
		"日本語のとても長い名前",
		"long.long.long.long.long.long.long.long.long.long.long.long.long.long.long.long."
		"long."
		"long.long.long.long.long.long.long.long.long.long.long.long.long.long.long.long."
		"long",
	};
	static const int widths[] = { 100, 40, 20 };
	struct snapshot_frame frames[2];
	struct fixture *f = *state;

	f->sample.stacks[0].frames = frames;
	f->sample.stacks[0].n_frames = 2;
	for (size_t i = 0; i < ARRAY_SIZE(names) * 2; i++) {
		const char *name = names[i % ARRAY_SIZE(names)];

		f->options.utf8 = i / ARRAY_SIZE(names) == 1;
		f->options.columns = widths[i % ARRAY_SIZE(widths)];
		frames[0] = frames[1] = (struct snapshot_frame){ name, name, 1, true };
		f->sample.process.cmdline = f->sample.process.comm = name;
		f->sample.process.why = f->sample.process.unit = name;
		for (int view = 0; view < WRITER_VIEW_MAX; view++) {
			for (int by = 0; by < WRITER_BY_MAX; by++) {
				f->options.by = (enum writer_by)by;
				expect_harmless(write_view(f, (enum writer_view)view),
						f->options.columns);
			}
		}
		for (const char *c = f->text; *c && !f->options.utf8; c++)
			assert_true((unsigned char)*c < 0x80);
	}
}

/* A daemon of another version, or not a daemon at all. */
static void writer_text__documents_with_holes_do_no_harm(void **state)
{
	static const char *const documents[] = {
		"{}",
		"{\"processes\":null,\"stacks\":{},\"lines\":7}",
		"{\"processes\":[null,{},7,\"x\"],\"stacks\":[null,{},[]],\"lines\":[{},null]}",
		"{\"processes\":[{\"pid\":\"x\",\"lost\":{\"a\":null},\"gc\":{\"known\":true}}]}",
		"{\"processes\":[{\"gc\":{\"known\":true,\"collections\":[1,2,3,4,5,6,7],"
		"\"pause_seconds\":[1]},\"coverage\":1e400}]}",
		"{\"processes\":[{}],\"lines\":[{\"blamed_stacks\":1,\"through\":{},"
		"\"blamed_history\":[null,{},\"x\",1e308,-1e308]}]}",
		"{\"processes\":[{}],\"stacks\":[{\"frames\":[null],\"blame\":{},\"id\":7}]}",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		json_object *doc = json_tokener_parse(documents[i]);

		assert_non_null(doc);
		for (int view = 0; view < WRITER_VIEW_MAX; view++) {
			for (int by = 0; by < WRITER_BY_MAX * 2; by++) {
				f->options.by = (enum writer_by)(by % WRITER_BY_MAX);
				f->options.is_live = by < WRITER_BY_MAX;
				expect_harmless(write_doc(f, (enum writer_view)view, doc), 100);
			}
		}
		json_object_put(doc);
	}
}

static void writer_text__rows_are_limited(void **state)
{
	struct fixture *f = *state;
	int lines = 0;

	f->options.rows = 7;
	for (const char *c = write_view(f, WRITER_REPORT); *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 7);
}

static void writer_text__many_processes_send_to_status(void **state)
{
	static struct snapshot_process processes[50];
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(processes); i++) {
		processes[i] = f->sample.process;
		processes[i].pid = (pid_t)(4711 + i);
	}
	f->sample.snapshot.processes = processes;
	f->sample.snapshot.n_processes = 2;
	expect(write_view(f, WRITER_REPORT), "pid 4712 uvicorn (python 3.11.2, exact)");
	expect(f->text, "  pid 4711  /srv/demo/service.py");
	f->sample.snapshot.n_processes = 50;
	expect(write_view(f, WRITER_REPORT),
	       "50 processes · 20 s · each of them: pygrowctl status\n\nGrowing");
}

static void sparkline__shapes(void **state)
{
	static const struct {
		double values[20];
		size_t n;
		const char *want;
	} rows[] = {
		{ { 0 }, 0, "" },
		{ { 5 }, 1, "█" },
		{ { 0, 0, 0 }, 3, "▁▁▁" },
		{ { 0, 1, 2, 3, 4, 5, 6, 7 }, 8, "▁▂▃▄▅▆▇█" },
		{ { 7, 0 }, 2, "█▁" },
		{ { 1000, 1001, 999, 1000 }, 4, "████" },
		{ { NAN, 1, 8, INFINITY }, 4, "▁▁█▁" },
		{ { NAN, NAN }, 2, "" },
		{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9 },
		  20,
		  "▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁█" },
	};
	char buf[SPARKLINE_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(sparkline_format(buf, rows[i].values, rows[i].n), rows[i].want) != 0)
			fail_msg("%zu: %s, not %s", i, buf, rows[i].want);
}

#define WITH_SAMPLE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SAMPLE(writer_text__the_first_ranked_line_is_the_one_to_mend),
		WITH_SAMPLE(writer_text__by_stack_and_by_function),
		WITH_SAMPLE(writer_text__without_a_daemon_the_top_stack_is_printed),
		WITH_SAMPLE(writer_text__nothing_grows_is_said),
		WITH_SAMPLE(writer_text__poor_coverage_is_a_warning_in_words),
		WITH_SAMPLE(writer_text__show_marks_the_frame_to_blame),
		WITH_SAMPLE(writer_text__status_and_gc),
		WITH_SAMPLE(writer_text__hostile_names_do_no_harm),
		WITH_SAMPLE(writer_text__documents_with_holes_do_no_harm),
		WITH_SAMPLE(writer_text__rows_are_limited),
		WITH_SAMPLE(writer_text__many_processes_send_to_status),
		cmocka_unit_test(sparkline__shapes),
	};

	return cmocka_run_group_tests_name("writer_text", tests, NULL, NULL);
}
