/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/loop.c — see loop.h. The loop itself is sd-event(3). */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "daemon/alerting.h"
#include "daemon/gather.h"
#include "daemon/loop.h"
#include "daemon/losses.h"
#include "daemon/recall.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/units.h"
#include "report/answer.h"
#include "report/answer_diff.h"
#include "report/ctl.h"
#include "report/history.h"
#include "report/metrics.h"
#include "report/metrics_http.h"
#include "report/request.h"

#define USEC_PER_SEC 1000000.0
#define LOCK_TRIES   10
#define LOCK_USEC    200000
#define ROSTER_USEC  1000000 /* between two looks at who has gone */

struct loop {
	struct setup *setup;
	const struct options *options;
	struct pipeline *pipeline;
	struct roster *roster; /* NULL: processes were named */
	struct history *history; /* NULL: none is kept */
	struct recall recall;
	struct alerting *alerting; /* NULL: a look (--for) */
	const struct ctl *ctl; /* NULL: nobody can ask */
	sd_event_source *roster_news, *roster_timer; /* the loop's */
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

static void say_status(const struct loop *l)
{
	size_t n = pipeline_alive(l->pipeline);

	sd_notifyf(0, "STATUS=Watching %zu process%s, %zu left out", n, n == 1 ? "" : "es",
		   l->pipeline->n_left_out);
}

/* What this interval has brought: kept, and judged. */
static void conclude(const struct loop *l)
{
	double now_sec = clock_monotonic_sec();
	bool is_due = l->alerting && alerting_is_due(l->alerting, now_sec);
	struct snapshot snapshot = { 0 };

	if ((!l->history && !is_due) || gather(l->pipeline, &snapshot) < 0)
		return;
	if (l->history)
		history_add(l->history, &snapshot, clock_realtime_sec());
	if (is_due)
		alerting_tick(l->alerting, l->pipeline, &snapshot, now_sec);
	gather_done(&snapshot);
}

/* A snapshot for whoever asks. 0 or -errno. */
static int snapshot_new(const struct loop *l, struct snapshot *ret)
{
	int r = gather(l->pipeline, ret);

	if (r == 0)
		judge_put(l->alerting->judge, ret);
	return r;
}

static void gather_losses(const struct loop *l, struct losses *ret)
{
	const struct losses_of of = { .pipeline = l->pipeline,
				      .roster = l->roster,
				      .history = l->history,
				      .ctl = l->ctl,
				      .alerting = l->alerting };

	losses_gather(&of, ret);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct loop *l = userdata;
	uint64_t now = 0;

	(void)usec;
	pipeline_tick(l->pipeline);
	recall_tick(&l->recall, l->pipeline);
	show_progress(l);
	say_status(l);
	conclude(l);
	if (l->options->for_sec > 0 && !l->roster && !pipeline_alive(l->pipeline)) {
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

/* When the census wants to look again; some time later if it does not. */
static void set_roster_timer(const struct loop *l)
{
	uint64_t now = 0, due = roster_due_ns(l->roster) / 1000 + 1;

	sd_event_now(l->event, CLOCK_MONOTONIC, &now);
	if (due > now + ROSTER_USEC)
		due = now + ROSTER_USEC;
	sd_event_source_set_time(l->roster_timer, due);
	sd_event_source_set_enabled(l->roster_timer, SD_EVENT_ONESHOT);
}

static int on_roster_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct loop *l = userdata;

	(void)source;
	(void)usec;
	roster_tick(l->roster);
	set_roster_timer(l);
	return 0;
}

static int on_roster_news(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct loop *l = userdata;

	(void)source;
	(void)fd;
	(void)revents;
	roster_events(l->roster);
	set_roster_timer(l);
	return 0;
}

/* What needs a restart is said; the rest is in force from here on. */
static void apply(struct loop *l, const struct options *before,
		  const struct config_history *before_history)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	const struct options *now = l->options;
	static const char *const takes = "%s: another one takes a restart, ignoring";

	if (l->pipeline->windows)
		windows_set_shares(l->pipeline->windows, now->overhead, now->host_overhead);
	if (strcmp(before->socket, now->socket) != 0)
		log_full(LOG_LEVEL_WARN, 0, takes, "socket");
	if (strcmp(before->metrics, now->metrics) != 0)
		log_full(LOG_LEVEL_WARN, 0, takes, "metrics");
	if (strcmp(before->state, now->state) != 0)
		log_full(LOG_LEVEL_WARN, 0, takes, "state");
	if (l->history &&
	    memcmp(before_history, &l->setup->config.history, sizeof(*before_history)))
		log_full(LOG_LEVEL_WARN, 0, takes, "history-max-bytes or history-levels");
	if (l->alerting)
		alerting_apply(l->alerting);
	if (!l->roster)
		return;
	/* Its descriptor is another one then. */
	l->roster_news = sd_event_source_disable_unref(l->roster_news);
	if (roster_set_rules(l->roster, setup_rules(l->setup), &why) < 0)
		log_err(0, "%s", why.buf);
	if (roster_fd(l->roster) >= 0 &&
	    sd_event_add_io(l->event, &l->roster_news, roster_fd(l->roster), EPOLLIN,
			    on_roster_news, l) < 0)
		log_err(0, "wait for news of processes: out of memory; new ones are found late");
	set_roster_timer(l);
}

static int reload(struct loop *l, struct strbuf *why)
{
	struct options before = *l->options;
	const struct config_history before_history = l->setup->config.history;
	_cleanup_free_ char *socket = strdup(before.socket), *metrics = strdup(before.metrics);
	_cleanup_free_ char *state = strdup(before.state);
	int r;

	if (!socket || !metrics || !state)
		return -ENOMEM;
	before.socket = socket;
	before.metrics = metrics;
	before.state = state;
	r = setup_load(l->setup, why);
	if (r == 0)
		apply(l, &before, &before_history);
	return r;
}

/* What is written there is wrong: what was in force stays so. */
static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	struct loop *l = userdata;
	uint64_t now = 0;

	(void)source;
	(void)info;
	sd_event_now(l->event, CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)now);
	if (reload(l, &why) < 0)
		log_about_full(0, LOG_ID_RELOAD_REFUSED, LOG_LEVEL_ERR, 0,
			       "%s; the configuration before it stays in force", why.buf);
	else
		log_about_full(0, LOG_ID_RELOADED, LOG_LEVEL_INFO, 0, "configuration read again");
	sd_notify(0, "READY=1");
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
	struct losses losses;
	json_object *answer;

	if (answer_diff_is_asked(request))
		return answer_diff_new(l->history, request, clock_realtime_sec());
	if (snapshot_new(l, &snapshot) < 0)
		return answer_new(NULL, l->history, request);
	answer = answer_new(&snapshot, l->history, request);
	gather_done(&snapshot);
	gather_losses(l, &losses);
	losses_put(&losses, answer);
	alerts_put(l->alerting->alerts, answer, request_limit(request), clock_realtime_sec());
	return answer;
}

/* A scrape: likewise. */
static int on_scrape(void *userdata, struct strbuf *ret)
{
	struct loop *l = userdata;
	struct metrics_options o = METRICS_OPTIONS_INIT;
	struct losses losses;
	struct snapshot snapshot = { 0 };
	int r = snapshot_new(l, &snapshot);

	if (r < 0)
		return r;
	gather_losses(l, &losses);
	o.alerts_firing = (int64_t)alerts_firing(l->alerting->alerts);
	o.alerts_suppressed = (int64_t)alerts_suppressed(l->alerting->alerts);
	o.lost_besides = losses.besides;
	o.lost_more = losses.more;
	o.n_lost_more = losses.n_more;
	r = metrics_format(&snapshot, &o, ret);
	gather_done(&snapshot);
	return r;
}

int loop_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
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

static int add_roster(struct loop *l, uint64_t now)
{
	int r = 0;

	if (roster_fd(l->roster) >= 0)
		r = sd_event_add_io(l->event, &l->roster_news, roster_fd(l->roster), EPOLLIN,
				    on_roster_news, l);
	if (r >= 0)
		r = sd_event_add_time(l->event, &l->roster_timer, CLOCK_MONOTONIC, now, 1,
				      on_roster_time, l);
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
	if (r >= 0 && l->options->for_sec <= 0)
		r = sd_event_add_signal(l->event, NULL, SIGHUP, on_reload, l);
	else if (r >= 0)
		r = sd_event_add_signal(l->event, NULL, SIGHUP, on_signal, l);
	if (r >= 0 && l->roster)
		r = add_roster(l, now);
	if (r >= 0)
		r = sd_event_set_watchdog(l->event, true);
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

/* Only of a whole host: who names processes looks at them for a while. */
static int open_history(struct loop *l, struct history **ret, struct strbuf *why)
{
	struct history_options o;
	int r = -EBUSY;

	if (!l->roster)
		return 0;
	setup_history(l->setup, &o);
	/* The guards of a daemon that was killed hold its lock until they have ended. */
	for (int i = 0; i < LOCK_TRIES; i++) {
		strbuf_done(why);
		r = history_open(&o, clock_realtime_sec(), why, ret);
		if (r != -EBUSY)
			break;
		usleep(LOCK_USEC);
	}
	l->history = *ret;
	recall_begin(&l->recall, l->history, l->pipeline->stacks, o.levels[0].step_sec,
		     l->options->interval_sec);
	return r;
}

static int serve(struct loop *l, struct ctl **ret_ctl, struct metrics_http **ret_metrics,
		 struct history **ret_history, struct alerting **ret_alerting)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	const struct options *o = l->options;
	int r;

	r = alerting_open(l->event, l->setup, ret_alerting, &why);
	if (r < 0)
		return log_err(0, "%s", why.buf), r;
	l->alerting = *ret_alerting;
	r = ctl_open(l->event, o->socket, on_request, l, ret_ctl);
	if (r < 0)
		return log_err(r, "listen on %s", o->socket);
	l->ctl = *ret_ctl;
	r = open_history(l, ret_history, &why);
	if (r == 0 && l->roster)
		r = alerting_go_on(l->alerting, o->state);
	if (r == 0)
		r = metrics_http_open(l->event, o->metrics, on_scrape, l, ret_metrics, &why);
	if (r < 0)
		return log_err(0, "%s", why.buf), r;
	if (metrics_http_is_public(*ret_metrics))
		log_full(LOG_LEVEL_WARN, 0,
			 "metrics on %s: other hosts can read names of functions and files",
			 o->metrics);
	say_status(l);
	sd_notify(0, "READY=1");
	log_about_full(0, LOG_ID_STARTED, LOG_LEVEL_INFO, 0, "started, answering on %s", o->socket);
	return 0;
}

int loop_run(struct setup *setup, struct pipeline *p, struct roster *roster, enum loop_end *ret_end,
	     double *ret_elapsed_sec)
{
	_cleanup_(sd_event_unrefp) sd_event *event = NULL;
	_cleanup_(alerting_closep) struct alerting *alerting = NULL;
	_cleanup_(ctl_closep) struct ctl *ctl = NULL;
	_cleanup_(metrics_http_closep) struct metrics_http *metrics = NULL;
	_cleanup_(history_closep) struct history *history = NULL;
	struct loop l = { .setup = setup,
			  .options = &setup->options,
			  .pipeline = p,
			  .roster = roster,
			  .started_sec = clock_monotonic_sec() };
	const struct options *o = l.options;
	int r;

	r = sd_event_new(&event);
	if (r < 0)
		return log_err(r, "make an event loop");
	l.event = event;
	r = add_sources(&l);
	if (r < 0)
		return log_err(r, "set up the event loop");
	if (o->for_sec <= 0 && (r = serve(&l, &ctl, &metrics, &history, &alerting)) < 0)
		return r;
	r = sd_event_loop(event);
	if (r < 0)
		log_err(r, "run the event loop");
	*ret_elapsed_sec = clock_monotonic_sec() - l.started_sec;
	end_progress(&l);
	if (alerting)
		alerting_save(alerting);
	l.alerting = NULL; /* that we end is no news of theirs */
	pipeline_tick(p);
	conclude(&l); /* before taking sites off, which can take longer than we are given */
	pipeline_detach(p);
	pipeline_tick(p);
	if (ctl)
		log_about_full(0, LOG_ID_STOPPED, LOG_LEVEL_INFO, 0, "stopped, all sites are off");
	*ret_end = l.end;
	return r;
}
