/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/writer_text.c — the document for people, who may be woken by it at 3 am: what grows, how
 * fast, whose line, what to run next, in this order; and in words if nothing does.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cli/field.h"
#include "cli/figure.h"
#include "cli/page.h"
#include "cli/place.h"
#include "cli/sparkline.h"
#include "cli/text_alert.h"
#include "cli/text_gc.h"
#include "cli/text_process.h"
#include "cli/text_stack.h"
#include "cli/writer.h"
#include "lib/cleanup.h"
#include "lib/strbuf.h"
#include "lib/units.h"

#define HISTORY_MAX	256
#define TOP_FRAMES_MAX	16 /* frames of the top stack in a report that nobody can ask about */
#define ID_DIGITS	64 /* of a container */
#define ID_DIGITS_SHOWN 12 /* as its own tools do */

static char *history_format(char buf[SPARKLINE_TEXT_MAX], json_object *o, const char *key)
{
	double values[HISTORY_MAX];
	size_t n = field_numbers(o, key, values, HISTORY_MAX);

	return sparkline_format(buf, values, n);
}

/* ── what is growing: the same three lines for a line, a function and a stack ─────────────── */

/* How a list names the figures of its rows. */
struct list {
	const char *key; /* of the document */
	const char *growing, *others;
	const char *live, *error, *blocks, *growth, *growth_error, *history, *held;
};

#define BLAMED_FIGURES                                                              \
	.live = "blamed_live_bytes", .error = "blamed_live_bytes_error",            \
	.blocks = "blamed_live_blocks", .growth = "blamed_growth_bytes_per_second", \
	.growth_error = "blamed_growth_error", .history = "blamed_history",         \
	.held = "blamed_held_bytes"

static const struct list lists[WRITER_BY_MAX] = {
	[WRITER_BY_LINE] = {
		.key = "lines",
		.growing = "Growing most, by line of your code:",
		.others = "By line of your code:",
		BLAMED_FIGURES,
	},
	[WRITER_BY_FUNCTION] = {
		.key = "functions",
		.growing = "Growing most, by function of your code:",
		.others = "By function of your code:",
		BLAMED_FIGURES,
	},
	[WRITER_BY_STACK] = {
		.key = "stacks",
		.growing = "Growing most, by whole stack:",
		.others = "By whole stack:",
		.live = "live_bytes",
		.error = "live_bytes_error",
		.blocks = "live_blocks",
		.growth = "growth_bytes_per_second",
		.growth_error = "growth_error",
		.history = "history",
		.held = "held_bytes",
	},
};

/* Stacks are added up, too, if there is something to add. */
static const char *list_key(const struct list *l, json_object *doc)
{
	bool is_stack = l == &lists[WRITER_BY_STACK];

	return is_stack && field_list_cnt(doc, "unit_stacks") ? "unit_stacks" : l->key;
}

static bool is_growing(const struct list *l, json_object *row)
{
	double error = field_number(row, l->growth_error);

	return field_number(row, l->growth) > (isnan(error) ? 0 : error);
}

/* Rows of which nothing is left, or on which nothing is blamed, are there for scripts. */
static bool is_shown(const struct list *l, json_object *row)
{
	return field_number(row, l->blocks) > 0 &&
	       (l == &lists[WRITER_BY_STACK] || field_count(row, "blamed_stacks") > 0);
}

/* faker/generator.py:98 parse ◄ faker/proxy.py:12 fmt ◄ service.py:17 get_user */
static void callers_line(struct page *p, json_object *stack)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	char place[PLACE_BYTES_MAX];
	size_t n = field_list_cnt(stack, "frames");

	for (size_t i = 0; i < n && b.len < (size_t)p->columns * 4; i++)
		strbuf_printf(&b, "%s%s", i ? " ◄ " : "",
			      place_format(place, field_list_get(stack, "frames", i)));
	if (n > 1)
		page_line(p, "     %s", b.buf);
}

/* …through the library that did the allocating, and where to look further. */
static void through_line(struct page *p, json_object *row, const struct writer_options *o)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	json_object *through = field_object(row, "through");
	const char *id = field_text(row, "top_stack");
	char here[PLACE_BYTES_MAX], there[PLACE_BYTES_MAX];
	int64_t n = field_count(row, "blamed_stacks");
	const char *from = place_format(here, row), *to = place_format(there, through);

	strbuf_printf(&b, "     %" PRId64 " stack%s", n, n == 1 ? "" : "s, the fastest");
	if (id)
		strbuf_printf(&b, ": %s%s", o->is_live ? "pygrowctl show " : "", id);
	/* A function's row has no line of its own, so that any line of it is news. */
	if (through && strcmp(from, to) != 0)
		strbuf_printf(&b, ", through %s", to);
	page_line(p, "%s", b.buf);
}

/* "web.service", "container 0123456789ab" */
static void unit_add(struct strbuf *b, const char *unit)
{
	for (const char *id = unit; *id; id++)
		if (strspn(id, "0123456789abcdef") >= ID_DIGITS) {
			strbuf_printf(b, "container %.*s", ID_DIGITS_SHOWN, id);
			return;
		}
	strbuf_puts(b, unit);
}

/* "4 workers of web.service", "4 processes", "pid 4711, gone" */
static void whose_add(struct strbuf *b, json_object *row, bool with_pid)
{
	size_t n = field_list_cnt(row, "pids");
	const char *unit = field_text(row, "unit");

	if (n > 1 && unit) {
		strbuf_printf(b, "  %zu workers of ", n);
		unit_add(b, unit);
	} else if (n > 1) {
		strbuf_printf(b, "  %zu processes", n);
	} else if (with_pid) {
		strbuf_printf(b, "  pid %" PRId64, field_count(row, "pid"));
	} else {
		return;
	}
	if (field_bool(row, "is_gone"))
		strbuf_puts(b, ", gone");
}

/* Why the sum is less than it was. */
static void gone_line(struct page *p, const struct list *l, json_object *row)
{
	json_object *gone = field_object(row, "gone");
	size_t n = field_list_cnt(gone, "pids");
	char text[UNITS_TEXT_MAX], who[64];

	if (!n)
		return;
	snprintf(who, sizeof(who), "%zu processes", n);
	if (n == 1)
		snprintf(who, sizeof(who), "pid %d",
			 json_object_get_int(field_list_get(gone, "pids", 0)));
	page_line(p, "     without %s, gone, which held up to %s", who,
		  units_bytes_format(text, field_number(gone, l->held)));
}

static void row_lines(struct page *p, const struct list *l, json_object *row, size_t number,
		      bool with_pid, const struct writer_options *o)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	bool is_stack = l == &lists[WRITER_BY_STACK];
	json_object *place = is_stack ? field_object(row, "blame") : row;
	char text[UNITS_TEXT_MAX], where[PLACE_BYTES_MAX], spark[SPARKLINE_TEXT_MAX];
	const char *file = field_text(place, "file");

	page_line(p, "%3zu. %s  %s", number,
		  figure_rate_format(text, field_number(row, l->growth),
				     field_number(row, l->growth_error)),
		  place_format(where, place));
	strbuf_puts(&b, "live ");
	figure_live_add(&b, field_number(row, l->live), field_number(row, l->error),
			field_number(row, l->blocks));
	strbuf_printf(&b, "  %s", history_format(spark, row, l->history));
	whose_add(&b, row, with_pid);
	if (file)
		strbuf_printf(&b, "  %s", file);
	page_line(p, "     %s", b.buf);
	gone_line(p, l, row);
	if (!is_stack) {
		through_line(p, row, o);
		return;
	}
	callers_line(p, row);
	page_line(p, "     %s%s", o->is_live ? "pygrowctl show " : "stack ", field_text(row, "id"));
}

static bool is_any_alive(json_object *doc)
{
	for (size_t i = 0; i < field_list_cnt(doc, "processes"); i++)
		if (field_number(field_list_get(doc, "processes", i), "live_blocks") > 0)
			return true;
	return false;
}

/* Why the list is empty. Rows that shrink come last, and may be behind its end. */
static const char *nothing_of(json_object *doc)
{
	if (is_any_alive(doc))
		return "Nothing grows: what is alive holds as much as before, or less.";
	return text_process_has_estimates(doc)
		       ? "Of the blocks sampled so far none is alive now."
		       : "Nothing that was allocated since pygrowd looks is alive now.";
}

static void list_heading(struct page *p, const struct list *l, json_object *doc, size_t n_shown)
{
	bool grows = false;

	for (size_t i = 0; i < field_list_cnt(doc, list_key(l, doc)) && !grows; i++)
		grows = is_growing(l, field_list_get(doc, list_key(l, doc), i));
	if (!n_shown)
		page_line(p, "%s", nothing_of(doc));
	else if (grows)
		page_line(p, "%s", l->growing);
	else
		page_wrap(p, 0, "Nothing grows for certain: no rate is above its own error. %s",
			  l->others);
}

static size_t shown_cnt(const struct list *l, json_object *doc)
{
	size_t n = 0;

	for (size_t i = 0; i < field_list_cnt(doc, list_key(l, doc)); i++)
		n += is_shown(l, field_list_get(doc, list_key(l, doc), i));
	return n;
}

/* Whoever has no daemon to ask gets the one stack that matters with the report. */
static void top_stack_lines(struct page *p, const struct list *l, json_object *doc)
{
	json_object *row = field_list_get(doc, list_key(l, doc), 0), *stack = NULL;
	const char *id = field_text(row, l == &lists[WRITER_BY_STACK] ? "id" : "top_stack");
	char place[PLACE_BYTES_MAX];
	size_t n, i;

	for (i = 0; id && i < field_list_cnt(doc, "stacks"); i++) {
		stack = field_list_get(doc, "stacks", i);
		if (strcmp(field_text(stack, "id") ? field_text(stack, "id") : "", id) == 0)
			break;
		stack = NULL;
	}
	n = field_list_cnt(stack, "frames");
	if (!n)
		return;
	page_line(p, "%s", "");
	page_line(p, "Stack %s, innermost frame first:", id);
	for (i = 0; i < n && i < TOP_FRAMES_MAX; i++)
		page_line(p, "  %s", place_format(place, field_list_get(stack, "frames", i)));
	if (i < n)
		page_line(p, "  … and %zu frames further out, all of them in --json", n - i);
}

static void report_write(struct page *p, json_object *doc, const struct writer_options *o)
{
	const struct list *l = &lists[o->by];
	bool with_pid = field_list_cnt(doc, "processes") > 1;
	size_t n_shown = shown_cnt(l, doc), number = 0;

	text_process_head(p, doc);
	if (!field_list_cnt(doc, "processes")) {
		page_line(p, "No such process is watched.");
		return;
	}
	page_line(p, "%s", "");
	if (field_text(doc, "growth_since"))
		page_line(p, "Growth and sparklines are of the time since %s.",
			  field_text(doc, "growth_since"));
	list_heading(p, l, doc, n_shown);
	for (size_t i = 0; i < field_list_cnt(doc, list_key(l, doc)); i++) {
		json_object *row = field_list_get(doc, list_key(l, doc), i);

		if (is_shown(l, row))
			row_lines(p, l, row, ++number, with_pid, o);
	}
	if (!o->is_live && n_shown)
		top_stack_lines(p, l, doc);
}

/* ── the writer ───────────────────────────────────────────────────────────────────────────── */

static void show_write(struct page *p, json_object *doc, const struct writer_options *o)
{
	(void)o;
	for (size_t i = 0; i < field_list_cnt(doc, "stacks"); i++) {
		if (i)
			page_line(p, "%s", "");
		text_stack_show(p, field_list_get(doc, "stacks", i));
	}
}

static void status_write(struct page *p, json_object *doc, const struct writer_options *o)
{
	(void)o;
	text_process_status(p, doc);
}

static void alerts_write(struct page *p, json_object *doc, const struct writer_options *o)
{
	(void)o;
	text_alert_list(p, doc);
}

static void gc_write(struct page *p, json_object *doc, const struct writer_options *o)
{
	(void)o;
	text_gc(p, doc);
}

/* ── what changed ─────────────────────────────────────────────────────────────────────────── */

static void diff_row_lines(struct page *p, json_object *row, size_t number)
{
	json_object *process = field_object(row, "process");
	double change = field_number(row, "change_bytes");
	double error = field_number(row, "change_bytes_error");
	char bytes[UNITS_TEXT_MAX], off[UNITS_TEXT_MAX], from[UNITS_TEXT_MAX], to[UNITS_TEXT_MAX];
	char place[PLACE_BYTES_MAX];
	const char *unit = field_text(process, "unit");

	page_line(p, "%3zu. %s%s%s%s  %s%s", number, change < 0 ? "-" : "+",
		  units_bytes_format(bytes, fabs(change)), error > 0 ? " ±" : "",
		  error > 0 ? units_bytes_format(off, error) : "",
		  place_format(place, field_object(row, "blame")),
		  field_bool(row, "is_new")    ? "  new"
		  : field_bool(row, "is_gone") ? "  gone"
					       : "");
	page_line(p, "     %s, then %s  stack %s  %s%s%s",
		  units_bytes_format(from, field_number(row, "from_bytes")),
		  units_bytes_format(to, field_number(row, "to_bytes")),
		  field_text_or(row, "id", "?"), unit ? unit : "", unit ? " · " : "",
		  field_text_or(process, "cmdline", "?"));
}

static void diff_write(struct page *p, json_object *doc, const struct writer_options *o)
{
	size_t n = field_list_cnt(doc, "stacks");
	double change = field_number(doc, "change_bytes");
	double error = field_number(doc, "change_bytes_error");
	char bytes[UNITS_TEXT_MAX], off[UNITS_TEXT_MAX];

	(void)o;
	page_line(p, "From %s to %s: %s%s%s%s in all",
		  field_text_or(field_object(doc, "from"), "at", "?"),
		  field_text_or(field_object(doc, "to"), "at", "?"), change < 0 ? "-" : "+",
		  units_bytes_format(bytes, fabs(change)), error > 0 ? " ±" : "",
		  error > 0 ? units_bytes_format(off, error) : "");
	if (field_number(doc, "restarts") > 0)
		page_line(p, "pygrowd was started anew in between: what was held before is not "
			     "known any more, and counts as gone");
	page_line(p, "%s", "");
	if (!n)
		page_line(p, "Nothing has changed.");
	for (size_t i = 0; i < n; i++)
		diff_row_lines(p, field_list_get(doc, "stacks", i), i + 1);
}

static int text_write(FILE *out, enum writer_view view, json_object *doc,
		      const struct writer_options *o)
{
	static void (*const views[])(struct page *, json_object *,
				     const struct writer_options *) = {
		[WRITER_STATUS] = status_write, [WRITER_REPORT] = report_write,
		[WRITER_SHOW] = show_write,	[WRITER_GC] = gc_write,
		[WRITER_DIFF] = diff_write,	[WRITER_ALERTS] = alerts_write,
	};
	struct page p = {
		.out = out,
		.columns = o->columns,
		.utf8 = o->utf8,
		.rows_left = o->rows,
	};

	_Static_assert(ARRAY_SIZE(views) == WRITER_VIEW_MAX, "every view is written");
	views[view](&p, doc, o);
	return 0;
}

const struct writer writer_text = { .name = "text", .write = text_write };
