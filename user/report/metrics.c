/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/metrics.c — see metrics.h. One row of `families` per metric, in the page's order; the
 * format wants all samples of a family in one place, so each row walks the targets again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/utf8.h"
#include "report/metrics.h"

#define CUT_MARK    "\xe2\x80\xa6" /* … */
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* What has series. */
struct target {
	const struct snapshot_process *process;
	size_t first, n; /* its stacks: of page.stacks */
	size_t n_left_out;
};

struct page {
	const struct snapshot *snapshot;
	const struct metrics_options *options;
	struct strbuf *out;
	struct target *targets;
	const struct snapshot_stack **stacks;
	size_t n_targets, n_stacks;
};

struct family {
	const char *name, *type, *help;
	void (*add)(const struct page *p, const char *name);
};

static void page_done(struct page *p)
{
	free(p->targets);
	free(p->stacks);
}

/* ── lines ────────────────────────────────────────────────────────────────────────────────── */

static void add_character(struct strbuf *b, const char *s, size_t len, uint32_t c)
{
	if (c == '\n')
		strbuf_puts(b, "\\n");
	else if (c == '\\' || c == '"')
		strbuf_printf(b, "\\%c", (char)c);
	else if (c == UTF8_INVALID || utf8_is_control(c))
		strbuf_puts(b, REPLACEMENT);
	else
		strbuf_add(b, s, len);
}

/* NULL, which is not known, is "": to Prometheus that is the same as no label. */
static void add_value(struct strbuf *b, const char *text)
{
	size_t len = text ? strnlen(text, METRICS_LABEL_BYTES + 1) : 0, n;

	for (size_t at = 0; at < len; at += n) {
		/* Reads beyond the limit if need be: what is cut is a whole character. */
		uint32_t c = utf8_decode(text + at, strnlen(text + at, 4), &n);

		if (at + n > METRICS_LABEL_BYTES) {
			strbuf_puts(b, CUT_MARK);
			return;
		}
		add_character(b, text + at, n, c);
	}
}

/* A sample: its name and first label, more labels, its value. */
static void sample_start(struct strbuf *b, const char *name, const char *label, const char *value)
{
	strbuf_printf(b, "%s{%s=\"", name, label);
	add_value(b, value);
	strbuf_putc(b, '"');
}

static void sample_start_pid(struct strbuf *b, const char *name, pid_t pid)
{
	strbuf_printf(b, "%s{pid=\"%d\"", name, (int)pid);
}

static void sample_label(struct strbuf *b, const char *label, const char *value)
{
	strbuf_printf(b, ",%s=\"", label);
	add_value(b, value);
	strbuf_putc(b, '"');
}

/* Whole numbers are exact up to 2^53. */
static void sample_end(struct strbuf *b, double value)
{
	strbuf_printf(b, "} %.16g\n", value == 0 ? 0 : value); /* no "-0" */
}

/* ── the host ─────────────────────────────────────────────────────────────────────────────── */

static void add_build(const struct page *p, const char *name)
{
	sample_start(p->out, name, "version", p->snapshot->version);
	sample_end(p->out, 1);
}

static void add_alerts(const struct page *p, const char *name)
{
	if (p->options->alerts_firing >= 0)
		strbuf_printf(p->out, "%s %" PRId64 "\n", name, p->options->alerts_firing);
}

static void add_suppressed(const struct page *p, const char *name)
{
	if (p->options->alerts_suppressed >= 0)
		strbuf_printf(p->out, "%s %" PRId64 "\n", name, p->options->alerts_suppressed);
}

/* Of all processes, those too that share their PID with another one. */
static void add_lost(const struct page *p, const char *name)
{
	static const char *const reasons[] = {
#define COUNTER_NAME(id, name, help) [PGD_COUNTER_##id] = name,
		PGD_COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
	};
	const struct snapshot *s = p->snapshot;

	_Static_assert(ARRAY_SIZE(reasons) == PGD_COUNTER_MAX, "every counter has a name");
	for (size_t c = 0; c < PGD_COUNTER_MAX; c++) {
		uint64_t sum = p->options->lost_besides ? p->options->lost_besides[c] : 0;

		for (size_t i = 0; i < s->n_processes; i++)
			sum += s->processes[i].lost[c];
		sample_start(p->out, name, "reason", reasons[c]);
		sample_end(p->out, (double)sum);
	}
	for (size_t i = 0; i < p->options->n_lost_more; i++) {
		sample_start(p->out, name, "reason", p->options->lost_more[i].reason);
		sample_end(p->out, (double)p->options->lost_more[i].cnt);
	}
}

/* ── targets ──────────────────────────────────────────────────────────────────────────────── */

static void add_target_info(const struct page *p, const char *name)
{
	for (size_t i = 0; i < p->n_targets; i++) {
		const struct snapshot_process *process = p->targets[i].process;

		sample_start_pid(p->out, name, process->pid);
		sample_label(p->out, "python", process->python);
		sample_label(p->out, "unit", process->unit);
		sample_end(p->out, 1);
	}
}

static void add_ratio(const struct page *p, const char *name, pid_t pid, double ratio)
{
	if (!isfinite(ratio))
		return;
	sample_start_pid(p->out, name, pid);
	sample_end(p->out, ratio);
}

static void add_overhead(const struct page *p, const char *name)
{
	for (size_t i = 0; i < p->n_targets; i++)
		add_ratio(p, name, p->targets[i].process->pid, p->targets[i].process->overhead);
}

static void add_coverage(const struct page *p, const char *name)
{
	for (size_t i = 0; i < p->n_targets; i++)
		add_ratio(p, name, p->targets[i].process->pid, p->targets[i].process->coverage);
}

static void add_memory(const struct page *p, const char *name)
{
	for (size_t i = 0; i < p->n_targets; i++) {
		const struct snapshot_process *process = p->targets[i].process;
		const struct {
			const char *name;
			int64_t bytes;
		} kinds[] = {
			{ "rss", process->rss_bytes },
			{ "uss", process->uss_bytes },
			{ "pymalloc", process->pymalloc_bytes },
			{ "libc", process->libc_bytes },
			{ "unexplained", process->unexplained_bytes },
		};

		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			if (kinds[k].bytes < 0)
				continue;
			sample_start_pid(p->out, name, process->pid);
			sample_label(p->out, "kind", kinds[k].name);
			sample_end(p->out, (double)kinds[k].bytes);
		}
	}
}

static void add_gc(const struct page *p, const char *name,
		   double (*figure)(const struct snapshot_gc *gc, int generation))
{
	for (size_t i = 0; i < p->n_targets; i++) {
		const struct snapshot_process *process = p->targets[i].process;

		for (int g = 0; process->gc.known && g < PGD_GENERATIONS; g++) {
			double value = figure(&process->gc, g);

			if (!isfinite(value) || value < 0) /* not known */
				continue;
			sample_start_pid(p->out, name, process->pid);
			strbuf_printf(p->out, ",generation=\"%d\"", g);
			sample_end(p->out, value);
		}
	}
}

/* A family of the collector's, by generation. */
#define GC_FAMILY(word, field)                                                \
	static double gc_##word(const struct snapshot_gc *gc, int generation) \
	{                                                                     \
		return (double)gc->generations[generation].field;             \
	}                                                                     \
	static void add_##word(const struct page *p, const char *name)        \
	{                                                                     \
		add_gc(p, name, gc_##word);                                   \
	}
GC_FAMILY(collections, collections)
GC_FAMILY(pauses, pause_seconds)
GC_FAMILY(timed, timed)
GC_FAMILY(asked, asked)
GC_FAMILY(collected, collected)
GC_FAMILY(uncollectable, uncollectable)
GC_FAMILY(pause_max, pause_max_seconds)
GC_FAMILY(last, last)
#undef GC_FAMILY

static void add_enabled(const struct page *p, const char *name)
{
	for (size_t i = 0; i < p->n_targets; i++) {
		const struct snapshot_gc *gc = &p->targets[i].process->gc;

		if (!gc->is_state_known)
			continue;
		sample_start_pid(p->out, name, p->targets[i].process->pid);
		sample_end(p->out, gc->is_enabled);
	}
}

static void add_frozen(const struct page *p, const char *name)
{
	for (size_t i = 0; i < p->n_targets; i++) {
		const struct snapshot_gc *gc = &p->targets[i].process->gc;

		if (!gc->is_state_known || gc->frozen_objects < 0)
			continue;
		sample_start_pid(p->out, name, p->targets[i].process->pid);
		sample_end(p->out, (double)gc->frozen_objects);
	}
}

static void add_left_out(const struct page *p, const char *name)
{
	for (size_t i = 0; i < p->n_targets; i++) {
		sample_start_pid(p->out, name, p->targets[i].process->pid);
		sample_end(p->out, (double)p->targets[i].n_left_out);
	}
}

/* ── stacks ───────────────────────────────────────────────────────────────────────────────── */

/* Named by its blame frame, as in reports; a stack without any Python frame has an empty name. */
static void add_stack(const struct page *p, const char *name, const struct snapshot_stack *s,
		      double value)
{
	const struct snapshot_frame none = { 0 }, *frame = &none;
	char text[24] = "";

	if (!isfinite(value))
		return;
	if (s->blame >= 0 && (size_t)s->blame < s->n_frames)
		frame = &s->frames[s->blame];
	sample_start_pid(p->out, name, s->pid);
	strbuf_printf(p->out, ",stack=\"%016" PRIx64 "\"", s->id);
	sample_label(p->out, "function", frame->function);
	sample_label(p->out, "file", frame->file);
	if (frame->line > 0)
		snprintf(text, sizeof(text), "%d", frame->line);
	sample_label(p->out, "line", text);
	sample_end(p->out, value);
}

static void add_live(const struct page *p, const char *name)
{
	for (size_t i = 0; i < p->n_stacks; i++)
		add_stack(p, name, p->stacks[i], p->stacks[i]->live_bytes);
}

static void add_growth(const struct page *p, const char *name)
{
	for (size_t i = 0; i < p->n_stacks; i++)
		add_stack(p, name, p->stacks[i], p->stacks[i]->growth_bytes_per_second);
}

/* A number that grows with the concern, so that max() and > mean something. */
static double verdict_value(const struct snapshot_stack *s)
{
	static const double values[] = {
		[DETECT_QUIET] = 0,
		[DETECT_SETTLED] = 1,
		[DETECT_SUSPECT] = 2,
		[DETECT_GROWING] = 3,
	};

	_Static_assert(ARRAY_SIZE(values) == DETECT_STATE_MAX, "every state has a number");
	return s->is_judged ? values[s->verdict.state] : NAN;
}

static void add_verdict(const struct page *p, const char *name)
{
	for (size_t i = 0; i < p->n_stacks; i++)
		add_stack(p, name, p->stacks[i], verdict_value(p->stacks[i]));
}

/* ── which of them ────────────────────────────────────────────────────────────────────────── */

/* Who is left out is in the snapshot too, for `status` to say why. */
static bool is_target(const struct snapshot_process *p)
{
	return !p->regime || (strcmp(p->regime, "unsupported") && strcmp(p->regime, "excluded"));
}

/* Another process of that PID came to be watched later: this one has gone. */
static bool is_outlived(const struct snapshot *s, size_t at)
{
	for (size_t i = at + 1; i < s->n_processes; i++)
		if (s->processes[i].pid == s->processes[at].pid && is_target(&s->processes[i]))
			return true;
	return false;
}

static bool has_stack(const struct page *p, const struct target *t, uint64_t id)
{
	for (size_t i = t->first; i < t->first + t->n; i++)
		if (p->stacks[i]->id == id)
			return true;
	return false;
}

static void choose_stacks(struct page *p, struct target *t, size_t max)
{
	const struct snapshot *s = p->snapshot;

	t->first = p->n_stacks;
	for (size_t i = 0; i < s->n_stacks; i++) {
		if (s->stacks[i].pid != t->process->pid)
			continue;
		if (t->n == max || has_stack(p, t, s->stacks[i].id)) {
			t->n_left_out++;
			continue;
		}
		p->stacks[p->n_stacks++] = &s->stacks[i];
		t->n++;
	}
}

static int page_init(struct page *p)
{
	const struct snapshot *s = p->snapshot;
	size_t max = p->options->stacks_max;

	p->targets = calloc(s->n_processes + 1, sizeof(*p->targets));
	p->stacks = calloc(s->n_stacks + 1, sizeof(p->stacks[0]));
	if (!p->targets || !p->stacks)
		return -ENOMEM;
	if (max > METRICS_STACKS_MAX)
		max = METRICS_STACKS_MAX;
	for (size_t i = 0; i < s->n_processes; i++) {
		if (!is_target(&s->processes[i]) || is_outlived(s, i))
			continue;
		p->targets[p->n_targets].process = &s->processes[i];
		choose_stacks(p, &p->targets[p->n_targets++], max);
	}
	return 0;
}

static const struct family families[] = {
	{ "pygrowd_build_info", "gauge", "Always 1; the version of pygrowd.", add_build },
	{ "pygrowd_target_info", "gauge",
	  "Always 1 for each watched process; its Python and its systemd unit, if known.",
	  add_target_info },
	{ "pygrowd_target_overhead_ratio", "gauge",
	  "What watching costs the process, as a share of the CPU time that it uses.",
	  add_overhead },
	{ "pygrowd_target_coverage_ratio", "gauge",
	  "Share of the allocations that can be seen in this build of Python.", add_coverage },
	{ "pygrowd_target_memory_bytes", "gauge",
	  "Memory of the process, by kind: resident, unshared, held by pymalloc, held by libc, "
	  "and what none of these explains.",
	  add_memory },
	{ "pygrowd_stack_live_bytes", "gauge",
	  "Bytes that a Python stack has taken and not given back, named by its line of "
	  "application code.",
	  add_live },
	{ "pygrowd_stack_growth_bytes_per_second", "gauge",
	  "How fast the live bytes of a stack grow.", add_growth },
	{ "pygrowd_stack_verdict", "gauge",
	  "Judgement of a stack: 0 quiet, 1 settled, 2 suspect, 3 growing.", add_verdict },
	{ "pygrowd_stacks_left_out", "gauge",
	  "Stacks of a process that have no series, since others grow faster or hold more.",
	  add_left_out },
	{ "pygrowd_alerts_firing", "gauge", "Alerts that fire now.", add_alerts },
	{ "pygrowd_alerts_suppressed", "gauge",
	  "Alerts that would fire now, if the configuration did not suppress them.",
	  add_suppressed },
	{ "pygrowd_gc_collections_total", "counter",
	  "Runs of the garbage collector seen, by generation.", add_collections },
	{ "pygrowd_gc_pause_seconds_total", "counter",
	  "Time that the garbage collector took, by generation; estimated where not all were "
	  "timed.",
	  add_pauses },
	{ "pygrowd_gc_timed_total", "counter",
	  "Of these runs, those that were timed: all, unless that would cost too much.",
	  add_timed },
	{ "pygrowd_gc_asked_total", "counter",
	  "Of these runs, those that the program asked for by gc.collect().", add_asked },
	{ "pygrowd_gc_collected_objects_total", "counter",
	  "Objects that the garbage collector freed, by generation.", add_collected },
	{ "pygrowd_gc_uncollectable_objects_total", "counter",
	  "Objects that it found unreachable and could not free, by generation.",
	  add_uncollectable },
	{ "pygrowd_gc_pause_max_seconds", "gauge",
	  "The longest run of the garbage collector, by generation.", add_pause_max },
	{ "pygrowd_gc_last_timestamp_seconds", "gauge",
	  "When the last run of the garbage collector ended, by generation.", add_last },
	{ "pygrowd_gc_enabled", "gauge",
	  "1 if thresholds start the garbage collector, 0 if it is off.", add_enabled },
	{ "pygrowd_gc_frozen_objects", "gauge",
	  "Objects that gc.freeze() has hidden from the garbage collector, 16384 at most.",
	  add_frozen },
	{ "pygrowd_lost_total", "counter",
	  "Samples lost, skipped or in doubt, by reason; the manual says what each does to the "
	  "figures.",
	  add_lost },
};

int metrics_format(const struct snapshot *s, const struct metrics_options *o, struct strbuf *ret)
{
	_cleanup_(page_done) struct page p = { .snapshot = s, .options = o, .out = ret };
	int r = page_init(&p);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		const struct family *f = &families[i];

		strbuf_printf(ret, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
			      f->type);
		f->add(&p, f->name);
	}
	return strbuf_error(ret);
}
