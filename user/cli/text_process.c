/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/text_process.c — see text_process.h. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cli/field.h"
#include "cli/text_process.h"
#include "lib/cleanup.h"
#include "lib/strbuf.h"
#include "lib/units.h"

#define COVERAGE_WARN_BELOW 0.95
#define HEAD_PROCESSES_MAX  3 /* a report of more of them sends its reader to `status` */
#define GENERATIONS_MAX	    3

static const char *text_or(const char *text, const char *otherwise)
{
	return text ? text : otherwise;
}

/* "99.9 % alloc 100 % free", or why nobody knows. */
static void coverage_add(struct strbuf *b, json_object *process)
{
	const double alloc = field_number(process, "coverage");
	const double frees = field_number(process, "coverage_frees");
	const char *why = field_text(process, "coverage_why");
	char text[UNITS_TEXT_MAX];

	if (isnan(alloc)) {
		strbuf_printf(b, "coverage not known%s%s", why ? ": " : "", text_or(why, ""));
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
		      text_or(field_text(process, "comm"), "?"));
	if (python)
		strbuf_printf(b, "python %s, ", python);
	strbuf_printf(b, "%s)", text_or(field_text(process, "regime"), "?"));
}

/* "24.2 MiB in 181,204 blocks" */
static void holding_add(struct strbuf *b, json_object *process)
{
	char bytes[UNITS_TEXT_MAX], blocks[UNITS_TEXT_MAX];
	double error = field_number(process, "live_bytes_error");

	strbuf_puts(b, units_bytes_format(bytes, field_number(process, "live_bytes")));
	if (error > 0)
		strbuf_printf(b, " ±%s", units_bytes_format(bytes, error));
	strbuf_printf(b, " in %s blocks",
		      units_count_format(blocks, (double)field_count(process, "live_blocks")));
}

static void totals_line(struct page *p, json_object *process)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	double growth = field_number(process, "growth_bytes_per_second");
	char text[UNITS_TEXT_MAX];

	strbuf_puts(&b, "  followed and alive: ");
	holding_add(&b, process);
	if (!isnan(growth))
		strbuf_printf(&b, ", %s",
			      units_rate_format(text, growth, field_number(process, "growth_error"),
						"±"));
	if (field_count(process, "rss_bytes") >= 0)
		strbuf_printf(&b, " · resident %s",
			      units_bytes_format(text, field_number(process, "rss_bytes")));
	if (!isnan(field_number(process, "overhead")))
		strbuf_printf(&b, " · overhead %s",
			      units_share_format(text, field_number(process, "overhead")));
	page_wrap(p, 2, "%s", b.buf);
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
			  text_or(field_text(help, name), "see the manual"));
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

/* "3.00 MiB in 1,200 followed blocks" */
static void gc_freed_add(struct strbuf *b, json_object *process)
{
	json_object *gc = field_object(process, "gc");
	char bytes[UNITS_TEXT_MAX], count[UNITS_TEXT_MAX];

	strbuf_printf(b, "%s in %s followed blocks",
		      units_bytes_format(bytes, field_number(gc, "freed_bytes")),
		      units_count_format(count, field_number(gc, "freed_blocks")));
}

static void gc_note(struct page *p, json_object *process)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	char text[UNITS_TEXT_MAX];
	struct gc_figures gc;
	double all_sec = 0;

	if (!gc_figures_get(process, &gc))
		return;
	for (size_t i = 0; i < gc.n; i++) {
		strbuf_printf(&b, "%s%s", i ? " + " : "",
			      units_count_format(text, gc.collections[i]));
		all_sec += gc.pauses_sec[i];
	}
	strbuf_printf(&b, " collections in %s freed ", units_duration_format(text, all_sec));
	gc_freed_add(&b, process);
	page_wrap(p, 2, "  collector: %s", b.buf);
}

void text_process_notes(struct page *p, json_object *doc, json_object *process)
{
	const char *why = field_text(process, "why");

	if (why)
		page_wrap(p, 2, "  %s: %s", text_or(field_text(process, "regime"), "note"), why);
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

	strbuf_printf(&b, "pygrowd %s · ", text_or(field_text(doc, "version"), "?"));
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
			  text_or(field_text(doc, "version"), "?"), n,
			  units_duration_format(text, field_number(doc, "uptime_seconds")),
			  n > HEAD_PROCESSES_MAX ? " · each of them: pygrowctl status" : "");
	for (size_t i = 0; i < n && n <= HEAD_PROCESSES_MAX; i++) {
		json_object *process = field_list_get(doc, "processes", i);

		if (n == 1)
			head_of_one(p, doc, process);
		else
			head_of_process(p, process);
		totals_line(p, process);
		text_process_notes(p, doc, process);
	}
}

/* ── status and gc ────────────────────────────────────────────────────────────────────────── */

static void title(struct page *p, json_object *doc)
{
	size_t n = field_list_cnt(doc, "processes");
	char text[UNITS_TEXT_MAX];

	page_line(p, "pygrowd %s · up %s · %zu process%s · %s",
		  text_or(field_text(doc, "version"), "?"),
		  units_duration_format(text, field_number(doc, "uptime_seconds")), n,
		  n == 1 ? "" : "es", text_or(field_text(doc, "at"), "?"));
}

static void status_row(struct page *p, json_object *process)
{
	char duty[UNITS_TEXT_MAX], coverage[UNITS_TEXT_MAX], frees[UNITS_TEXT_MAX];
	char overhead[UNITS_TEXT_MAX], live[UNITS_TEXT_MAX], growth[UNITS_TEXT_MAX];
	char resident[UNITS_TEXT_MAX];
	double rate = field_number(process, "growth_bytes_per_second");

	page_line(p, "%7" PRId64 " %-15s %-8s %-8s %6s %7s %7s %8s %9s  %s",
		  field_count(process, "pid"), text_or(field_text(process, "comm"), "?"),
		  text_or(field_text(process, "python"), "?"),
		  text_or(field_text(process, "regime"), "?"),
		  units_share_format(duty, field_number(process, "duty")),
		  units_share_format(coverage, field_number(process, "coverage")),
		  units_share_format(frees, field_number(process, "coverage_frees")),
		  units_share_format(overhead, field_number(process, "overhead")),
		  units_bytes_format(resident, field_number(process, "rss_bytes")),
		  units_bytes_format(live, field_number(process, "live_bytes")));
	page_line(p, "        growing %s",
		  isnan(rate) ? "at a rate not known yet"
			      : units_rate_format(growth, rate,
						  field_number(process, "growth_error"), "±"));
}

static void status_details(struct page *p, json_object *process)
{
	json_object *sites = field_object(process, "sites");
	char samples[UNITS_TEXT_MAX], hits[UNITS_TEXT_MAX];
	const char *unit = field_text(process, "unit"), *why = field_text(process, "coverage_why");

	if (field_text(process, "cmdline"))
		page_line(p, "        %s", field_text(process, "cmdline"));
	if (unit)
		page_line(p, "        unit %s", unit);
	page_line(p, "        %s blocks followed, %s hits at %" PRId64 " sites",
		  units_count_format(samples, field_number(process, "samples")),
		  units_count_format(hits, field_number(process, "hits")),
		  field_count(sites, "found"));
	if (why)
		page_wrap(p, 2, "        coverage: %s", why);
}

void text_process_status(struct page *p, json_object *doc)
{
	size_t n = field_list_cnt(doc, "processes");

	title(p, doc);
	if (!n) {
		page_line(p, "No such process is watched.");
		return;
	}
	page_line(p, "%7s %-15s %-8s %-8s %6s %7s %7s %8s %9s  %s", "PID", "COMMAND", "PYTHON",
		  "REGIME", "DUTY", "ALLOCS", "FREES", "OVERHEAD", "RESIDENT", "FOLLOWED");
	for (size_t i = 0; i < n; i++) {
		json_object *process = field_list_get(doc, "processes", i);

		status_row(p, process);
		status_details(p, process);
		text_process_notes(p, doc, process);
	}
}

static void gc_lines(struct page *p, json_object *process)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	char count[UNITS_TEXT_MAX], text[UNITS_TEXT_MAX];
	struct gc_figures gc;

	if (!gc_figures_get(process, &gc)) {
		page_line(p, "  not seen: the collector's function was not found");
		return;
	}
	for (size_t i = 0; i < gc.n; i++)
		page_line(p, "  generation %zu %12s collections in %s", i,
			  units_count_format(count, gc.collections[i]),
			  units_duration_format(text, gc.pauses_sec[i]));
	gc_freed_add(&b, process);
	page_line(p, "  freed %s", b.buf);
}

void text_process_gc(struct page *p, json_object *doc)
{
	size_t n = field_list_cnt(doc, "processes");

	title(p, doc);
	for (size_t i = 0; i < n; i++) {
		json_object *process = field_list_get(doc, "processes", i);

		page_line(p, "pid %" PRId64 " %s", field_count(process, "pid"),
			  text_or(field_text(process, "comm"), "?"));
		gc_lines(p, process);
	}
}
