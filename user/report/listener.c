/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/listener.c — see listener.h. */
#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/cleanup.h"
#include "lib/fsutil.h"
#include "pgd_proto.h"
#include "report/listener.h"

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

/* Of those who may ask; (gid_t)-1: no such group here. It can take the host's directory service. */
static gid_t group_of_host(void)
{
	struct group group, *found = NULL;
	char buf[4096];

	getgrnam_r(PGD_SOCKET_GROUP, &group, buf, sizeof(buf), &found);
	return found ? found->gr_gid : (gid_t)-1;
}

static int parent_make(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);

	return copy ? fsutil_mkdir_p(dirname(copy), 0755) : -ENOMEM;
}

/* The socket is bound: its file is there. */
static int file_settle(struct listener *l, const char *path, gid_t group)
{
	struct stat st;

	/* Not being able to give it away is survivable: root can still ask. */
	(void)!lchown(path, (uid_t)-1, group);
	if (lstat(path, &st) < 0)
		return -errno;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	l->group = st.st_gid;
	/* Nobody can connect before listen(), whatever the umask has made of the file's mode. */
	return chmod(path, 0660) < 0 ? -errno : 0;
}

int listener_open(const char *path, int backlog, struct listener *ret)
{
	struct listener l = LISTENER_INIT;
	/* First: whoever sees the socket's file without an answer takes us for ended. */
	gid_t group = group_of_host();
	struct sockaddr_un address;
	int r;

	r = address_init(&address, path);
	if (r == 0)
		r = parent_make(path);
	if (r == 0)
		r = stale_remove(&address);
	if (r < 0)
		return r;
	l.path = strdup(path);
	l.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (!l.path)
		r = -ENOMEM;
	else if (l.fd < 0 || bind(l.fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = -errno;
	if (r == 0)
		r = file_settle(&l, path, group);
	if (r == 0 && listen(l.fd, backlog) < 0)
		r = -errno;
	if (r < 0) {
		listener_close(&l);
		return r;
	}
	*ret = l;
	return 0;
}

void listener_close(struct listener *l)
{
	struct stat st;

	if (l->path && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
	if (l->fd >= 0)
		close(l->fd);
	free(l->path);
	*l = (struct listener)LISTENER_INIT;
}
