/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/losses.h — what was lost or refused besides what the watched processes' own counters
 * say: of processes that are gone, of the host, by the history, on the socket, of alerts. */
#ifndef USER_DAEMON_LOSSES_H
#define USER_DAEMON_LOSSES_H

#include <json-c/json.h>

#include "daemon/alerting.h"
#include "daemon/pipeline.h"
#include "daemon/roster.h"
#include "report/ctl.h"
#include "report/history.h"
#include "report/metrics.h"

#define LOSSES_MORE_MAX                                                                            \
	(HISTORY_COUNTER_MAX + CTL_COUNTER_MAX + ALERT_COUNTER_MAX + ALERT_STATE_COUNTER_MAX + 1 + \
	 SINK_KIND_MAX * SINK_COUNTER_MAX)

/* Who counts. What is NULL is not there: it loses nothing, and has no rows. */
struct losses_of {
	const struct pipeline *pipeline; /* never NULL */
	const struct roster *roster;
	const struct history *history;
	const struct ctl *ctl;
	const struct alerting *alerting;
};

struct losses {
	uint64_t besides[PGD_COUNTER_MAX]; /* rows of pgd_counters.h */
	struct metrics_lost more[LOSSES_MORE_MAX]; /* of history.h, ctl.h, alert.h, sink.h */
	const char *more_help[LOSSES_MORE_MAX];
	size_t n_more;
};

void losses_gather(const struct losses_of *of, struct losses *ret);
/* All that is not 0 as "lost" of a document, and what it means into its "lost_help". A document
 * that is an error stays as it is. */
void losses_put(const struct losses *l, json_object *document);

#endif
