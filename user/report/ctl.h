/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/ctl.h — the daemon's end of the control socket: answers pygrowctl.
 *
 *   accept ─► may it ask? ─► READING ── whole request ─► handler ─► WRITING ── all sent ─► close
 *                │ no, no place │                                      │
 *                └─ say why ─►──┴── error, end, 5 s over, wrong ───────┴─► close (say why first)
 *
 * On sd-event, nothing blocks, and windows, signals and the clock go before clients: one that is
 * slow, dead or hostile costs a descriptor for 5 s and no more. peer.h says who may ask, redact.h
 * who may see command lines. Each one that is turned away is told so in one line, and counted.
 *
 * Limits: CTL_CLIENTS_MAX clients, or a quarter of the descriptors we may have if that is less; the
 * last CTL_CLIENTS_ROOT places are root's, so that others cannot shut it out. CTL_BYTES_MAX of
 * requests and of answers not yet read.
 */
#ifndef USER_REPORT_CTL_H
#define USER_REPORT_CTL_H

#include <json-c/json.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "lib/cleanup.h"
#include "report/peer.h"

#define CTL_CLIENTS_MAX	 1016
#define CTL_CLIENTS_ROOT 16
#define CTL_BYTES_MAX	 (66u << 20) /* the largest answer fits, a second one does not */

/* X(ID, "name", "what happened, and what was done") */
#define CTL_COUNTERS(X)                                                                            \
	X(DENIED, "ctl_denied", "a client that may not ask: refused")                              \
	X(BUSY, "ctl_busy", "more clients than places, or than answers unread: told to ask again") \
	X(SLOW, "ctl_slow", "a client was too slow to ask or to read its answer: dropped")         \
	X(WRONG, "ctl_wrong", "a client sent what is no request: refused")

enum ctl_counter {
#define CTL_COUNTER_ID(id, name, help) CTL_COUNTER_##id,
	CTL_COUNTERS(CTL_COUNTER_ID)
#undef CTL_COUNTER_ID
	CTL_COUNTER_MAX
};

/* Makes the answer to a request, which is any JSON object; called on the event loop. The caller
 * takes the answer over, and takes out of it what the client may not see. NULL: out of memory. */
typedef json_object *(*ctl_handler)(void *userdata, json_object *request);

struct ctl;

/* Makes the socket at `path`; errors are those of listener_open(). */
int ctl_open(sd_event *event, const char *path, ctl_handler handler, void *userdata,
	     struct ctl **ret);
/* Drops all clients and removes the socket, unless another one is at its path by now. */
void ctl_close(struct ctl *c);
DEFINE_CLEANUP(struct ctl *, ctl_close)

/* Takes a connected, non-blocking stream socket over, also if it fails. -EACCES: it may not ask;
 * -EBUSY: no place is free; either is told so. */
int ctl_client_add(struct ctl *c, int fd);
/* The same, of somebody whom the caller knows: a test can be anybody. */
int ctl_client_add_as(struct ctl *c, int fd, const struct peer *peer);
size_t ctl_clients_cnt(const struct ctl *c);
size_t ctl_places_cnt(const struct ctl *c); /* root's last ones are among them */
uint64_t ctl_counter_get(const struct ctl *c, enum ctl_counter counter);
/* Instead of PGD_PROTO_TIMEOUT_SEC, for clients that come from now on. */
void ctl_set_timeout(struct ctl *c, uint64_t timeout_us);

#endif
