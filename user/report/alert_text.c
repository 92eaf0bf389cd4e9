/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/alert_text.c — see alert_text.h. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/escape.h"
#include "lib/units.h"
#include "report/alert_text.h"

#define COVERAGE_WARN_BELOW 0.95
#define P_LEAST		    0.0001 /* smaller ones say no more */
#define FAR_SEC		    (366 * 86400.0)
#define CUT		    "…"

static bool is_inside(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Escapes make a name longer: the limit is of what is printed. */
static size_t escaped_bytes(const char *s, size_t n)
{
	struct strbuf b = STRBUF_INIT;
	size_t len;

	escape_add_bytes(&b, s, n);
	len = b.len;
	strbuf_done(&b);
	return len;
}

void alert_text_add_name(struct strbuf *b, const char *name, bool is_path)
{
	size_t n = strlen(name), from = 0;
	bool is_cut = false;

	/* At least one byte goes at a time: from one character's beginning to the next. */
	while (n - from > ALERT_NAME_BYTES ||
	       escaped_bytes(name + from, n - from) > ALERT_NAME_BYTES) {
		size_t excess = n - from > ALERT_NAME_BYTES ? n - from - ALERT_NAME_BYTES : 1;

		is_cut = true;
		if (is_path)
			from += excess;
		else
			n -= excess;
		while (is_path && from < n && is_inside(name[from]))
			from++;
		while (!is_path && n > from && is_inside(name[n]))
			n--;
	}
	if (is_cut && is_path)
		strbuf_puts(b, CUT);
	escape_add_bytes(b, name + from, n - from);
	if (is_cut && !is_path)
		strbuf_puts(b, CUT);
}

/* "get_user (/srv/demo/service.py:17)" */
static void add_place(struct strbuf *b, const struct alert *a)
{
	if (!a->function && !a->file) {
		strbuf_puts(b, "code that is not Python");
		return;
	}
	alert_text_add_name(b, a->function ? a->function : "?", false);
	strbuf_puts(b, " (");
	alert_text_add_name(b, a->file ? a->file : "?", true);
	if (a->line > 0)
		strbuf_printf(b, ":%d", a->line);
	strbuf_printf(b, "%s)", a->in_application ? "" : ", a library");
}

/* "4 processes of web.service", "web.service", "pid 4711 (python3)" */
static void add_whose(struct strbuf *b, const struct alert *a)
{
	if (a->n_processes > 1)
		strbuf_printf(b, "%zu processes%s", a->n_processes, a->unit ? " of " : "");
	if (a->unit) {
		alert_text_add_name(b, a->unit, false);
	} else if (a->n_processes <= 1) {
		strbuf_printf(b, "pid %d (", (int)a->pid);
		alert_text_add_name(b, a->comm ? a->comm : "?", false);
		strbuf_putc(b, ')');
	}
}

/* To the second: the milliseconds of a growth are nobody's. */
static const char *moment_format(char buf[CLOCK_TEXT_MAX], double unix_sec)
{
	char *dot = strchr(clock_rfc3339_format(buf, unix_sec), '.');

	if (dot)
		strcpy(dot, "Z");
	return buf;
}

static const char *what_collector_does(const struct alert *a)
{
	if (a->why == DETECT_RISES_UNCOLLECTED && a->is_gc_off)
		return "; its garbage collector is off, so that garbage in cycles stays.";
	if (a->why == DETECT_RISES_UNCOLLECTED)
		return "; no full collection ran meanwhile.";
	return a->has_gc ? "; full collections do not free it." : ".";
}

static void add_how_sure(struct strbuf *b, const struct alert *a)
{
	if (isfinite(a->tau) && isfinite(a->p_value)) {
		strbuf_printf(b, " It rises steadily: tau %.2f, p ", a->tau);
		if (a->p_value < P_LEAST)
			strbuf_printf(b, "< %g", P_LEAST);
		else
			strbuf_printf(b, "%.2g", a->p_value);
		strbuf_puts(b, what_collector_does(a));
	}
	if (a->coverage < COVERAGE_WARN_BELOW) { /* false for NAN */
		char text[UNITS_TEXT_MAX];

		strbuf_printf(b, " Only %s of the allocations are seen: it may be more.",
			      units_share_format(text, a->coverage));
	}
}

static void add_how_long(struct strbuf *b, const struct alert *a)
{
	double left_sec = a->headroom_bytes / a->growth_bytes_per_sec;
	const char *limit = a->is_headroom_of_host ? "the host's memory is used up"
						   : "the memory limit of its cgroup is reached";
	char text[UNITS_TEXT_MAX];

	if (!(a->growth_bytes_per_sec > 0) || !(left_sec >= 0))
		return;
	if (left_sec > FAR_SEC)
		strbuf_printf(b, " At this rate it takes more than a year until %s.", limit);
	else
		strbuf_printf(b, " At this rate %s in about %s.", limit,
			      units_duration_format(text, left_sec));
}

static void add_firing(struct strbuf *b, const struct alert *a, double now_sec)
{
	char text[UNITS_TEXT_MAX], moment[CLOCK_TEXT_MAX];

	strbuf_puts(b, " grows");
	if (isfinite(a->growth_bytes_per_sec))
		strbuf_printf(
			b, " by %s",
			units_rate_format(text, a->growth_bytes_per_sec, a->growth_error, "±"));
	if (isfinite(a->since_sec))
		strbuf_printf(b, ", since %s (%s)", moment_format(moment, a->since_sec),
			      units_duration_format(text, fmax(now_sec - a->since_sec, 0)));
	if (isfinite(a->growth_bytes))
		strbuf_printf(b, ", %s so far", units_bytes_format(text, a->growth_bytes));
	strbuf_putc(b, '.');
	add_how_sure(b, a);
	add_how_long(b, a);
	strbuf_printf(b, " Next: pygrowctl show %016" PRIx64, a->stack);
}

static const char *end_of(enum detect_why why)
{
	switch (why) {
	case DETECT_RELEASED:
		return "most of it was given back";
	case DETECT_STOPPED:
		return "it has worked on without growing";
	default:
		return "its process has ended";
	}
}

static void add_resolved(struct strbuf *b, const struct alert *a)
{
	char text[UNITS_TEXT_MAX];

	strbuf_printf(b, " grows no more: %s.", end_of(a->why));
	if (isfinite(a->since_sec) && isfinite(a->resolved_sec))
		strbuf_printf(b, " From its beginning to now it was %s.",
			      units_duration_format(text, fmax(a->resolved_sec - a->since_sec, 0)));
}

static void add_suppressed(struct strbuf *b, const struct alert *a)
{
	char moment[CLOCK_TEXT_MAX];

	strbuf_printf(b, " grows on, which is suppressed until %s by ",
		      moment_format(moment, a->suppressed_until_sec));
	alert_text_add_name(b, a->suppressed_by ? a->suppressed_by : "?", false);
	strbuf_puts(b, ": ");
	alert_text_add_name(b, a->suppressed_reason ? a->suppressed_reason : "?", false);
}

void alert_text_add(struct strbuf *b, const struct alert *a, double now_sec)
{
	strbuf_puts(b, "Memory taken by ");
	add_place(b, a);
	strbuf_puts(b, " in ");
	add_whose(b, a);
	if (a->is_firing)
		add_firing(b, a, now_sec);
	else if (a->why == ALERT_SUPPRESSED)
		add_suppressed(b, a);
	else
		add_resolved(b, a);
}
