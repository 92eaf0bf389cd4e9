/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/alerting.h — from a snapshot to whoever is to be told: judge, alerts and sinks
 * together.
 *
 *                       thresholds      suppressions
 *                           ▼                ▼
 *   snapshot, births ─► judge ─► causes ─────┴───► alerts ─┬─► alert_log     one line each
 *                                                          ├─► sinks         alert-exec, …
 *                                                          └─► alert_state   for the next daemon
 */
#ifndef USER_DAEMON_ALERTING_H
#define USER_DAEMON_ALERTING_H

#include <systemd/sd-event.h>

#include "daemon/alert_state.h"
#include "daemon/judge.h"
#include "daemon/setup.h"
#include "report/alert.h"
#include "report/sink.h"

struct alerting {
	const struct setup *setup; /* its config's policy is another one after each reload */
	struct judge *judge;
	struct alerts *alerts;
	struct sink *sinks[SINK_KIND_MAX]; /* NULL: not configured */
	char *configured[SINK_KIND_MAX]; /* as the config had them; NULL likewise */
	struct alert_state state; /* all zero: a restart begins anew */
};

/* The setup must be there until alerting_close(). 0, or -errno with one clear sentence in `why`. */
int alerting_open(sd_event *event, const struct setup *s, struct alerting **ret,
		  struct strbuf *why);
void alerting_close(struct alerting *a);
DEFINE_CLEANUP(struct alerting *, alerting_close)

/* Go on where a daemon before us ended, and let the next one do so; the directory is ours alone.
 * Before the first tick. 0 or -ENOMEM. */
int alerting_go_on(struct alerting *a, const char *state_dir);
/* Whatever can be done without a tick for the next daemon. */
void alerting_save(struct alerting *a);
/* The config was read again: thresholds are in force from here on, suppressions from the next tick;
 * that other sinks take a restart is said. */
void alerting_apply(struct alerting *a);
/* Is it time for another alerting_tick? now_sec: monotonic. */
bool alerting_is_due(const struct alerting *a, double now_sec);
/* The snapshot is of this moment; its verdicts are filled in. */
void alerting_tick(struct alerting *a, const struct pipeline *p, struct snapshot *s,
		   double now_sec);

#endif
