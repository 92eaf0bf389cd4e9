/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/text_stack.c — see text_stack.h. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cli/field.h"
#include "cli/figure.h"
#include "cli/sparkline.h"
#include "cli/text_gc.h"
#include "cli/text_stack.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/strbuf.h"
#include "lib/units.h"
#include "lib/utf8.h"

#define HISTORY_MAX    256
#define BAR_CELLS      40 /* of all that a stack takes */
#define TYPE_BYTES_MAX 60 /* of a type's name: the rest is in --json */

static bool is_same_frame(json_object *a, json_object *b)
{
	const char *file_a = field_text(a, "file"), *file_b = field_text(b, "file");
	const char *name_a = field_text(a, "function"), *name_b = field_text(b, "function");

	return file_a && file_b && name_a && name_b && strcmp(file_a, file_b) == 0 &&
	       strcmp(name_a, name_b) == 0 && field_count(a, "line") == field_count(b, "line");
}

static void frame_lines(struct page *p, json_object *stack)
{
	json_object *blame = field_object(stack, "blame");
	size_t n = field_list_cnt(stack, "frames");
	bool is_marked = false;

	page_line(p, "%s",
		  n ? "Frames, innermost first; > is the one to blame:"
		    : "No Python code was running when these blocks were taken.");
	for (size_t i = 0; i < n; i++) {
		json_object *frame = field_list_get(stack, "frames", i);
		const char *file = field_text(frame, "file"), *name = field_text(frame, "function");
		bool mark = !is_marked && blame && is_same_frame(frame, blame);
		int64_t line = field_count(frame, "line");
		char colon_line[24] = "";

		is_marked = is_marked || mark;
		if (line > 0)
			snprintf(colon_line, sizeof(colon_line), ":%" PRId64, line);
		page_wrap(p, 8, "%c %3zu  %s  %s%s", mark ? '>' : ' ', i, name ? name : "?",
			  file ? file : "?", colon_line);
	}
	if (field_bool(stack, "truncated"))
		page_line(p, "       … frames further out are missing");
}

/* Of a pygrowd that keeps no history, or whose first point is still to come. */
static void intervals_line(struct page *p, json_object *stack)
{
	double values[HISTORY_MAX];
	size_t n = field_numbers(stack, "history", values, HISTORY_MAX);
	char spark[SPARKLINE_TEXT_MAX], from[UNITS_TEXT_MAX], to[UNITS_TEXT_MAX];

	if (n)
		page_line(p, "  series      %s %s %s over the last %zu intervals",
			  units_bytes_format(from, values[0]), sparkline_format(spark, values, n),
			  units_bytes_format(to, values[n - 1]), n);
}

/* A moment, to the second. */
static const char *moment_format(char buf[CLOCK_TEXT_MAX], double unix_sec)
{
	char *dot = strchr(clock_rfc3339_format(buf, unix_sec), '.');

	if (dot)
		strcpy(dot, "Z");
	return buf;
}

struct past {
	double cells[SPARKLINE_CELLS]; /* means of parts of the time that are as long; NAN: none */
	double first_sec, last_sec, first_bytes, last_bytes;
	size_t n_restarts;
};

static double point_sec(json_object *point)
{
	double sec = NAN;

	if (clock_moment_parse(field_text_or(point, "at", ""), 0, &sec) < 0)
		return NAN;
	return sec;
}

/* Points are closer, the younger they are: each counts for its step. */
static void past_add(struct past *p, double weights[SPARKLINE_CELLS], json_object *point)
{
	double bytes = field_number(point, "live_bytes"), sec = point_sec(point);
	double step_sec = field_number(point, "step_seconds"), place;
	size_t cell;

	if (!isfinite(bytes) || !isfinite(sec) || !(step_sec > 0))
		return;
	place = (sec - p->first_sec) / (p->last_sec - p->first_sec) * SPARKLINE_CELLS;
	cell = place > 0 ? (size_t)place : 0; /* NAN, of a single moment: the first */
	cell = cell < SPARKLINE_CELLS ? cell : SPARKLINE_CELLS - 1;
	if (weights[cell] == 0)
		p->cells[cell] = 0;
	weights[cell] += step_sec;
	p->cells[cell] += (bytes - p->cells[cell]) * step_sec / weights[cell];
	p->n_restarts += field_bool(point, "is_restart");
}

/* false: nothing is known. */
static bool past_get(json_object *stack, struct past *ret)
{
	size_t n = field_list_cnt(stack, "series");
	double weights[SPARKLINE_CELLS] = { 0 };
	json_object *first = field_list_get(stack, "series", 0);
	json_object *last = field_list_get(stack, "series", n ? n - 1 : 0);

	if (!n)
		return false;
	*ret = (struct past){ .first_sec = point_sec(first), .last_sec = point_sec(last) };
	ret->first_bytes = field_number(first, "live_bytes");
	ret->last_bytes = field_number(last, "live_bytes");
	for (size_t i = 0; i < SPARKLINE_CELLS; i++)
		ret->cells[i] = NAN;
	for (size_t i = 0; i < n; i++)
		past_add(ret, weights, field_list_get(stack, "series", i));
	return isfinite(ret->first_sec) && isfinite(ret->last_sec);
}

static void past_lines(struct page *p, const struct past *past)
{
	char spark[SPARKLINE_TEXT_MAX], from[UNITS_TEXT_MAX], to[UNITS_TEXT_MAX];
	char first[CLOCK_TEXT_MAX], last[CLOCK_TEXT_MAX];

	page_line(p, "  series      %s %s %s", units_bytes_format(from, past->first_bytes),
		  sparkline_format(spark, past->cells, SPARKLINE_CELLS),
		  units_bytes_format(to, past->last_bytes));
	page_line(p, "              from %s to %s", moment_format(first, past->first_sec),
		  moment_format(last, past->last_sec));
	if (past->n_restarts)
		page_wrap(p, 14,
			  "              pygrowd was started anew in that time; what is held from "
			  "before is not known, so figures begin at 0 then");
}

static void samples_line(struct page *p, json_object *stack)
{
	int64_t n = field_count(stack, "samples");
	char text[UNITS_TEXT_MAX];

	if (n > 0 && figure_is_estimate(field_number(stack, "live_bytes_error")))
		page_line(p, "  rests on    %s sampled block%s",
			  units_count_format(text, (double)n), n == 1 ? "" : "s");
}

/* A tail that is too thin for a whole cell is still not nothing. */
static void bar_add(struct strbuf *b, double share)
{
	int cells = (int)lround(share * BAR_CELLS);

	for (int i = 0; i < cells; i++)
		strbuf_puts(b, "█");
	if (!cells && share > 0)
		strbuf_puts(b, "▏");
}

static bool is_share(double value)
{
	return value >= 0 && value <= 1; /* false for NAN */
}

/*   alive after   0.5 s  34.0 %  ██████████████
 *                   8 s  9.00 %  ████                  and so on, down to the oldest age known */
static void survival_lines(struct page *p, json_object *stack)
{
	size_t n = field_list_cnt(stack, "survival");
	const char *label = "alive after";
	char age[UNITS_TEXT_MAX], text[UNITS_TEXT_MAX];

	for (size_t i = 0; i < n; i++) {
		_cleanup_(strbuf_done) struct strbuf bar = STRBUF_INIT;
		json_object *point = field_list_get(stack, "survival", i);
		double age_sec = field_number(point, "age_seconds");
		double share = field_number(point, "share");

		if (!(age_sec >= 0) || !is_share(share))
			continue;
		bar_add(&bar, share);
		/* 0 is the end of the window, some milliseconds after the block was taken. */
		page_line(p, "  %-11s %8s  %6s  %s", label,
			  age_sec > 0 ? figure_age_format(age, age_sec) : "a moment",
			  units_share_format(text, share), bar.buf);
		label = "";
	}
}

static void type_add(struct strbuf *b, const char *name, double share)
{
	_cleanup_free_ char *start = utf8_clean(name ? name : "", TYPE_BYTES_MAX);
	bool is_cut = name && strlen(name) > TYPE_BYTES_MAX;

	strbuf_printf(b, "%s%s%s", b->len ? ", " : "", start && *start ? start : "(no name)",
		      is_cut ? "…" : "");
	if (share < 0.005)
		strbuf_puts(b, " < 1 %");
	else
		strbuf_printf(b, " %.0f %%", share * 100);
}

/* What stays is seldom what the line says: dict 61 %, str 22 %, (memory of containers) 17 % */
static void types_line(struct page *p, json_object *stack)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	size_t n = field_list_cnt(stack, "types");

	for (size_t i = 0; i < n; i++) {
		json_object *type = field_list_get(stack, "types", i);
		double share = field_number(type, "share");

		if (is_share(share))
			type_add(&b, field_text(type, "name"), share);
	}
	if (b.len)
		page_wrap(p, 12, "  survivors   %s", b.buf);
}

/*   collector   freed 1.20 MiB of it so far, 93.0 % of what was freed
 *               after 12 full collections in a row something was left, 300 KiB after the last
 *               survives full collections                                                      */
static void collector_lines(struct page *p, json_object *gc)
{
	double by_gc = field_number(gc, "freed_by_collector_bytes");
	double share = field_number(gc, "cyclic_share"),
	       waiting = field_number(gc, "waiting_bytes");
	const char *verdict = text_gc_verdict(field_text(gc, "verdict"));
	int64_t fulls = field_count(gc, "survived_full_collections");
	char text[UNITS_TEXT_MAX], part[TEXT_GC_SHARE_MAX];

	if (isnan(by_gc) && !verdict)
		return;
	if (isnan(by_gc))
		page_line(p, "  collector   who frees it is not known");
	else if (isnan(share))
		page_line(p, "  collector   freed %s of it so far",
			  units_bytes_format(text, by_gc));
	else
		page_line(p, "  collector   freed %s of it so far, %s of all that was freed",
			  units_bytes_format(text, by_gc), text_gc_share(part, gc));
	if (fulls > 0)
		page_line(p,
			  "              %" PRId64 " full collection%s left something, the last %s",
			  fulls, fulls == 1 ? "" : "s",
			  units_bytes_format(text, field_number(gc, "survived_bytes")));
	if (waiting > 0)
		page_line(p, "              the next is expected to free %s",
			  units_bytes_format(text, waiting));
	if (verdict)
		page_line(p, "              %s", verdict);
}

/* What is known of one that holds nothing any more. */
static void gone_show(struct page *p, json_object *stack)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	json_object *process = field_object(stack, "process");
	const char *unit = field_text(process, "unit"), *cmdline = field_text(process, "cmdline");
	char text[UNITS_TEXT_MAX], peak[UNITS_TEXT_MAX];
	struct past past;

	page_line(p, "Stack %s holds nothing any more", field_text_or(stack, "id", "?"));
	strbuf_printf(&b, "%s%s%s", unit ? unit : "", unit ? " · " : "",
		      cmdline ? cmdline : field_text_or(process, "comm", "?"));
	page_line(p, "  process     %s", b.buf);
	page_line(p, "  held last   %s, at %s; at most %s",
		  units_bytes_format(text, field_number(stack, "last_bytes")),
		  field_text_or(stack, "last_seen", "?"),
		  units_bytes_format(peak, field_number(stack, "peak_bytes")));
	page_line(p, "  first seen  %s", field_text_or(stack, "since", "?"));
	if (past_get(stack, &past))
		past_lines(p, &past);
	frame_lines(p, stack);
}

void text_stack_show(struct page *p, json_object *stack)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	double tau = field_number(stack, "tau"), p_value = field_number(stack, "p_value");
	char text[UNITS_TEXT_MAX];
	struct past past;

	if (field_bool(stack, "is_gone")) {
		gone_show(p, stack);
		return;
	}
	page_line(p, "Stack %s of pid %" PRId64,
		  field_text(stack, "id") ? field_text(stack, "id") : "?",
		  field_count(stack, "pid"));
	figure_live_add(&b, field_number(stack, "live_bytes"),
			field_number(stack, "live_bytes_error"),
			field_number(stack, "live_blocks"));
	page_line(p, "  holds       live %s", b.buf);
	page_line(p, "  growth      %s",
		  figure_rate_format(text, field_number(stack, "growth_bytes_per_second"),
				     field_number(stack, "growth_error")));
	samples_line(p, stack);
	if (field_text(stack, "verdict"))
		page_line(p, "  verdict     %s: %s", field_text(stack, "verdict"),
			  field_text_or(stack, "verdict_why", "?"));
	if (!isnan(tau))
		page_line(p, "  trend       tau %.2f (-1 always falling, 1 always rising), p %.2g",
			  tau, p_value);
	if (past_get(stack, &past))
		past_lines(p, &past);
	else
		intervals_line(p, stack);
	page_line(p, "  first seen  %s, %s ago",
		  field_text(stack, "since") ? field_text(stack, "since") : "?",
		  units_duration_format(text, field_number(stack, "age_seconds")));
	collector_lines(p, field_object(stack, "gc"));
	survival_lines(p, stack);
	types_line(p, stack);
	frame_lines(p, stack);
}
