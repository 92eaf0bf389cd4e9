/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/alert.h — from stacks that grow to alerts: said once when it begins, once when it
 * ends.
 *
 *   causes ─► by key ─► growing, no alert yet   ─► fires      ─┬─► on_change: journal, sinks
 *                       none of them grows now  ─► is resolved ─┘
 *                                                 both ─► alerts_put: "alerts" of a document
 *
 * One leak shows up as many stacks, in many workers: all that are of one key, one function of one
 * service, are one alert, and its figures are their sums. The same key has the same id each time.
 *
 * Suppressed is an alert of which all causes that can be seen are: it is listed as one that fires
 * and is suppressed, but nobody is told. Who was told before hears that it is over,
 * ALERT_SUPPRESSED as the reason; when it is suppressed no more it fires as if it were new.
 *
 * Limits: ALERTS_MAX alerts are kept, those that fire before those that are over, and these before
 * suppressed ones; one for which
 * there is no room is counted and tried again at the next update. ALERTS_BURST changes are said at
 * once, then one each ALERTS_EVERY_SEC: what is above that is counted, and still is in the list.
 *
 * Pure but for memory: time comes in, what is to be done goes out.
 */
#ifndef USER_REPORT_ALERT_H
#define USER_REPORT_ALERT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "growth/snapshot.h"
#include "lib/cleanup.h"

#define ALERTS_MAX	 256
#define ALERTS_BURST	 20
#define ALERTS_EVERY_SEC 180.0
#define ALERT_NAME_BYTES 160 /* of a name in an alert's text; longer ones are cut, with "…" */

/* X(ID, "name", "what happened, and what follows") */
#define ALERT_COUNTERS(X)                                                                     \
	X(FULL, "alerts_full", "more than 256 alerts fire: one more is not listed, nor said") \
	X(LIMITED, "alerts_limited",                                                          \
	  "too many alerts in a short time: one is listed, but not sent")                     \
	X(SUPPRESSED, "alerts_suppressed",                                                    \
	  "an alert was not sent: a section of the configuration suppresses it")

enum alert_counter {
#define ALERT_COUNTER_ID(id, name, help) ALERT_COUNTER_##id,
	ALERT_COUNTERS(ALERT_COUNTER_ID)
#undef ALERT_COUNTER_ID
	ALERT_COUNTER_MAX
};

/* That nobody is to be told of a cause for now. */
struct alert_suppression {
	const char *by, *reason; /* by: name of the section */
	double until_sec; /* Unix time */
};

/* A stack that grows, or has settled. */
struct alert_cause {
	uint64_t key; /* equal for all that are one alert */
	enum detect_state state;
	enum detect_why why;
	/* Where it can be seen now, with its verdict; both NULL: its process has ended and may come
	 * again, or it holds nothing. */
	const struct snapshot_process *process;
	const struct snapshot_stack *stack;
	const struct alert_suppression *suppression; /* NULL: none; of one that cannot be seen */
};

/* alert.why of what is resolved: nobody that could grow is left; who is told needs to know no more
 * for now, while it is listed as firing. */
#define ALERT_ENDED	 DETECT_TOO_NEW
#define ALERT_SUPPRESSED DETECT_NOT_RISING

struct alert {
	uint64_t id;
	bool is_firing;
	double since_sec; /* when the growth began, as far as is known; all times are Unix times */
	double fired_sec, resolved_sec; /* resolved: NAN while it fires */
	enum detect_why why; /* of the stack that grows fastest; resolved: why it is over */
	/* Where: the stack that grows fastest. */
	uint64_t stack;
	pid_t pid;
	char *function, *file, *unit, *comm; /* NULL: not known */
	int line;
	bool in_application;
	/* How much: over all its stacks that can be seen. */
	size_t n_stacks, n_processes;
	double growth_bytes_per_sec, growth_error; /* error: NAN: not known */
	double growth_bytes; /* in the time that tells most */
	double tau, p_value; /* of the fastest */
	double headroom_bytes, coverage; /* NAN: not known */
	bool is_headroom_of_host, has_gc;
	bool is_gc_off; /* by gc.disable(), or a threshold of 0 */
	bool is_silent; /* it was not said: ALERTS_EVERY_SEC, or it is suppressed */
	/* By which section; NULL: it is not, or was not when it was over. */
	char *suppressed_by, *suppressed_reason;
	double suppressed_until_sec;
};

struct alerts;

/* Told of each alert that fires, or is resolved; it is the callee's until it returns. */
typedef void (*alert_change_t)(void *userdata, const struct alert *a);

/* 0 or -ENOMEM. */
int alerts_new(alert_change_t on_change, void *userdata, struct alerts **ret);
void alerts_free(struct alerts *a);
DEFINE_CLEANUP(struct alerts *, alerts_free)

/* All causes there are now. They are sorted here. */
void alerts_update(struct alerts *a, struct alert_cause *causes, size_t n, double now_sec);
size_t alerts_firing(const struct alerts *a); /* without those that are suppressed */
size_t alerts_suppressed(const struct alerts *a);
/* The i-th of all there are, the newest change last; NULL: no more. */
const struct alert *alerts_get(const struct alerts *a, size_t i);
/* One of a daemon before this, as the newest change; nothing is said of it. Copied. 0, -EEXIST (its
 * id is there), or -ENOSPC (counted). */
int alerts_restore(struct alerts *a, const struct alert *alert);
uint64_t alerts_counter_get(const struct alerts *a, enum alert_counter counter);

/* Its row, as every document and every sink gets it; the caller's. */
json_object *alert_json_new(const struct alert *a, double now_sec);
/* "alerts" of a document: those that fire, then suppressed ones, then those that are over, of each
 * the newest first, at most `limit`; and how many there are. A document that is an error stays as
 * it is. */
void alerts_put(const struct alerts *a, json_object *document, size_t limit, double now_sec);

#endif
