/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/metrics_http.c: real sockets on a free port, server and clients on one loop.
 * A client is a source of that loop too, so that waiting for an answer is running the loop until it
 * is there; nobody sleeps.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "scrapefix.h"
#include "test.h"

#define ANY_PORT    "127.0.0.1:0"
#define PATIENCE_US 10000000 /* of one turn of the loop: nothing happens at all */
#define GET	    "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define HEAD	    "HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define BIG_BYTES   (9u << 20) /* more than a socket's buffers take; two of them are too much */
#define CROWD	    100
#define DRIP_US	    2000
#define DEADLINE_US 50000

struct fixture {
	struct scrape scrape;
	size_t page_bytes; /* of padding in the page */
	int n_asked, error;
	size_t most_clients;
};

struct client {
	struct fixture *fixture;
	sd_event_source *io;
	int fd;
	struct strbuf answer;
	bool is_closed; /* by the server */
};

static int on_page(void *userdata, struct strbuf *ret)
{
	static const char padding[4096] = { [0 ... 4095] = '#' };
	struct fixture *f = userdata;

	f->n_asked++;
	strbuf_puts(ret, "pygrowd_alerts_firing 0\n");
	for (size_t left = f->page_bytes, n; left; left -= n) {
		n = left < sizeof(padding) ? left : sizeof(padding);
		strbuf_add(ret, padding, n);
	}
	return f->error;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	*state = f;
	return scrape_init(&f->scrape, on_page, f);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scrape_done(&f->scrape);
	free(f);
	return 0;
}

/* ── clients ──────────────────────────────────────────────────────────────────────────────── */

static void turn(struct fixture *f)
{
	assert_true(sd_event_run(f->scrape.event, PATIENCE_US) > 0);
	if (metrics_http_clients_cnt(f->scrape.server) > f->most_clients)
		f->most_clients = metrics_http_clients_cnt(f->scrape.server);
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct client *k = userdata;
	char buf[65536];
	ssize_t n;

	(void)source;
	(void)revents;
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		strbuf_add(&k->answer, buf, (size_t)n);
	k->is_closed = n == 0 || errno == ECONNRESET;
	if (k->is_closed)
		k->io = sd_event_source_disable_unref(k->io);
	return 0;
}

static void client_open(struct fixture *f, struct client *k, bool is_reading)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(metrics_http_port(f->scrape.server)),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	*k = (struct client){ .fixture = f, .answer = STRBUF_INIT };
	k->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(k->fd >= 0);
	assert_ok(connect(k->fd, (struct sockaddr *)&address, sizeof(address)));
	assert_ok(fcntl(k->fd, F_SETFL, O_NONBLOCK));
	if (is_reading)
		assert_true(sd_event_add_io(f->scrape.event, &k->io, k->fd, EPOLLIN, on_readable,
					    k) >= 0);
}

static void client_done(struct client *k)
{
	sd_event_source_disable_unref(k->io);
	close(k->fd);
	strbuf_done(&k->answer);
}

static void client_send(const struct client *k, const char *text, size_t n_bytes)
{
	assert_int_equal(send(k->fd, text, n_bytes, MSG_NOSIGNAL), n_bytes);
}

static void wait_closed(struct client *k)
{
	while (!k->is_closed)
		turn(k->fixture);
}

static void wait_no_clients(struct fixture *f)
{
	while (metrics_http_clients_cnt(f->scrape.server))
		turn(f);
}

static void expect_status(const struct client *k, const char *status)
{
	if (strncmp(k->answer.buf, "HTTP/1.1 ", 9) || strncmp(k->answer.buf + 9, status, 3))
		fail_msg("not %s: %.200s", status, k->answer.buf);
}

static const char *body(const struct client *k)
{
	const char *end = strstr(k->answer.buf, "\r\n\r\n");

	assert_non_null(end);
	return end + 4;
}

static void ask(struct fixture *f, struct client *k, const char *request)
{
	client_open(f, k, true);
	client_send(k, request, strlen(request));
	wait_closed(k);
}

/* ── what is asked ────────────────────────────────────────────────────────────────────────── */

static void metrics_http__get_gives_the_page(void **state)
{
	struct fixture *f = *state;
	struct client k;

	ask(f, &k, GET);
	expect_status(&k, "200");
	assert_non_null(strstr(k.answer.buf,
			       "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	assert_non_null(strstr(k.answer.buf, "\r\nContent-Length: 24\r\n"));
	assert_string_equal(body(&k), "pygrowd_alerts_firing 0\n");
	assert_int_equal(f->n_asked, 1);
	client_done(&k);
	assert_int_equal(metrics_http_clients_cnt(f->scrape.server), 0);
	assert_false(metrics_http_is_public(f->scrape.server));
}

static void metrics_http__head_gives_its_length(void **state)
{
	struct fixture *f = *state;
	struct client k;

	ask(f, &k, HEAD);
	expect_status(&k, "200");
	assert_non_null(strstr(k.answer.buf, "\r\nContent-Length: 24\r\n"));
	assert_string_equal(body(&k), "");
	client_done(&k);
}

static void metrics_http__only_metrics_only_get(void **state)
{
	static const struct {
		const char *request, *status;
		int n_asked;
	} rows[] = {
		{ "GET /metrics?name[]=x HTTP/1.1\r\nHost: h\r\n\r\n", "200", 1 },
		{ "GET /metrics HTTP/1.0\r\n\r\n", "200", 1 },
		{ "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "404", 0 },
		{ "GET /metrics/ HTTP/1.1\r\nHost: h\r\n\r\n", "404", 0 },
		{ "GET /METRICS HTTP/1.1\r\nHost: h\r\n\r\n", "404", 0 },
		{ "GET /metrics/../../etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n", "404", 0 },
		{ "GET /metrics%2f HTTP/1.1\r\nHost: h\r\n\r\n", "404", 0 },
		{ "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n", "404", 0 },
		{ "POST /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", "405", 0 },
		{ "POST /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\nabc", "405",
		  0 },
		{ "DELETE /x HTTP/1.1\r\nHost: h\r\n\r\n", "405", 0 },
		{ "get /metrics HTTP/1.1\r\nHost: h\r\n\r\n", "405", 0 },
		{ "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "405", 0 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client k;

		f->n_asked = 0;
		ask(f, &k, rows[i].request);
		expect_status(&k, rows[i].status);
		assert_int_equal(f->n_asked, rows[i].n_asked);
		if (!strcmp(rows[i].status, "405"))
			assert_non_null(strstr(k.answer.buf, "\r\nAllow: GET, HEAD\r\n"));
		client_done(&k);
	}
	wait_no_clients(f);
}

/* What is not HTTP is answered with an error, or with nothing when its time is over. */
static void metrics_http__garbage(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} rows[] = {
		{ "\r\n\r\n\r\n", 6 },
		{ "PYGD\1\0\0\0\2\0\0\0{}\r\n\r\n", 18 },
		{ "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n", 15 },
		{ "GET\r\n\r\n", 7 },
		{ "GET /metrics HTTP/9.9\r\n\r\n", 25 },
		{ "GET /metrics HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n", 44 },
		{ "POST /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 56 },
	};
	struct fixture *f = *state;
	struct client k;

	metrics_http_set_timeout(f->scrape.server, DEADLINE_US);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		client_open(f, &k, true);
		client_send(&k, rows[i].bytes, rows[i].n);
		shutdown(k.fd, SHUT_WR);
		wait_closed(&k);
		client_done(&k);
		wait_no_clients(f);
	}
	assert_int_equal(f->n_asked, 0);
	ask(f, &k, GET);
	expect_status(&k, "200");
	client_done(&k);
}

static void metrics_http__a_head_without_end_is_refused(void **state)
{
	static const char line[] =
		"X-More: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n";
	struct fixture *f = *state;
	struct client k;

	client_open(f, &k, true);
	client_send(&k, GET, strlen(GET) - 2);
	for (size_t sent = 0; sent < (1u << 20) && !k.is_closed; sent += sizeof(line) - 1) {
		if (send(k.fd, line, sizeof(line) - 1, MSG_NOSIGNAL) < 0)
			break; /* it does not listen any more */
		turn(f);
	}
	wait_closed(&k);
	assert_int_equal(f->n_asked, 0);
	client_done(&k);
	wait_no_clients(f);
}

static void metrics_http__without_figures_it_says_so(void **state)
{
	struct fixture *f = *state;
	struct client k;

	f->error = -ENOMEM;
	ask(f, &k, GET);
	expect_status(&k, "503");
	assert_non_null(strstr(body(&k), "out of memory"));
	client_done(&k);
}

/* ── who takes his time ───────────────────────────────────────────────────────────────────── */

static int on_drip(sd_event_source *source, uint64_t usec, void *userdata)
{
	const struct client *k = userdata;

	if (send(k->fd, "X", 1, MSG_NOSIGNAL) != 1)
		return 0;
	sd_event_source_set_time(source, usec + DRIP_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* Bytes now and then do not lengthen the time that a client has. */
static void metrics_http__slow_requests_time_out(void **state)
{
	_cleanup_(sd_event_source_unrefp) sd_event_source *drip = NULL;
	struct fixture *f = *state;
	struct client silent, dripping;

	metrics_http_set_timeout(f->scrape.server, DEADLINE_US);
	client_open(f, &silent, true);
	client_open(f, &dripping, true);
	client_send(&dripping, "GET /met", 8);
	assert_true(sd_event_add_time_relative(f->scrape.event, &drip, CLOCK_MONOTONIC, DRIP_US, 1,
					       on_drip, &dripping) >= 0);
	wait_closed(&silent);
	wait_closed(&dripping);
	assert_int_equal(f->n_asked, 0);
	wait_no_clients(f);
	client_done(&silent);
	client_done(&dripping);
}

static void metrics_http__unread_pages_time_out(void **state)
{
	struct fixture *f = *state;
	struct client k;

	metrics_http_set_timeout(f->scrape.server, DEADLINE_US);
	f->page_bytes = BIG_BYTES;
	client_open(f, &k, false);
	client_send(&k, GET, strlen(GET));
	while (!f->n_asked)
		turn(f);
	assert_int_equal(metrics_http_clients_cnt(f->scrape.server), 1);
	wait_no_clients(f);
	client_done(&k);
}

static void metrics_http__too_many_unread_pages_are_refused(void **state)
{
	struct fixture *f = *state;
	struct client slow, next;

	f->page_bytes = BIG_BYTES;
	client_open(f, &slow, false);
	client_send(&slow, GET, strlen(GET));
	while (!f->n_asked)
		turn(f);
	ask(f, &next, GET);
	expect_status(&next, "503");
	assert_non_null(strstr(body(&next), "too many pages"));
	client_done(&next);

	client_done(&slow);
	wait_no_clients(f);
	ask(f, &next, GET);
	expect_status(&next, "200");
	assert_int_equal(strlen(body(&next)), BIG_BYTES + 24);
	client_done(&next);
}

static void metrics_http__a_crowd_is_served_in_turn(void **state)
{
	static struct client clients[CROWD];
	struct fixture *f = *state;

	for (size_t i = 0; i < CROWD; i++) {
		client_open(f, &clients[i], true);
		client_send(&clients[i], GET, strlen(GET));
	}
	for (size_t i = 0; i < CROWD; i++) {
		wait_closed(&clients[i]);
		expect_status(&clients[i], "200");
		client_done(&clients[i]);
	}
	assert_int_equal(f->n_asked, CROWD);
	wait_no_clients(f);
}

/* All places are taken by clients that say nothing: the next one waits until they are over. */
static void metrics_http__more_clients_than_places_wait(void **state)
{
	struct client silent[METRICS_HTTP_CLIENTS_MAX * 2], last;
	struct fixture *f = *state;

	metrics_http_set_timeout(f->scrape.server, DEADLINE_US);
	for (size_t i = 0; i < METRICS_HTTP_CLIENTS_MAX * 2; i++)
		client_open(f, &silent[i], false);
	ask(f, &last, GET);
	expect_status(&last, "200");
	assert_int_equal(f->most_clients, METRICS_HTTP_CLIENTS_MAX);
	client_done(&last);
	for (size_t i = 0; i < METRICS_HTTP_CLIENTS_MAX * 2; i++)
		client_done(&silent[i]);
	wait_no_clients(f);
}

static void metrics_http__closing_drops_everybody(void **state)
{
	struct fixture *f = *state;
	struct client silent, slow;

	f->page_bytes = BIG_BYTES;
	client_open(f, &silent, false);
	client_open(f, &slow, false);
	client_send(&slow, GET, strlen(GET));
	while (!f->n_asked || metrics_http_clients_cnt(f->scrape.server) < 2)
		turn(f);
	metrics_http_close(f->scrape.server);
	f->scrape.server = NULL;
	assert_int_equal(sd_event_run(f->scrape.event, 0), 0); /* no source is left */
	client_done(&silent);
	client_done(&slow);
}

static void metrics_http__ipv6(void **state)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6,
					.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct fixture *f = *state;
	struct client k = { .fixture = f, .answer = STRBUF_INIT };
	struct metrics_http *v6 = NULL;
	int r = metrics_http_open(f->scrape.event, "[::1]:0", on_page, f, &v6, &f->scrape.why);

	if (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL)
		skip(); /* no IPv6 here */
	assert_ok(r);
	assert_false(metrics_http_is_public(v6));
	address.sin6_port = htons(metrics_http_port(v6));
	k.fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_ok(connect(k.fd, (struct sockaddr *)&address, sizeof(address)));
	assert_ok(fcntl(k.fd, F_SETFL, O_NONBLOCK));
	assert_true(sd_event_add_io(f->scrape.event, &k.io, k.fd, EPOLLIN, on_readable, &k) >= 0);
	client_send(&k, GET, strlen(GET));
	wait_closed(&k);
	expect_status(&k, "200");
	client_done(&k);
	metrics_http_close(v6);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(metrics_http__get_gives_the_page),
		WITH_SERVER(metrics_http__head_gives_its_length),
		WITH_SERVER(metrics_http__only_metrics_only_get),
		WITH_SERVER(metrics_http__garbage),
		WITH_SERVER(metrics_http__a_head_without_end_is_refused),
		WITH_SERVER(metrics_http__without_figures_it_says_so),
		WITH_SERVER(metrics_http__slow_requests_time_out),
		WITH_SERVER(metrics_http__unread_pages_time_out),
		WITH_SERVER(metrics_http__too_many_unread_pages_are_refused),
		WITH_SERVER(metrics_http__a_crowd_is_served_in_turn),
		WITH_SERVER(metrics_http__more_clients_than_places_wait),
		WITH_SERVER(metrics_http__closing_drops_everybody),
		WITH_SERVER(metrics_http__ipv6),
	};

	return cmocka_run_group_tests_name("metrics_http", tests, NULL, NULL);
}
