/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/text_process.c — see text_process.h. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cli/field.h"
#include "cli/figure.h"
#include "cli/text_alert.h"
#include "cli/text_gc.h"
#include "cli/text_process.h"
#include "cli/text_title.h"
#include "lib/cleanup.h"
#include "lib/strbuf.h"
#include "lib/units.h"

#define COVERAGE_WARN_BELOW 0.95
#define HEAD_PROCESSES_MAX  3 /* a report of more of them sends its reader to `status` */
#define GENERATIONS_MAX	    3

/* "99.9 % alloc 100 % free", or why nobody knows. */
static void coverage_add(struct strbuf *b, json_object *process)
{
	const double alloc = field_number(process, "coverage");
	const double frees = field_number(process, "coverage_frees");
	const char *why = field_text(process, "coverage_why");
	char text[UNITS_TEXT_MAX];

	if (isnan(alloc)) {
		strbuf_printf(b, "coverage not known%s%s", why ? ": " : "", why ? why : "");
		return;
	}
	strbuf_printf(b, "coverage %s alloc", units_share_format(text, alloc));
	if (!isnan(frees))
		strbuf_printf(b, " %s free", units_share_format(text, frees));
}

static void process_add(struct strbuf *b, json_object *process)
{
	const char *python = field_text(process, "python");

	strbuf_printf(b, "pid %" PRId64 " %s (", field_count(process, "pid"),
		      field_text_or(process, "comm", "?"));
	if (python)
		strbuf_printf(b, "python %s, ", python);
	strbuf_printf(b, "%s)", field_text_or(process, "regime", "?"));
}

static bool is_regime(json_object *process, const char *regime)
{
	return strcmp(field_text_or(process, "regime", ""), regime) == 0;
}

/* Nobody looks at it: it has no figures. */
static bool is_left_out(json_object *process)
{
	return is_regime(process, "unsupported") || is_regime(process, "excluded");
}

/* Also of a process that was seen through windows before it was gone. */
static bool has_estimates(json_object *process)
{
	return is_regime(process, "windows") || is_regime(process, "waiting") ||
	       field_count(process, "windows") > 0 || field_number(process, "live_bytes_error") > 0;
}

bool text_process_has_estimates(json_object *doc)
{
	for (size_t i = 0; i < field_list_cnt(doc, "processes"); i++)
		if (has_estimates(field_list_get(doc, "processes", i)))
			return true;
	return false;
}

/* How it is looked at: "watched 2.0 % of the time, in 1,204 windows". */
static void regime_add(struct strbuf *b, json_object *process)
{
	static const struct {
		const char *regime, *words;
	} rows[] = {
		{ "exact", "every block is followed" }, { "windows", "watched" },
		{ "waiting", "waits for its turn" },	{ "unsupported", "not watched" },
		{ "excluded", "not watched" },		{ "gone", "not watched any more" },
	};
	const char *words = field_text_or(process, "regime", "?");
	int64_t windows = field_count(process, "windows");
	char text[UNITS_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (is_regime(process, rows[i].regime))
			words = rows[i].words;
	strbuf_puts(b, words);
	if (is_regime(process, "windows"))
		strbuf_printf(b, " %s of the time",
			      units_share_format(text, field_number(process, "duty")));
	if (windows > 0)
		strbuf_printf(b, ", %s%s window%s%s", is_regime(process, "windows") ? "in " : "",
			      units_count_format(text, (double)windows), windows == 1 ? "" : "s",
			      is_regime(process, "waiting") ? " so far" : "");
}

static void overhead_add(struct strbuf *b, const char *before, json_object *process)
{
	_cleanup_(strbuf_done) struct strbuf words = STRBUF_INIT;

	figure_overhead_add(&words, field_number(process, "overhead"),
			    field_number(process, "overhead_budget"));
	if (words.len)
		strbuf_printf(b, "%s%s", before, words.buf);
}

static void holding_add(struct strbuf *b, json_object *process)
{
	/* No sample that lives is not "0 bytes, exactly". */
	if (has_estimates(process) && field_count(process, "live_blocks") == 0) {
		strbuf_puts(b, "nothing that was sampled");
		return;
	}
	figure_live_add(b, field_number(process, "live_bytes"),
			field_number(process, "live_bytes_error"),
			field_number(process, "live_blocks"));
}

static void totals_line(struct page *p, json_object *process)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	double growth = field_number(process, "growth_bytes_per_second");
	bool is_exact = !has_estimates(process);
	char text[UNITS_TEXT_MAX];

	strbuf_puts(&b, is_exact ? "  followed and alive: " : "  alive: ");
	holding_add(&b, process);
	if (!isnan(growth))
		strbuf_printf(&b, ", %s",
			      units_rate_format(text, growth, field_number(process, "growth_error"),
						"±"));
	if (field_count(process, "rss_bytes") >= 0)
		strbuf_printf(&b, " · resident %s",
			      units_bytes_format(text, field_number(process, "rss_bytes")));
	if (is_exact)
		overhead_add(&b, " · ", process);
	page_wrap(p, 2, "%s", b.buf);
}

/* What estimates rest on, and what that costs. */
static void sampled_line(struct page *p, json_object *process)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	int64_t alive = field_count(process, "samples_alive");
	char text[UNITS_TEXT_MAX];

	if (!has_estimates(process))
		return;
	regime_add(&b, process);
	if (alive >= 0)
		strbuf_printf(&b, ", %s sample%s alive", units_count_format(text, (double)alive),
			      alive == 1 ? "" : "s");
	overhead_add(&b, " · ", process);
	page_wrap(p, 2, "  %s", b.buf);
}

static void coverage_note(struct page *p, const char *what, double coverage, const char *so)
{
	char text[UNITS_TEXT_MAX];

	if (coverage < COVERAGE_WARN_BELOW) /* false for NAN */
		page_wrap(p, 2, "  warning: only %s of the %s are seen: %s",
			  units_share_format(text, coverage), what, so);
}

static void lost_notes(struct page *p, json_object *doc, json_object *process)
{
	json_object *lost = field_object(process, "lost"), *help = field_object(doc, "lost_help");
	char text[UNITS_TEXT_MAX];

	if (!lost)
		return;
	json_object_object_foreach (lost, name, count) {
		page_wrap(p, 2, "  lost: %s %s: %s",
			  units_count_format(text, (double)json_object_get_int64(count)), name,
			  field_text_or(help, name, "see the manual"));
	}
}

struct gc_figures {
	double collections[GENERATIONS_MAX], pauses_sec[GENERATIONS_MAX];
	size_t n;
};

/* false: nothing is known of the collector. */
static bool gc_figures_get(json_object *process, struct gc_figures *ret)
{
	json_object *gc = field_object(process, "gc");

	ret->n = field_numbers(gc, "collections", ret->collections, GENERATIONS_MAX);
	return field_bool(gc, "known") && ret->n &&
	       field_numbers(gc, "pause_seconds", ret->pauses_sec, GENERATIONS_MAX) == ret->n;
}

/* "3.00 MiB in 1,200 followed blocks"; false: not known. */
static bool gc_freed_add(struct strbuf *b, json_object *process)
{
	json_object *gc = field_object(process, "gc");
	double freed = field_number(gc, "freed_bytes");
	char bytes[UNITS_TEXT_MAX], count[UNITS_TEXT_MAX];

	if (isnan(freed))
		return false;
	strbuf_printf(b, "freed %s in %s followed blocks", units_bytes_format(bytes, freed),
		      units_count_format(count, field_number(gc, "freed_blocks")));
	return true;
}

static void gc_note(struct page *p, json_object *process)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	char text[UNITS_TEXT_MAX];
	struct gc_figures gc;
	struct text_gc_timed timed;
	double all_sec = 0;

	if (!gc_figures_get(process, &gc))
		return;
	timed = text_gc_timed(field_object(process, "gc"));
	for (size_t i = 0; i < gc.n; i++) {
		strbuf_printf(&b, "%s%s", i ? " + " : "",
			      units_count_format(text, gc.collections[i]));
		all_sec += isnan(gc.pauses_sec[i]) ? 0 : gc.pauses_sec[i];
	}
	strbuf_printf(&b, " collections in %s ", units_duration_format(text, all_sec));
	if (timed.n_timed < timed.n)
		strbuf_printf(&b, "(estimated: %s of them timed) ",
			      units_share_format(text, timed.n_timed / timed.n));
	gc_freed_add(&b, process);
	page_wrap(p, 2, "  collector: %s", b.buf);
}

void text_process_notes(struct page *p, json_object *doc, json_object *process)
{
	const char *why = field_text(process, "why");

	if (why)
		page_wrap(p, 2, "  %s: %s", field_text_or(process, "regime", "note"), why);
	coverage_note(p, "blocks handed out", field_number(process, "coverage"),
		      "live bytes and growth below are too low");
	coverage_note(p, "blocks taken back", field_number(process, "coverage_frees"),
		      "what looks alive below may have been freed");
	lost_notes(p, doc, process);
	gc_note(p, process);
}

/* ── the head of a report ─────────────────────────────────────────────────────────────────── */

static void head_of_one(struct page *p, json_object *doc, json_object *process)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	char text[UNITS_TEXT_MAX];

	strbuf_printf(&b, "pygrowd %s · ", field_text_or(doc, "version", "?"));
	process_add(&b, process);
	strbuf_printf(&b, " · %s · ",
		      units_duration_format(text, field_number(doc, "uptime_seconds")));
	coverage_add(&b, process);
	page_wrap(p, 2, "%s", b.buf);
}

static void head_of_process(struct page *p, json_object *process)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;

	process_add(&b, process);
	strbuf_puts(&b, " · ");
	coverage_add(&b, process);
	page_wrap(p, 2, "%s", b.buf);
}

void text_process_head(struct page *p, json_object *doc)
{
	size_t n = field_list_cnt(doc, "processes");
	char text[UNITS_TEXT_MAX];

	if (n != 1)
		page_line(p, "pygrowd %s · %zu processes · %s%s",
			  field_text_or(doc, "version", "?"), n,
			  units_duration_format(text, field_number(doc, "uptime_seconds")),
			  n > HEAD_PROCESSES_MAX ? " · each of them: pygrowctl status" : "");
	for (size_t i = 0; i < n && n <= HEAD_PROCESSES_MAX; i++) {
		json_object *process = field_list_get(doc, "processes", i);

		if (n == 1)
			head_of_one(p, doc, process);
		else
			head_of_process(p, process);
		if (!is_left_out(process)) {
			totals_line(p, process);
			sampled_line(p, process);
		}
		text_process_notes(p, doc, process);
	}
	text_alert_note(p, doc);
	if (text_process_has_estimates(doc))
		page_wrap(p, 2, "%s",
			  "  Figures with ± are estimates from samples: in 95 of 100 cases the "
			  "true one is within the ±.");
}

/* ── status ──────────────────────────────────────────────────────────────────────────────── */

static void status_row(struct page *p, json_object *process)
{
	char duty[UNITS_TEXT_MAX], coverage[UNITS_TEXT_MAX], frees[UNITS_TEXT_MAX];
	char overhead[UNITS_TEXT_MAX], budget[UNITS_TEXT_MAX], resident[UNITS_TEXT_MAX];

	page_line(p, "%7" PRId64 " %-15s %-8s %-11s %6s %7s %7s %8s %7s %9s",
		  field_count(process, "pid"), field_text_or(process, "comm", "?"),
		  field_text_or(process, "python", "?"), field_text_or(process, "regime", "?"),
		  units_share_format(duty, field_number(process, "duty")),
		  units_share_format(coverage, field_number(process, "coverage")),
		  units_share_format(frees, field_number(process, "coverage_frees")),
		  units_share_format(overhead, field_number(process, "overhead")),
		  figure_limit_format(budget, field_number(process, "overhead_budget")),
		  units_bytes_format(resident, field_number(process, "rss_bytes")));
}

/* The row in words, and what it has no room for. */
static void status_figures(struct page *p, json_object *process)
{
	_cleanup_(strbuf_done) struct strbuf how = STRBUF_INIT, what = STRBUF_INIT;
	double rate = field_number(process, "growth_bytes_per_second");
	char text[UNITS_TEXT_MAX];

	regime_add(&how, process);
	overhead_add(&how, "; ", process);
	page_wrap(p, 2, "        %s", how.buf);
	if (is_left_out(process))
		return;
	holding_add(&what, process);
	page_wrap(p, 2, "        alive %s, growing %s", what.buf,
		  isnan(rate) ? "at a rate not known yet"
			      : units_rate_format(text, rate, field_number(process, "growth_error"),
						  "±"));
}

/* "1,234,567 blocks sampled, 4,064 of them alive; 2,345,678 hits at 219 sites" */
static void status_samples(struct page *p, json_object *process)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	bool is_sampled = has_estimates(process);
	char text[UNITS_TEXT_MAX];

	if (is_left_out(process))
		return;
	strbuf_printf(&b, "%s blocks %s",
		      units_count_format(text, field_number(process, "samples")),
		      is_sampled ? "sampled" : "followed");
	if (is_sampled)
		strbuf_printf(&b, ", %s of them alive",
			      units_count_format(text, field_number(process, "samples_alive")));
	page_line(p, "        %s, %s hits at %" PRId64 " sites", b.buf,
		  units_count_format(text, field_number(process, "hits")),
		  field_count(field_object(process, "sites"), "found"));
}

static void status_details(struct page *p, json_object *process)
{
	const char *unit = field_text(process, "unit"), *why = field_text(process, "coverage_why");
	int64_t pid_inside = field_count(process, "pid_inside");

	if (field_text(process, "cmdline"))
		page_line(p, "        %s", field_text(process, "cmdline"));
	if (unit)
		page_line(p, "        unit %s", unit);
	if (pid_inside > 0)
		page_line(p, "        pid %" PRId64 " in its own namespace", pid_inside);
	status_samples(p, process);
	if (why)
		page_wrap(p, 2, "        coverage: %s", why);
}

void text_process_status(struct page *p, json_object *doc)
{
	size_t n = field_list_cnt(doc, "processes");

	text_title(p, doc);
	text_alert_note(p, doc);
	lost_notes(p, doc, doc);
	if (!n) {
		page_line(p, "No such process is watched.");
		return;
	}
	page_line(p, "%7s %-15s %-8s %-11s %6s %7s %7s %8s %7s %9s", "PID", "COMMAND", "PYTHON",
		  "REGIME", "DUTY", "ALLOCS", "FREES", "OVERHEAD", "BUDGET", "RESIDENT");
	for (size_t i = 0; i < n; i++) {
		json_object *process = field_list_get(doc, "processes", i);

		status_row(p, process);
		status_figures(p, process);
		status_details(p, process);
		text_process_notes(p, doc, process);
	}
}
