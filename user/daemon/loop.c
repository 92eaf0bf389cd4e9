/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/loop.c — see loop.h. The loop itself is sd-event(3). */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "daemon/gather.h"
#include "daemon/loop.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/units.h"
#include "report/answer.h"
#include "report/ctl.h"

#define USEC_PER_SEC 1000000.0

struct loop {
	const struct options *options;
	struct pipeline *pipeline;
	sd_event *event;
	enum loop_end end;
	double started_sec;
	uint64_t next_tick_usec;
};

static void finish(struct loop *l, enum loop_end end)
{
	l->end = end;
	sd_event_exit(l->event, 0);
}

static void show_progress(const struct loop *l)
{
	char elapsed[UNITS_TEXT_MAX], total[UNITS_TEXT_MAX];

	if (l->options->for_sec <= 0 || !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r\033[Kpygrowd: %s of %s",
		units_duration_format(elapsed, clock_monotonic_sec() - l->started_sec),
		units_duration_format(total, l->options->for_sec));
}

static void end_progress(const struct loop *l)
{
	if (l->options->for_sec > 0 && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct loop *l = userdata;
	uint64_t now = 0;

	(void)usec;
	pipeline_tick(l->pipeline);
	show_progress(l);
	sd_notify(0, "WATCHDOG=1");
	if (l->options->for_sec > 0 && !pipeline_alive(l->pipeline)) {
		finish(l, LOOP_END_ALONE);
		return 0;
	}
	/* A tick that came late must not be followed by a crowd of them. */
	sd_event_now(l->event, CLOCK_MONOTONIC, &now);
	while (l->next_tick_usec <= now)
		l->next_tick_usec += (uint64_t)(l->options->interval_sec * USEC_PER_SEC);
	sd_event_source_set_time(source, l->next_tick_usec);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* Windows: something is over, or it is time to look whose turn it is. */
static int on_beat(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct loop *l = userdata;
	uint64_t now = 0;

	(void)usec;
	pipeline_beat(l->pipeline);
	sd_event_now(l->event, CLOCK_MONOTONIC, &now);
	sd_event_source_set_time(source, now + windows_wait_ns(l->pipeline->windows) / 1000 + 1);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_window(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct loop *l = userdata;

	(void)source;
	(void)fd;
	(void)revents;
	pipeline_beat(l->pipeline);
	return 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	finish(userdata, LOOP_END_TIME);
	return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	(void)source;
	(void)info;
	finish(userdata, LOOP_END_SIGNAL);
	return 0;
}

static int on_events(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct loop *l = userdata;

	(void)source;
	(void)fd;
	(void)revents;
	pipeline_events(l->pipeline);
	return 0;
}

/* A question on the socket: the answer is made of the last tick. */
static json_object *on_request(void *userdata, json_object *request)
{
	struct loop *l = userdata;
	struct snapshot snapshot = { 0 };
	json_object *answer;

	if (gather(l->pipeline, &snapshot) < 0)
		return answer_new(NULL, request);
	answer = answer_new(&snapshot, request);
	gather_done(&snapshot);
	return answer;
}

int loop_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error of write(2), not our end */
	return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -errno : 0;
}

static int add_windows(struct loop *l, uint64_t now)
{
	struct windows *w = l->pipeline->windows;
	int r;

	r = sd_event_add_io(l->event, NULL, windows_fd(w), EPOLLIN, on_window, l);
	if (r >= 0)
		r = sd_event_add_io(l->event, NULL, windows_births_fd(w), EPOLLIN, on_window, l);
	if (r >= 0)
		r = sd_event_add_time(l->event, NULL, CLOCK_MONOTONIC, now, 1, on_beat, l);
	return r;
}

static int add_sources(struct loop *l)
{
	uint64_t now = 0;
	int r = sd_event_now(l->event, CLOCK_MONOTONIC, &now);

	l->next_tick_usec = now + (uint64_t)(l->options->interval_sec * USEC_PER_SEC);
	if (r >= 0)
		r = sd_event_add_signal(l->event, NULL, SIGINT, on_signal, l);
	if (r >= 0)
		r = sd_event_add_signal(l->event, NULL, SIGTERM, on_signal, l);
	if (r >= 0)
		r = sd_event_add_io(l->event, NULL, drain_fd(l->pipeline->drain), EPOLLIN,
				    on_events, l);
	if (r >= 0)
		r = sd_event_add_time(l->event, NULL, CLOCK_MONOTONIC, l->next_tick_usec, 1,
				      on_tick, l);
	if (r >= 0 && l->pipeline->windows)
		r = add_windows(l, now);
	if (r >= 0 && l->options->for_sec > 0)
		r = sd_event_add_time(l->event, NULL, CLOCK_MONOTONIC,
				      now + (uint64_t)(l->options->for_sec * USEC_PER_SEC), 1,
				      on_time, l);
	return r;
}

int loop_run(const struct options *o, struct pipeline *p, enum loop_end *ret_end,
	     double *ret_elapsed_sec)
{
	_cleanup_(sd_event_unrefp) sd_event *event = NULL;
	_cleanup_(ctl_closep) struct ctl *ctl = NULL;
	struct loop l = { .options = o, .pipeline = p, .started_sec = clock_monotonic_sec() };
	int r;

	r = sd_event_new(&event);
	if (r < 0)
		return log_err(r, "make an event loop");
	l.event = event;
	r = add_sources(&l);
	if (r < 0)
		return log_err(r, "set up the event loop");
	if (o->for_sec <= 0) {
		r = ctl_open(event, o->socket, on_request, &l, &ctl);
		if (r < 0)
			return log_err(r, "listen on %s", o->socket);
		sd_notify(0, "READY=1");
	}
	r = sd_event_loop(event);
	if (r < 0)
		log_err(r, "run the event loop");
	*ret_elapsed_sec = clock_monotonic_sec() - l.started_sec;
	end_progress(&l);
	pipeline_detach(p);
	pipeline_tick(p);
	*ret_end = l.end;
	return r;
}
