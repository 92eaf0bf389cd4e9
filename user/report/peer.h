/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/peer.h — who is at the other end of a unix socket, and what may it ask and see?
 *
 *	root, the daemon's own user       ask, see everything
 *	members of the socket's group     ask, see command lines of their own processes only
 *	anybody else                      nothing, whatever the mode of the socket's file has become
 *
 * The kernel says who it is: credentials of the moment it connected, which it cannot choose.
 */
#ifndef USER_REPORT_PEER_H
#define USER_REPORT_PEER_H

#include <stdbool.h>
#include <sys/types.h>

struct peer {
	pid_t pid; /* for the log; it may have ended */
	uid_t uid; /* effective */
	bool is_member; /* of the group that was asked for, by its own group or one of the others */
};

/* Of a connected unix stream socket. 0 or -errno. */
int peer_get(int fd, gid_t group, struct peer *ret);

/* `own`: the daemon's user. */
bool peer_may_ask(const struct peer *p, uid_t own);
bool peer_sees_all(const struct peer *p, uid_t own);

#endif
