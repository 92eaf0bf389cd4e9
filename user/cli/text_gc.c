/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/text_gc.c — see text_gc.h. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cli/field.h"
#include "cli/figure.h"
#include "cli/place.h"
#include "cli/text_gc.h"
#include "cli/text_title.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/strbuf.h"
#include "lib/units.h"

/* Most young collections take less than a millisecond. */
static const char *pause_format(char buf[UNITS_TEXT_MAX], double sec)
{
	if (isnan(sec))
		return "-";
	if (sec >= 0.00095)
		return units_duration_format(buf, sec);
	snprintf(buf, UNITS_TEXT_MAX, "%.0f us", sec * 1e6);
	return buf;
}

static const char *count_or_dash(char buf[UNITS_TEXT_MAX], double count)
{
	return isnan(count) ? "-" : units_count_format(buf, count);
}

/* How long before the document was made; "never". */
static const char *ago_format(char buf[UNITS_TEXT_MAX], json_object *doc, json_object *o,
			      const char *key)
{
	double now_sec, then_sec;

	if (clock_moment_parse(field_text_or(doc, "at", ""), 0, &now_sec) < 0 ||
	    clock_moment_parse(field_text_or(o, key, ""), 0, &then_sec) < 0)
		return NULL;
	return units_duration_format(buf, fmax(now_sec - then_sec, 0));
}

struct text_gc_timed text_gc_timed(json_object *gc)
{
	struct text_gc_timed sum = { 0, 0 };

	for (size_t i = 0; i < field_list_cnt(gc, "generations"); i++) {
		json_object *g = field_list_get(gc, "generations", i);
		double n = field_number(g, "collections"), n_timed = field_number(g, "timed");

		if (isnan(n) || isnan(n_timed)) /* by a pygrowd of before */
			continue;
		sum.n += n;
		sum.n_timed += n_timed;
	}
	return sum;
}

/* ── a process ────────────────────────────────────────────────────────────────────────────── */

/* "  0 young" … : one generation. */
static void generation_line(struct page *p, json_object *doc, json_object *g)
{
	char runs[UNITS_TEXT_MAX], asked[UNITS_TEXT_MAX], all[UNITS_TEXT_MAX];
	char share[UNITS_TEXT_MAX], p50[UNITS_TEXT_MAX], p99[UNITS_TEXT_MAX];
	char max[UNITS_TEXT_MAX], yield[UNITS_TEXT_MAX], stuck[UNITS_TEXT_MAX];
	char ago[UNITS_TEXT_MAX];
	const char *last = ago_format(ago, doc, g, "last");

	page_line(p, "  %" PRId64 " %-9s %9s %7s %9s %7s %7s %7s %8s %7s %6s %s",
		  field_count(g, "generation"), field_text_or(g, "kind", "?"),
		  count_or_dash(runs, field_number(g, "collections")),
		  count_or_dash(asked, field_number(g, "asked")),
		  pause_format(all, field_number(g, "pause_seconds")),
		  units_share_format(share, field_number(g, "time_share")),
		  pause_format(p50, field_number(g, "pause_p50_seconds")),
		  pause_format(p99, field_number(g, "pause_p99_seconds")),
		  pause_format(max, field_number(g, "pause_max_seconds")),
		  count_or_dash(yield, round(field_number(g, "yield"))),
		  count_or_dash(stuck, field_number(g, "uncollectable")), last ? last : "never");
}

static bool is_known(json_object *o, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(o, key, &value) &&
	       json_object_is_type(value, json_type_boolean);
}

/* "on; thresholds 700, 10, 10" */
static void state_line(struct page *p, json_object *gc)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	int64_t frozen = field_count(gc, "frozen_objects");
	char text[UNITS_TEXT_MAX];

	if (!is_known(gc, "enabled")) {
		page_line(p, "  whether it is on is not known");
		return;
	}
	strbuf_puts(&b, field_bool(gc, "enabled") ? "on" : "OFF: what is in cycles stays");
	for (size_t i = 0; i < field_list_cnt(gc, "generations"); i++) {
		int64_t threshold = field_count(field_list_get(gc, "generations", i), "threshold");

		strbuf_printf(&b, "%s%" PRId64, i ? ", " : "; thresholds ", threshold);
	}
	if (strcmp(field_text_or(gc, "collector", ""), "incremental") == 0)
		strbuf_puts(&b, "; incremental");
	if (frozen > 0)
		strbuf_printf(&b, "; %s objects frozen%s", units_count_format(text, (double)frozen),
			      field_bool(gc, "freezing") ? ", more and more" : "");
	page_wrap(p, 2, "  %s", b.buf);
}

static void freed_line(struct page *p, json_object *gc)
{
	double freed = field_number(gc, "freed_bytes");
	char bytes[UNITS_TEXT_MAX], count[UNITS_TEXT_MAX];

	if (!isnan(freed))
		page_line(p, "  freed %s in %s followed blocks", units_bytes_format(bytes, freed),
			  units_count_format(count, field_number(gc, "freed_blocks")));
}

/* Said only where it is not all of them. */
static void timed_line(struct page *p, json_object *gc)
{
	struct text_gc_timed timed = text_gc_timed(gc);
	char share[UNITS_TEXT_MAX], duty[UNITS_TEXT_MAX];

	if (timed.n_timed >= timed.n)
		return;
	page_wrap(
		p, 2,
		"  pauses: of the %s of the collections that were timed, probes on %s of the time "
		"(all would cost more than the budget allows); sums are estimates",
		units_share_format(share, timed.n_timed / timed.n),
		units_share_format(duty, field_number(gc, "probe_duty")));
}

static void process_lines(struct page *p, json_object *doc, json_object *gc)
{
	state_line(p, gc);
	if (!field_bool(gc, "known")) {
		page_line(p, "  not seen: the collector's function was not found");
		return;
	}
	page_line(p, "  %-11s %9s %7s %9s %7s %7s %7s %8s %7s %6s %s", "GENERATION", "RUNS",
		  "ASKED", "TIME", "SHARE", "P50", "P99", "MAX", "YIELD", "STUCK", "LAST, AGO");
	for (size_t i = 0; i < field_list_cnt(gc, "generations"); i++)
		generation_line(p, doc, field_list_get(gc, "generations", i));
	timed_line(p, gc);
	freed_line(p, gc);
}

/* ── stacks ───────────────────────────────────────────────────────────────────────────────── */

const char *text_gc_verdict(const char *verdict)
{
	static const char *const words[][2] = {
		{ "survives", "survives full collections" },
		{ "waits", "waits for the collector" },
		{ "off", "the collector is off" },
		{ "frozen", "survives, and gc.freeze() hides objects from the collector" },
	};

	for (size_t i = 0; verdict && i < ARRAY_SIZE(words); i++)
		if (strcmp(verdict, words[i][0]) == 0)
			return words[i][1];
	return NULL;
}

const char *text_gc_share(char buf[TEXT_GC_SHARE_MAX], json_object *gc)
{
	double error = field_number(gc, "cyclic_share_error");
	char share[UNITS_TEXT_MAX], plus[UNITS_TEXT_MAX];

	units_share_format(share, field_number(gc, "cyclic_share"));
	if (error > 0)
		snprintf(buf, TEXT_GC_SHARE_MAX, "%s ±%s", share, units_share_format(plus, error));
	else
		snprintf(buf, TEXT_GC_SHARE_MAX, "%s", share);
	return buf;
}

static void stack_lines(struct page *p, json_object *row, size_t number)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	json_object *gc = field_object(row, "gc");
	const char *verdict = text_gc_verdict(field_text(gc, "verdict"));
	double waiting = field_number(gc, "waiting_bytes");
	char bytes[UNITS_TEXT_MAX], share[TEXT_GC_SHARE_MAX], place[PLACE_BYTES_MAX];

	page_line(p, "%3zu. %s by the collector, %s of what was freed  %s", number,
		  units_bytes_format(bytes, field_number(gc, "freed_by_collector_bytes")),
		  text_gc_share(share, gc), place_format(place, field_object(row, "blame")));
	strbuf_printf(&b, "     stack %s of pid %" PRId64 ", live %s",
		      field_text_or(row, "id", "?"), field_count(row, "pid"),
		      units_bytes_format(bytes, field_number(row, "live_bytes")));
	if (waiting > 0)
		strbuf_printf(&b, ", of which %s wait", units_bytes_format(bytes, waiting));
	if (verdict)
		strbuf_printf(&b, "; %s", verdict);
	page_wrap(p, 0, "%s", b.buf);
}

static void stacks_lines(struct page *p, json_object *doc)
{
	size_t n = field_list_cnt(doc, "cyclic_stacks");

	if (!n)
		return;
	page_line(p, "%s", "");
	page_line(p, "Stacks with the most garbage in cycles:");
	for (size_t i = 0; i < n; i++)
		stack_lines(p, field_list_get(doc, "cyclic_stacks", i), i + 1);
}

void text_gc(struct page *p, json_object *doc)
{
	text_title(p, doc);
	for (size_t i = 0; i < field_list_cnt(doc, "processes"); i++) {
		json_object *process = field_list_get(doc, "processes", i);

		page_line(p, "pid %" PRId64 " %s", field_count(process, "pid"),
			  field_text_or(process, "comm", "?"));
		process_lines(p, doc, field_object(process, "gc"));
	}
	stacks_lines(p, doc);
}
