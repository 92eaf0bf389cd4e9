/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/ctl.h — the daemon's end of the control socket: answers pygrowctl.
 *
 *   accept ─► READING ── whole request ─► handler ─► WRITING ── whole answer ─► close
 *                │                                      │
 *                └──── error, end, 5 s over, wrong ─────┴─► close (wrong: say why first)
 *
 * On sd-event, nothing blocks: a client that is slow, dead or hostile costs a descriptor for 5 s
 * and no more. Limits: CTL_CLIENTS_MAX clients, then they queue in the kernel;
 * CTL_ANSWERS_BYTES_MAX of answers not yet read, then the next one is told to ask again.
 */
#ifndef USER_REPORT_CTL_H
#define USER_REPORT_CTL_H

#include <json-c/json.h>
#include <systemd/sd-event.h>

#include "lib/cleanup.h"

#define CTL_CLIENTS_MAX	      32
#define CTL_ANSWERS_BYTES_MAX (65u << 20) /* the largest answer fits, a second one does not */

/* Makes the answer to a request, which is any JSON object; called on the event loop. The caller
 * takes the answer over. NULL: out of memory. */
typedef json_object *(*ctl_handler)(void *userdata, json_object *request);

struct ctl;

/* Makes the socket at `path` and what is missing of the directories above: mode 0660, group
 * PGD_SOCKET_GROUP if the host has it. -EADDRINUSE: a daemon answers there; a socket that nobody
 * listens on is replaced. -EEXIST: something that is not a socket is there. */
int ctl_open(sd_event *event, const char *path, ctl_handler handler, void *userdata,
	     struct ctl **ret);
/* Drops all clients and removes the socket, unless another one is at its path by now. */
void ctl_close(struct ctl *c);
DEFINE_CLEANUP(struct ctl *, ctl_close)

/* Takes a connected, non-blocking stream socket over, also if it fails. -EBUSY: too many clients.
 */
int ctl_client_add(struct ctl *c, int fd);
size_t ctl_clients_cnt(const struct ctl *c);
/* Instead of PGD_PROTO_TIMEOUT_SEC, for clients that come from now on. */
void ctl_set_timeout(struct ctl *c, uint64_t timeout_us);

#endif
