/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/listener.h — the file of the control socket: whose it is, and whether it is ours. */
#ifndef USER_REPORT_LISTENER_H
#define USER_REPORT_LISTENER_H

#include <sys/types.h>

struct listener {
	int fd; /* -1: closed */
	char *path;
	gid_t group; /* of the file, when it was made: its members may ask */
	dev_t dev; /* is it still ours to remove? */
	ino_t ino;
};

#define LISTENER_INIT     \
	{                 \
		.fd = -1, \
	}

/* Makes the socket at `path`, non-blocking, and what is missing of the directories above: mode
 * 0660, group PGD_SOCKET_GROUP if the host has it and we may give it away. -EADDRINUSE: a daemon
 * answers there; a socket that nobody listens on is replaced. -EEXIST: something that is not a
 * socket is there. -ENAMETOOLONG. `backlog`: connections that wait to be accepted. */
int listener_open(const char *path, int backlog, struct listener *ret);
/* Removes the socket, unless another one is at its path by now. */
void listener_close(struct listener *l);

#endif
