/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/metrics_http.c — see metrics_http.h.
 *
 * libmicrohttpd's own time-out starts again with each byte, so deadlines are ours: when one is over
 * the socket is shut down, libmicrohttpd finds that out and forgets the client.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/escape.h"
#include "report/metrics_http.h"

#define ADDRESS_TEXT_MAX  64 /* the longest IPv6 address, brackets and a port */
#define LISTEN_BACKLOG	  128
#define HEAD_BYTES_MAX	  (16u << 10) /* of a client's request, and as much for our headers */
#define TIMER_ACCURACY_US 1000
#define PAGE_TYPE	  "text/plain; version=0.0.4; charset=utf-8"
#define TEXT_TYPE	  "text/plain; charset=utf-8"
#define ALLOWED_METHODS	  MHD_HTTP_METHOD_GET ", " MHD_HTTP_METHOD_HEAD
/* Windows and pygrowctl are served first. */
#define PRIORITY	  (SD_EVENT_PRIORITY_NORMAL + 10)

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} u;
	socklen_t len;
	bool is_off;
};

struct metrics_http {
	sd_event *event;
	sd_event_source *io, *again;
	struct MHD_Daemon *daemon;
	struct address address;
	metrics_http_handler handler;
	void *userdata;
	uint64_t timeout_us;
	size_t n_clients, unread_bytes;
	bool has_left; /* a client, since the last look */
};

struct client {
	int fd; /* libmicrohttpd's */
	sd_event_source *deadline;
};

/* A page that is being sent. */
struct page {
	struct metrics_http *server;
	char *text;
	size_t text_bytes;
};

/* ── the address ──────────────────────────────────────────────────────────────────────────── */

static int port_parse(const char *s, in_port_t *ret)
{
	unsigned long port;

	if (!*s || strlen(s) > 5 || strspn(s, "0123456789") != strlen(s))
		return -EINVAL;
	port = strtoul(s, NULL, 10);
	if (port > UINT16_MAX)
		return -EINVAL;
	*ret = htons((uint16_t)port);
	return 0;
}

static int address_parse(const char *text, struct address *ret)
{
	const char *colon = strrchr(text, ':');
	struct address a = { .is_off = strcmp(text, "off") == 0 };
	bool is_v6 = text[0] == '[';
	char host[ADDRESS_TEXT_MAX];
	in_port_t port = 0;
	size_t n;

	if (a.is_off) {
		*ret = a;
		return 0;
	}
	if (!colon || colon - text >= ADDRESS_TEXT_MAX || port_parse(colon + 1, &port) < 0)
		return -EINVAL;
	n = (size_t)(colon - text);
	if (is_v6 && (n < 2 || text[n - 1] != ']'))
		return -EINVAL;
	snprintf(host, sizeof(host), "%.*s", (int)(is_v6 ? n - 2 : n), text + is_v6);
	if (is_v6) {
		a.u.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = port };
		a.len = sizeof(a.u.v6);
	} else {
		a.u.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port };
		a.len = sizeof(a.u.v4);
	}
	if (inet_pton(a.u.any.sa_family, host,
		      is_v6 ? (void *)&a.u.v6.sin6_addr : (void *)&a.u.v4.sin_addr) != 1)
		return -EINVAL;
	*ret = a;
	return 0;
}

static int parse_or_say(const char *text, struct address *ret, struct strbuf *why)
{
	int r = address_parse(text, ret);

	if (r == 0)
		return 0;
	strbuf_puts(why, "metrics address \"");
	escape_add_bytes(why, text, strnlen(text, ADDRESS_TEXT_MAX));
	return strbuf_fail(why, r,
			   "\": neither off nor ADDRESS:PORT in numbers (examples: %s, [::1]:9748)",
			   METRICS_HTTP_ADDRESS);
}

int metrics_http_check(const char *address, struct strbuf *why)
{
	struct address a;

	return parse_or_say(address, &a, why);
}

static const char *what_to_do(int err)
{
	switch (-err) {
	case EADDRINUSE:
		return "; is another pygrowd running? --metrics takes another port, or off";
	case EADDRNOTAVAIL:
		return "; --metrics takes one of this host's addresses, or off";
	case EACCES:
	case EPERM:
		return "; ports below 1024 take CAP_NET_BIND_SERVICE: choose a higher one";
	case EAFNOSUPPORT:
		return "; IPv6 is off here: choose an IPv4 address";
	default:
		return "";
	}
}

/* Also finds out which port it has become. */
static int address_listen(struct address *a, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	int on = 1;

	fd = socket(a->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Connections of before a restart, in TIME_WAIT, are no reason not to start. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, &a->u.any, a->len) < 0 || listen(fd, LISTEN_BACKLOG) < 0 ||
	    getsockname(fd, &a->u.any, &a->len) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* ── clients ──────────────────────────────────────────────────────────────────────────────── */

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
	const struct client *k = userdata;

	(void)source;
	(void)usec;
	shutdown(k->fd, SHUT_RDWR);
	return 0;
}

static void client_free(struct client *k)
{
	sd_event_source_disable_unref(k->deadline);
	free(k);
}
DEFINE_CLEANUP(struct client *, client_free)

static struct client *client_new(struct metrics_http *m, int fd)
{
	_cleanup_(client_freep) struct client *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->fd = fd;
	if (sd_event_add_time_relative(m->event, &k->deadline, CLOCK_MONOTONIC, m->timeout_us,
				       TIMER_ACCURACY_US, on_deadline, k) < 0)
		return NULL;
	return TAKE_PTR(k);
}

/* libmicrohttpd has taken a client in, or is about to close its socket. */
static void on_client(void *userdata, struct MHD_Connection *connection, void **client,
		      enum MHD_ConnectionNotificationCode what)
{
	struct metrics_http *m = userdata;
	int fd;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
			     ->connect_fd;
		m->n_clients++;
		*client = client_new(m, fd);
		if (!*client)
			shutdown(fd, SHUT_RDWR); /* without a deadline it could stay for ever */
		return;
	}
	m->n_clients--;
	m->has_left = true;
	if (*client)
		client_free(TAKE_PTR(*client));
}

/* ── answers ──────────────────────────────────────────────────────────────────────────────── */

static void page_free(void *userdata)
{
	struct page *page = userdata;

	page->server->unread_bytes -= page->text_bytes;
	free(page->text);
	free(page);
}

/* Takes the response over. */
static enum MHD_Result respond(struct MHD_Connection *connection, unsigned status, const char *type,
			       struct MHD_Response *response)
{
	enum MHD_Result r = MHD_NO;

	if (!response)
		return MHD_NO; /* out of memory: the connection is closed */
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) &&
	    MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") &&
	    (status != MHD_HTTP_METHOD_NOT_ALLOWED ||
	     MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, ALLOWED_METHODS)))
		r = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result respond_text(struct MHD_Connection *connection, unsigned status,
				    const char *text)
{
	return respond(connection, status, TEXT_TYPE,
		       MHD_create_response_from_buffer(strlen(text), (void *)text,
						       MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result respond_page(struct metrics_http *m, struct MHD_Connection *connection)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	struct MHD_Response *response;
	struct page *page;

	if (m->handler(m->userdata, &text) < 0 || strbuf_error(&text))
		return respond_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				    "no figures: pygrowd is out of memory\n");
	if (m->unread_bytes + text.len > METRICS_HTTP_UNREAD_BYTES_MAX)
		return respond_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				    "too many pages wait to be read; ask again\n");
	page = calloc(1, sizeof(*page));
	if (!page)
		return MHD_NO;
	*page = (struct page){ .server = m, .text_bytes = text.len };
	page->text = strbuf_take(&text);
	m->unread_bytes += page->text_bytes;
	response = page->text ? MHD_create_response_from_buffer_with_free_callback_cls(
					page->text_bytes, page->text, page_free, page)
			      : NULL;
	if (!response)
		page_free(page);
	return respond(connection, MHD_HTTP_OK, PAGE_TYPE, response);
}

/* Called with the headers, and answered at once: no request that we answer has a body. */
static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection,
				  const char *path, const char *method, const char *version,
				  const char *upload, size_t *upload_bytes, void **request)
{
	(void)version;
	(void)upload;
	(void)upload_bytes;
	(void)request;
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return respond_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
				    "only GET and HEAD are known here\n");
	if (strcmp(path, "/metrics"))
		return respond_text(connection, MHD_HTTP_NOT_FOUND,
				    "nothing but /metrics is here\n");
	return respond_page(userdata, connection);
}

/* ── the loop ─────────────────────────────────────────────────────────────────────────────── */

/* Whatever can be done without waiting. libmicrohttpd listens again, after having been full, with
 * the next look only: a client that has left makes that due at once. */
static int look(struct metrics_http *m)
{
	unsigned long long wait_ms = 0;
	uint64_t now;
	int r;

	m->has_left = false;
	MHD_run(m->daemon);
	if (!m->has_left && MHD_get_timeout(m->daemon, &wait_ms) != MHD_YES)
		return sd_event_source_set_enabled(m->again, SD_EVENT_OFF);
	r = sd_event_now(m->event, CLOCK_MONOTONIC, &now);
	if (r < 0)
		return r;
	r = sd_event_source_set_time(m->again, now + wait_ms * 1000);
	return r < 0 ? r : sd_event_source_set_enabled(m->again, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	(void)source;
	(void)fd;
	(void)revents;
	return look(userdata);
}

static int on_again(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	return look(userdata);
}

static int add_sources(struct metrics_http *m)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(m->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	int r;

	if (!info || info->epoll_fd < 0)
		return -ENOTSUP;
	r = sd_event_add_io(m->event, &m->io, info->epoll_fd, EPOLLIN, on_io, m);
	if (r >= 0)
		r = sd_event_source_set_priority(m->io, PRIORITY);
	if (r >= 0)
		r = sd_event_add_time_relative(m->event, &m->again, CLOCK_MONOTONIC, 0,
					       TIMER_ACCURACY_US, on_again, m);
	if (r >= 0)
		r = sd_event_source_set_priority(m->again, PRIORITY);
	return r;
}

static int start(struct metrics_http *m)
{
	_cleanup_close_ int fd = -1;
	int r = address_listen(&m->address, &fd);

	if (r < 0)
		return r;
	errno = 0;
	m->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, m,
				     MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
				     (unsigned)METRICS_HTTP_CLIENTS_MAX,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_BYTES_MAX,
				     MHD_OPTION_NOTIFY_CONNECTION, on_client, m, MHD_OPTION_END);
	if (!m->daemon)
		return errno ? -errno : -ENOMEM;
	(void)TAKE_FD(fd); /* closed by MHD_stop_daemon() */
	return add_sources(m);
}

int metrics_http_open(sd_event *event, const char *address, metrics_http_handler handler,
		      void *userdata, struct metrics_http **ret, struct strbuf *why)
{
	_cleanup_(metrics_http_closep) struct metrics_http *m = NULL;
	struct address a;
	int r = parse_or_say(address, &a, why);

	if (r < 0)
		return r;
	if (a.is_off) {
		*ret = NULL;
		return 0;
	}
	m = calloc(1, sizeof(*m));
	if (m) {
		m->event = sd_event_ref(event);
		m->address = a;
		m->handler = handler;
		m->userdata = userdata;
		m->timeout_us = METRICS_HTTP_TIMEOUT_SEC * 1000000ull;
	}
	r = m ? start(m) : -ENOMEM;
	if (r < 0)
		return strbuf_fail(why, r, "cannot serve metrics on %s: %s%s", address,
				   strerror(-r), what_to_do(r));
	*ret = TAKE_PTR(m);
	return 0;
}

void metrics_http_close(struct metrics_http *m)
{
	if (!m)
		return;
	sd_event_source_disable_unref(m->io);
	sd_event_source_disable_unref(m->again);
	if (m->daemon)
		MHD_stop_daemon(m->daemon);
	sd_event_unref(m->event);
	free(m);
}

bool metrics_http_is_public(const struct metrics_http *m)
{
	const struct address *a = m ? &m->address : NULL;

	if (!a)
		return false;
	if (a->u.any.sa_family == AF_INET6)
		return !IN6_IS_ADDR_LOOPBACK(&a->u.v6.sin6_addr);
	return ntohl(a->u.v4.sin_addr.s_addr) >> IN_CLASSA_NSHIFT != IN_LOOPBACKNET;
}

uint16_t metrics_http_port(const struct metrics_http *m)
{
	if (!m)
		return 0;
	return ntohs(m->address.u.any.sa_family == AF_INET6 ? m->address.u.v6.sin6_port
							    : m->address.u.v4.sin_port);
}

size_t metrics_http_clients_cnt(const struct metrics_http *m)
{
	return m ? m->n_clients : 0;
}

void metrics_http_set_timeout(struct metrics_http *m, uint64_t timeout_us)
{
	if (m)
		m->timeout_us = timeout_us;
}
