/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/ctl.c — see ctl.h. */
#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/fsutil.h"
#include "lib/proto.h"
#include "report/answer.h"
#include "report/ctl.h"

#define ACCEPT_PAUSE_US	  1000000 /* after an accept that failed: no descriptors left, say */
#define TIMER_ACCURACY_US 1000

DEFINE_CLEANUP(json_object *, json_object_put)

struct client {
	struct ctl *ctl;
	int fd;
	sd_event_source *io, *deadline;
	char *buf; /* of READING: the request as far as it came; of WRITING: the answer */
	size_t cap, len; /* bytes of buf: there is room for, are valid */
	size_t sent; /* WRITING: how many of them were sent */
	bool is_writing;
};

struct ctl {
	sd_event *event;
	sd_event_source *io, *resume;
	int fd;
	char *path;
	dev_t dev; /* of the socket's file: is it still ours to remove? */
	ino_t ino;
	ctl_handler handler;
	void *userdata;
	uint64_t timeout_us;
	size_t answers_bytes;
	size_t n_clients;
	struct client clients[CTL_CLIENTS_MAX]; /* fd < 0: free */
};

static void listen_set(struct ctl *c, int enabled)
{
	if (c->io)
		sd_event_source_set_enabled(c->io, enabled);
}

static void client_close(struct client *k)
{
	struct ctl *c = k->ctl;

	if (k->fd < 0)
		return;
	sd_event_source_disable_unref(k->io);
	sd_event_source_disable_unref(k->deadline);
	close(k->fd);
	c->answers_bytes -= k->is_writing ? k->len : 0;
	free(k->buf);
	*k = (struct client){ .ctl = c, .fd = -1 };
	c->n_clients--;
	listen_set(c, SD_EVENT_ON);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	client_close(userdata);
	return 0;
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
	k->buf = frame;
	k->len = frame_bytes;
	k->sent = 0;
	k->is_writing = true;
	k->ctl->answers_bytes += frame_bytes;
	r = client_send(k);
	if (r <= 0)
		return r < 0 ? r : -ESHUTDOWN;
	r = deadline_restart(k);
	return r < 0 ? r : sd_event_source_set_io_events(k->io, EPOLLOUT);
}

/* Negative: the client is to be closed, -ESHUTDOWN: because all is done. */
static int client_answer(struct client *k, json_object *answer)
{
	_cleanup_(json_object_putp) json_object *error = NULL;
	_cleanup_free_ char *frame = NULL;
	size_t frame_bytes;
	int r;

	r = answer ? proto_frame_new(answer, PGD_PROTO_ANSWER_BYTES_MAX, &frame, &frame_bytes)
		   : -ENOMEM;
	if (r == 0 && k->ctl->answers_bytes + frame_bytes > CTL_ANSWERS_BYTES_MAX) {
		free(TAKE_PTR(frame));
		r = -EBUSY;
	}
	if (r < 0) {
		error = answer_error_new(
			"%s", r == -EMSGSIZE
				      ? "the answer is over 64 MiB; ask for fewer rows with -n"
			      : r == -EBUSY ? "too many answers wait to be read; ask again"
					    : "pygrowd is out of memory");
		if (!error ||
		    proto_frame_new(error, PGD_PROTO_REQUEST_BYTES_MAX, &frame, &frame_bytes) < 0)
			return -ENOMEM;
	}
	return client_answer_frame(k, TAKE_PTR(frame), frame_bytes);
}

static int client_refuse(struct client *k, const char *why)
{
	_cleanup_(json_object_putp) json_object *error = answer_error_new("%s", why);

	return client_answer(k, error);
}

static const char *why_refused(int err)
{
	switch (-err) {
	case EMSGSIZE:
		return "the request is longer than 64 KiB";
	case EPROTONOSUPPORT:
		return "the request is of another protocol version; are pygrowctl and pygrowd of "
		       "the "
		       "same version?";
	default:
		return "the request is not in pygrowctl's protocol";
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
		return client_refuse(k, "the request is not one JSON object");
	answer = k->ctl->handler(k->ctl->userdata, request);
	return client_answer(k, answer);
}

static int client_read(struct client *k)
{
	size_t want;
	ssize_t n;
	int r;

	r = request_bytes(k, &want);
	if (r == 0 && k->cap < want) {
		char *p = realloc(k->buf, want);

		if (!p)
			return -ENOMEM;
		k->buf = p;
		k->cap = want;
	}
	n = recv(k->fd, k->buf + k->len, want - k->len, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	k->len += (size_t)n;
	r = request_bytes(k, &want);
	if (r < 0)
		return client_refuse(k, why_refused(r));
	return k->len == want ? client_handle(k) : 0;
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
	if (r < 0 || (k->is_writing && k->sent == k->len))
		client_close(k);
	return 0;
}

int ctl_client_add(struct ctl *c, int fd_taken)
{
	_cleanup_close_ int fd = fd_taken;
	struct client *k = NULL;
	int r;

	for (size_t i = 0; i < CTL_CLIENTS_MAX && !k; i++)
		k = c->clients[i].fd < 0 ? &c->clients[i] : NULL;
	if (!k)
		return -EBUSY;
	k->fd = TAKE_FD(fd);
	c->n_clients++;
	r = sd_event_add_io(c->event, &k->io, k->fd, EPOLLIN, on_client, k);
	if (r >= 0)
		r = sd_event_add_time_relative(c->event, &k->deadline, CLOCK_MONOTONIC,
					       c->timeout_us, TIMER_ACCURACY_US, on_deadline, k);
	if (r < 0) {
		client_close(k);
		return r;
	}
	if (c->n_clients == CTL_CLIENTS_MAX)
		listen_set(c, SD_EVENT_OFF);
	return 0;
}

size_t ctl_clients_cnt(const struct ctl *c)
{
	return c->n_clients;
}

void ctl_set_timeout(struct ctl *c, uint64_t timeout_us)
{
	c->timeout_us = timeout_us;
}

static int on_resume(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct ctl *c = userdata;

	(void)source;
	(void)usec;
	if (c->n_clients < CTL_CLIENTS_MAX)
		listen_set(c, SD_EVENT_ON);
	return 0;
}

/* The connection stays in the queue and would wake us for ever: look away for a second. */
static void accept_pause(struct ctl *c)
{
	listen_set(c, SD_EVENT_OFF);
	c->resume = sd_event_source_disable_unref(c->resume);
	if (sd_event_add_time_relative(c->event, &c->resume, CLOCK_MONOTONIC, ACCEPT_PAUSE_US, 0,
				       on_resume, c) < 0)
		listen_set(c, SD_EVENT_ON);
}

static int on_listen(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct ctl *c = userdata;
	int client;

	(void)source;
	(void)revents;
	client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client >= 0)
		(void)ctl_client_add(c, client); /* it is closed if it cannot be served */
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		accept_pause(c);
	return 0;
}

static int address_init(struct sockaddr_un *ret, const char *path)
{
	if (strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strcpy(ret->sun_path, path);
	return 0;
}

/* Makes way for the socket. 0: the path is free now. */
static int stale_remove(const struct sockaddr_un *address)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	if (errno != ECONNREFUSED)
		return -errno;
	return unlink(address->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

/* Not being able to give it to the group is survivable: root can still ask. */
static void group_set(const char *path)
{
	struct group group, *found = NULL;
	char buf[4096];

	if (getgrnam_r(PGD_SOCKET_GROUP, &group, buf, sizeof(buf), &found) == 0 && found)
		(void)!lchown(path, (uid_t)-1, found->gr_gid);
}

static int parent_make(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);

	return copy ? fsutil_mkdir_p(dirname(copy), 0755) : -ENOMEM;
}

static int socket_listen(struct ctl *c, const char *path)
{
	struct sockaddr_un address;
	struct stat st;
	int r;

	r = address_init(&address, path);
	if (r < 0)
		return r;
	r = parent_make(path);
	if (r < 0)
		return r;
	r = stale_remove(&address);
	if (r < 0)
		return r;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return -errno;
	if (bind(c->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	c->path = strdup(path);
	if (!c->path || lstat(path, &st) < 0) {
		unlink(path);
		return c->path ? -errno : -ENOMEM;
	}
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	group_set(path);
	/* Nobody can connect before listen(), whatever the umask has made of the file's mode. */
	if (chmod(path, 0660) < 0)
		return -errno;
	return listen(c->fd, CTL_CLIENTS_MAX) < 0 ? -errno : 0;
}

int ctl_open(sd_event *event, const char *path, ctl_handler handler, void *userdata,
	     struct ctl **ret)
{
	_cleanup_(ctl_closep) struct ctl *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	for (size_t i = 0; i < CTL_CLIENTS_MAX; i++)
		c->clients[i] = (struct client){ .ctl = c, .fd = -1 };
	c->fd = -1;
	c->event = sd_event_ref(event);
	c->handler = handler;
	c->userdata = userdata;
	c->timeout_us = PGD_PROTO_TIMEOUT_SEC * 1000000ull;
	r = socket_listen(c, path);
	if (r < 0)
		return r;
	r = sd_event_add_io(event, &c->io, c->fd, EPOLLIN, on_listen, c);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

void ctl_close(struct ctl *c)
{
	struct stat st;

	if (!c)
		return;
	for (size_t i = 0; i < CTL_CLIENTS_MAX; i++)
		client_close(&c->clients[i]);
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->resume);
	if (c->path && lstat(c->path, &st) == 0 && st.st_dev == c->dev && st.st_ino == c->ino)
		unlink(c->path);
	if (c->fd >= 0)
		close(c->fd);
	sd_event_unref(c->event);
	free(c->path);
	free(c);
}
