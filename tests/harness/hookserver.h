/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/harness/hookserver.h — a web server on loopback that answers as a test wants, on its loop.
 *
 * One answer of `answers` for each request, the last one for all that follow.
 */
#ifndef TESTS_HARNESS_HOOKSERVER_H
#define TESTS_HARNESS_HOOKSERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/cleanup.h"
#include "test.h"

#include <systemd/sd-event.h>

#include "lib/strbuf.h"

#define HOOK_REQUESTS_MAX 64

enum {
	ANSWER_HANG = 1, /* reads, and says nothing */
	ANSWER_CLOSE, /* before anything is read */
	ANSWER_GARBAGE, /* that is no HTTP */
	ANSWER_BODY, /* 200, and a body without end */
	ANSWER_BODY_500, /* likewise */
	ANSWER_HEAD, /* a head without end */
	/* 100 and above: HTTP status, an empty body */
};

struct hookserver;

struct hookclient {
	struct hookserver *server;
	sd_event_source *io;
	int fd, answer; /* answer 0: the request is not there yet */
	struct strbuf request;
};

struct hookserver {
	sd_event *event;
	sd_event_source *io;
	int fd;
	uint16_t port;
	const int *answers;
	size_t n_answers, n_clients;
	struct hookclient clients[HOOK_REQUESTS_MAX]; /* in the order of their coming */
	uint64_t sent_bytes;
};

static inline void hook_close(struct hookclient *k)
{
	k->io = sd_event_source_disable_unref(k->io);
	if (k->fd >= 0)
		close(TAKE_FD(k->fd));
}

static inline void hook_flood(struct hookclient *k)
{
	static const char body[65536] = { [0 ... 65535] = 'x' };
	static const char head[] = "X-More: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n";
	bool is_head = k->answer == ANSWER_HEAD;
	ssize_t n = send(k->fd, is_head ? head : body, is_head ? sizeof(head) - 1 : sizeof(body),
			 MSG_NOSIGNAL);

	if (n > 0)
		k->server->sent_bytes += (uint64_t)n;
	else if (errno != EAGAIN)
		hook_close(k);
}

static inline void hook_say(struct hookclient *k, const char *text)
{
	assert_int_equal(send(k->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static inline void hook_answer(struct hookclient *k)
{
	struct hookserver *s = k->server;
	size_t at = (size_t)(k - s->clients);
	char text[128];

	k->answer = s->answers[at < s->n_answers ? at : s->n_answers - 1];
	switch (k->answer) {
	case ANSWER_HANG:
		return;
	case ANSWER_GARBAGE:
		hook_say(k, "220 mail.example ESMTP\r\n");
		hook_close(k);
		return;
	case ANSWER_BODY:
	case ANSWER_BODY_500:
		hook_say(k, k->answer == ANSWER_BODY ? "HTTP/1.1 200 OK\r\n\r\n"
						     : "HTTP/1.1 500 No\r\n\r\n");
		sd_event_source_set_io_events(k->io, EPOLLOUT);
		return;
	case ANSWER_HEAD:
		hook_say(k, "HTTP/1.1 200 OK\r\n");
		sd_event_source_set_io_events(k->io, EPOLLOUT);
		return;
	default:
		snprintf(text, sizeof(text),
			 "HTTP/1.1 %d X\r\nContent-Length: 0\r\nLocation: /elsewhere\r\n\r\n",
			 k->answer);
		hook_say(k, text);
		hook_close(k);
	}
}

/* NULL: not all of it is there. */
static inline const char *hook_body(const struct hookclient *k)
{
	const char *end = strstr(k->request.buf, "\r\n\r\n");
	const char *length = strstr(k->request.buf, "Content-Length: ");

	if (!end || !length || strlen(end + 4) < strtoul(length + 16, NULL, 10))
		return NULL;
	return end + 4;
}

static inline int hook_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct hookclient *k = userdata;
	char buf[65536];
	ssize_t n;

	(void)source;
	if (revents & EPOLLOUT) {
		hook_flood(k);
		return 0;
	}
	n = recv(fd, buf, sizeof(buf), 0);
	if (n <= 0) {
		hook_close(k);
		return 0;
	}
	strbuf_add(&k->request, buf, (size_t)n);
	if (!k->answer && hook_body(k))
		hook_answer(k);
	return 0;
}

static inline int hook_on_client(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct hookserver *s = userdata;
	struct hookclient *k = &s->clients[s->n_clients];

	(void)source;
	(void)revents;
	assert_true(s->n_clients < HOOK_REQUESTS_MAX);
	*k = (struct hookclient){ .server = s, .request = STRBUF_INIT };
	k->fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(k->fd >= 0);
	s->n_clients++;
	if (s->answers[s->n_clients <= s->n_answers ? s->n_clients - 1 : s->n_answers - 1] ==
	    ANSWER_CLOSE)
		hook_close(k);
	else
		assert_true(sd_event_add_io(s->event, &k->io, k->fd, EPOLLIN, hook_on_io, k) >= 0);
	return 0;
}

static inline void hookserver_open(struct hookserver *s, sd_event *event, const int *answers,
				   size_t n_answers)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	*s = (struct hookserver){ .event = event, .answers = answers, .n_answers = n_answers };
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(s->fd >= 0);
	assert_ok(bind(s->fd, (struct sockaddr *)&a, len));
	assert_ok(listen(s->fd, 16));
	assert_ok(getsockname(s->fd, (struct sockaddr *)&a, &len));
	s->port = ntohs(a.sin_port);
	assert_true(sd_event_add_io(event, &s->io, s->fd, EPOLLIN, hook_on_client, s) >= 0);
}

static inline void hookserver_close(struct hookserver *s)
{
	for (size_t i = 0; i < s->n_clients; i++) {
		hook_close(&s->clients[i]);
		strbuf_done(&s->clients[i].request);
	}
	sd_event_source_disable_unref(s->io);
	close(s->fd);
}

#endif
