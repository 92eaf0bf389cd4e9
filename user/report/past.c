/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/past.c — see past.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "growth/blame.h"
#include "report/past.h"

#define NOW_SEC 0.5 /* the tick that the snapshot was made of is in the history, too */

_Static_assert(PAST_MOMENTS_MAX <= SNAPSHOT_HISTORY_MAX, "a snapshot carries all moments");
_Static_assert(PAST_MOMENTS_MAX <= HISTORY_WINDOW_MAX, "a window has so many moments");

/* A stack and its process, as the history knows it. */
struct member {
	uint64_t process, stack;
	struct snapshot_stack *of;
};

void past_done(struct past *p)
{
	free(p->snapshot.stacks);
	for (size_t i = 0; i < p->n_gone; i++)
		history_stack_done(&p->gone[i]);
	free(p->gone);
	*p = (struct past){ 0 };
}

static void rate_set(struct snapshot_stack *s, const struct series *series)
{
	struct series_rate rate = series_rate(series, PAST_MOMENTS_MAX);

	s->growth_bytes_per_second = rate.bytes_per_sec;
	s->growth_error = rate.error;
	s->n_history = series_history(series, PAST_MOMENTS_MAX, s->history);
}

/* ── of the daemon's memory ───────────────────────────────────────────────────────────────── */

/* The times of histories are monotonic; the last one is the snapshot's own. */
static double unix_offset(const struct snapshot *s)
{
	return s->at - s->history_sec[s->n_history - 1];
}

static bool is_in_memory(const struct snapshot *s, double since_sec)
{
	return s->n_history && s->history_sec[0] + unix_offset(s) <= since_sec;
}

/* Which of its moments are looked at: few enough, and the last one. */
static size_t memory_moments(const struct snapshot *s, double since_sec,
			     size_t ret[PAST_MOMENTS_MAX])
{
	size_t first = 0, stride, n = 0, known;

	while (first + 1 < s->n_history && s->history_sec[first] + unix_offset(s) < since_sec)
		first++;
	known = s->n_history - first;
	stride = (known + PAST_MOMENTS_MAX - 1) / PAST_MOMENTS_MAX;
	for (size_t i = first + (known - 1) % stride; i < s->n_history; i += stride)
		ret[n++] = i;
	return n;
}

static void from_memory(const struct snapshot *s, double since_sec, struct past *p)
{
	size_t moments[PAST_MOMENTS_MAX], n;

	p->since_sec = NAN;
	if (!s->n_history)
		return;
	n = memory_moments(s, since_sec, moments);
	for (size_t i = 0; i < s->n_stacks; i++) {
		const struct snapshot_stack *stack = &s->stacks[i];
		size_t absent = s->n_history - stack->n_history;
		struct series series;

		series_init(&series);
		for (size_t k = 0; k < n; k++)
			(void)series_push(
				&series, s->history_sec[moments[k]],
				moments[k] < absent ? 0 : stack->history[moments[k] - absent], 0);
		rate_set(&p->snapshot.stacks[i], &series);
	}
	for (size_t k = 0; k < n; k++)
		p->snapshot.history_sec[k] = s->history_sec[moments[k]];
	p->snapshot.n_history = n;
	p->since_sec = s->history_sec[moments[0]] + unix_offset(s);
}

/* ── of the history ───────────────────────────────────────────────────────────────────────── */

static int by_name(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

static const struct snapshot_process *process_of(const struct snapshot *s, pid_t pid)
{
	for (size_t i = 0; i < s->n_processes; i++)
		if (s->processes[i].pid == pid)
			return &s->processes[i];
	return NULL;
}

/* Of each process once: it is hashed. */
static uint64_t key_of(const struct snapshot *s, pid_t pid, const uint64_t *keys)
{
	const struct snapshot_process *p = process_of(s, pid);

	return p ? keys[p - s->processes] : 0;
}

/* The moments of the window, then now. Until then it held a part of what the row says. */
static void series_fill(struct series *series, const struct history_window *w,
			const struct history_row *row, double share,
			const struct snapshot_stack *now, double now_sec)
{
	series_init(series);
	for (size_t i = 0; i < w->n; i++) {
		if (w->moments[i].is_break)
			series_break(series);
		(void)series_push(series, w->moments[i].time_sec,
				  row ? row->live_bytes[i] * share : 0,
				  row ? row->live_error[i] * share : 0);
	}
	if (w->is_before_start)
		series_break(series);
	(void)series_push(series, now_sec, now->live_bytes, now->live_bytes_error);
}

/* Members of one row: workers. is_known: what has no row held nothing, or is too young for it. */
static void workers_set(const struct history_window *w, const struct member *m, size_t n,
			double now_sec)
{
	const struct history_row *row = history_window_find(w, m->process, m->stack);
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += fmax(m[i].of->live_bytes, 0);
	for (size_t i = 0; i < n; i++) {
		struct snapshot_stack *s = m[i].of;
		double share = sum > 0 ? fmax(s->live_bytes, 0) / sum : 1 / (double)n;
		struct series series;

		if (!row && w->is_cut && s->since < w->moments[0].time_sec) {
			s->growth_bytes_per_second = s->growth_error = NAN;
			s->n_history = 0;
			continue;
		}
		series_fill(&series, w, row, share, s, now_sec);
		rate_set(s, &series);
	}
}

static double most_of(const struct history_row *row, size_t n)
{
	double most = 0;

	for (size_t i = 0; i < n; i++)
		most = fmax(most, row->live_bytes[i]);
	return most;
}

struct gone {
	const struct history_row *row;
	double most;
	pid_t pid;
};

static int by_most(const void *a, const void *b)
{
	const struct gone *x = a, *y = b;

	if (x->most != y->most)
		return x->most < y->most ? 1 : -1;
	return x->row < y->row ? -1 : x->row > y->row;
}

/* Rows of processes that are there, whose stack no member has. */
static size_t gone_find(const struct past *p, const struct history_window *w,
			const struct member *members, const uint64_t *keys, struct gone *ret)
{
	const struct snapshot *s = &p->snapshot;
	size_t n = 0;

	for (size_t i = 0; i < w->n_rows; i++) {
		const struct history_row *row = &w->rows[i];
		const struct member key = { row->process, row->stack, NULL };
		size_t owner = 0;

		while (owner < s->n_processes &&
		       (keys[owner] != row->process || s->processes[owner].is_gone))
			owner++;
		if (owner == s->n_processes ||
		    bsearch(&key, members, s->n_stacks, sizeof(key), by_name))
			continue;
		ret[n++] = (struct gone){ row, most_of(row, w->n), s->processes[owner].pid };
	}
	qsort(ret, n, sizeof(*ret), by_most);
	return n < PAST_GONE_MAX ? n : PAST_GONE_MAX;
}

static void gone_add(struct past *p, struct history *h, const struct history_window *w,
		     const struct gone *gone)
{
	struct snapshot_stack *s = &p->snapshot.stacks[p->snapshot.n_stacks];
	struct history_stack *names = &p->gone[p->n_gone];
	struct series series;

	if (history_stack_get(h, gone->row->stack, names) < 0)
		return;
	p->n_gone++;
	*s = (struct snapshot_stack){ .id = gone->row->stack,
				      .pid = gone->pid,
				      .since = NAN,
				      .age_seconds = NAN,
				      .cycles = SNAPSHOT_CYCLES_NOT_KNOWN,
				      .truncated = names->truncated,
				      .frames = names->frames,
				      .n_frames = names->n_frames,
				      .blame = blame_find(names->frames, names->n_frames) };
	series_fill(&series, w, gone->row, 1, s, p->snapshot.at);
	rate_set(s, &series);
	p->snapshot.n_stacks++;
}

/* The stacks that were there already come first. */
static int all_gone_add(struct past *p, struct history *h, const struct history_window *w,
			const struct member *members, const uint64_t *keys)
{
	_cleanup_free_ struct gone *gone = calloc(w->n_rows + 1, sizeof(*gone));
	struct snapshot_stack *grown;
	size_t n;

	if (!gone)
		return -ENOMEM;
	n = gone_find(p, w, members, keys, gone);
	p->gone = calloc(n + 1, sizeof(*p->gone));
	grown = reallocarray(p->snapshot.stacks, p->snapshot.n_stacks + n + 1, sizeof(*grown));
	if (grown)
		p->snapshot.stacks = grown;
	if (!p->gone || !grown)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		gone_add(p, h, w, &gone[i]);
	return 0;
}

static void members_set(struct past *p, const struct history_window *w, struct member *members,
			size_t n, const uint64_t *keys)
{
	for (size_t i = 0; i < n; i++) {
		struct snapshot_stack *s = &p->snapshot.stacks[i];

		members[i] = (struct member){ key_of(&p->snapshot, s->pid, keys), s->id, s };
	}
	qsort(members, n, sizeof(*members), by_name);
	for (size_t i = 0, n_same; i < n; i += n_same) {
		n_same = 1;
		while (i + n_same < n && by_name(&members[i], &members[i + n_same]) == 0)
			n_same++;
		workers_set(w, &members[i], n_same, p->snapshot.at);
	}
}

/* The tick that the snapshot was made of may be the window's last moment. */
static void now_leave_out(struct history_window *w, double now_sec)
{
	while (w->n && w->moments[w->n - 1].time_sec > now_sec - NOW_SEC)
		w->n--;
}

static int from_window(struct past *p, struct history *h, const struct history_window *w)
{
	size_t n = p->snapshot.n_stacks;
	_cleanup_free_ struct member *members = calloc(n + 1, sizeof(*members));
	_cleanup_free_ uint64_t *keys = calloc(p->snapshot.n_processes + 1, sizeof(*keys));
	int r;

	if (!members || !keys)
		return -ENOMEM;
	for (size_t i = 0; i < p->snapshot.n_processes; i++)
		keys[i] = history_process_key(&p->snapshot.processes[i]);
	members_set(p, w, members, n, keys);
	r = all_gone_add(p, h, w, members, keys);
	if (r < 0)
		return r;
	p->snapshot.n_history = w->n + 1;
	for (size_t i = 0; i < w->n; i++)
		p->snapshot.history_sec[i] = w->moments[i].time_sec;
	p->snapshot.history_sec[w->n] = p->snapshot.at;
	p->since_sec = w->moments[0].time_sec;
	return 0;
}

static int from_history(const struct snapshot *s, struct history *h, double since_sec,
			struct past *p)
{
	struct history_window w = { 0 };
	int r = history_window(h, since_sec, s->at, PAST_MOMENTS_MAX - 1, &w);

	if (r == 0)
		now_leave_out(&w, s->at);
	if (r < 0 || !w.n) {
		from_memory(s, since_sec, p);
		r = r == -ENOMEM ? r : 0;
	} else {
		r = from_window(p, h, &w);
	}
	history_window_done(&w);
	return r;
}

int past_new(const struct snapshot *snapshot, struct history *h, double since_sec, struct past *ret)
{
	struct past p = { .snapshot = *snapshot };
	size_t n = snapshot->n_stacks;
	int r = 0;

	p.snapshot.stacks = calloc(n + 1, sizeof(*p.snapshot.stacks));
	if (!p.snapshot.stacks)
		return -ENOMEM;
	memcpy(p.snapshot.stacks, snapshot->stacks, n * sizeof(*snapshot->stacks));
	if (!h || is_in_memory(snapshot, since_sec))
		from_memory(snapshot, since_sec, &p);
	else
		r = from_history(snapshot, h, since_sec, &p);
	if (r < 0) {
		past_done(&p);
		return r;
	}
	snapshot_sort(&p.snapshot);
	*ret = p;
	return 0;
}
