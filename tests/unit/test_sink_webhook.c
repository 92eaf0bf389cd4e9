/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/sink_webhook.c and sink_post.c: libcurl against a server of ours on loopback,
 * both on one loop, with short waits between attempts.
 */
#include "hookserver.h"
#include "report/sink_webhook.h"
#include "sinkfix.h"

#define LIMIT_MS	300
#define RETRY_MS	1
#define RESEND_MS	20
#define FAR_MS		3600000
#define SECRET		"hunter2"
/* What a server can get rid of while nobody reads: both sockets' buffers. */
#define FLOOD_BYTES_MAX (32u << 20)

struct fixture {
	struct sinkfix base;
	struct hookserver server;
	struct sink_webhook_options options;
	char url[128];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *base = NULL;

	if (!f || sinkfix_setup(&base) < 0)
		return -1;
	f->base = *(struct sinkfix *)base;
	free(base);
	f->options = (struct sink_webhook_options)SINK_WEBHOOK_OPTIONS_INIT;
	f->options.retry_min_ms = f->options.retry_max_ms = RETRY_MS;
	f->options.state_dir = f->base.dir;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->server.event)
		hookserver_close(&f->server);
	return sinkfix_teardown(state); /* `base` is its first member */
}

static void open_sink(struct fixture *f)
{
	snprintf(f->url, sizeof(f->url), "http://user:" SECRET "@127.0.0.1:%u/" SECRET "?t=" SECRET,
		 f->server.port);
	f->options.url = f->url;
	assert_ok(sink_webhook_open(f->base.event, &f->options, &f->base.sink, &f->base.why));
}

#define ANSWERS(...) \
	((const int[]){ __VA_ARGS__ }), sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int)

static void open_both(struct fixture *f, const int *answers, size_t n_answers)
{
	hookserver_open(&f->server, f->base.event, answers, n_answers);
	open_sink(f);
}

static void send_one(struct fixture *f, const char *id)
{
	assert_ok(sinkfix_send(&f->base, id, "firing"));
}

static void expect_counters(const struct fixture *f, uint64_t sent, uint64_t failed,
			    uint64_t retried)
{
	assert_int_equal(sinkfix_counter(&f->base, SINK_COUNTER_SENT), sent);
	assert_int_equal(sinkfix_counter(&f->base, SINK_COUNTER_FAILED), failed);
	assert_int_equal(sinkfix_counter(&f->base, SINK_COUNTER_RETRIED), retried);
	assert_int_equal(sinkfix_counter(&f->base, SINK_COUNTER_DROPPED), 0);
}

static void expect_body(const struct fixture *f, size_t i, const char *id)
{
	char want[64];

	assert_true(i < f->server.n_clients);
	snprintf(want, sizeof(want), "{\"id\":\"%s\",\"state\":\"firing\"}", id);
	assert_string_equal(hook_body(&f->server.clients[i]), want);
}

static void expect_no_files(const struct fixture *f)
{
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/alert-webhook", f->base.dir);
	assert_int_equal(sinkfix_files_cnt(dir), 0);
}

/* ── the way there ────────────────────────────────────────────────────────────────────────── */

static void webhook__posts_the_alert(void **state)
{
	struct fixture *f = *state;
	const char *request;

	open_both(f, ANSWERS(204));
	send_one(f, "1");
	sinkfix_drain(&f->base);
	request = f->server.clients[0].request.buf;
	assert_int_equal(strncmp(request, "POST /" SECRET "?t=" SECRET " HTTP/1.1\r\n", 20), 0);
	assert_non_null(strstr(request, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(request, "\r\nAuthorization: Basic "));
	assert_non_null(strstr(request, "\r\nUser-Agent: pygrowd/" PYGROWD_VERSION "\r\n"));
	assert_null(strstr(request, "Expect:"));
	expect_body(f, 0, "1");
	expect_counters(f, 1, 0, 0);
	expect_no_files(f);
	assert_int_equal(sinkfix_log_cnt, 0);
}

static void webhook__a_long_alert_arrives_whole(void **state)
{
	struct fixture *f = *state;

	open_both(f, ANSWERS(200));
	assert_ok(sinkfix_send_long(&f->base, SINK_ALERT_BYTES_MAX - 100));
	sinkfix_drain(&f->base);
	expect_counters(f, 1, 0, 0);
	assert_true(strlen(hook_body(&f->server.clients[0])) > SINK_ALERT_BYTES_MAX - 100);
}

static void webhook__tries_again_in_order(void **state)
{
	static const struct {
		int first;
		const char *said;
		uint64_t timed_out;
	} rows[] = {
		{ 500, "HTTP status 500; trying again", 0 },
		{ 503, "HTTP status 503; trying again", 0 },
		{ 429, "HTTP status 429; trying again", 0 },
		{ 408, "HTTP status 408; trying again", 0 },
		{ ANSWER_CLOSE, "; trying again", 0 },
		{ ANSWER_GARBAGE, "; trying again", 0 },
		{ ANSWER_BODY_500, "HTTP status 500; trying again", 0 },
		{ ANSWER_HANG, "Timeout was reached; trying again", 1 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const int answers[] = { rows[i].first, 200 };

		sinkfix_log_reset();
		if (rows[i].timed_out)
			f->options.limit_ms = LIMIT_MS;
		open_both(f, answers, ARRAY_SIZE(answers));
		send_one(f, "1");
		send_one(f, "2");
		sinkfix_drain(&f->base);
		assert_int_equal(f->server.n_clients, 3);
		expect_body(f, 1, "1");
		expect_body(f, 2, "2");
		expect_counters(f, 2, 0, 1);
		assert_int_equal(sinkfix_counter(&f->base, SINK_COUNTER_TIMED_OUT),
				 rows[i].timed_out);
		if (!sinkfix_logged(rows[i].said) || !sinkfix_logged("takes alerts again, 1 wait"))
			fail_msg("row %zu: %s", i, sinkfix_log.buf);
		expect_no_files(f);
		sink_close(TAKE_PTR(f->base.sink));
		hookserver_close(&f->server);
		f->server.event = NULL;
	}
}

static void webhook__a_refused_alert_is_not_sent_again(void **state)
{
	static const int refusals[] = { 400, 401, 404, 413, 301, 302, 307, 308 };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		const int answers[] = { refusals[i], 200 };

		sinkfix_log_reset();
		open_both(f, answers, ARRAY_SIZE(answers));
		send_one(f, "1");
		send_one(f, "2");
		sinkfix_drain(&f->base);
		assert_int_equal(f->server.n_clients, 2); /* and no redirect is followed */
		expect_body(f, 1, "2");
		expect_counters(f, 1, 1, 0);
		assert_true(sinkfix_logged("it does not take this alert, dropping it"));
		sink_close(TAKE_PTR(f->base.sink));
		hookserver_close(&f->server);
		f->server.event = NULL;
	}
}

static void webhook__an_endless_answer_is_not_read(void **state)
{
	static const int floods[] = { ANSWER_BODY, ANSWER_HEAD };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(floods); i++) {
		open_both(f, &floods[i], 1);
		send_one(f, "1");
		sinkfix_drain(&f->base);
		expect_counters(f, 1, 0, 0); /* 200 is 200 */
		while (f->server.clients[0].fd >= 0)
			sinkfix_turn(&f->base);
		assert_true(f->server.sent_bytes < FLOOD_BYTES_MAX);
		sink_close(TAKE_PTR(f->base.sink));
		hookserver_close(&f->server);
		f->server.event = NULL;
	}
}

static void webhook__nobody_listens(void **state)
{
	struct fixture *f = *state;

	open_both(f, ANSWERS(200));
	hookserver_close(&f->server);
	f->server.event = NULL;
	send_one(f, "1");
	while (sinkfix_counter(&f->base, SINK_COUNTER_RETRIED) < 5)
		sinkfix_turn(&f->base);
	assert_int_equal(sinkfix_log_cnt, 1); /* said once, not each time */
	assert_true(sinkfix_logged("Couldn't connect to server; trying again"));
	assert_int_equal(sink_waiting_cnt(f->base.sink), 1);
}

static void webhook__secrets_are_never_said(void **state)
{
	struct fixture *f = *state;
	char place[64];

	log_set_level(LOG_LEVEL_DEBUG);
	open_both(f, ANSWERS(500, 500, 404, 200));
	send_one(f, "1");
	sinkfix_drain(&f->base);
	log_set_level(LOG_LEVEL_INFO);
	snprintf(place, sizeof(place), "post to http://127.0.0.1:%u: HTTP status 404",
		 f->server.port);
	assert_true(sinkfix_logged(place));
	assert_false(sinkfix_logged(SECRET));
	assert_false(sinkfix_logged("user"));
}

/* ── what outlives us ─────────────────────────────────────────────────────────────────────── */

static void webhook__a_restart_loses_nothing(void **state)
{
	static const int hang = ANSWER_HANG;
	struct fixture *f = *state;

	open_both(f, &hang, 1);
	send_one(f, "1");
	send_one(f, "2");
	send_one(f, "3");
	while (!f->server.n_clients || !hook_body(&f->server.clients[0]))
		sinkfix_turn(&f->base);
	sink_close(TAKE_PTR(f->base.sink)); /* while the first is under way */
	hookserver_close(&f->server);
	open_both(f, ANSWERS(200));
	assert_int_equal(sink_waiting_cnt(f->base.sink), 3);
	send_one(f, "4");
	sinkfix_drain(&f->base);
	for (size_t i = 0; i < 4; i++)
		expect_body(f, i, ((const char *const[]){ "1", "2", "3", "4" })[i]);
	expect_counters(f, 4, 0, 0);
	expect_no_files(f);
	assert_int_equal(sinkfix_log_cnt, 0);
}

/* A file stands where the directory should be: root cannot write there either. */
static void webhook__without_a_directory_it_goes_on(void **state)
{
	struct fixture *f = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/file", f->base.dir);
	fclose(fopen(path, "w"));
	f->options.state_dir = path;
	open_both(f, ANSWERS(200));
	send_one(f, "1");
	send_one(f, "2");
	sinkfix_drain(&f->base);
	expect_counters(f, 2, 0, 0);
	assert_int_equal(sinkfix_log_cnt, 1);
	assert_true(sinkfix_logged("a restart loses those that wait, going on in memory: Not a"));
}

static void webhook__what_is_in_no_file_is_said_at_the_end(void **state)
{
	static const int hang = ANSWER_HANG;
	struct fixture *f = *state;

	f->options.state_dir = NULL;
	open_both(f, &hang, 1);
	send_one(f, "1");
	sink_close(TAKE_PTR(f->base.sink));
	assert_true(sinkfix_logged("1 alerts were not delivered and are in no file"));
}

static void webhook__closing_with_a_post_under_way(void **state)
{
	static const int hang = ANSWER_HANG;
	struct fixture *f = *state;

	open_both(f, &hang, 1);
	send_one(f, "1");
	while (!f->server.n_clients)
		sinkfix_turn(&f->base);
	sink_close(TAKE_PTR(f->base.sink));
	while (f->server.clients[0].fd >= 0)
		sinkfix_turn(&f->base); /* the server sees that we are gone */
	assert_int_equal(sd_event_run(f->base.event, 0), 0); /* no source is left */
}

/* ── Alertmanager ─────────────────────────────────────────────────────────────────────────── */

/* The i-th request's only alert; the caller's. */
static json_object *alert_of(const struct fixture *f, size_t i)
{
	json_object *list = json_tokener_parse(hook_body(&f->server.clients[i])), *alert;

	assert_int_equal(json_object_array_length(list), 1);
	alert = json_object_get(json_object_array_get_idx(list, 0));
	json_object_put(list);
	return alert;
}

static const char *text_in(json_object *o, const char *key)
{
	return json_object_get_string(json_object_object_get(o, key));
}

static void open_alertmanager(struct fixture *f, uint64_t resend_ms)
{
	static const int well = 200;

	hookserver_open(&f->server, f->base.event, &well, 1);
	snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u/am/", f->server.port);
	f->options.url = f->url;
	f->options.kind = SINK_KIND_ALERTMANAGER;
	f->options.resend_ms = resend_ms;
	assert_ok(sink_webhook_open(f->base.event, &f->options, &f->base.sink, &f->base.why));
}

static void alertmanager__firing_is_repeated_until_resolved(void **state)
{
	struct fixture *f = *state;
	json_object *first, *again, *last;
	size_t n;

	open_alertmanager(f, RESEND_MS);
	send_one(f, "1");
	while (f->server.n_clients < 3 || !hook_body(&f->server.clients[2]))
		sinkfix_turn(&f->base);
	assert_int_equal(
		strncmp(f->server.clients[2].request.buf, "POST /am/api/v2/alerts HTTP", 27), 0);
	first = alert_of(f, 0);
	again = alert_of(f, 2);
	assert_true(strcmp(text_in(first, "endsAt"), text_in(again, "endsAt")) < 0);
	assert_string_equal(text_in(first, "startsAt"), text_in(again, "startsAt"));
	assert_string_equal(text_in(first, "labels"), text_in(again, "labels"));

	assert_ok(sinkfix_send(&f->base, "1", "resolved"));
	sinkfix_drain(&f->base);
	n = f->server.n_clients;
	last = alert_of(f, n - 1);
	assert_string_equal(text_in(first, "labels"), text_in(last, "labels"));
	assert_true(strcmp(text_in(last, "startsAt"), text_in(last, "endsAt")) <= 0);
	assert_int_equal(sinkfix_counter(&f->base, SINK_COUNTER_SENT), 2);
	/* Two more of its times, and nothing is sent. */
	for (int i = 0; i < 2; i++)
		sd_event_run(f->base.event, RESEND_MS * 2000);
	assert_int_equal(f->server.n_clients, n);
	json_object_put(first);
	json_object_put(again);
	json_object_put(last);
}

/* Names may change while an alert fires; to Alertmanager it would be another one. */
static void alertmanager__labels_stay(void **state)
{
	struct fixture *f = *state;
	json_object *alert = sinkfix_alert_new("1", "firing"), *first, *last;

	open_alertmanager(f, FAR_MS);
	json_object_object_add(alert, "function", json_object_new_string("grow"));
	assert_ok(sink_send(f->base.sink, alert));
	json_object_object_add(alert, "function", json_object_new_string("another"));
	json_object_object_add(alert, "state", json_object_new_string("resolved"));
	assert_ok(sink_send(f->base.sink, alert));
	sinkfix_drain(&f->base);
	first = alert_of(f, 0);
	last = alert_of(f, 1);
	assert_string_equal(text_in(first, "labels"), text_in(last, "labels"));
	assert_string_equal(text_in(json_object_object_get(last, "labels"), "function"), "grow");
	json_object_put(alert);
	json_object_put(first);
	json_object_put(last);
}

static void alertmanager__many_are_repeated_as_one_list(void **state)
{
	struct fixture *f = *state;
	json_object *list;

	open_alertmanager(f, RESEND_MS);
	send_one(f, "1");
	send_one(f, "2");
	send_one(f, "1"); /* again: in place of the first */
	sinkfix_drain(&f->base);
	while (f->server.n_clients < 4 || !hook_body(&f->server.clients[3]))
		sinkfix_turn(&f->base);
	list = json_tokener_parse(hook_body(&f->server.clients[3]));
	assert_int_equal(json_object_array_length(list), 2);
	json_object_put(list);
}

/* ── at start ─────────────────────────────────────────────────────────────────────────────── */

static void webhook__wrong_urls_are_said_at_start(void **state)
{
	static const struct {
		const char *url, *why;
	} rows[] = {
		{ "", "not a URL" },
		{ "user:" SECRET "@host/x", "alert-webhook: " },
		{ "ftp://user:" SECRET "@host/x", "neither http:// nor https://" },
		{ "file:///etc/" SECRET, "neither http:// nor https://" },
		{ "http://", "not a URL" },
		{ "http://user:" SECRET "@/x", "not a URL" },
		{ "http://host:99999/" SECRET, "not a URL" },
		{ "http://ho st/" SECRET, "not a URL" },
		{ "http://host/" SECRET "\nX: y", "not a URL" },
		{ "http://[::1/" SECRET, "not a URL" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		strbuf_done(&f->base.why);
		f->options.url = rows[i].url;
		assert_err(
			sink_webhook_open(f->base.event, &f->options, &f->base.sink, &f->base.why),
			-EINVAL);
		assert_null(f->base.sink);
		if (!strstr(f->base.why.buf, rows[i].why) || strstr(f->base.why.buf, SECRET) ||
		    strchr(f->base.why.buf, '\n'))
			fail_msg("row %zu: %s", i, f->base.why.buf);
		assert_err(sink_webhook_check(SINK_KIND_WEBHOOK, rows[i].url, &f->base.why),
			   -EINVAL);
	}
}

static void webhook__too_long_a_url_is_refused(void **state)
{
	struct fixture *f = *state;
	char url[SINK_POST_URL_BYTES_MAX + 2] = "http://host/";

	memset(url + strlen(url), 'x', sizeof(url) - strlen(url) - 1);
	assert_err(sink_webhook_check(SINK_KIND_WEBHOOK, url, &f->base.why), -EINVAL);
	assert_string_equal(f->base.why.buf, "alert-webhook: the URL is longer than 2048 bytes");
	url[SINK_POST_URL_BYTES_MAX] = '\0';
	assert_ok(sink_webhook_check(SINK_KIND_WEBHOOK, url, &f->base.why));
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(webhook__posts_the_alert),
		WITH_LOOP(webhook__a_long_alert_arrives_whole),
		WITH_LOOP(webhook__tries_again_in_order),
		WITH_LOOP(webhook__a_refused_alert_is_not_sent_again),
		WITH_LOOP(webhook__an_endless_answer_is_not_read),
		WITH_LOOP(webhook__nobody_listens),
		WITH_LOOP(webhook__secrets_are_never_said),
		WITH_LOOP(webhook__a_restart_loses_nothing),
		WITH_LOOP(webhook__without_a_directory_it_goes_on),
		WITH_LOOP(webhook__what_is_in_no_file_is_said_at_the_end),
		WITH_LOOP(webhook__closing_with_a_post_under_way),
		WITH_LOOP(alertmanager__firing_is_repeated_until_resolved),
		WITH_LOOP(alertmanager__labels_stay),
		WITH_LOOP(alertmanager__many_are_repeated_as_one_list),
		WITH_LOOP(webhook__wrong_urls_are_said_at_start),
		WITH_LOOP(webhook__too_long_a_url_is_refused),
	};

	/* The server is on this host: no proxy's business. */
	setenv("no_proxy", "*", 1);
	return cmocka_run_group_tests_name("sink_webhook", tests, NULL, NULL);
}
