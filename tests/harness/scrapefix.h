/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/harness/scrapefix.h — a metrics server on any free port, in a loop of the test's own. */
#ifndef TESTS_HARNESS_SCRAPEFIX_H
#define TESTS_HARNESS_SCRAPEFIX_H

#include <systemd/sd-event.h>

#include "report/metrics_http.h"

#define ANY_PORT "127.0.0.1:0"

struct scrape {
	sd_event *event;
	struct metrics_http *server;
	struct strbuf why;
};

static inline int scrape_init(struct scrape *s, metrics_http_handler on_page, void *userdata)
{
	s->why = (struct strbuf)STRBUF_INIT;
	if (sd_event_new(&s->event) < 0 ||
	    metrics_http_open(s->event, ANY_PORT, on_page, userdata, &s->server, &s->why) < 0)
		return -1;
	return 0;
}

static inline void scrape_done(struct scrape *s)
{
	metrics_http_close(s->server);
	sd_event_unref(s->event);
	strbuf_done(&s->why);
}

#endif
