/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/past.h — a snapshot as it looks over a longer time: the same stacks, but growth, its
 * error and the history that is drawn are of the time since a moment.
 *
 *   snapshot ─┐                                           ┌─ document.c, as of any snapshot
 *   history  ─┴─► at most PAST_MOMENTS_MAX moments ─► rates ┘
 *
 * Where the daemon's memory goes back far enough it is made of that, which is finer; else of the
 * history. Restarts of the daemon are no drops (series.h).
 *
 * The history knows workers with the same key as one process. What they held together is divided
 * by what each holds now: their sum is right, each one's part a guess.
 *
 * Stacks of processes that are still there, but hold nothing any more, are in it: without them a
 * line would seem to grow whose stacks come and go. Of such, those that held most are named, at
 * most PAST_GONE_MAX. What belonged to processes that have ended is not: answer_show.c and diff.
 */
#ifndef USER_REPORT_PAST_H
#define USER_REPORT_PAST_H

#include "growth/series.h"
#include "growth/snapshot.h"
#include "report/history.h"

#define PAST_MOMENTS_MAX SERIES_RATE_POINTS /* what a sum's error is made of, see pool.c */
#define PAST_GONE_MAX	 300

struct past {
	struct snapshot snapshot; /* stacks are its own; all else is of the one that was given */
	double since_sec; /* the first moment that is known of; NAN: none is */
	struct history_stack *gone; /* names of stacks that hold nothing any more */
	size_t n_gone;
};

/* h NULL: no history is kept. The history may fail: then it is made of memory. 0 or -ENOMEM; *ret
 * untouched then. The snapshot must outlive it; past_done() is due. */
int past_new(const struct snapshot *snapshot, struct history *h, double since_sec,
	     struct past *ret);
void past_done(struct past *p);

#endif
