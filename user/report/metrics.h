/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/metrics.h — a snapshot as a page of metrics, in Prometheus' text format 0.0.4.
 *
 * Pure: no clock, no I/O; metrics_http.c shows the page to whoever asks. A figure that is not known
 * (NAN, -1) has no line; a family of which nothing is known still has its HELP and TYPE.
 *
 * What a scrape costs a Prometheus is bounded: per target 15 series of its own at most, and 3 for
 * each of the stacks that have series at all, which are the first `stacks_max` of that target in
 * the snapshot's order (growth, then live bytes). How many stacks were left out is a series too.
 * Which stacks are first changes with time: a stack that is not among them any more ends there.
 *
 * Names come from watched processes. In a label they are valid UTF-8, without control characters
 * (both become U+FFFD; a line feed stays, as \n), and cut with "…" behind METRICS_LABEL_BYTES;
 * stacks whose names are cut alike still differ by `stack`.
 */
#ifndef USER_REPORT_METRICS_H
#define USER_REPORT_METRICS_H

#include <math.h>

#include "growth/snapshot.h"
#include "lib/strbuf.h"

#define METRICS_STACKS	    20 /* of a target, if nobody says otherwise */
#define METRICS_STACKS_MAX  500 /* of a target, whoever asks */
#define METRICS_LABEL_BYTES 256

struct metrics_lost {
	const char *reason;
	uint64_t cnt;
};

struct metrics_options {
	size_t stacks_max; /* stacks of a target that have series; cut to METRICS_STACKS_MAX */
	int64_t alerts_firing, alerts_suppressed; /* -1: not known */
	/* PGD_COUNTER_MAX sums of what was lost by others than the snapshot's processes: targets
	 * that have ended, since a counter must not fall with them, and the host. NULL: nothing. */
	const uint64_t *lost_besides;
	/* Counters that are no row of pgd_counters.h (history's); no reason twice. */
	const struct metrics_lost *lost_more;
	size_t n_lost_more;
};

#define METRICS_OPTIONS_INIT                                                               \
	{                                                                                  \
		.stacks_max = METRICS_STACKS, .alerts_firing = -1, .alerts_suppressed = -1 \
	}

/* Adds the page to *ret. 0 or -ENOMEM; what is in *ret then is no page.
 *
 * No two lines are the same series, whatever the snapshot holds (Prometheus refuses the whole page
 * otherwise): of processes with one PID the last one counts, of equal stacks of a process the
 * first. Processes that are not watched ("unsupported", "excluded") have no series, nor has a stack
 * whose process is not in the snapshot. */
int metrics_format(const struct snapshot *s, const struct metrics_options *o, struct strbuf *ret);

#endif
