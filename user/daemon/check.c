/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/check.c — see check.h.
 *
 * What can be tried is tried, with the functions that the daemon itself uses: the socket is made
 * and removed, the address is bound and let go.
 */
#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "daemon/check.h"
#include "daemon/roster.h"
#include "daemon/watch.h"
#include "lib/clock.h"
#include "pgd_proto.h"
#include "report/listener.h"
#include "report/metrics_http.h"
#include "target/census.h"

static const struct procfs fs = { .root = "/proc" };

struct check {
	struct setup *setup;
	bool is_failed;
	bool is_running; /* a daemon answers on the socket: what is taken is probably its */
};

static void ok(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void fail(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(const char *verdict, const char *fmt, va_list ap)
{
	printf("%-5s ", verdict);
	vprintf(fmt, ap);
	putchar('\n');
}

static void ok(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("ok", fmt, ap);
	va_end(ap);
}

static void warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("warn", fmt, ap);
	va_end(ap);
}

static void fail(struct check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("fail", fmt, ap);
	va_end(ap);
	c->is_failed = true;
}

static void check_config(struct check *c)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	struct setup *s = c->setup;
	const char *path = s->flags.config ? s->flags.config : CONFIG_PATH;

	if (setup_load(s, &why) < 0) {
		fail(c, "%s", why.buf);
		/* The rest is tested as it would be without. */
		options_settle(&s->options, &s->flags, &s->config);
		return;
	}
	if (s->flags.for_sec > 0 && !s->flags.config)
		return;
	while (setup_ended_next(s, clock_realtime_sec(), &why)) {
		warn("%s", why.buf);
		strbuf_reset(&why);
	}
	if (access(path, F_OK) < 0)
		ok("config: no %s, defaults are in force", path);
	else
		ok("config: %s", path);
}

static void check_kernel(struct check *c, struct probes **ret)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	struct probes_options o = { 0 };

	if (probes_open(&o, ret, &why) < 0) {
		fail(c, "%s", why.buf);
		return;
	}
	ok("kernel, BTF, capabilities; programs loaded; sites attach by %s, a trap costs %.2f µs",
	   window_method_name(probes_method(*ret)), probes_trap_ns(*ret) / 1e3);
}

static void check_group(void)
{
	struct group group, *found = NULL;
	char buf[4096];

	if (getgrnam_r(PGD_SOCKET_GROUP, &group, buf, sizeof(buf), &found) == 0 && found)
		ok("group %s", PGD_SOCKET_GROUP);
	else
		warn("no group %s: only root can use pygrowctl; make it: groupadd --system %s",
		     PGD_SOCKET_GROUP, PGD_SOCKET_GROUP);
}

/* The nearest directory above that is there, in which the others would be made. */
static const char *first_there(char *path)
{
	while (access(path, F_OK) < 0 && errno == ENOENT)
		path = dirname(path);
	return path;
}

static void check_state(const struct options *o)
{
	_cleanup_(strbuf_done) struct strbuf trial = STRBUF_INIT;
	_cleanup_free_ char *copy = strdup(o->state);
	const char *dir;

	if (!copy)
		return;
	dir = first_there(copy);
	strbuf_printf(&trial, "%s/check-XXXXXX", dir);
	if (mkdtemp(trial.buf) && rmdir(trial.buf) == 0)
		ok("state: %s%s", o->state, strcmp(dir, o->state) ? " can be made" : "");
	else
		warn("cannot write to %s: %s; no history would be kept: run as root, or name "
		     "another directory with --state",
		     dir, strerror(errno));
}

static void say_socket(struct check *c, const char *path, int error)
{
	static const struct {
		int error;
		const char *advice;
	} rows[] = {
		{ EEXIST, "something that is no socket is there: remove it" },
		{ ENAMETOOLONG, "a socket's path may have 107 bytes" },
		{ EACCES, "run as root" },
	};
	const char *advice = "name another one with --socket";

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].error == -error)
			advice = rows[i].advice;
	fail(c, "cannot listen on %s: %s; %s", path, strerror(-error), advice);
}

static void check_socket(struct check *c, const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	struct listener l = LISTENER_INIT;
	char *parent;
	int r = 0;

	if (!copy)
		return;
	parent = dirname(copy);
	if (access(parent, F_OK) == 0)
		r = listener_open(path, 1, &l);
	else if (access(first_there(parent), W_OK) < 0) /* not made for a test */
		r = -errno;
	c->is_running = r == -EADDRINUSE;
	listener_close(&l);
	if (r == 0) {
		ok("socket: %s", path);
	} else if (c->is_running) {
		warn("a pygrowd answers on %s already; a second one takes another --socket, "
		     "--state and --metrics",
		     path);
	} else {
		say_socket(c, path, r);
	}
}

static void check_metrics(struct check *c, const char *address)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	_cleanup_(sd_event_unrefp) sd_event *event = NULL;
	_cleanup_(metrics_http_closep) struct metrics_http *m = NULL;
	int r = sd_event_new(&event);

	if (r >= 0)
		r = metrics_http_open(event, address, NULL, NULL, &m, &why);
	if (r == -EADDRINUSE && c->is_running)
		warn("metrics: %s is taken, probably by the pygrowd that runs", address);
	else if (r < 0)
		fail(c, "%s", why.len ? why.buf : strerror(-r));
	else
		ok("metrics: %s%s", address,
		   metrics_http_is_public(m)
			   ? ": other hosts can read names of functions and files there"
			   : "");
}

struct selection {
	const struct rules *rules;
	struct procfs_users users;
	size_t n, n_selected;
};

static int on_came(void *userdata, pid_t pid, uint64_t start_ticks, enum census_by by)
{
	_cleanup_(procfs_facts_done) struct procfs_facts facts = { 0 };
	struct selection *s = userdata;
	int r = procfs_facts_load(&fs, pid, &s->users, &facts);

	(void)start_ticks;
	(void)by;
	if (r < 0)
		return r;
	s->n++;
	s->n_selected += roster_judge(s->rules, &facts).is_watched;
	return 0;
}

static void on_change(void *userdata, pid_t pid, uint64_t start_ticks)
{
	(void)userdata;
	(void)pid;
	(void)start_ticks;
}

static void check_rules(struct check *c)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	_cleanup_(census_closep) struct census *census = NULL;
	struct selection s = { .rules = setup_rules(c->setup) };
	const struct census_sink sink = {
		.came = on_came, .execed = on_change, .gone = on_change, .userdata = &s
	};
	int r;

	if (!s.rules) /* the config is wrong, and so is what it would select */
		return;
	r = census_open(NULL, &fs, &sink, &census, &why);
	if (r == 0)
		r = census_scan(census, 0);
	if (r < 0) {
		fail(c, "cannot look through %s: %s", fs.root, strerror(-r));
		return;
	}
	ok("processes: %zu run Python, the rules select %zu", s.n, s.n_selected);
	if (s.n_selected > PROBES_TARGETS_MAX)
		warn("only %d processes are watched at a time: select fewer", PROBES_TARGETS_MAX);
}

static void check_process(struct check *c, struct probes *p, pid_t pid)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	struct procfs_users users = { 0 };
	struct watch_options wo = { .fs = &fs,
				    .users = &users,
				    .state_dir = c->setup->options.state };
	struct watch *w = NULL;

	if (watch_open(p, pid, &wo, &w, &why) < 0) {
		fail(c, "%s", why.buf);
		return;
	}
	ok("pid %d: python %s, build-id %s, %zu sites (%zu more could not be placed)%s%s", pid,
	   w->runtime.version, w->build_id, w->sites.n, w->sites.n_unplaced, w->why[0] ? "; " : "",
	   w->why);
	watch_close(p, w);
}

int check_run(struct setup *s)
{
	_cleanup_(probes_closep) struct probes *p = NULL;
	const struct options *o = &s->options;
	struct check c = { .setup = s };

	check_config(&c);
	check_kernel(&c, &p);
	check_state(o);
	if (o->for_sec <= 0) {
		check_group();
		check_socket(&c, o->socket);
		check_metrics(&c, o->metrics);
	}
	if (!o->n_pids)
		check_rules(&c);
	for (size_t i = 0; i < o->n_pids && p; i++)
		check_process(&c, p, o->pids[i]);
	return c.is_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
