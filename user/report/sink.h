/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/sink.h — where alerts go: a program, a webhook, an Alertmanager.
 *
 *   alert ─► sink_send ─► queue ─► program (sink_exec)
 *                           │   └► POST (sink_webhook) ── not now: later, again
 *                           └ full: the oldest goes, counted
 *
 * A sink lives on the event loop: sink_send() waits for no program and no server. What comes of an
 * alert is told by counters and, once per trouble, by the log; the sender is not to care.
 */
#ifndef USER_REPORT_SINK_H
#define USER_REPORT_SINK_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/cleanup.h"

#define SINK_ALERT_BYTES_MAX (64u << 10) /* of an alert's JSON; a longer one is dropped */

/* X(ID, "name", is_loss, "what happened"); in `status` and /metrics: "alert_exec_sent". */
#define SINK_COUNTERS(X)                                                                          \
	X(SENT, "sent", false, "an alert has arrived: exit status 0, or 2xx")                     \
	X(FAILED, "failed", true, "an alert was refused, or its program failed: not tried again") \
	X(RETRIED, "retried", false, "an alert could not be delivered yet: tried again later")    \
	X(DROPPED, "dropped", true, "an alert was let go: too many waited, or it was too long")   \
	X(TIMED_OUT, "timed_out", true, "a program or a server took too long and was cut off")

enum sink_counter {
#define SINK_COUNTER_ID(id, name, is_loss, help) SINK_COUNTER_##id,
	SINK_COUNTERS(SINK_COUNTER_ID)
#undef SINK_COUNTER_ID
	SINK_COUNTER_MAX
};

enum sink_kind {
	SINK_KIND_EXEC = 0,
	SINK_KIND_WEBHOOK,
	SINK_KIND_ALERTMANAGER,
	SINK_KIND_MAX
};

struct sink;

struct sink_ops {
	/* The alert's JSON, valid for the call; not longer than SINK_ALERT_BYTES_MAX. */
	int (*send)(struct sink *s, json_object *alert, const char *text, size_t text_bytes);
	size_t (*waiting_cnt)(const struct sink *s);
	void (*close)(struct sink *s);
};

/* The first member of each sink; made by sink_exec_open() and sink_webhook_open(). */
struct sink {
	enum sink_kind kind;
	const struct sink_ops *ops;
	uint64_t counters[SINK_COUNTER_MAX];
};

/* One change of an alert (firing, resolved). What is needed of it is copied before this returns.
 * 0: taken in, or there is no sink (NULL). Negative: dropped, which is counted and needs no care:
 * -EMSGSIZE, -ENOMEM. */
int sink_send(struct sink *s, json_object *alert);
/* Programs that run get SINK_EXEC_CLOSE_MS to end; what a webhook has not delivered stays in the
 * state directory for the next start. */
void sink_close(struct sink *s);
DEFINE_CLEANUP(struct sink *, sink_close)

size_t sink_waiting_cnt(const struct sink *s); /* alerts not yet delivered or given up */
uint64_t sink_counter_get(const struct sink *s, enum sink_counter counter);
/* Static strings. */
const char *sink_counter_name(enum sink_kind kind, enum sink_counter counter);
const char *sink_counter_help(enum sink_counter counter);
bool sink_counter_is_loss(enum sink_counter counter); /* worth showing in `lost` */
/* The configuration's key: "alert-exec". */
const char *sink_key(enum sink_kind kind);

#endif
