/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/alert.c — see alert.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/alert.h"
#include "report/alert_text.h"
#include "report/jsonput.h"

#define NAME_BYTES_MAX 2048 /* of one string in JSON */

struct alerts {
	alert_change_t on_change;
	void *userdata;
	struct alert *rows[ALERTS_MAX]; /* the newest change last */
	size_t n;
	double tokens, filled_sec; /* what may still be said at once; NAN: no update yet */
	uint64_t counters[ALERT_COUNTER_MAX];
};

int alerts_new(alert_change_t on_change, void *userdata, struct alerts **ret)
{
	struct alerts *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->on_change = on_change;
	a->userdata = userdata;
	a->tokens = ALERTS_BURST;
	a->filled_sec = NAN;
	*ret = a;
	return 0;
}

static void row_free(struct alert *row)
{
	free(row->function);
	free(row->file);
	free(row->unit);
	free(row->comm);
	free(row->suppressed_by);
	free(row->suppressed_reason);
	free(row);
}

void alerts_free(struct alerts *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n; i++)
		row_free(a->rows[i]);
	free(a);
}

enum rank {
	RANK_FIRING,
	RANK_SUPPRESSED,
	RANK_OVER,
	RANK_MAX
};

static enum rank rank_of(const struct alert *row)
{
	if (!row->is_firing)
		return RANK_OVER;
	return row->suppressed_by ? RANK_SUPPRESSED : RANK_FIRING;
}

static size_t rank_cnt(const struct alerts *a, enum rank rank)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++)
		n += rank_of(a->rows[i]) == rank;
	return n;
}

size_t alerts_firing(const struct alerts *a)
{
	return rank_cnt(a, RANK_FIRING);
}

size_t alerts_suppressed(const struct alerts *a)
{
	return rank_cnt(a, RANK_SUPPRESSED);
}

uint64_t alerts_counter_get(const struct alerts *a, enum alert_counter counter)
{
	return a->counters[counter];
}

/* ── rows ─────────────────────────────────────────────────────────────────────────────────── */

static struct alert *row_find(const struct alerts *a, uint64_t id)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->rows[i]->id == id)
			return a->rows[i];
	return NULL;
}

static void row_take_out(struct alerts *a, size_t i)
{
	a->n--;
	memmove(&a->rows[i], &a->rows[i + 1], (a->n - i) * sizeof(a->rows[0]));
}

/* It has changed: to the end. */
static void row_move(struct alerts *a, struct alert *row)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->rows[i] == row) {
			row_take_out(a, i);
			break;
		}
	a->rows[a->n++] = row;
}

/* The oldest one of that rank goes. */
static bool row_drop(struct alerts *a, enum rank rank)
{
	for (size_t i = 0; i < a->n; i++) {
		if (rank_of(a->rows[i]) != rank)
			continue;
		row_free(a->rows[i]);
		row_take_out(a, i);
		return true;
	}
	return false;
}

/* NULL: no room, counted. */
static struct alert *row_new(struct alerts *a, uint64_t id, bool is_suppressed)
{
	bool has_room = a->n < ALERTS_MAX || row_drop(a, RANK_OVER) ||
			(!is_suppressed && row_drop(a, RANK_SUPPRESSED));
	struct alert *row = has_room ? calloc(1, sizeof(*row)) : NULL;

	if (!row) {
		a->counters[ALERT_COUNTER_FULL]++;
		return NULL;
	}
	row->id = id;
	row->since_sec = NAN;
	a->rows[a->n++] = row;
	return row;
}

/* Out of memory leaves what was there. */
static void set_text(char **at, const char *text)
{
	char *copy;

	if (*at && text && strcmp(*at, text) == 0)
		return;
	copy = text ? strdup(text) : NULL;
	if (text && !copy)
		return;
	free(*at);
	*at = copy;
}

const struct alert *alerts_get(const struct alerts *a, size_t i)
{
	return i < a->n ? a->rows[i] : NULL;
}

int alerts_restore(struct alerts *a, const struct alert *alert)
{
	struct alert *row;

	if (row_find(a, alert->id))
		return -EEXIST;
	row = row_new(a, alert->id, alert->suppressed_by);
	if (!row)
		return -ENOSPC;
	*row = *alert;
	row->function = row->file = row->unit = row->comm = NULL;
	row->suppressed_by = row->suppressed_reason = NULL;
	set_text(&row->function, alert->function);
	set_text(&row->file, alert->file);
	set_text(&row->unit, alert->unit);
	set_text(&row->comm, alert->comm);
	set_text(&row->suppressed_by, alert->suppressed_by);
	set_text(&row->suppressed_reason, alert->suppressed_reason);
	return 0;
}

/* ── from causes to figures ───────────────────────────────────────────────────────────────── */

static int by_key(const void *a, const void *b)
{
	const struct alert_cause *x = a, *y = b;
	pid_t x_pid = x->process ? x->process->pid : -1, y_pid = y->process ? y->process->pid : -1;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x_pid < y_pid ? -1 : x_pid > y_pid;
}

static bool is_seen(const struct alert_cause *c)
{
	return c->state == DETECT_GROWING && c->stack && c->process;
}

/* Of those that can be seen the fastest; NULL: none can. */
static const struct alert_cause *fastest_of(const struct alert_cause *causes, size_t n)
{
	const struct alert_cause *best = NULL;

	for (size_t i = 0; i < n; i++)
		if (is_seen(&causes[i]) &&
		    (!best || causes[i].stack->verdict.slope_bytes_per_sec >
				      best->stack->verdict.slope_bytes_per_sec))
			best = &causes[i];
	return best;
}

static void put_place(struct alert *row, const struct alert_cause *c)
{
	const struct snapshot_stack *s = c->stack;
	const struct snapshot_frame none = { 0 }, *frame = &none;

	if (s->blame >= 0 && (size_t)s->blame < s->n_frames)
		frame = &s->frames[s->blame];
	row->stack = s->id;
	row->pid = c->process->pid;
	row->line = frame->line;
	row->in_application = frame->in_application;
	set_text(&row->function, frame->function);
	set_text(&row->file, frame->file);
	set_text(&row->unit, c->process->service ? c->process->service : c->process->unit);
	set_text(&row->comm, c->process->comm);
	row->why = c->why;
	row->tau = s->verdict.tau;
	row->p_value = s->verdict.p_value;
	row->coverage = c->process->coverage;
	row->has_gc = c->process->gc.known;
	row->is_gc_off = c->process->gc.is_state_known && !c->process->gc.is_enabled;
	row->headroom_bytes = c->process->headroom_bytes;
	row->is_headroom_of_host = c->process->is_headroom_of_host;
}

/* Stacks of one leak are sampled together, so errors are added as if they were one. */
static void put_sums(struct alert *row, const struct alert_cause *causes, size_t n)
{
	pid_t pid = 0;

	row->n_stacks = row->n_processes = 0;
	row->growth_bytes_per_sec = row->growth_error = row->growth_bytes = 0;
	for (size_t i = 0; i < n; i++) {
		const struct detect_verdict *v;

		if (!is_seen(&causes[i]))
			continue;
		v = &causes[i].stack->verdict;
		row->n_stacks++;
		row->n_processes += causes[i].process->pid != pid; /* sorted */
		pid = causes[i].process->pid;
		row->growth_bytes_per_sec += v->slope_bytes_per_sec;
		row->growth_error += (v->slope_high - v->slope_low) / 2;
		row->growth_bytes += v->growth_bytes;
		row->since_sec = fmin(row->since_sec, v->since_sec); /* of a NAN the other */
	}
}

/* Of the fastest; NULL: one of those that can be seen is not suppressed. */
static const struct alert_suppression *suppression_of(const struct alert_cause *causes, size_t n,
						      const struct alert_cause *fastest)
{
	for (size_t i = 0; i < n; i++)
		if (is_seen(&causes[i]) && !causes[i].suppression)
			return NULL;
	return fastest->suppression;
}

/* False: out of memory, and it is not suppressed: rather said than lost. */
static bool put_suppression(struct alert *row, const struct alert_suppression *s)
{
	set_text(&row->suppressed_by, s ? s->by : NULL);
	set_text(&row->suppressed_reason, s ? s->reason : NULL);
	row->suppressed_until_sec = s ? s->until_sec : NAN;
	return row->suppressed_by;
}

/* ── what changes ─────────────────────────────────────────────────────────────────────────── */

static void refill(struct alerts *a, double now_sec)
{
	double past_sec = now_sec - a->filled_sec;

	if (past_sec > 0) /* false for NAN, and when the clock was set back */
		a->tokens = fmin(ALERTS_BURST, a->tokens + past_sec / ALERTS_EVERY_SEC);
	a->filled_sec = now_sec;
}

/* Who was not told that it fires is not told that it is over. */
static void say(struct alerts *a, struct alert *row)
{
	if (row->is_firing) {
		row->is_silent = a->tokens < 1;
		if (!row->is_silent)
			a->tokens--;
	}
	if (row->is_silent)
		a->counters[ALERT_COUNTER_LIMITED]++;
	else if (a->on_change)
		a->on_change(a->userdata, row);
}

static void resolve(struct alerts *a, struct alert *row, enum detect_why why, double now_sec)
{
	row->is_firing = false;
	row->resolved_sec = now_sec;
	row->why = why;
	row_move(a, row);
	if (!row->suppressed_by)
		say(a, row);
}

/* It is suppressed from here on: whoever was told that it fires hears that it does no more. */
static void suppress(struct alerts *a, struct alert *row, bool was_told, double now_sec)
{
	struct alert over = *row;

	a->counters[ALERT_COUNTER_SUPPRESSED]++;
	row->is_silent = true;
	if (!was_told)
		return;
	over.is_firing = false;
	over.resolved_sec = now_sec;
	over.why = ALERT_SUPPRESSED;
	say(a, &over);
}

static void fire(struct alerts *a, const struct alert_cause *causes, size_t n,
		 const struct alert_cause *fastest, double now_sec)
{
	const struct alert_suppression *s = suppression_of(causes, n, fastest);
	struct alert *row = row_find(a, causes->key);
	enum rank before = row ? rank_of(row) : RANK_OVER, now;
	bool was_told = before == RANK_FIRING && !row->is_silent;

	if (!row)
		row = row_new(a, causes->key, s);
	if (!row)
		return;
	row->is_firing = true;
	now = put_suppression(row, s) ? RANK_SUPPRESSED : RANK_FIRING;
	if (before == RANK_OVER)
		row->since_sec = row->resolved_sec = NAN;
	put_place(row, fastest);
	put_sums(row, causes, n);
	if (now == before)
		return;
	if (before == RANK_OVER || now == RANK_FIRING)
		row->fired_sec = now_sec;
	row_move(a, row);
	if (now == RANK_SUPPRESSED)
		suppress(a, row, was_told, now_sec);
	else
		say(a, row);
}

/* All causes of one key. */
static void update_one(struct alerts *a, const struct alert_cause *causes, size_t n, double now_sec)
{
	const struct alert_cause *fastest = fastest_of(causes, n);
	struct alert *row;

	if (fastest) {
		fire(a, causes, n, fastest, now_sec);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (causes[i].state == DETECT_GROWING)
			return; /* nobody can see it now; if it fires, it goes on */
	row = row_find(a, causes->key);
	if (row && row->is_firing)
		resolve(a, row, causes->why, now_sec);
}

static bool has_cause(const struct alert_cause *causes, size_t n, uint64_t key)
{
	for (size_t i = 0; i < n; i++)
		if (causes[i].key == key)
			return true;
	return false;
}

void alerts_update(struct alerts *a, struct alert_cause *causes, size_t n, double now_sec)
{
	size_t n_same;

	refill(a, now_sec);
	if (n)
		qsort(causes, n, sizeof(*causes), by_key);
	for (size_t i = 0; i < n; i += n_same) {
		for (n_same = 1; i + n_same < n && causes[i + n_same].key == causes[i].key;)
			n_same++;
		update_one(a, causes + i, n_same, now_sec);
	}
	/* Backwards: who is resolved moves to the end. */
	for (size_t i = a->n; i-- > 0;)
		if (a->rows[i]->is_firing && !has_cause(causes, n, a->rows[i]->id))
			resolve(a, a->rows[i], ALERT_ENDED, now_sec);
}

/* ── JSON ─────────────────────────────────────────────────────────────────────────────────── */

static const char *why_name(const struct alert *a)
{
	if (!a->is_firing && a->why == ALERT_ENDED)
		return "ended";
	return !a->is_firing && a->why == ALERT_SUPPRESSED ? "suppressed" : detect_why_name[a->why];
}

/* NULL: it is not. */
static json_object *suppressed_new(const struct alert *a)
{
	json_object *o = a->suppressed_by ? json_object_new_object() : NULL;

	if (!o)
		return NULL;
	jsonput_text(o, "by", a->suppressed_by, NAME_BYTES_MAX);
	jsonput_text(o, "reason", a->suppressed_reason, NAME_BYTES_MAX);
	jsonput_moment(o, "until", a->suppressed_until_sec);
	return o;
}

json_object *alert_json_new(const struct alert *a, double now_sec)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	double left_sec = a->headroom_bytes / a->growth_bytes_per_sec;
	json_object *o = json_object_new_object();

	alert_text_add(&text, a, now_sec);
	jsonput_id(o, "id", a->id);
	jsonput_id(o, "stack", a->stack);
	jsonput_count(o, "pid", a->pid);
	jsonput_text(o, "state", a->is_firing ? "firing" : "resolved", NAME_BYTES_MAX);
	jsonput_moment(o, "since", a->since_sec);
	jsonput_text(o, "message", text.buf, text.len);
	jsonput_moment(o, "fired_at", a->fired_sec);
	jsonput_moment(o, "resolved_at", a->resolved_sec);
	jsonput_text(o, "function", a->function, NAME_BYTES_MAX);
	jsonput_text(o, "file", a->file, NAME_BYTES_MAX);
	jsonput_count(o, "line", a->line > 0 ? a->line : -1);
	jsonput_bool(o, "in_application", a->in_application);
	jsonput_text(o, "unit", a->unit, NAME_BYTES_MAX);
	jsonput_text(o, "comm", a->comm, NAME_BYTES_MAX);
	jsonput_count(o, "stacks", (int64_t)a->n_stacks);
	jsonput_count(o, "processes", (int64_t)a->n_processes);
	jsonput_decimal(o, "growth_bytes_per_second", a->growth_bytes_per_sec);
	jsonput_decimal(o, "growth_error", a->growth_error);
	jsonput_bytes(o, "growth_bytes", a->growth_bytes);
	jsonput_number(o, "tau", a->tau);
	jsonput_number(o, "p_value", a->p_value);
	jsonput_text(o, "why", why_name(a), NAME_BYTES_MAX);
	jsonput_bytes(o, "headroom_bytes", a->headroom_bytes);
	jsonput_decimal(o, "headroom_seconds",
			a->is_firing && a->growth_bytes_per_sec > 0 ? left_sec : NAN);
	jsonput_bool(o, "was_sent", !a->is_silent);
	jsonput_object(o, "suppressed", suppressed_new(a));
	return o;
}

static void list_add(const struct alerts *a, enum rank rank, size_t limit, double now_sec,
		     json_object *list)
{
	for (size_t i = a->n; i-- > 0 && json_object_array_length(list) < limit;)
		if (rank_of(a->rows[i]) == rank)
			json_object_array_add(list, alert_json_new(a->rows[i], now_sec));
}

void alerts_put(const struct alerts *a, json_object *document, size_t limit, double now_sec)
{
	json_object *list;

	if (!json_object_object_get_ex(document, "alerts", NULL))
		return;
	list = json_object_new_array();
	for (int rank = 0; rank < RANK_MAX; rank++)
		list_add(a, rank, limit, now_sec, list);
	jsonput_object(document, "alerts", list);
	jsonput_count(document, "alerts_firing", (int64_t)alerts_firing(a));
	jsonput_count(document, "alerts_suppressed", (int64_t)alerts_suppressed(a));
	jsonput_count(document, "alerts_total", (int64_t)a->n);
}
