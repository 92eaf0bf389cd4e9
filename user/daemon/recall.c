/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/recall.c — see recall.h. */
#include <math.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "daemon/recall.h"
#include "lib/clock.h"

#define RATES_BACK 2 /* so many times what a rate looks back at: later, it was another time */

void recall_begin(struct recall *r, struct history *history, struct stacktab *stacks,
		  double step_sec, double interval_sec)
{
	double back_sec = RATES_BACK * SERIES_RATE_POINTS * fmax(step_sec, interval_sec);
	struct history_moment moments[SERIES_RATE_POINTS];
	double now_sec = clock_realtime_sec();
	size_t n = 0;

	*r = (struct recall){ .history = history };
	if (!history)
		return;
	/* The step that it is now will be ours, too. */
	r->to_sec = floor(now_sec / step_sec) * step_sec;
	r->from_sec = r->to_sec - back_sec;
	r->offset_sec = now_sec - clock_monotonic_sec();
	if (history_moments(history, r->from_sec, r->to_sec, moments, SERIES_RATE_POINTS, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		stacktab_add_moment(stacks, moments[i].time_sec - r->offset_sec,
				    moments[i].is_break);
	stacktab_break(stacks);
}

/* Unix time. */
static double start_of(const struct watch *w)
{
	double boot_sec = clock_realtime_sec() - (double)clock_ns(CLOCK_BOOTTIME) / 1e9;

	return boot_sec + (double)w->start_ticks / (double)sysconf(_SC_CLK_TCK);
}

static uint64_t key_of(const struct watch *w)
{
	const struct snapshot_process p = { .unit = w->unit,
					    .cmdline = w->cmdline,
					    .build_id = w->build_id };

	return history_process_key(&p);
}

/* How many are the same process to the history, and were there before. */
static size_t workers_cnt(const struct recall *r, const struct pipeline *p, uint64_t key)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_watches; i++)
		n += start_of(p->watches[i]) < r->to_sec && key_of(p->watches[i]) == key;
	return n;
}

static void stack_recall(const struct recall *r, const struct pipeline *p, struct stack *stack)
{
	const struct watch *w = pipeline_watch(p, stack->slot);
	struct series_point points[SERIES_RATE_POINTS];
	double start_sec = w ? start_of(w) : INFINITY, since_sec = 0, share;
	uint64_t key;
	size_t n = 0;

	/* What came before it was another process, and went with it. */
	if (!(start_sec < r->to_sec))
		return;
	key = key_of(w);
	if (history_recall(r->history, stack->id, key, fmax(r->from_sec, start_sec), r->to_sec,
			   points, SERIES_RATE_POINTS, &n, &since_sec) < 0)
		return;
	share = 1.0 / (double)workers_cnt(r, p, key);
	for (size_t i = 0; i < n; i++) {
		const struct series_point point = { points[i].time_sec - r->offset_sec,
						    points[i].live_bytes * share,
						    points[i].error_bytes * share };

		(void)series_amend(stack->series, &point); /* -ENOENT: the ring has gone on */
	}
	stack->since_sec = fmin(stack->since_sec, fmax(since_sec, start_sec));
}

static int by_live(const void *a, const void *b)
{
	const struct stack *x = *(struct stack *const *)a, *y = *(struct stack *const *)b;
	double lx = (double)x->live_bytes + x->sampled_bytes;
	double ly = (double)y->live_bytes + y->sampled_bytes;

	return lx < ly ? 1 : lx > ly ? -1 : 0;
}

void recall_tick(const struct recall *r, const struct pipeline *p)
{
	_cleanup_free_ struct stack **list = NULL;
	size_t n = 0, n_due = 0;

	if (!r->history || stacktab_list(p->stacks, &list, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (list[i]->series && !list[i]->is_recalled)
			list[n_due++] = list[i];
	qsort(list, n_due, sizeof(*list), by_live);
	for (size_t i = 0; i < n_due && i < RECALL_STACKS_MAX; i++) {
		list[i]->is_recalled = true;
		stack_recall(r, p, list[i]);
	}
}
