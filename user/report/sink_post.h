/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/sink_post.h — one HTTP POST of JSON at a time, on the event loop.
 *
 * libcurl's multi interface, driven by its sockets and timer as sources of ours. http and https
 * only; no redirect is followed; certificates are checked. Of the answer only its status counts:
 * after SINK_POST_ANSWER_BYTES_MAX of head and body nobody reads on. The environment's proxy
 * variables are heeded.
 */
#ifndef USER_REPORT_SINK_POST_H
#define USER_REPORT_SINK_POST_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "lib/cleanup.h"
#include "lib/strbuf.h"

#define SINK_POST_LIMIT_MS	   10000 /* from the name's look-up to the end of the answer */
#define SINK_POST_ANSWER_BYTES_MAX (64u << 10)
#define SINK_POST_URL_BYTES_MAX	   2048

enum sink_post_end {
	SINK_POST_TAKEN, /* 2xx */
	SINK_POST_REFUSED, /* 3xx, 4xx: it would be refused the next time, too */
	SINK_POST_LATER, /* no connection, 5xx, 408, 429, no HTTP */
	SINK_POST_LATE, /* LATER, since the limit was over */
};

/* Called on the event loop, never from within a function below. `how`: "HTTP status 500",
 * "Couldn't connect to server"; never has anything of the URL in it. */
typedef void (*sink_post_done)(void *userdata, enum sink_post_end end, const char *how);

struct sink_post;

/* Is `url` one that can be posted to? 0; -EINVAL, and in *why what is wrong, without the URL, which
 * may have a password in it. `path_end` (NULL: none) is added to its path if it does not end so. */
int sink_post_check(const char *url, const char *path_end, struct strbuf *why);
/* -EINVAL as above, -ENOMEM. *ret is untouched on failure. */
int sink_post_open(sd_event *event, const char *url, const char *path_end, uint64_t limit_ms,
		   sink_post_done done, void *userdata, struct sink_post **ret, struct strbuf *why);
/* What is under way is dropped; `done` is not called any more. */
void sink_post_close(struct sink_post *p);
DEFINE_CLEANUP(struct sink_post *, sink_post_close)

/* The body is copied. 0: `done` is called later; -EBUSY: one is under way; -ENOMEM. */
int sink_post_start(struct sink_post *p, const char *body, size_t body_bytes);
bool sink_post_is_busy(const struct sink_post *p);
/* "https://host:8443", for people: neither path nor query, which may be secrets (webhooks of chat
 * services), nor user and password. */
const char *sink_post_place(const struct sink_post *p);

#endif
