/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/metrics_http.h — GET /metrics, for Prometheus.
 *
 *   accept ─► request ── GET or HEAD /metrics ─► handler ─► answer ─► close
 *                │                                            │
 *                └─ anything else: 400, 404, 405, 431 ────────┴─ 5 s over: close
 *
 * libmicrohttpd speaks HTTP; it has no thread and no loop of its own here, its epoll descriptor is
 * a source of ours. One request a connection, and METRICS_HTTP_TIMEOUT_SEC from accept to the end,
 * so that a client which sends or reads a byte now and then does not hold its place. Behind
 * METRICS_HTTP_CLIENTS_MAX clients the next ones queue in the kernel; behind
 * METRICS_HTTP_UNREAD_BYTES_MAX of pages not yet read the next request gets 503.
 *
 * There is no password and no TLS: whoever reaches the address reads names of functions, files
 * and units. So the default is loopback; another address wants a firewall or a proxy before it.
 */
#ifndef USER_REPORT_METRICS_HTTP_H
#define USER_REPORT_METRICS_HTTP_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "lib/cleanup.h"
#include "lib/strbuf.h"

#define METRICS_HTTP_ADDRESS	      "127.0.0.1:9748"
#define METRICS_HTTP_CLIENTS_MAX      16
#define METRICS_HTTP_TIMEOUT_SEC      5
#define METRICS_HTTP_UNREAD_BYTES_MAX (16u << 20)

/* Adds the page to *ret; called on the event loop, once a request (HEAD too, for its length).
 * Negative: there is none, and the client is told 503. */
typedef int (*metrics_http_handler)(void *userdata, struct strbuf *ret);

struct metrics_http;

/* Would metrics_http_open() understand it? 0; -EINVAL, and one sentence in *why. */
int metrics_http_check(const char *address, struct strbuf *why);

/* `address` is "ADDRESS:PORT" with numbers, not names: "127.0.0.1:9748", "[::1]:9748", "[::]:9748"
 * for all of the host; port 0 is any free one. "off": 0, and *ret is NULL, which all functions
 * here accept.
 *
 * On failure *ret is untouched and *why has one sentence: what, why, what to do. -EINVAL: no such
 * address can be; -EADDRINUSE, -EACCES, -EADDRNOTAVAIL, -EAFNOSUPPORT and what else bind(2) says.
 */
int metrics_http_open(sd_event *event, const char *address, metrics_http_handler handler,
		      void *userdata, struct metrics_http **ret, struct strbuf *why);
/* Drops all clients. */
void metrics_http_close(struct metrics_http *m);
DEFINE_CLEANUP(struct metrics_http *, metrics_http_close)

/* Can others than this host reach it? Worth a warning. */
bool metrics_http_is_public(const struct metrics_http *m);
uint16_t metrics_http_port(const struct metrics_http *m); /* 0: off */
size_t metrics_http_clients_cnt(const struct metrics_http *m);
/* Instead of METRICS_HTTP_TIMEOUT_SEC, for clients that come from now on. */
void metrics_http_set_timeout(struct metrics_http *m, uint64_t timeout_us);

#endif
