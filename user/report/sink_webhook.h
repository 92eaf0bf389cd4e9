/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/sink_webhook.h — alerts by HTTP POST, in order, until they have arrived.
 *
 *   sink_send ─► sink_queue (on disk) ─► sink_post ─► taken, refused: the next one
 *                        ▲                   │
 *                        └── 1 s, 2 s, 4 s … 5 min, ± half ◄─ later, late
 *
 * Two bodies. SINK_KIND_WEBHOOK: the alert as it is (docs/PROTOCOL.md). SINK_KIND_ALERTMANAGER: a
 * list for POST /api/v2/alerts; there an alert ends by itself when it is not repeated, so what
 * fires is sent again every SINK_WEBHOOK_RESEND_MS, and said to end five times that later: when we
 * are gone, nobody says any more that it fires. Repeats are no alerts: if one fails the next one
 * follows, and only `retried` tells.
 */
#ifndef USER_REPORT_SINK_WEBHOOK_H
#define USER_REPORT_SINK_WEBHOOK_H

#include <systemd/sd-event.h>

#include "lib/strbuf.h"
#include "report/sink.h"
#include "report/sink_post.h"

#define SINK_WEBHOOK_RETRY_MIN_MS 1000
#define SINK_WEBHOOK_RETRY_MAX_MS 300000
#define SINK_WEBHOOK_RESEND_MS	  60000
#define SINK_WEBHOOK_FIRING_MAX	  1000 /* that are repeated; of more, the oldest is not any more */

struct sink_webhook_options {
	enum sink_kind kind; /* SINK_KIND_WEBHOOK or SINK_KIND_ALERTMANAGER */
	const char *url; /* of an Alertmanager: "/api/v2/alerts" at its end may be left out */
	const char *state_dir; /* the queue is below it, in "alert-webhook" or …; NULL: in memory */
	uint64_t limit_ms, retry_min_ms, retry_max_ms, resend_ms;
};

#define SINK_WEBHOOK_OPTIONS_INIT                                                              \
	{                                                                                      \
		.kind = SINK_KIND_WEBHOOK, .limit_ms = SINK_POST_LIMIT_MS,                     \
		.retry_min_ms = SINK_WEBHOOK_RETRY_MIN_MS,                                     \
		.retry_max_ms = SINK_WEBHOOK_RETRY_MAX_MS, .resend_ms = SINK_WEBHOOK_RESEND_MS \
	}

/* Would sink_webhook_open() take that URL? 0; -EINVAL, and one sentence in *why, without the URL.
 */
int sink_webhook_check(enum sink_kind kind, const char *url, struct strbuf *why);
/* Begins with what a queue of before has left. A state directory that cannot be used is no error
 * (sink_queue.h). -EINVAL, -ENOMEM: one sentence in *why, and *ret is untouched. */
int sink_webhook_open(sd_event *event, const struct sink_webhook_options *o, struct sink **ret,
		      struct strbuf *why);

#endif
