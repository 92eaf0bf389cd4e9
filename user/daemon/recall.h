/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/recall.h — after a restart: trends go on from the history, of the processes that were
 * there before.
 *
 *   history ─► moments ─► stacktab (all series: absent then, and a break)        recall_begin, once
 *           └► points of a stack ─► its series, its `since`                      recall_tick
 *
 * A stack's past is looked up when it has something that is alive, the biggest first: so its rate
 * is known with its first point, and is that of the minutes before the restart until new points
 * outweigh them (series.h). At most RECALL_STACKS_MAX a tick, 0.1 ms each.
 *
 * The history knows workers with the same key as one process: each gets an equal part of what they
 * held together. A stop of the daemon for longer than a rate looks back leaves nothing to recall
 * but `since`.
 */
#ifndef USER_DAEMON_RECALL_H
#define USER_DAEMON_RECALL_H

#include "daemon/pipeline.h"
#include "report/history.h"

#define RECALL_STACKS_MAX 50 /* a tick: 5 ms */

struct recall {
	struct history *history;
	double from_sec, to_sec; /* Unix times: what the history is asked for */
	double offset_sec; /* of Unix time to monotonic */
};

/* Before the first tick. step_sec: of the history's finest level. History NULL: nothing to do, here
 * and later. */
void recall_begin(struct recall *r, struct history *history, struct stacktab *stacks,
		  double step_sec, double interval_sec);
/* After each tick of the pipeline. */
void recall_tick(const struct recall *r, const struct pipeline *p);

#endif
