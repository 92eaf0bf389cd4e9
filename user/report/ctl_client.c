/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/ctl_client.c — one client of the control socket, from its first byte to its end. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/proto.h"
#include "report/ctl_internal.h"
#include "report/redact.h"
#include "report/request.h"

#define TIMER_ACCURACY_US 1000

DEFINE_CLEANUP(json_object *, json_object_put)

static void buf_set(struct client *k, char *buf, size_t cap)
{
	k->ctl->bytes += cap - k->cap;
	k->buf = buf;
	k->cap = cap;
}

void ctl_client_close(struct client *k)
{
	struct ctl *c = k->ctl;

	if (k->fd < 0)
		return;
	sd_event_source_disable_unref(k->io);
	sd_event_source_disable_unref(k->deadline);
	close(k->fd);
	free(k->buf);
	buf_set(k, NULL, 0);
	*k = (struct client){ .ctl = c, .fd = -1 };
	c->n_clients--;
}

static int deadline_restart(struct client *k)
{
	uint64_t now;
	int r;

	r = sd_event_now(k->ctl->event, CLOCK_MONOTONIC, &now);
	if (r < 0)
		return r;
	r = sd_event_source_set_time(k->deadline, now + k->ctl->timeout_us);
	return r < 0 ? r : sd_event_source_set_enabled(k->deadline, SD_EVENT_ONESHOT);
}

/* ── WRITING ──────────────────────────────────────────────────────────────────────────────── */

/* 1: more to send; 0: all sent; negative: the client is gone. */
static int client_send(struct client *k)
{
	while (k->sent < k->len) {
		ssize_t n = send(k->fd, k->buf + k->sent, k->len - k->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 1 : -errno;
		k->sent += (size_t)n;
	}
	return 0;
}

/* From reading to writing. Takes the frame over. */
static int client_answer_frame(struct client *k, char *frame, size_t frame_bytes)
{
	int r;

	free(k->buf);
	buf_set(k, frame, frame_bytes);
	k->len = frame_bytes;
	k->sent = 0;
	k->is_writing = true;
	r = client_send(k);
	if (r <= 0)
		return r < 0 ? r : -ESHUTDOWN;
	r = deadline_restart(k);
	return r < 0 ? r : sd_event_source_set_io_events(k->io, EPOLLOUT);
}

int ctl_error_frame_new(const char *why, char **ret, size_t *ret_bytes)
{
	_cleanup_(json_object_putp) json_object *error = request_error_new("%s", why);

	return error ? proto_frame_new(error, PGD_PROTO_REQUEST_BYTES_MAX, ret, ret_bytes)
		     : -ENOMEM;
}

/* Negative: the client is to be closed, -ESHUTDOWN: because all is done. */
static int client_refuse(struct client *k, const char *why)
{
	size_t frame_bytes;
	char *frame;
	int r = ctl_error_frame_new(why, &frame, &frame_bytes);

	return r < 0 ? r : client_answer_frame(k, frame, frame_bytes);
}

/* As client_refuse(). */
static int client_answer(struct client *k, json_object *answer)
{
	_cleanup_free_ char *frame = NULL;
	size_t frame_bytes;
	int r;

	if (!answer)
		return client_refuse(k, "pygrowd is out of memory");
	if (!peer_sees_all(&k->peer, k->ctl->own))
		redact_cmdlines(answer, k->peer.uid);
	r = proto_frame_new(answer, PGD_PROTO_ANSWER_BYTES_MAX, &frame, &frame_bytes);
	if (r == -EMSGSIZE)
		return client_refuse(k, "the answer is over 64 MiB; ask for fewer rows with -n");
	if (r < 0)
		return client_refuse(k, "pygrowd is out of memory");
	if (k->ctl->bytes + frame_bytes > CTL_BYTES_MAX) {
		k->ctl->counters[CTL_COUNTER_BUSY]++;
		return client_refuse(k, "too many answers wait to be read; ask again");
	}
	return client_answer_frame(k, TAKE_PTR(frame), frame_bytes);
}

/* ── READING ──────────────────────────────────────────────────────────────────────────────── */

static int client_refuse_wrong(struct client *k, int err)
{
	k->ctl->counters[CTL_COUNTER_WRONG]++;
	switch (-err) {
	case EMSGSIZE:
		return client_refuse(k, "the request is longer than 64 KiB");
	case EPROTONOSUPPORT:
		return client_refuse(k, "the request is of another protocol version; are pygrowctl "
					"and pygrowd of the same version?");
	case EINVAL:
		return client_refuse(k, "the request is not one JSON object");
	default:
		return client_refuse(k, "the request is not in pygrowctl's protocol");
	}
}

/* How many bytes the request has in all, or as many as tell. */
static int request_bytes(const struct client *k, size_t *ret)
{
	struct pgd_proto_head head;
	size_t length;
	int r;

	*ret = sizeof(head);
	if (k->len < sizeof(head))
		return 0;
	memcpy(&head, k->buf, sizeof(head));
	r = proto_head_unpack(&head, PGD_PROTO_REQUEST_BYTES_MAX, &length);
	if (r == 0)
		*ret += length;
	return r;
}

static int client_handle(struct client *k)
{
	const size_t head_bytes = sizeof(struct pgd_proto_head);
	_cleanup_(json_object_putp) json_object *request = NULL;
	_cleanup_(json_object_putp) json_object *answer = NULL;
	int r;

	r = proto_text_parse(k->buf + head_bytes, k->len - head_bytes, &request);
	if (r < 0)
		return client_refuse_wrong(k, r == -EBADMSG ? -EINVAL : r);
	answer = k->ctl->handler(k->ctl->userdata, request);
	return client_answer(k, answer);
}

static int buf_grow(struct client *k, size_t want)
{
	char *p;

	if (k->ctl->bytes + want - k->cap > CTL_BYTES_MAX)
		return -EBUSY;
	p = realloc(k->buf, want);
	if (!p)
		return -ENOMEM;
	buf_set(k, p, want);
	return 0;
}

static int client_read(struct client *k)
{
	size_t want;
	ssize_t n;
	int r;

	r = request_bytes(k, &want);
	if (r == 0 && k->cap < want)
		r = buf_grow(k, want);
	if (r < 0)
		return r;
	n = recv(k->fd, k->buf + k->len, want - k->len, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	k->len += (size_t)n;
	r = request_bytes(k, &want);
	if (r < 0)
		return client_refuse_wrong(k, r);
	return k->len == want ? client_handle(k) : 0;
}

/* ── the loop ─────────────────────────────────────────────────────────────────────────────── */

static bool is_done(const struct client *k, int r)
{
	return r < 0 || (k->is_writing && k->sent == k->len);
}

static int on_client(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct client *k = userdata;
	int r;

	(void)source;
	(void)fd;
	if (k->is_writing)
		r = revents & EPOLLOUT ? client_send(k) : -ECONNRESET;
	else
		r = client_read(k);
	if (r == -EBUSY) {
		k->ctl->counters[CTL_COUNTER_BUSY]++;
		r = client_refuse(k, "too many requests are being read; ask again");
	}
	if (is_done(k, r))
		ctl_client_close(k);
	return 0;
}

/* It may be us who were slow: what is there by now counts. */
static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct client *k = userdata;
	bool was_writing = k->is_writing;

	(void)source;
	(void)usec;
	on_client(k->io, k->fd, EPOLLOUT, k);
	if (k->fd < 0 || k->is_writing != was_writing)
		return 0;
	k->ctl->counters[CTL_COUNTER_SLOW]++;
	if (!was_writing)
		(void)client_refuse(k, "the request did not come in time");
	ctl_client_close(k);
	return 0;
}

int ctl_client_start(struct client *k)
{
	struct ctl *c = k->ctl;
	int r;

	r = sd_event_add_io(c->event, &k->io, k->fd, EPOLLIN, on_client, k);
	if (r >= 0)
		r = sd_event_source_set_priority(k->io, CTL_PRIORITY);
	if (r >= 0)
		r = sd_event_add_time_relative(c->event, &k->deadline, CLOCK_MONOTONIC,
					       c->timeout_us, TIMER_ACCURACY_US, on_deadline, k);
	return r < 0 ? r : sd_event_source_set_priority(k->deadline, CTL_PRIORITY);
}
