/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/judge.c — see judge.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/judge_internal.h"
#include "growth/estimate.h"

/* ── limits ───────────────────────────────────────────────────────────────────────────────── */

static void limits_put(struct judge_entry *e, const struct detect_limits *limits)
{
	bool is_new = e->limits.bin_sec == 0;

	if (memcmp(&e->limits, limits, sizeof(*limits)) == 0)
		return;
	e->limits = *limits;
	if (is_new) /* nothing was judged by others */
		return;
	detect_restart(e->detect);
}

/* Asked for once: rules look at names. */
static void limits_renew(const struct judge *j, struct judge_entry *e,
			 const struct snapshot_process *p, const struct snapshot_stack *s)
{
	struct detect_limits limits = j->limits;

	if (e->limits_of == j->settled)
		return;
	if (j->limits_of)
		limits = j->limits_of(j->userdata, p, s);
	limits_put(e, &limits);
	e->limits_of = j->settled;
}

/* A process is there to compare with: only its bins count, which are the same for all. One that
 * began anew could not clear its stacks of suspicion. */
static void limits_renew_process(const struct judge *j, struct judge_entry *e)
{
	if (e->limits.bin_sec != j->limits.bin_sec)
		limits_put(e, &j->limits);
}

/* It is not in the snapshot: nobody can say which rule it falls under. */
static void limits_renew_absent(const struct judge *j, struct judge_entry *e)
{
	if (e->limits.bin_sec != j->limits.bin_sec || !j->limits_of)
		limits_put(e, &j->limits);
}

/* ── points ───────────────────────────────────────────────────────────────────────────────── */

static int by_stack(const void *a, const void *b)
{
	const struct gather_birth *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if (x->stack != y->stack)
		return x->stack < y->stack ? -1 : 1;
	return x->born_sec < y->born_sec ? -1 : x->born_sec > y->born_sec;
}

/* The first birth of the stack; of none the end. */
static size_t births_find(const struct judge_round *r, const struct judge_entry *e)
{
	const struct gather_birth wanted = { .pid = (pid_t)e->key.pid,
					     .stack = e->key.stack,
					     .born_sec = -INFINITY };
	size_t from = 0, to = r->n_births;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (by_stack(&r->births[middle], &wanted) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* Ages can be of a moment ago, or of what waits for the collector, too. What was taken since is
 * young; so, most likely, is what was given back. */
static void ages_fit(struct detect_point *p)
{
	double excess = -p->live_bytes;

	for (unsigned i = 0; i < DETECT_AGES; i++)
		excess += p->bytes_by_age[i];
	p->bytes_by_age[0] += fmax(0, -excess);
	for (unsigned i = 0; i < DETECT_AGES && excess > 0; i++) {
		double young = fmin(p->bytes_by_age[i], excess);

		p->bytes_by_age[i] -= young;
		excess -= young;
	}
	p->has_ages = true;
}

static void add_births(const struct judge_round *r, const struct judge_entry *e,
		       struct detect_point *p)
{
	const struct detect_limits *l = &r->judge->limits;
	double last = NAN;

	for (size_t i = births_find(r, e); i < r->n_births; i++) {
		const struct gather_birth *b = &r->births[i];
		double interval = floor(b->born_sec / (l->bin_sec / DETECT_POINTS_PER_BIN));

		if (b->pid != (pid_t)e->key.pid || b->stack != e->key.stack)
			break;
		p->bytes_by_age[detect_age(l, r->now_sec - b->born_sec)] += b->bytes;
		p->birth_intervals += interval != last;
		last = interval;
	}
	ages_fit(p);
}

static struct detect_point point_of(const struct snapshot_process *p, double now_sec)
{
	return (struct detect_point){
		.time_sec = now_sec,
		.taken_bytes = NAN,
		.full_collections =
			p->gc.known ? (int64_t)p->gc.generations[PGD_GENERATIONS - 1].collections
				    : -1,
		.headroom_bytes = p->headroom_bytes,
	};
}

static void push(const struct judge_round *r, struct judge_entry *e, const struct detect_point *p,
		 const struct judge_entry *process)
{
	/* -EINVAL: the clock stood still, or a figure cannot be; the verdict stays. */
	(void)detect_push(e->detect, &e->limits, p, process ? process->detect : NULL, &e->verdict);
	e->live_bytes = p->live_bytes;
	e->fulls = p->full_collections;
	e->fed = r->judge->tick;
}

static void feed_process(const struct judge_round *r, const struct snapshot_process *p)
{
	int64_t bytes = p->uss_bytes >= 0 ? p->uss_bytes : p->rss_bytes;
	struct detect_point point = point_of(p, r->now_sec);
	struct judge_entry *e;

	if (bytes < 0)
		return;
	e = judge_entry_of_process(r->judge, p);
	if (!e)
		return;
	point.live_bytes = (double)bytes;
	limits_renew_process(r->judge, e);
	push(r, e, &point, NULL);
}

/* What is left just after a full collection is the trend, without the garbage that waits for the
 * next. Where that is known to the byte it is the point, else what is held now, soon after. */
static double held_bytes(const struct judge_entry *e, const struct snapshot_stack *s, int64_t fulls)
{
	bool has_been_collected = e->fulls >= 0 && fulls > e->fulls;

	return has_been_collected && !isnan(s->cycles.survived_bytes) ? s->cycles.survived_bytes
								      : s->live_bytes;
}

/* Of how far one point may be off the next. What all weights have in common, how fast the target
 * runs, makes all points too high or too low alike, by a tenth or so: it hides no rise, however
 * much was there before. */
static double error_of(const struct snapshot_stack *s)
{
	if (!s->n_samples || !(s->weight_error > 0))
		return s->live_bytes_error;
	return estimate_live(s->samples, s->n_samples, s->n_windows, 0).bytes_error;
}

static void feed_stack(struct judge_round *r, const struct snapshot_stack *s)
{
	const struct snapshot_process *p = judge_people_get(&r->people, s->pid);
	struct judge_entry *e = p ? judge_entry_of(r, p, s) : NULL;
	struct detect_point point;

	if (!e)
		return;
	limits_renew(r->judge, e, p, s);
	point = point_of(p, r->now_sec);
	point.live_bytes = fmax(held_bytes(e, s, point.full_collections), 0);
	point.error_bytes = error_of(s);
	add_births(r, e, &point);
	if (strcmp(p->regime, "exact") == 0)
		point.taken_bytes = (double)s->taken_bytes;
	push(r, e, &point, judge_entry_find(r->judge, p, JUDGE_PROCESS));
}

/* It has been taken off the table of stacks, since it holds nothing. */
static void feed_nothing(const struct judge_round *r, struct judge_entry *e,
			 const struct snapshot_process *p)
{
	struct detect_point point = point_of(p, r->now_sec);

	limits_renew_absent(r->judge, e);
	point.has_ages = true;
	push(r, e, &point, judge_entry_find(r->judge, p, JUDGE_PROCESS));
}

/* ── a tick ───────────────────────────────────────────────────────────────────────────────── */

/* Before anything is fed: so that who comes in this tick can inherit. */
static void note_ended(const struct judge_round *r)
{
	struct judge_entry *e, *next;

	judge_waiting_expire(r->judge, &r->people, r->now_sec);
	HASH_ITER (hh, r->judge->entries, e, next)
		if (!judge_process_of(&r->people, e))
			judge_entry_end(r->judge, e, r->now_sec);
}

static void tend_absent(const struct judge_round *r)
{
	struct judge_entry *e, *next;

	HASH_ITER (hh, r->judge->entries, e, next) {
		if (e->fed == r->judge->tick)
			continue;
		if (judge_is_growing(e) && e->key.stack != JUDGE_PROCESS)
			feed_nothing(r, e, judge_process_of(&r->people, e));
		else
			judge_entry_del(r->judge, e);
	}
}

void judge_tick(struct judge *j, const struct snapshot *s, struct gather_birth *births,
		size_t n_births, double now_sec)
{
	_cleanup_(judge_people_done) struct judge_people people = { 0 };
	struct judge_round r = { .judge = j, .births = births, .n_births = n_births };

	if (judge_people_new(s, &people) < 0) {
		j->lost++;
		return;
	}
	r.people = people;
	r.now_sec = now_sec;
	j->tick++;
	j->last_sec = now_sec;
	j->to_unix_sec = s->at - now_sec;
	if (n_births)
		qsort(births, n_births, sizeof(*births), by_stack);
	note_ended(&r);
	for (size_t i = 0; i < people.n; i++)
		feed_process(&r, people.v[i]);
	for (size_t i = 0; i < s->n_stacks; i++)
		feed_stack(&r, &s->stacks[i]);
	tend_absent(&r);
	free(r.quiet);
}

bool judge_is_due(const struct judge *j, double now_sec)
{
	/* A tick that comes early by a little is not to be left out. */
	return !(now_sec - j->last_sec < 0.9 * j->limits.bin_sec / DETECT_POINTS_PER_BIN);
}

/* ── what came out ────────────────────────────────────────────────────────────────────────── */

void judge_put(const struct judge *j, struct snapshot *s)
{
	_cleanup_(judge_people_done) struct judge_people people = { 0 };

	if (judge_people_new(s, &people) < 0)
		return;
	for (size_t i = 0; i < s->n_stacks; i++) {
		struct snapshot_stack *stack = &s->stacks[i];
		const struct snapshot_process *p = judge_people_get(&people, stack->pid);
		const struct judge_entry *e = p ? judge_entry_find(j, p, stack->id) : NULL;

		if (!e || e->key.stack == JUDGE_PROCESS)
			continue;
		stack->is_judged = true;
		stack->verdict = e->verdict;
		stack->verdict.since_sec += j->to_unix_sec;
	}
}

static bool is_cause(const struct judge_entry *e)
{
	return e->key.stack != JUDGE_PROCESS &&
	       (judge_is_growing(e) || e->verdict.state == DETECT_SETTLED);
}

struct cause_row {
	const struct snapshot_stack *stack;
	struct judge_key key;
};

static int by_key(const void *a, const void *b)
{
	return memcmp(&((const struct cause_row *)a)->key, &((const struct cause_row *)b)->key,
		      sizeof(struct judge_key));
}

/* Rows of the snapshot by their detector's key. */
static struct cause_row *rows_new(const struct snapshot *s, const struct judge_people *people,
				  size_t *ret_n)
{
	struct cause_row *rows = calloc(s->n_stacks + 1, sizeof(*rows));
	size_t n = 0;

	for (size_t i = 0; rows && i < s->n_stacks; i++) {
		const struct snapshot_process *p = judge_people_get(people, s->stacks[i].pid);

		if (p && s->stacks[i].is_judged)
			rows[n++] = (struct cause_row){ &s->stacks[i],
							judge_key_of(p, s->stacks[i].id) };
	}
	if (rows)
		qsort(rows, n, sizeof(*rows), by_key);
	*ret_n = n;
	return rows;
}

static struct alert_cause cause_of(const struct judge_entry *e, const struct snapshot_process *p,
				   const struct snapshot_stack *s)
{
	return (struct alert_cause){ e->alert, e->verdict.state, e->verdict.why, p, s, NULL };
}

int judge_causes(const struct judge *j, const struct snapshot *s, struct alert_cause **ret,
		 size_t *ret_n)
{
	_cleanup_(judge_people_done) struct judge_people people = { 0 };
	_cleanup_free_ struct alert_cause *list = NULL;
	_cleanup_free_ struct cause_row *rows = NULL;
	struct judge_entry *e, *next;
	size_t n = 0, n_rows = 0;

	if (judge_people_new(s, &people) < 0)
		return -ENOMEM;
	rows = rows_new(s, &people, &n_rows);
	list = calloc(HASH_COUNT(j->entries) + HASH_COUNT(j->waiting) + 1, sizeof(*list));
	if (!rows || !list)
		return -ENOMEM;
	HASH_ITER (hh, j->entries, e, next) {
		const struct cause_row wanted = { .key = e->key }, *row;

		if (!is_cause(e))
			continue;
		row = bsearch(&wanted, rows, n_rows, sizeof(*rows), by_key);
		list[n++] = cause_of(e, row ? judge_process_of(&people, e) : NULL,
				     row ? row->stack : NULL);
	}
	HASH_ITER (hh, j->waiting, e, next)
		list[n++] = cause_of(e, NULL, NULL);
	*ret = TAKE_PTR(list);
	*ret_n = n;
	return 0;
}

uint64_t judge_lost(const struct judge *j)
{
	return j->lost;
}

/* ── all of it ────────────────────────────────────────────────────────────────────────────── */

int judge_new(const struct detect_limits *limits, struct judge **ret)
{
	struct judge *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->limits = *limits;
	j->settled = 1;
	j->last_sec = j->to_unix_sec = NAN;
	*ret = j;
	return 0;
}

void judge_free(struct judge *j)
{
	struct judge_entry *e, *next;

	if (!j)
		return;
	HASH_ITER (hh, j->entries, e, next)
		judge_entry_del(j, e);
	judge_waiting_expire(j, NULL, 0);
	free(j);
}

void judge_set_rules(struct judge *j, judge_limits_t limits_of, void *userdata)
{
	j->limits_of = limits_of;
	j->userdata = userdata;
	j->settled++;
}

void judge_set_limits(struct judge *j, const struct detect_limits *limits)
{
	j->limits = *limits;
	j->settled++;
}
