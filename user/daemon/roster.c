/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/roster.c — see roster.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/roster.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "target/census.h"

#define SCAN_SEC      2
#define GONE_KEPT_SEC 60.0 /* what was seen of a process that has ended is there for so long */

struct roster {
	struct pipeline *pipeline;
	const struct rules *rules;
	struct census *census;
	uint64_t scan_ns; /* without news from the kernel: when to look through /proc again */
	uint64_t lost_before; /* by censuses before this one */
};

static struct watch *watch_of(const struct pipeline *p, pid_t pid, uint64_t start_ticks)
{
	for (size_t i = 0; i < p->n_watches; i++)
		if (p->watches[i]->pid == pid && p->watches[i]->start_ticks == start_ticks)
			return p->watches[i];
	return NULL;
}

static void remove_gone(struct roster *r)
{
	struct pipeline *p = r->pipeline;
	double now_sec = clock_monotonic_sec();

	for (size_t i = p->n_watches; i-- > 0;)
		if (p->watches[i]->regime == WATCH_GONE &&
		    now_sec - p->watches[i]->gone_sec >= GONE_KEPT_SEC)
			pipeline_remove(p, p->watches[i]);
}

/* The one that has gone first makes room, and no other: each removal takes 10 ms, in which nothing
 * else is done. False: all are there. */
static bool make_room(struct roster *r)
{
	struct watch *first = NULL;

	for (size_t i = 0; i < r->pipeline->n_watches; i++) {
		struct watch *w = r->pipeline->watches[i];

		if (w->regime == WATCH_GONE && (!first || w->gone_sec < first->gone_sec))
			first = w;
	}
	if (first)
		pipeline_remove(r->pipeline, first);
	return first;
}

struct rules_verdict roster_judge(const struct rules *rules, const struct procfs_facts *f)
{
	const struct rules_facts facts = { .comm = f->comm,
					   .cmdline = f->cmdline,
					   .user = f->user,
					   .unit = f->unit,
					   .cgroup = f->cgroup,
					   .container = f->container };

	return rules_match(rules, &facts);
}

static int take_on(struct roster *r, pid_t pid, const struct procfs_facts *f)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	int error = pipeline_add(r->pipeline, pid, &why);

	if (error == -ENOSPC && make_room(r)) {
		strbuf_done(&why);
		error = pipeline_add(r->pipeline, pid, &why);
	}
	if (error == -EAGAIN || error == -ESRCH)
		return error;
	if (error < 0) {
		log_about_full(pid, LOG_ID_UNSUPPORTED, LOG_LEVEL_INFO, 0, "%s", why.buf);
		pipeline_leave_out(r->pipeline, pid, f->comm, "unsupported", why.buf)->is_for_room =
			error == -ENOSPC;
	}
	return error;
}

/* Watched or left out from here on, if it returns 0. */
static int consider(struct roster *r, pid_t pid)
{
	_cleanup_(procfs_facts_done) struct procfs_facts facts = { 0 };
	struct rules_verdict verdict;
	char text[RULES_TEXT_MAX];
	int error = procfs_facts_load(&r->pipeline->fs, pid, &r->pipeline->users, &facts);

	if (error < 0)
		return error;
	pipeline_let_in(r->pipeline, pid);
	if (facts.ppid == getpid())
		return 0;
	verdict = roster_judge(r->rules, &facts);
	if (verdict.is_watched)
		return take_on(r, pid, &facts);
	pipeline_leave_out(r->pipeline, pid, facts.comm, "excluded",
			   rules_verdict_format(&verdict, text));
	return 0;
}

static int on_came(void *userdata, pid_t pid, uint64_t start_ticks, enum census_by by)
{
	struct roster *r = userdata;

	(void)by;
	return watch_of(r->pipeline, pid, start_ticks) ? 0 : consider(r, pid);
}

/* Those who were too many, when somebody has gone. */
static void fill_up(struct roster *r)
{
	struct pipeline *p = r->pipeline;

	for (size_t i = 0; i < p->n_left_out && pipeline_alive(p) < PROBES_TARGETS_MAX;) {
		pid_t pid = p->left_out[i].pid;

		if (!p->left_out[i].is_for_room || consider(r, pid) < 0)
			i++; /* else its row is gone, and another one is there */
	}
}

static void on_execed(void *userdata, pid_t pid, uint64_t start_ticks)
{
	struct roster *r = userdata;
	struct watch *w = watch_of(r->pipeline, pid, start_ticks);

	pipeline_let_in(r->pipeline, pid);
	if (w)
		pipeline_remove(r->pipeline, w); /* it may come again, with the same PID */
}

static void on_gone(void *userdata, pid_t pid, uint64_t start_ticks)
{
	struct roster *r = userdata;
	struct watch *w = watch_of(r->pipeline, pid, start_ticks);

	pipeline_let_in(r->pipeline, pid);
	if (w)
		pipeline_check(r->pipeline, w);
}

static int search(struct roster *r, struct strbuf *why)
{
	const struct census_sink sink = {
		.came = on_came, .execed = on_execed, .gone = on_gone, .userdata = r
	};
	int error;

	error = census_open(r->pipeline->probes, &r->pipeline->fs, &sink, &r->census, why);
	r->scan_ns = UINT64_MAX;
	if (error == -ENOTSUP) { /* in a container: its PIDs are not those that the kernel tells */
		log_full(LOG_LEVEL_INFO, 0, "%s; looking through /proc every %d s instead",
			 why->buf, SCAN_SEC);
		strbuf_done(why);
		error = census_open(NULL, &r->pipeline->fs, &sink, &r->census, why);
		r->scan_ns = 0;
	}
	if (error < 0)
		return error;
	error = census_scan(r->census, clock_monotonic_ns());
	if (error < 0)
		return strbuf_fail(why, error, "cannot look through %s: %s", r->pipeline->fs.root,
				   strerror(-error));
	return 0;
}

int roster_open(struct pipeline *p, const struct rules *rules, struct roster **ret,
		struct strbuf *why)
{
	_cleanup_(roster_closep) struct roster *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return -ENOMEM;
	r->pipeline = p;
	r->rules = rules;
	error = search(r, why);
	if (error < 0)
		return error;
	*ret = TAKE_PTR(r);
	return 0;
}

void roster_close(struct roster *r)
{
	if (!r)
		return;
	census_close(r->census);
	free(r);
}

int roster_fd(const struct roster *r)
{
	return r->census ? census_fd(r->census) : -1;
}

void roster_events(struct roster *r)
{
	int error = r->census ? census_events(r->census) : 0;

	if (error < 0)
		log_debug(error, "read news of processes, ignoring");
}

uint64_t roster_due_ns(const struct roster *r)
{
	uint64_t due_ns = r->census ? census_due_ns(r->census) : UINT64_MAX;

	return due_ns < r->scan_ns ? due_ns : r->scan_ns;
}

uint64_t roster_lost(const struct roster *r)
{
	return r->lost_before + (r->census ? census_lost(r->census) : 0);
}

void roster_tick(struct roster *r)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (r->census && now_ns >= r->scan_ns) {
		census_scan(r->census, now_ns);
		r->scan_ns = now_ns + SCAN_SEC * 1000000000ull;
	}
	if (r->census)
		census_tick(r->census, now_ns);
	remove_gone(r);
	fill_up(r);
}

int roster_set_rules(struct roster *r, const struct rules *rules, struct strbuf *why)
{
	struct pipeline *p = r->pipeline;

	r->rules = rules;
	for (size_t i = p->n_watches; i-- > 0;) {
		_cleanup_(procfs_facts_done) struct procfs_facts facts = { 0 };

		if (p->watches[i]->regime != WATCH_GONE &&
		    procfs_facts_load(&p->fs, p->watches[i]->pid, &r->pipeline->users, &facts) ==
			    0 &&
		    !roster_judge(r->rules, &facts).is_watched)
			pipeline_remove(p, p->watches[i]);
	}
	r->lost_before = roster_lost(r);
	/* A census tells of everybody once: a new one tells of those again that were out. */
	census_close(r->census);
	r->census = NULL;
	return search(r, why);
}
