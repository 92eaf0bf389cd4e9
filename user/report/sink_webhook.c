/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/sink_webhook.c — see sink_webhook.h.
 *
 * One POST at a time, the oldest alert first: "resolved" must not overtake "firing".
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "report/jsonput.h"
#include "report/sink_alertmanager.h"
#include "report/sink_queue.h"
#include "report/sink_webhook.h"

#define PRIORITY	  (SD_EVENT_PRIORITY_NORMAL + 10) /* windows and pygrowctl come first */
#define TIMER_ACCURACY_US 10000
#define ALERTMANAGER_PATH "/api/v2/alerts"
#define ENDS_RESENDS	  5 /* a firing alert ends when so many repeats are missing */
#define HOST_BYTES	  256
#define REPEAT		  UINT64_MAX /* in place of an alert's number */

/* An alert that fires, as it was sent to Alertmanager. */
struct firing {
	char *id;
	json_object *alert;
};

struct sink_webhook {
	struct sink sink;
	sd_event *event;
	sd_event_source *retry, *resend;
	struct sink_webhook_options options; /* without its strings */
	struct sink_queue *queue;
	struct sink_post *post;
	uint64_t posted; /* the number of what is under way, or REPEAT */
	unsigned failures; /* in a row */
	char host[HOST_BYTES];
	struct firing firing[SINK_WEBHOOK_FIRING_MAX]; /* oldest first */
	size_t n_firing;
};

DEFINE_CLEANUP(json_object *, json_object_put)

/* ── what fires ───────────────────────────────────────────────────────────────────────────── */

static void firing_del(struct sink_webhook *w, size_t i)
{
	free(w->firing[i].id);
	json_object_put(w->firing[i].alert);
	memmove(&w->firing[i], &w->firing[i + 1], (--w->n_firing - i) * sizeof(w->firing[0]));
}

static void firing_add(struct sink_webhook *w, const char *id, json_object *alert)
{
	char *copy = strdup(id);

	if (!copy)
		return; /* it is in the queue: sent once, not repeated */
	if (w->n_firing == SINK_WEBHOOK_FIRING_MAX)
		firing_del(w, 0);
	w->firing[w->n_firing++] = (struct firing){ copy, json_object_get(alert) };
}

/* A change of an alert takes the place of what was repeated, under the labels it had. */
static void firing_note(struct sink_webhook *w, json_object *alert, json_object *message)
{
	const char *id = json_object_get_string(json_object_object_get(alert, "id"));
	size_t i = 0;

	while (id && i < w->n_firing && strcmp(w->firing[i].id, id))
		i++;
	if (!id)
		return;
	if (i < w->n_firing) {
		json_object *labels = json_object_object_get(w->firing[i].alert, "labels");

		jsonput_object(message, "labels", json_object_get(labels));
		firing_del(w, i);
	}
	if (!json_object_object_get(message, "endsAt"))
		firing_add(w, id, message);
}

/* ── bodies ───────────────────────────────────────────────────────────────────────────────── */

static void put_end(const struct sink_webhook *w, json_object *message)
{
	if (!json_object_object_get(message, "endsAt"))
		jsonput_moment(message, "endsAt",
			       clock_realtime_sec() +
				       (double)w->options.resend_ms / 1000 * ENDS_RESENDS);
}

/* What is in the queue has no end yet: it may have waited for long. */
static int alertmanager_body(const struct sink_webhook *w, const char *text, struct strbuf *ret)
{
	_cleanup_(json_object_putp) json_object *message = json_tokener_parse(text);

	if (!message)
		return -ENOMEM;
	put_end(w, message);
	strbuf_printf(ret, "[%s]", json_object_to_json_string_ext(message, JSON_C_TO_STRING_PLAIN));
	return strbuf_error(ret);
}

static int repeat_body(const struct sink_webhook *w, struct strbuf *ret)
{
	strbuf_putc(ret, '[');
	for (size_t i = 0; i < w->n_firing; i++) {
		json_object *message = w->firing[i].alert;

		put_end(w, message);
		strbuf_puts(ret, i ? "," : "");
		strbuf_puts(ret, json_object_to_json_string_ext(message, JSON_C_TO_STRING_PLAIN));
		json_object_object_del(message, "endsAt");
	}
	strbuf_putc(ret, ']');
	return strbuf_error(ret);
}

/* ── sending ──────────────────────────────────────────────────────────────────────────────── */

static void retry_in(struct sink_webhook *w, uint64_t ms)
{
	/* If that fails, the next alert tries again. */
	if (sd_event_source_set_time_relative(w->retry, ms * 1000) >= 0)
		sd_event_source_set_enabled(w->retry, SD_EVENT_ONESHOT);
}

static bool is_waiting(const struct sink_webhook *w)
{
	int enabled = SD_EVENT_OFF;

	return sd_event_source_get_enabled(w->retry, &enabled) >= 0 && enabled != SD_EVENT_OFF;
}

/* Half to one and a half of it: hosts that lost the server together do not come back together. */
static uint64_t backoff_ms(const struct sink_webhook *w)
{
	uint64_t ms = w->options.retry_min_ms;
	uint32_t chance = UINT32_MAX / 2;

	for (unsigned i = 1; i < w->failures && ms < w->options.retry_max_ms; i++)
		ms *= 2;
	if (ms > w->options.retry_max_ms)
		ms = w->options.retry_max_ms;
	(void)!getrandom(&chance, sizeof(chance), GRND_NONBLOCK);
	return ms / 2 + (uint64_t)((double)ms * chance / UINT32_MAX);
}

static void post(struct sink_webhook *w, uint64_t number, const struct strbuf *body)
{
	if (sink_post_start(w->post, body->buf, body->len) == 0)
		w->posted = number;
	else
		retry_in(w, backoff_ms(w)); /* out of memory */
}

/* The next one, if nothing is under way and it is time. */
static void go_on(struct sink_webhook *w)
{
	_cleanup_(strbuf_done) struct strbuf body = STRBUF_INIT;
	uint64_t number;
	const char *text = sink_queue_first(w->queue, &number);
	int r = 0;

	if (!text || sink_post_is_busy(w->post) || is_waiting(w))
		return;
	if (w->options.kind == SINK_KIND_ALERTMANAGER)
		r = alertmanager_body(w, text, &body);
	else
		strbuf_puts(&body, text);
	if (r == 0 && strbuf_error(&body) == 0)
		post(w, number, &body);
	else
		retry_in(w, backoff_ms(w));
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	go_on(userdata);
	return 0;
}

static int on_resend(sd_event_source *source, uint64_t usec, void *userdata)
{
	_cleanup_(strbuf_done) struct strbuf body = STRBUF_INIT;
	struct sink_webhook *w = userdata;

	(void)usec;
	/* While alerts wait the server does not answer, or hears of this in a moment. */
	if (w->n_firing && !sink_queue_cnt(w->queue) && !sink_post_is_busy(w->post) &&
	    repeat_body(w, &body) == 0)
		post(w, REPEAT, &body);
	if (sd_event_source_set_time_relative(source, w->options.resend_ms * 1000) < 0)
		return 0;
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void note_trouble(struct sink_webhook *w, enum sink_post_end end, const char *how)
{
	const char *key = sink_key(w->options.kind), *place = sink_post_place(w->post);

	w->sink.counters[SINK_COUNTER_RETRIED]++;
	if (end == SINK_POST_LATE)
		w->sink.counters[SINK_COUNTER_TIMED_OUT]++;
	if (!w->failures++)
		log_warn(0, "%s: post to %s: %s; trying again", key, place, how);
	else
		log_debug(0, "%s: post to %s: %s, trying again", key, place, how);
	if (w->posted != REPEAT)
		retry_in(w, backoff_ms(w));
}

static void note_answer(struct sink_webhook *w, enum sink_post_end end, const char *how)
{
	const char *key = sink_key(w->options.kind), *place = sink_post_place(w->post);

	if (end == SINK_POST_REFUSED)
		log_warn(0, "%s: post to %s: %s; it does not take this alert, dropping it", key,
			 place, how);
	else if (w->failures)
		log_info("%s: %s takes alerts again, %zu wait", key, place,
			 sink_queue_cnt(w->queue) - (w->posted != REPEAT));
	w->failures = 0;
	if (w->posted == REPEAT)
		return;
	w->sink.counters[end == SINK_POST_TAKEN ? SINK_COUNTER_SENT : SINK_COUNTER_FAILED]++;
	sink_queue_del(w->queue, w->posted);
}

static void on_posted(void *userdata, enum sink_post_end end, const char *how)
{
	struct sink_webhook *w = userdata;

	if (end == SINK_POST_LATER || end == SINK_POST_LATE)
		note_trouble(w, end, how);
	else
		note_answer(w, end, how);
	go_on(w);
}

/* ── the sink ─────────────────────────────────────────────────────────────────────────────── */

static int queue_add(struct sink_webhook *w, const char *text, size_t text_bytes)
{
	int r = sink_queue_add(w->queue, text, text_bytes, &w->sink.counters[SINK_COUNTER_DROPPED]);

	if (r == 0)
		go_on(w);
	return r;
}

static int send_to_alertmanager(struct sink_webhook *w, json_object *alert)
{
	_cleanup_(json_object_putp) json_object *message =
		sink_alertmanager_new(alert, w->host, clock_realtime_sec());
	const char *text;
	size_t n_bytes;

	if (!message)
		return -ENOMEM;
	firing_note(w, alert, message);
	text = json_object_to_json_string_length(message, JSON_C_TO_STRING_PLAIN, &n_bytes);
	return text ? queue_add(w, text, n_bytes) : -ENOMEM;
}

static int webhook_send(struct sink *s, json_object *alert, const char *text, size_t text_bytes)
{
	struct sink_webhook *w = container_of(s, struct sink_webhook, sink);

	return w->options.kind == SINK_KIND_ALERTMANAGER ? send_to_alertmanager(w, alert)
							 : queue_add(w, text, text_bytes);
}

static size_t webhook_waiting_cnt(const struct sink *s)
{
	return sink_queue_cnt(container_of(s, struct sink_webhook, sink)->queue);
}

static void webhook_close(struct sink *s)
{
	struct sink_webhook *w = container_of(s, struct sink_webhook, sink);

	while (w->n_firing)
		firing_del(w, w->n_firing - 1);
	sink_post_close(w->post);
	sink_queue_close(w->queue);
	sd_event_source_disable_unref(w->retry);
	sd_event_source_disable_unref(w->resend);
	sd_event_unref(w->event);
	free(w);
}

static const char *path_end(enum sink_kind kind)
{
	return kind == SINK_KIND_ALERTMANAGER ? ALERTMANAGER_PATH : NULL;
}

int sink_webhook_check(enum sink_kind kind, const char *url, struct strbuf *why)
{
	_cleanup_(strbuf_done) struct strbuf what = STRBUF_INIT;
	int r = sink_post_check(url, path_end(kind), &what);

	return r < 0 ? strbuf_fail(why, r, "%s: %s", sink_key(kind), what.buf) : 0;
}

static int queue_open(struct sink_webhook *w, const char *state_dir)
{
	_cleanup_free_ char *dir = NULL;

	if (state_dir && asprintf(&dir, "%s/%s", state_dir, sink_key(w->options.kind)) < 0) {
		dir = NULL;
		return -ENOMEM;
	}
	return sink_queue_open(dir, &w->queue, &w->sink.counters[SINK_COUNTER_DROPPED]);
}

static int timer_add(struct sink_webhook *w, uint64_t ms, sd_event_time_handler_t on,
		     sd_event_source **ret)
{
	int r = sd_event_add_time_relative(w->event, ret, CLOCK_MONOTONIC, ms * 1000,
					   TIMER_ACCURACY_US, on, w);

	return r < 0 ? r : sd_event_source_set_priority(*ret, PRIORITY);
}

static int timers_add(struct sink_webhook *w)
{
	int r = timer_add(w, 0, on_retry, &w->retry); /* begins with what is in the queue */

	if (r < 0 || w->options.kind != SINK_KIND_ALERTMANAGER)
		return r;
	return timer_add(w, w->options.resend_ms, on_resend, &w->resend);
}

int sink_webhook_open(sd_event *event, const struct sink_webhook_options *o, struct sink **ret,
		      struct strbuf *why)
{
	static const struct sink_ops ops = { webhook_send, webhook_waiting_cnt, webhook_close };
	_cleanup_(strbuf_done) struct strbuf what = STRBUF_INIT;
	_cleanup_(sink_closep) struct sink *sink = NULL;
	struct sink_webhook *w = calloc(1, sizeof(*w));
	int r = -ENOMEM;

	if (w) {
		w->sink = (struct sink){ .kind = o->kind, .ops = &ops };
		sink = &w->sink;
		w->event = sd_event_ref(event);
		w->options = *o;
		w->options.url = w->options.state_dir = NULL; /* the caller's */
		gethostname(w->host, sizeof(w->host) - 1);
		r = sink_post_open(event, o->url, path_end(o->kind), o->limit_ms, on_posted, w,
				   &w->post, &what);
		if (r < 0)
			return strbuf_fail(why, r, "%s: %s", sink_key(o->kind), what.buf);
		r = queue_open(w, o->state_dir);
		if (r == 0)
			r = timers_add(w);
	}
	if (r < 0)
		return strbuf_fail(why, r, "%s: %s", sink_key(o->kind), strerror(-r));
	*ret = TAKE_PTR(sink);
	return 0;
}
