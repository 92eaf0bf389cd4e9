/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/client.c — see client.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "cli/client.h"
#include "cli/field.h"
#include "lib/cleanup.h"
#include "lib/proto.h"

#define PATIENCE_SEC 30 /* the daemon answers in milliseconds, unless the host is on its knees */

/* What to do about it, after "connect to PATH: why; ". */
static const struct {
	int err;
	const char *advice;
} hints[] = {
	{ ENOENT, "is pygrowd running? start it, or name its socket with --socket" },
	{ ECONNREFUSED, "pygrowd has ended without cleaning up: start it again" },
	{ EACCES, "run as root or as a member of group " PGD_SOCKET_GROUP },
	{ EAGAIN, "pygrowd did not answer in time: is it stopped? try again" },
	{ EBADMSG, "what answers there is not pygrowd" },
	{ EPROTONOSUPPORT, "pygrowctl and pygrowd are of different versions: restart pygrowd" },
	{ ENAMETOOLONG, "a socket's path may have 107 bytes" },
};

static const char *hint_of(int err)
{
	for (size_t i = 0; i < ARRAY_SIZE(hints); i++)
		if (hints[i].err == -err)
			return hints[i].advice;
	return "see pygrowd's log";
}

static int send_all(int fd, const char *data, size_t n_bytes)
{
	while (n_bytes) {
		ssize_t n = send(fd, data, n_bytes, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		n_bytes -= (size_t)n;
	}
	return 0;
}

static int receive_all(int fd, char *data, size_t n_bytes)
{
	while (n_bytes) {
		ssize_t n = recv(fd, data, n_bytes, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ECONNRESET;
		data += n;
		n_bytes -= (size_t)n;
	}
	return 0;
}

int client_ask_fd(int fd, json_object *request, json_object **ret)
{
	_cleanup_free_ char *frame = NULL, *answer = NULL;
	struct pgd_proto_head head;
	size_t n_bytes;
	int r;

	r = proto_frame_new(request, PGD_PROTO_REQUEST_BYTES_MAX, &frame, &n_bytes);
	if (r < 0)
		return r;
	r = send_all(fd, frame, n_bytes);
	/* EPIPE: it has closed, perhaps after saying why: read that. */
	if (r < 0 && r != -EPIPE)
		return r;
	r = receive_all(fd, (char *)&head, sizeof(head));
	if (r < 0)
		return r;
	r = proto_head_unpack(&head, PGD_PROTO_ANSWER_BYTES_MAX, &n_bytes);
	if (r < 0)
		return r;
	answer = malloc(n_bytes + 1);
	if (!answer)
		return -ENOMEM;
	r = receive_all(fd, answer, n_bytes);
	return r < 0 ? r : proto_text_parse(answer, n_bytes, ret);
}

static int connect_to(const char *path, int *ret_fd)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_SEC };

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int client_ask(const char *socket_path, json_object *request, json_object **ret,
	       char why[CLIENT_WHY_BYTES])
{
	_cleanup_close_ int fd = -1;
	json_object *answer;
	const char *step = "connect to";
	int r;

	r = connect_to(socket_path, &fd);
	if (r == 0) {
		step = "ask";
		r = client_ask_fd(fd, request, &answer);
	}
	if (r < 0) {
		snprintf(why, CLIENT_WHY_BYTES, "%s %s: %s; %s", step, socket_path, strerror(-r),
			 hint_of(r));
		return r;
	}
	if (field_text(answer, "error")) {
		snprintf(why, CLIENT_WHY_BYTES, "%s", field_text(answer, "error"));
		json_object_put(answer);
		return -EREMOTEIO;
	}
	*ret = answer;
	return 0;
}
