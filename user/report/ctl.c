/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/ctl.c — see ctl.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "lib/log.h"
#include "pgd_proto.h"
#include "report/ctl_internal.h"

#define ACCEPT_PAUSE_US 1000000 /* after an accept that failed: out of memory, say */
#define LOG_PAUSE_US	10000000 /* between two lines about clients that were refused */
#define RLIMIT_SHARE	4 /* of our descriptors, clients may have one in so many */

/* One line for somebody who gets no place. Never waits: it fits into the socket's buffer. */
static void turn_away(int fd, const char *why)
{
	_cleanup_free_ char *frame = NULL;
	size_t frame_bytes;

	if (ctl_error_frame_new(why, &frame, &frame_bytes) == 0)
		(void)!send(fd, frame, frame_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Not a line for each: whoever may not ask may not fill the log either. */
static void log_denied(struct ctl *c, const struct peer *peer)
{
	uint64_t now_us = 0, denied = c->counters[CTL_COUNTER_DENIED];

	sd_event_now(c->event, CLOCK_MONOTONIC, &now_us);
	if (c->logged_us && now_us < c->logged_us + LOG_PAUSE_US)
		return;
	log_warn(0,
		 "%s: pid %d of uid %u may not ask: it is neither root nor in group %u "
		 "(refused since the last such line: %llu)",
		 c->listener.path, peer->pid, peer->uid, c->listener.group,
		 (unsigned long long)(denied - c->denied_logged));
	c->logged_us = now_us;
	c->denied_logged = denied;
}

static struct client *place_find(struct ctl *c, const struct peer *peer)
{
	size_t kept = peer->uid == 0 ? 0 : CTL_CLIENTS_ROOT;

	if (c->n_clients + kept >= c->n_places)
		return NULL;
	for (size_t i = 0; i < CTL_CLIENTS_MAX; i++)
		if (c->clients[i].fd < 0)
			return &c->clients[i];
	return NULL;
}

int ctl_client_add_as(struct ctl *c, int fd_taken, const struct peer *peer)
{
	_cleanup_close_ int fd = fd_taken;
	struct client *k;
	int r;

	if (!peer_may_ask(peer, c->own)) {
		c->counters[CTL_COUNTER_DENIED]++;
		log_denied(c, peer);
		turn_away(fd, "you may not ask pygrowd: run as root or as a member of its socket's "
			      "group, usually " PGD_SOCKET_GROUP);
		return -EACCES;
	}
	k = place_find(c, peer);
	if (!k) {
		c->counters[CTL_COUNTER_BUSY]++;
		turn_away(fd, "pygrowd has as many clients as it takes; ask again");
		return -EBUSY;
	}
	k->fd = TAKE_FD(fd);
	k->peer = *peer;
	c->n_clients++;
	r = ctl_client_start(k);
	if (r < 0)
		ctl_client_close(k);
	return r < 0 ? r : 0;
}

int ctl_client_add(struct ctl *c, int fd)
{
	struct peer peer;
	int r = peer_get(fd, c->listener.group, &peer);

	if (r < 0) {
		close(fd);
		return r;
	}
	return ctl_client_add_as(c, fd, &peer);
}

static int on_resume(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct ctl *c = userdata;

	(void)source;
	(void)usec;
	sd_event_source_set_enabled(c->io, SD_EVENT_ON);
	return 0;
}

/* The connection stays in the queue and would wake us for ever: look away for a second. */
static void accept_pause(struct ctl *c)
{
	c->resume = sd_event_source_disable_unref(c->resume);
	if (sd_event_add_time_relative(c->event, &c->resume, CLOCK_MONOTONIC, ACCEPT_PAUSE_US, 0,
				       on_resume, c) >= 0)
		sd_event_source_set_enabled(c->io, SD_EVENT_OFF);
}

static int accept_one(struct ctl *c)
{
	int fd = accept4(c->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

static int spare_open(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* No descriptor is left. The client shall not wait until one is. */
static int accept_with_spare(struct ctl *c)
{
	int fd = -EMFILE;

	if (c->spare_fd >= 0) {
		close(c->spare_fd);
		fd = accept_one(c);
	}
	if (fd >= 0) {
		c->counters[CTL_COUNTER_BUSY]++;
		turn_away(fd, "pygrowd has no descriptor left for a client; ask again");
		close(fd);
	}
	c->spare_fd = spare_open();
	return fd;
}

static int on_listen(sd_event_source *source, int listen_fd, uint32_t revents, void *userdata)
{
	struct ctl *c = userdata;
	int fd = accept_one(c);

	(void)source;
	(void)listen_fd;
	(void)revents;
	if (fd >= 0)
		(void)ctl_client_add(c, fd); /* who is not served is told, and closed */
	else if (fd == -EMFILE || fd == -ENFILE)
		fd = accept_with_spare(c);
	if (fd < 0 && fd != -EAGAIN && fd != -EINTR && fd != -ECONNABORTED)
		accept_pause(c);
	return 0;
}

/* ── open and close ───────────────────────────────────────────────────────────────────────── */

/* The rest of our descriptors is for what we are here for. */
static size_t places(void)
{
	struct rlimit limit;
	size_t n = CTL_CLIENTS_MAX;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / RLIMIT_SHARE < n)
		n = limit.rlim_cur / RLIMIT_SHARE;
	return n > 2 * CTL_CLIENTS_ROOT ? n : 2 * CTL_CLIENTS_ROOT;
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
	c->listener = (struct listener)LISTENER_INIT;
	c->spare_fd = spare_open();
	c->event = sd_event_ref(event);
	c->own = geteuid();
	c->handler = handler;
	c->userdata = userdata;
	c->timeout_us = PGD_PROTO_TIMEOUT_SEC * 1000000ull;
	c->n_places = places();
	r = listener_open(path, CTL_CLIENTS_MAX, &c->listener);
	if (r < 0)
		return r;
	r = sd_event_add_io(event, &c->io, c->listener.fd, EPOLLIN, on_listen, c);
	if (r >= 0)
		r = sd_event_source_set_priority(c->io, CTL_PRIORITY);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

void ctl_close(struct ctl *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < CTL_CLIENTS_MAX; i++)
		ctl_client_close(&c->clients[i]);
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->resume);
	listener_close(&c->listener);
	if (c->spare_fd >= 0)
		close(c->spare_fd);
	sd_event_unref(c->event);
	free(c);
}

size_t ctl_clients_cnt(const struct ctl *c)
{
	return c->n_clients;
}

size_t ctl_places_cnt(const struct ctl *c)
{
	return c->n_places;
}

uint64_t ctl_counter_get(const struct ctl *c, enum ctl_counter counter)
{
	return c->counters[counter];
}

void ctl_set_timeout(struct ctl *c, uint64_t timeout_us)
{
	c->timeout_us = timeout_us;
}
