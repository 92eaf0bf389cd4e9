/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/cli/writer_text.c, text_process.c, text_stack.c, figure.c, page.c and sparkline.c:
 * what people get to see.
 * The documents are made by report/document, as in the programs, and then bent.
 */
#include <locale.h>

#include "cli/figure.h"
#include "cli/page.h"
#include "cli/sparkline.h"
#include "cli/writer.h"
#include "lib/cleanup.h"
#include "lib/utf8.h"
#include "report/document.h"
#include "report/jsonput.h"
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

static void writer_text__workers_are_counted(void **state)
{
	struct fixture *f = *state;
	struct snapshot_process processes[] = { f->sample.process, f->sample.process,
						f->sample.process };
	struct snapshot_stack stacks[3];

	for (int i = 0; i < 3; i++) {
		stacks[i] = f->sample.stacks[0];
		stacks[i].pid = processes[i].pid = 4711 + i;
		processes[i].group = 4711;
	}
	processes[0].pid_inside = 12;
	f->sample.snapshot.processes = processes;
	f->sample.snapshot.n_processes = 3;
	f->sample.snapshot.stacks = stacks;
	f->sample.snapshot.n_stacks = 3;
	expect(write_view(f, WRITER_STATUS), "        pid 12 in its own namespace\n");
	expect(write_view(f, WRITER_REPORT), "▇█  3 processes  /srv/demo/service.py\n");
	assert_null(strstr(f->text, "without"));

	for (int i = 0; i < 3; i++)
		processes[i].service = "web.service";
	processes[1].is_gone = true;
	expect(write_view(f, WRITER_REPORT),
	       "▇█  2 workers of web.service  /srv/demo/service…\n"
	       "     without pid 4712, gone, which held up to 20.0 MiB\n"
	       "     2 stacks, the fastest: ");
	f->options.by = WRITER_BY_STACK;
	expect(write_view(f, WRITER_REPORT), "  1. +2.00 MiB/s ±0.04  service.py:17 get_user\n"
					     "     live 40.0 MiB in 327,680 blocks  ");
	expect(f->text, "  2 workers of web.service  /srv/demo/service…\n     without pid 4712, ");

	processes[0].is_gone = true;
	expect(write_view(f, WRITER_REPORT),
	       "  pid 4713  /srv/demo/service.py\n"
	       "     without 2 processes, gone, which held up to 40.0");
	processes[2].is_gone = true;
	processes[0].service =
		"docker-4fa6e0f0c6786287e131c3852c58a2e01cc697a68231826813597e4994f1d6e2.scope";
	processes[1].service = processes[2].service = processes[0].service;
	expect(write_view(f, WRITER_REPORT), "  3 workers of container 4fa6e0f0c678, gone");
	assert_null(strstr(f->text, "without"));
	expect_harmless(f->text, 100);
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

/* What holds nothing does not shrink, and so comes first. */
static void writer_text__what_shrinks_is_alive(void **state)
{
	struct document_options o = DOCUMENT_OPTIONS_INIT;
	struct fixture *f = *state;
	json_object *doc;

	o.limit = 1;
	f->options.by = WRITER_BY_STACK;
	f->sample.snapshot.n_stacks = 2;
	f->sample.stacks[0].live_bytes = 0;
	f->sample.stacks[0].live_blocks = 0;
	f->sample.stacks[0].growth_bytes_per_second = 0;
	f->sample.stacks[1].growth_bytes_per_second = -1000;
	assert_ok(document_new(&f->sample.snapshot, &o, &doc));
	expect(write_doc(f, WRITER_REPORT, doc), "Nothing grows: what is alive holds as much as");
	json_object_put(doc);
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

	expect(write_view(f, WRITER_STATUS), "   4711 uvicorn         3.11.2   exact        100 %");
	expect(f->text, "\n        every block is followed\n"
			"        alive 24.1 MiB in 197,152 blocks, growing +1.19 MiB/s ±0.05\n");
	expect(f->text, "1,234,567 blocks followed, 2,345,678 hits at 219 sites");
	expect(write_view(f, WRITER_GC), "pid 4711 uvicorn\n");
	f->sample.snapshot.n_processes = 0;
	expect(write_view(f, WRITER_STATUS), "No such process is watched.");
}

static void writer_text__status_under_a_budget(void **state)
{
	struct fixture *f = *state;

	sample_windows(&f->sample);
	expect(write_view(f, WRITER_STATUS),
	       "    PID COMMAND         PYTHON   REGIME        DUTY  ALLOCS   FREES OVERHEAD  "
	       "BUDGET  "
	       "RESIDENT\n"
	       "   4711 uvicorn         3.11.2   windows      2.0 %  99.9 %   100 %   0.70 %     1 "
	       "%  "
	       "91.0 MiB\n"
	       "        watched 2.0 % of the time, in 1,204 windows; overhead 0.70 % of 1 % "
	       "allowed\n"
	       "        alive 24.1 MiB ±3.06 MiB in about 200,000 blocks, growing +1.19 MiB/s "
	       "±0.05\n");
	expect(f->text,
	       "  68,900 blocks sampled, 4,064 of them alive, 2,345,678 hits at 219 sites\n");
	f->options.utf8 = false;
	expect(write_view(f, WRITER_STATUS), "alive 24.1 MiB +-3.06 MiB in about 200,000 blocks");
	expect_harmless(f->text, 100);
}

static void writer_text__every_regime_has_its_words(void **state)
{
	static const struct {
		const char *regime;
		uint64_t windows;
		double duty, overhead, budget;
		const char *want;
	} rows[] = {
		{ "exact", 0, 1, 0.932, NAN, "every block is followed; overhead 93.2 %\n" },
		{ "exact", 0, 1, 0.003, 0.01,
		  "every block is followed; overhead 0.30 % of 1 % allowed\n" },
		{ "exact", 7, 1, 0.003, 0.01, "every block is followed, 7 windows; over" },
		{ "windows", 1, 1, 0, 0.0025,
		  "watched 100 % of the time, in 1 window; overhead 0 % of 0.25 % " },
		{ "windows", 0, NAN, NAN, 0.1,
		  "watched ? of the time; overhead not measured yet, 10 % allowed\n" },
		{ "windows", 9, 0.5, 0.013, 0.01,
		  ", in 9 windows; overhead 1.3 %, more than the 1 % allowed\n" },
		{ "windows", 9, 0.5, 0.01001, 0.01, "; overhead 1.0 % of 1 % allowed\n" },
		{ "windows", 9, 0.5, INFINITY, -1, "in 9 windows\n" },
		{ "waiting", 0, 0, NAN, 0.01, "        waits for its turn; overhead not measured" },
		{ "waiting", 3, 0, 0.01, 0.01, "        waits for its turn, 3 windows so far; " },
		{ "unsupported", 0, NAN, NAN, NAN, "        not watched\n" },
		{ "gone", 12, 0, NAN, NAN, "        not watched any more, 12 windows\n" },
		{ "novel", 0, 0, NAN, NAN, "        novel\n" },
		{ NULL, UINT64_MAX, -1, 1e308, 1e-308, "        ?; overhead" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		f->sample.process.regime = rows[i].regime;
		f->sample.process.windows = rows[i].windows;
		f->sample.process.duty = rows[i].duty;
		f->sample.process.overhead = rows[i].overhead;
		f->sample.process.overhead_budget = rows[i].budget;
		expect(write_view(f, WRITER_STATUS), rows[i].want);
		expect_harmless(f->text, 100);
		expect_harmless(write_view(f, WRITER_REPORT), 100);
	}
}

static void writer_text__an_unsupported_process_has_no_figures(void **state)
{
	struct fixture *f = *state;

	f->sample.process.regime = "unsupported";
	f->sample.process.why = "it is a free-threaded build";
	f->sample.snapshot.n_stacks = 0;
	expect(write_view(f, WRITER_STATUS), "  unsupported: it is a free-threaded build\n");
	assert_null(strstr(f->text, "blocks "));
	assert_null(strstr(f->text, "alive"));
	expect(write_view(f, WRITER_REPORT), "  unsupported: it is a free-threaded build\n");
	assert_null(strstr(f->text, "followed and alive"));
}

static size_t times(const char *text, const char *part)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, part)); p++)
		n++;
	return n;
}

static void writer_text__a_report_says_once_that_it_estimates(void **state)
{
	struct snapshot_process processes[3];
	struct fixture *f = *state;

	write_view(f, WRITER_REPORT);
	assert_null(strstr(f->text, "estimates"));
	expect(f->text, "  followed and alive: 24.1 MiB in 197,152 blocks, +1.19 MiB/s ±0.05 · "
			"resident 91.0 MiB\n");
	sample_windows(&f->sample);
	expect(write_view(f, WRITER_REPORT),
	       "pygrowd 0.1.0 · pid 4711 uvicorn (python 3.11.2, windows) · 3 min 20 s · coverage "
	       "99.9 % alloc\n"
	       "  100 % free\n"
	       "  alive: 24.1 MiB ±3.06 MiB in about 200,000 blocks, +1.19 MiB/s ±0.05 · resident "
	       "91.0 MiB\n"
	       "  watched 2.0 % of the time, in 1,204 windows, 4,064 samples alive · overhead 0.70 "
	       "% of 1 % allowed\n");
	expect(f->text, "\n     live 24.0 MiB ±3.06 MiB in about 200,000 blocks  ▁▁▂▂");
	assert_int_equal(times(f->text, "are estimates from samples"), 1);
	for (size_t i = 0; i < ARRAY_SIZE(processes); i++)
		processes[i] = f->sample.process;
	f->sample.snapshot.processes = processes;
	f->sample.snapshot.n_processes = ARRAY_SIZE(processes);
	write_view(f, WRITER_REPORT);
	assert_int_equal(times(f->text, "are estimates from samples"), 1);
	f->sample.snapshot.n_stacks = 0;
	expect(write_view(f, WRITER_REPORT), "Of the blocks sampled so far none is alive now.");
	expect(f->text, "  alive: nothing that was sampled · resident ");
}

static void writer_text__show_has_survival_and_types(void **state)
{
	struct fixture *f = *state;

	assert_null(strstr(write_view(f, WRITER_SHOW), "alive after"));
	assert_null(strstr(f->text, "survivors"));
	assert_null(strstr(f->text, "rests on"));
	sample_windows(&f->sample);
	expect(write_view(f, WRITER_SHOW),
	       "  holds       live 20.0 MiB ±3.00 MiB in about 160,000 blocks\n"
	       "  growth      +1.00 MiB/s ±0.03\n"
	       "  rests on    2,004 sampled blocks\n");
	expect(f->text,
	       "  alive after a moment  71.2 %  ████████████████████████████\n"
	       "                 0.1 s  34.0 %  ██████████████\n"
	       "                 0.5 s  21.0 %  ████████\n"
	       "                   2 s   9.0 %  ████\n"
	       "                   8 s   3.0 %  █\n"
	       "                  30 s  0.40 %  ▏\n"
	       "                 2 min  0.40 %  ▏\n"
	       "  survivors   dict 61 %, str 22 %, (memory of containers) 17 %, Row < 1 %\n");
	assert_int_equal(times(f->text, "alive after"), 1);
	f->options.utf8 = false;
	expect(write_view(f, WRITER_SHOW), "                   8 s   3.0 %  #\n"
					   "                  30 s  0.40 %  |\n");
	expect_harmless(f->text, 100);
}

static void writer_text__hostile_survival_and_types_do_no_harm(void **state)
{
	static const char *const names[] = { NULL, "", "\x1b]0;owned\x07", "a\nb", "\xff", "%s%n" };
	static const double values[] = { NAN, INFINITY, -INFINITY, -1, 1.5, 1e300, 0, 1 };
	char longest[JSONPUT_TEXT_BYTES * 2];
	struct fixture *f = *state;
	struct snapshot_stack *s = &f->sample.stacks[0];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(values) * ARRAY_SIZE(values); i++) {
		for (size_t j = 0; j < SNAPSHOT_SURVIVAL_MAX; j++)
			s->survival[j] = (struct snapshot_survival){
				values[(i + j) % ARRAY_SIZE(values)],
				values[(i / ARRAY_SIZE(values) + j) % ARRAY_SIZE(values)],
			};
		for (size_t j = 0; j < SNAPSHOT_TYPES_MAX; j++)
			s->types[j] = (struct snapshot_type){
				i % 7 ? names[j] : longest,
				values[(i + j) % ARRAY_SIZE(values)],
			};
		s->n_survival = SNAPSHOT_SURVIVAL_MAX;
		s->n_types = SNAPSHOT_TYPES_MAX;
		s->live_bytes_error = values[i % ARRAY_SIZE(values)];
		s->n_samples = i % 3 ? UINT64_MAX : 1;
		f->options.utf8 = i & 1;
		f->options.columns = i & 2 ? 100 : 20;
		expect_harmless(write_view(f, WRITER_SHOW), f->options.columns);
	}
	*s = (struct snapshot_stack){ .blame = -1, .n_types = 2 };
	s->types[0] = (struct snapshot_type){ NULL, 0.75 };
	s->types[1] = (struct snapshot_type){ longest, 0.25 };
	f->options.utf8 = true;
	f->options.columns = 100;
	expect(write_view(f, WRITER_SHOW), "  survivors   (no name) 75 %, xxxxxxxx");
	expect(f->text, "xxxx… 25 %\n");
}

static void figure__counts_of_estimates_have_two_digits(void **state)
{
	static const struct {
		double bytes, error, blocks;
		const char *want;
	} rows[] = {
		{ 1024, 0, 12345, "1.00 KiB in 12,345 blocks" },
		{ 1024, 0, 1, "1.00 KiB in 1 block" },
		{ 1024, 100, 12345, "1.00 KiB ±100 B in about 12,000 blocks" },
		{ 1024, 100, 99999, "1.00 KiB ±100 B in about 100,000 blocks" },
		{ 1024, 100, 87, "1.00 KiB ±100 B in about 87 blocks" },
		{ 1024, 100, 1, "1.00 KiB ±100 B in about 1 block" },
		{ 0, 100, 0, "0 B ±100 B in 0 blocks" },
		{ 1024, NAN, 12345, "1.00 KiB ±? in about 12,000 blocks" },
		{ NAN, NAN, NAN, "? in ? blocks" },
		{ INFINITY, 1, -5, "? in -5 blocks" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;

		figure_live_add(&b, rows[i].bytes, rows[i].error, rows[i].blocks);
		assert_string_equal(b.buf, rows[i].want);
	}
}

static void figure__ages(void **state)
{
	static const struct {
		double sec;
		const char *want;
	} rows[] = {
		{ 0.1, "0.1 s" },  { 8, "8 s" },      { 30, "30 s" },  { 120, "2 min" },
		{ 90, "1.5 min" }, { 600, "10 min" }, { 3600, "1 h" }, { 1e6, "278 h" },
	};
	char buf[UNITS_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(figure_age_format(buf, rows[i].sec), rows[i].want);
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
		"{\"processes\":[{\"regime\":\"windows\",\"windows\":\"x\",\"samples_alive\":{},"
		"\"overhead_budget\":[],\"overhead\":-1e308}],\"stacks\":[{\"survival\":[null,7,{},"
		"{\"age_seconds\":1},{\"age_seconds\":-1,\"share\":2},{\"age_seconds\":1e999,"
		"\"share\":1}],\"types\":[null,{},{\"name\":7,\"share\":0.5},{\"share\":\"x\"}]}]}",
		"{\"processes\":[],\"stacks\":[{\"survival\":{},\"types\":7,\"samples\":-3}]}",
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

static const char *write_alerts(struct fixture *f, enum writer_view view, const char *alerts)
{
	const struct document_options o = DOCUMENT_OPTIONS_INIT;
	json_object *doc, *more = json_tokener_parse(alerts);

	assert_non_null(more);
	assert_ok(document_new(&f->sample.snapshot, &o, &doc));
	json_object_object_foreach (more, key, value) {
		json_object_object_add(doc, key, json_object_get(value));
	}
	json_object_put(more);
	write_doc(f, view, doc);
	json_object_put(doc);
	return f->text;
}

static void writer_text__alerts(void **state)
{
	struct fixture *f = *state;

	expect(write_view(f, WRITER_ALERTS),
	       "No alert fires, and none has since pygrowd was started.\n");
	write_alerts(f, WRITER_ALERTS,
		     "{\"alerts_firing\":1,\"alerts_total\":3,\"alerts\":["
		     "{\"state\":\"firing\",\"fired_at\":\"A\",\"was_sent\":true,\"message\":"
		     "\"It grows. \\u001b[31mBut this sentence does not fit onto one line of the "
		     "page, since it is longer than one hundred characters.\"},"
		     "{\"state\":\"resolved\",\"resolved_at\":\"B\",\"was_sent\":false}]}");
	expect(f->text, "1 alert fires, 2 resolved.\n  1. firing since A\n     It grows. ?[31mBut");
	expect(f->text, "  2. resolved since B, not sent: too many in a short time\n     ?\n");
	expect(f->text, "     … and 1 more: pygrowctl alerts -n 3\n");
	expect_harmless(f->text, 100);
	write_alerts(f, WRITER_ALERTS,
		     "{\"alerts_firing\":0,\"alerts_suppressed\":1,\"alerts_total\":2,\"alerts\":["
		     "{\"state\":\"firing\",\"fired_at\":\"A\",\"was_sent\":false,\"message\":"
		     "\"It grows.\",\"suppressed\":{\"by\":\"issue-17\",\"until\":\"B\",\"reason\":"
		     "\"mended\\u001b[31m in 2.4\"}}]}");
	expect(f->text, "0 alerts fire, 1 suppressed, 1 resolved.\n"
			"  1. firing since A, suppressed\n     It grows.\n"
			"     Suppressed until B by issue-17: mended?[31m in 2.4\n");
	/* Whatever is in it. */
	write_alerts(f, WRITER_ALERTS,
		     "{\"alerts_total\":2,\"alerts\":[{\"suppressed\":{}}, "
		     "{\"suppressed\":7}]}");
	expect_harmless(f->text, 100);
	write_alerts(f, WRITER_ALERTS, "{\"alerts_total\":1,\"alerts\":[null, 5, {}]}");
	expect_harmless(f->text, 100);
}

static void writer_text__what_fires_is_said_everywhere(void **state)
{
	struct fixture *f = *state;

	expect(write_alerts(f, WRITER_STATUS, "{\"alerts_firing\":2}"),
	       "\n2 alerts fire: pygrowctl alerts\n");
	expect(write_alerts(f, WRITER_REPORT, "{\"alerts_firing\":1}"),
	       "\n1 alert fires: pygrowctl alerts\n");
	expect(write_alerts(f, WRITER_STATUS, "{\"alerts_firing\":0,\"alerts_suppressed\":1}"),
	       "\n1 alert is suppressed: pygrowctl alerts\n");
	assert_null(strstr(
		write_alerts(f, WRITER_STATUS, "{\"alerts_firing\":0,\"alerts_suppressed\":0}"),
		"alert"));
	assert_null(strstr(write_alerts(f, WRITER_STATUS, "{\"alerts_firing\":0}"), "alert"));
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
		WITH_SAMPLE(writer_text__workers_are_counted),
		WITH_SAMPLE(writer_text__without_a_daemon_the_top_stack_is_printed),
		WITH_SAMPLE(writer_text__nothing_grows_is_said),
		WITH_SAMPLE(writer_text__what_shrinks_is_alive),
		WITH_SAMPLE(writer_text__poor_coverage_is_a_warning_in_words),
		WITH_SAMPLE(writer_text__show_marks_the_frame_to_blame),
		WITH_SAMPLE(writer_text__status_and_gc),
		WITH_SAMPLE(writer_text__status_under_a_budget),
		WITH_SAMPLE(writer_text__alerts),
		WITH_SAMPLE(writer_text__what_fires_is_said_everywhere),
		WITH_SAMPLE(writer_text__every_regime_has_its_words),
		WITH_SAMPLE(writer_text__an_unsupported_process_has_no_figures),
		WITH_SAMPLE(writer_text__a_report_says_once_that_it_estimates),
		WITH_SAMPLE(writer_text__show_has_survival_and_types),
		WITH_SAMPLE(writer_text__hostile_survival_and_types_do_no_harm),
		cmocka_unit_test(figure__counts_of_estimates_have_two_digits),
		cmocka_unit_test(figure__ages),
		WITH_SAMPLE(writer_text__hostile_names_do_no_harm),
		WITH_SAMPLE(writer_text__documents_with_holes_do_no_harm),
		WITH_SAMPLE(writer_text__rows_are_limited),
		WITH_SAMPLE(writer_text__many_processes_send_to_status),
		cmocka_unit_test(sparkline__shapes),
	};

	return cmocka_run_group_tests_name("writer_text", tests, NULL, NULL);
}
