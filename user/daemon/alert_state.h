/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/alert_state.h — alerts outlive the daemon: DIR/alerts.json has what fires, what was
 * over lately, and what grows.
 *
 *   start ─► alert_state_load ─► judge: what grows waits for its stack      alerts: not said again
 *   tick  ─► alert_state_tick ─► has anything begun or ended? the whole file anew
 *
 * A file of its own, and not a table of the history: it is whole or not there after any crash
 * (written beside, synced, renamed), a history that is damaged and put aside takes no alert with
 * it, and a pygrowd of before that does not know it need not refuse the history. It is written when
 * something changes, not at the end, so that SIGKILL loses nothing; and every ALERT_STATE_FRESH_SEC
 * while something grows, so that its figures are of late. As the history: only where the whole host
 * is watched, whose lock keeps a second daemon out.
 *
 * A file that cannot be written is said once and tried again each minute; one that makes no sense
 * is put aside (ALERT_STATE_ASIDE, the last one) and said.
 */
#ifndef USER_DAEMON_ALERT_STATE_H
#define USER_DAEMON_ALERT_STATE_H

#include "daemon/judge.h"
#include "report/alert.h"

#define ALERT_STATE_BYTES_MAX (32u << 20) /* more is not ours: 256 alerts, 8,192 detectors */
#define ALERT_STATE_FRESH_SEC 600
#define ALERT_STATE_RETRY_SEC 60
#define ALERT_STATE_ASIDE     ".corrupt" /* behind its name */

/* X(ID, "name", "what happened, and what follows") */
#define ALERT_STATE_COUNTERS(X)                                                                    \
	X(UNSAVED, "alerts_unsaved", "alerts could not be saved: a restart would judge them anew") \
	X(DAMAGED, "alerts_damaged", "saved alerts made no sense: put aside, judged anew")         \
	X(BAD_ROW, "alerts_bad_row", "a saved alert, or what grew, made no sense: left out")

enum alert_state_counter {
#define ALERT_STATE_COUNTER_ID(id, name, help) ALERT_STATE_COUNTER_##id,
	ALERT_STATE_COUNTERS(ALERT_STATE_COUNTER_ID)
#undef ALERT_STATE_COUNTER_ID
	ALERT_STATE_COUNTER_MAX
};

/* Whose state it is, and when. */
struct alert_state_of {
	struct judge *judge;
	struct alerts *alerts;
	double now_sec, unix_sec; /* monotonic, and the same moment */
};

struct alert_state {
	char *path; /* NULL: nothing is kept */
	uint64_t mark; /* of what the file says */
	double saved_sec, failed_sec; /* monotonic; NAN: never */
	bool is_failed; /* and was said */
	uint64_t counters[ALERT_STATE_COUNTER_MAX];
};

/* Of a daemon before us, before the first tick. 0 also if there is nothing, or nothing good;
 * -ENOMEM. `s` is all zero. */
int alert_state_load(struct alert_state *s, const char *dir, const struct alert_state_of *of);
/* After each tick; does nothing until loaded. */
void alert_state_tick(struct alert_state *s, const struct alert_state_of *of);
/* At the end: figures of now. */
void alert_state_save(struct alert_state *s, const struct alert_state_of *of);
void alert_state_done(struct alert_state *s);

#endif
