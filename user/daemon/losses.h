/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/losses.h — what was lost or refused besides what the watched processes' own counters
 * say: of processes that are gone, of the host, by the history, on the socket. */
#ifndef USER_DAEMON_LOSSES_H
#define USER_DAEMON_LOSSES_H

#include <json-c/json.h>

#include "daemon/pipeline.h"
#include "daemon/roster.h"
#include "report/ctl.h"
#include "report/history.h"
#include "report/metrics.h"

#define LOSSES_MORE_MAX (HISTORY_COUNTER_MAX + CTL_COUNTER_MAX)

struct losses {
	uint64_t besides[PGD_COUNTER_MAX]; /* rows of pgd_counters.h */
	struct metrics_lost more[LOSSES_MORE_MAX]; /* rows of history.h and ctl.h */
	const char *more_help[LOSSES_MORE_MAX];
	size_t n_more;
};

/* `roster`, `history` and `ctl` may be NULL: what is not there loses nothing, and has no rows. */
void losses_gather(const struct pipeline *p, const struct roster *roster,
		   const struct history *history, const struct ctl *ctl, struct losses *ret);
/* All that is not 0 as "lost" of a document, and what it means into its "lost_help". A document
 * that is an error stays as it is. */
void losses_put(const struct losses *l, json_object *document);

#endif
