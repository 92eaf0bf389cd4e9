/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/peer.c — see peer.h. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/cleanup.h"
#include "report/peer.h"

#define GROUPS_USUAL 64

static bool has_group(const gid_t *groups, size_t n, gid_t group)
{
	for (size_t i = 0; i < n; i++)
		if (groups[i] == group)
			return true;
	return false;
}

/* Its supplementary groups: the kernel says how many they are if there was no room. */
static int groups_get(int fd, gid_t group, bool *ret)
{
	gid_t usual[GROUPS_USUAL];
	_cleanup_free_ gid_t *many = NULL;
	socklen_t n_bytes = sizeof(usual);
	gid_t *groups = usual;
	int r = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, usual, &n_bytes);

	if (r < 0 && errno == ERANGE) {
		groups = many = malloc(n_bytes);
		if (!many)
			return -ENOMEM;
		r = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, many, &n_bytes);
	}
	if (r < 0)
		return -errno;
	*ret = has_group(groups, n_bytes / sizeof(*groups), group);
	return 0;
}

int peer_get(int fd, gid_t group, struct peer *ret)
{
	struct ucred cred;
	socklen_t n_bytes = sizeof(cred);
	bool is_member = false;
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n_bytes) < 0)
		return -errno;
	r = groups_get(fd, group, &is_member);
	if (r < 0)
		return r;
	*ret = (struct peer){ cred.pid, cred.uid, is_member || cred.gid == group };
	return 0;
}

bool peer_sees_all(const struct peer *p, uid_t own)
{
	return p->uid == 0 || p->uid == own;
}

bool peer_may_ask(const struct peer *p, uid_t own)
{
	return peer_sees_all(p, own) || p->is_member;
}
