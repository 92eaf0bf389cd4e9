/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/document.c — see document.h. One function per JSON object, its fields in the order of
 * the interface; what is computed here (sums of a process, tau and p) is what no snapshot carries.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "growth/rollup.h"
#include "growth/trend.h"
#include "lib/cleanup.h"
#include "report/document.h"
#include "report/document_frame.h"
#include "report/document_gc.h"
#include "report/jsonput.h"

#define SHARE_ROUNDING 1e-6

DEFINE_CLEANUP(json_object *, json_object_put)

static const struct {
	const char *name, *help;
} counters[] = {
#define COUNTER_ROW(id, name, help) [PGD_COUNTER_##id] = { name, help },
	PGD_COUNTERS(COUNTER_ROW)
#undef COUNTER_ROW
};
_Static_assert(ARRAY_SIZE(counters) == PGD_COUNTER_MAX, "every counter has a name");

/* The stacks that a document is about, in the snapshot's order. */
struct selection {
	const struct snapshot_stack **stacks;
	size_t n;
};

static void selection_done(struct selection *s)
{
	free(s->stacks);
}

static bool has_id(const struct snapshot_stack *s, const char *prefix)
{
	char text[DOCUMENT_STACK_MAX + 1];

	snprintf(text, sizeof(text), "%016" PRIx64, s->id);
	return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_selected(const struct snapshot_stack *s, const struct document_options *o)
{
	return (!o->pid || s->pid == o->pid) && (!o->stack || has_id(s, o->stack));
}

static int selection_new(const struct snapshot *snapshot, const struct document_options *o,
			 struct selection *ret)
{
	ret->n = 0;
	ret->stacks = calloc(snapshot->n_stacks + 1, sizeof(ret->stacks[0]));
	if (!ret->stacks)
		return -ENOMEM;
	for (size_t i = 0; i < snapshot->n_stacks; i++)
		if (is_selected(&snapshot->stacks[i], o))
			ret->stacks[ret->n++] = &snapshot->stacks[i];
	return 0;
}

/* ── processes ────────────────────────────────────────────────────────────────────────────── */
static json_object *lost_new(const struct snapshot_process *p)
{
	json_object *o = json_object_new_object();

	for (size_t i = 0; i < PGD_COUNTER_MAX; i++)
		if (p->lost[i])
			jsonput_count(o, counters[i].name, (int64_t)p->lost[i]);
	return o;
}

/* What the names under "lost" mean, for all processes at once. */
static json_object *lost_help_new(const struct snapshot *s)
{
	json_object *o = json_object_new_object();

	for (size_t i = 0; i < s->n_processes; i++)
		for (size_t j = 0; j < PGD_COUNTER_MAX; j++)
			if (s->processes[i].lost[j])
				jsonput_string(o, counters[j].name, counters[j].help);
	return o;
}

static json_object *sites_new(const struct snapshot_process *p)
{
	json_object *o = json_object_new_object();

	jsonput_count(o, "found", (int64_t)p->n_sites);
	jsonput_count(o, "unplaced", (int64_t)p->n_sites_unplaced);
	return o;
}

static void put_figures(json_object *o, const struct rollup_figures *f)
{
	jsonput_bytes(o, "live_bytes", f->live_bytes);
	jsonput_bytes(o, "live_bytes_error", f->live_error);
	jsonput_count(o, "live_blocks", f->live_blocks);
	jsonput_decimal(o, "growth_bytes_per_second", f->growth_bytes_per_sec);
	jsonput_decimal(o, "growth_error", f->growth_error);
}

static const char *headroom_of(const struct snapshot_process *p)
{
	return isnan(p->headroom_bytes) ? NULL : p->is_headroom_of_host ? "host" : "cgroup";
}

static json_object *process_new(const struct snapshot_process *p, const struct rollup_figures *sum)
{
	json_object *o = json_object_new_object();

	jsonput_count(o, "pid", p->pid);
	jsonput_count(o, "pid_inside", p->pid_inside > 0 ? p->pid_inside : -1);
	jsonput_count(o, "uid", p->uid);
	jsonput_string(o, "comm", p->comm);
	jsonput_string(o, "cmdline", p->cmdline);
	jsonput_string(o, "unit", p->unit);
	jsonput_string(o, "python", p->python);
	jsonput_string(o, "build_id", p->build_id);
	jsonput_string(o, "regime", p->regime);
	jsonput_string(o, "why", p->why);
	jsonput_number(o, "duty", p->duty);
	jsonput_number(o, "coverage", p->coverage);
	jsonput_number(o, "coverage_frees", p->coverage_frees);
	jsonput_string(o, "coverage_why", p->coverage_why);
	jsonput_number(o, "overhead", p->overhead);
	jsonput_number(o, "overhead_budget", p->overhead_budget);
	jsonput_count(o, "windows", (int64_t)p->windows);
	jsonput_count(o, "rss_bytes", p->rss_bytes);
	jsonput_count(o, "uss_bytes", p->uss_bytes);
	jsonput_count(o, "pymalloc_bytes", p->pymalloc_bytes);
	jsonput_count(o, "libc_bytes", p->libc_bytes);
	jsonput_count(o, "unexplained_bytes", p->unexplained_bytes);
	jsonput_bytes(o, "headroom_bytes", p->headroom_bytes);
	jsonput_string(o, "headroom_of", headroom_of(p));
	put_figures(o, sum);
	jsonput_count(o, "samples", (int64_t)p->samples);
	jsonput_count(o, "samples_alive", (int64_t)p->samples_alive);
	jsonput_count(o, "hits", (int64_t)p->hits);
	jsonput_object(o, "sites", sites_new(p));
	jsonput_object(o, "gc", document_gc_new(&p->gc));
	jsonput_object(o, "lost", lost_new(p));
	return o;
}

/* All that is followed in a process, whatever the document's other filters are. */
static int process_sum(const struct snapshot *snapshot, pid_t pid, struct rollup_figures *ret)
{
	_cleanup_(selection_done) struct selection s = { 0 };
	const struct document_options o = { .pid = pid };
	int r;

	r = selection_new(snapshot, &o, &s);
	if (r < 0)
		return r;
	return rollup_sum(snapshot, s.stacks, s.n, ret);
}

static int processes_new(const struct snapshot *s, pid_t pid, json_object **ret)
{
	_cleanup_(json_object_putp) json_object *list = json_object_new_array();
	struct rollup_figures sum;
	int r;

	for (size_t i = 0; i < s->n_processes; i++) {
		if (pid && s->processes[i].pid != pid)
			continue;
		r = process_sum(s, s->processes[i].pid, &sum);
		if (r < 0)
			return r;
		json_object_array_add(list, process_new(&s->processes[i], &sum));
	}
	*ret = TAKE_PTR(list);
	return 0;
}

/* ── stacks ───────────────────────────────────────────────────────────────────────────────── */
static json_object *frames_new(const struct snapshot_stack *s)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < s->n_frames; i++)
		json_object_array_add(list, document_frame_new(&s->frames[i]));
	return list;
}

static json_object *history_new(const double *live_bytes, size_t n)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, isfinite(live_bytes[i])
						    ? json_object_new_int64(llround(live_bytes[i]))
						    : NULL);
	return list;
}

/* A share outside 0..1 is nothing that we know; what rounding alone has put there is. */
static void put_share(json_object *o, const char *key, double share)
{
	bool is_known = share > -SHARE_ROUNDING && share < 1 + SHARE_ROUNDING;

	jsonput_number(o, key, is_known ? fmin(fmax(share, 0), 1) : NAN);
}

/* An age that is not known leaves nothing to say. */
static json_object *survival_new(const struct snapshot_stack *s)
{
	size_t n = s->n_survival < SNAPSHOT_SURVIVAL_MAX ? s->n_survival : SNAPSHOT_SURVIVAL_MAX;
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < n; i++) {
		json_object *o;

		if (!isfinite(s->survival[i].age_seconds) || s->survival[i].age_seconds < 0)
			continue;
		o = json_object_new_object();
		jsonput_decimal(o, "age_seconds", s->survival[i].age_seconds);
		put_share(o, "share", s->survival[i].share);
		json_object_array_add(list, o);
	}
	return list;
}

static json_object *types_new(const struct snapshot_stack *s)
{
	size_t n = s->n_types < SNAPSHOT_TYPES_MAX ? s->n_types : SNAPSHOT_TYPES_MAX;
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < n; i++) {
		json_object *o = json_object_new_object();

		jsonput_string(o, "name", s->types[i].name);
		put_share(o, "share", s->types[i].share);
		json_object_array_add(list, o);
	}
	return list;
}

/* Order is all that tau asks for, so that a history without times will do. */
static void put_trend(json_object *o, const struct snapshot_stack *s)
{
	struct series_point p[SNAPSHOT_HISTORY_MAX];
	struct trend t = { .tau = NAN, .p_value = NAN };
	size_t n = s->n_history < SNAPSHOT_HISTORY_MAX ? s->n_history : SNAPSHOT_HISTORY_MAX;

	for (size_t i = 0; i < n; i++)
		p[i] = (struct series_point){ .time_sec = (double)i, .live_bytes = s->history[i] };
	(void)trend_fit(p, n, &t); /* too short: stays not known */
	if (s->is_judged && isfinite(s->verdict.tau)) {
		/* Of a longer time than the history that is at hand. */
		t.tau = s->verdict.tau;
		t.p_value = s->verdict.p_value;
	}
	jsonput_number(o, "tau", t.tau);
	jsonput_number(o, "p_value", t.p_value);
}

static json_object *blame_new(const struct snapshot_stack *s)
{
	return s->blame >= 0 && (size_t)s->blame < s->n_frames
		       ? document_frame_new(&s->frames[s->blame])
		       : NULL;
}

static void put_verdict(json_object *o, const struct snapshot_stack *s)
{
	const struct detect_verdict *v = &s->verdict;

	jsonput_string(o, "verdict", s->is_judged ? detect_state_name[v->state] : NULL);
	jsonput_string(o, "verdict_why", s->is_judged ? detect_why_name[v->why] : NULL);
	jsonput_moment(o, "verdict_since", s->is_judged ? v->since_sec : NAN);
	if (s->is_judged && isfinite(v->tau))
		jsonput_bool(o, "verdict_after_collections", v->is_after_collections);
	else
		jsonput_object(o, "verdict_after_collections", NULL);
}

static json_object *stack_new(const struct snapshot_stack *s)
{
	json_object *o = json_object_new_object();

	jsonput_id(o, "id", s->id);
	jsonput_count(o, "pid", s->pid);
	put_verdict(o, s);
	jsonput_bytes(o, "live_bytes", s->live_bytes);
	jsonput_bytes(o, "live_bytes_error", s->live_bytes_error);
	jsonput_count(o, "live_blocks", s->live_blocks);
	jsonput_decimal(o, "growth_bytes_per_second", s->growth_bytes_per_second);
	jsonput_decimal(o, "growth_error", s->growth_error);
	put_trend(o, s);
	jsonput_moment(o, "since", s->since);
	jsonput_decimal(o, "age_seconds", s->age_seconds);
	jsonput_object(o, "survival", survival_new(s));
	jsonput_object(o, "types", types_new(s));
	jsonput_count(o, "samples", (int64_t)s->n_samples);
	jsonput_object(o, "gc", document_cycles_new(&s->cycles));
	jsonput_object(o, "blame", blame_new(s));
	jsonput_object(o, "frames", frames_new(s));
	jsonput_bool(o, "truncated", s->truncated);
	jsonput_object(o, "history", history_new(s->history, s->n_history));
	return o;
}

static json_object *stacks_new(const struct selection *s, size_t limit)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < s->n && i < limit; i++)
		json_object_array_add(list, stack_new(s->stacks[i]));
	return list;
}

/* ── rows over stacks and processes ───────────────────────────────────────────────────────── */
static json_object *pids_new(const pid_t *pids, size_t n)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, json_object_new_int(pids[i]));
	return list;
}

/* Those that have ended, and what is in no sum any more; NULL: nobody. */
static json_object *gone_new(const struct rollup_row *row)
{
	json_object *o;

	if (!row->n_gone_pids)
		return NULL;
	o = json_object_new_object();
	jsonput_object(o, "pids", pids_new(row->gone_pids, row->n_gone_pids));
	jsonput_bytes(o, "held_bytes", row->gone_bytes);
	jsonput_bytes(o, "blamed_held_bytes", row->gone_blamed_bytes);
	return o;
}

static void put_whose(json_object *o, const struct rollup_row *row)
{
	jsonput_count(o, "pid", row->n_pids == 1 ? row->pids[0] : -1);
	jsonput_object(o, "pids", pids_new(row->pids, row->n_pids));
	jsonput_string(o, "unit", row->service);
	jsonput_bool(o, "is_gone", row->is_gone);
	jsonput_object(o, "gone", gone_new(row));
}

static json_object *row_history_new(const struct rollup_row *row)
{
	double history[SNAPSHOT_HISTORY_MAX];
	size_t n = rollup_history(row, history);

	return history_new(history, n);
}

static json_object *place_row_new(const struct rollup_row *row)
{
	json_object *o = json_object_new_object();
	const struct snapshot_stack *top = row->top_stack;

	put_whose(o, row);
	jsonput_string(o, "function", row->key.function);
	jsonput_string(o, "file", row->key.file);
	jsonput_count(o, "line", row->key.line > 0 ? row->key.line : -1);
	jsonput_bool(o, "in_application", row->in_application);
	put_figures(o, &row->all);
	jsonput_count(o, "stacks", (int64_t)row->all.n_stacks);
	jsonput_bytes(o, "blamed_live_bytes", row->blamed.live_bytes);
	jsonput_bytes(o, "blamed_live_bytes_error", row->blamed.live_error);
	jsonput_count(o, "blamed_live_blocks", row->blamed.live_blocks);
	jsonput_decimal(o, "blamed_growth_bytes_per_second", row->blamed.growth_bytes_per_sec);
	jsonput_decimal(o, "blamed_growth_error", row->blamed.growth_error);
	jsonput_count(o, "blamed_stacks", (int64_t)row->blamed.n_stacks);
	jsonput_object(o, "blamed_history", row_history_new(row));
	jsonput_id(o, "top_stack", top->id);
	jsonput_object(o, "through", top->n_frames ? document_frame_new(&top->frames[0]) : NULL);
	return o;
}

static json_object *stack_row_new(const struct rollup_row *row)
{
	json_object *o = json_object_new_object();

	jsonput_id(o, "id", row->top_stack->id);
	put_whose(o, row);
	put_figures(o, &row->all);
	jsonput_object(o, "blame", blame_new(row->top_stack));
	jsonput_object(o, "frames", frames_new(row->top_stack));
	jsonput_object(o, "history", row_history_new(row));
	return o;
}

/* The lists of rows, and what is the same for all of them. */
struct rows {
	const struct snapshot *snapshot;
	const struct selection *selection;
	bool is_split;
	size_t limit;
	bool is_cut; /* one of the lists was longer */
};

static int rows_put(struct rows *rows, const char *key, enum rollup_by by, json_object *doc)
{
	_cleanup_(rollup_done) struct rollup rollup = { 0 };
	const struct selection *s = rows->selection;
	json_object *list;
	int r;

	r = rollup_new(rows->snapshot, s->stacks, s->n, by, rows->is_split, &rollup);
	if (r < 0)
		return r;
	list = json_object_new_array();
	for (size_t i = 0; i < rollup.n_rows && i < rows->limit; i++)
		json_object_array_add(list, by == ROLLUP_BY_STACK ? stack_row_new(&rollup.rows[i])
								  : place_row_new(&rollup.rows[i]));
	jsonput_object(doc, key, list);
	rows->is_cut |= rollup.n_rows > rows->limit;
	return 0;
}

static int cyclic_put(struct rows *rows, json_object *doc)
{
	const struct selection *s = rows->selection;
	json_object *list = NULL;
	bool is_cut = false;
	int r = document_cyclic_new(s->stacks, s->n, rows->limit, &list, &is_cut);

	if (r == 0)
		jsonput_object(doc, "cyclic_stacks", list);
	rows->is_cut |= is_cut;
	return r;
}

/* Else a list of stacks by unit would say what "stacks" has said. */
static bool has_groups(const struct snapshot *s)
{
	for (size_t i = 0; i < s->n_processes; i++)
		if (s->processes[i].group && s->processes[i].group != s->processes[i].pid)
			return true;
	return false;
}

/* ── the whole ────────────────────────────────────────────────────────────────────────────── */
int document_new(const struct snapshot *snapshot, const struct document_options *o,
		 json_object **ret)
{
	_cleanup_(json_object_putp) json_object *doc = json_object_new_object();
	_cleanup_(selection_done) struct selection s = { 0 };
	size_t limit = o->limit < DOCUMENT_LIMIT_MAX ? o->limit : DOCUMENT_LIMIT_MAX;
	struct rows rows = { snapshot, &s, o->is_split, limit, false };
	json_object *list;
	int r;

	if (!doc || selection_new(snapshot, o, &s) < 0)
		return -ENOMEM;
	jsonput_string(doc, "version", snapshot->version);
	jsonput_moment(doc, "at", snapshot->at);
	jsonput_decimal(doc, "uptime_seconds", snapshot->uptime_seconds);
	r = processes_new(snapshot, o->pid, &list);
	if (r < 0)
		return r;
	jsonput_object(doc, "processes", list);
	jsonput_object(doc, "lost_help", lost_help_new(snapshot));
	jsonput_object(doc, "stacks", stacks_new(&s, limit));
	r = rows_put(&rows, "lines", ROLLUP_BY_LINE, doc);
	if (r < 0)
		return r;
	r = rows_put(&rows, "functions", ROLLUP_BY_FUNCTION, doc);
	if (r < 0)
		return r;
	r = !o->is_split && !o->pid && has_groups(snapshot)
		    ? rows_put(&rows, "unit_stacks", ROLLUP_BY_STACK, doc)
		    : 0;
	if (r < 0)
		return r;
	r = cyclic_put(&rows, doc);
	if (r < 0)
		return r;
	jsonput_object(doc, "alerts", json_object_new_array());
	jsonput_count(doc, "stacks_total", (int64_t)s.n);
	if (s.n > limit || rows.is_cut)
		jsonput_count(doc, "truncated_to", (int64_t)limit);
	*ret = TAKE_PTR(doc);
	return 0;
}
