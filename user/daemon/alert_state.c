/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/alert_state.c — see alert_state.h. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/alert_state.h"
#include "lib/fsutil.h"
#include "lib/log.h"
#include "report/alert_keep.h"
#include "report/jsonput.h"

#define FILE_NAME "alerts.json"
#define FORMAT	  1
#define FILE_MODE 0600 /* names of functions and units */

DEFINE_CLEANUP(json_object *, json_object_put)
DEFINE_CLEANUP(json_tokener *, json_tokener_free)

/* ── writing ──────────────────────────────────────────────────────────────────────────────── */

static uint64_t mark_of(const struct alert_state_of *of)
{
	return alert_keep_mark(of->alerts) ^ judge_keep_mark(of->judge);
}

static json_object *document_new(const struct alert_state_of *of)
{
	json_object *o = json_object_new_object();
	double to_unix_sec = of->unix_sec - of->now_sec;

	if (!o)
		return NULL;
	jsonput_count(o, "format", FORMAT);
	jsonput_moment(o, "saved_at", of->unix_sec);
	jsonput_object(o, "alerts", alert_keep_new(of->alerts));
	jsonput_object(o, "growing", judge_keep_new(of->judge, of->now_sec, to_unix_sec));
	return o;
}

static int save(const struct alert_state *s, const struct alert_state_of *of)
{
	_cleanup_(json_object_putp) json_object *o = document_new(of);
	const char *text = o ? json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY) : NULL;

	return text ? fsutil_file_save(s->path, text, strlen(text), FILE_MODE) : -ENOMEM;
}

static void note_failed(struct alert_state *s, int r, double now_sec)
{
	if (!s->is_failed)
		log_warn(r,
			 "save alerts to %s: a restart would judge anew what fires now; trying "
			 "again every minute",
			 s->path);
	s->counters[ALERT_STATE_COUNTER_UNSAVED]++;
	s->is_failed = true;
	s->failed_sec = now_sec;
}

void alert_state_save(struct alert_state *s, const struct alert_state_of *of)
{
	uint64_t mark = mark_of(of);
	int r;

	if (!s->path)
		return;
	r = save(s, of);
	if (r < 0) {
		note_failed(s, r, of->now_sec);
		return;
	}
	if (s->is_failed)
		log_warn(0, "alerts are saved to %s again", s->path);
	s->is_failed = false;
	s->mark = mark;
	s->saved_sec = of->now_sec;
}

void alert_state_tick(struct alert_state *s, const struct alert_state_of *of)
{
	bool is_stale = alerts_firing(of->alerts) > 0 &&
			!(of->now_sec - s->saved_sec < ALERT_STATE_FRESH_SEC);

	if (!s->path)
		return;
	if (s->is_failed && of->now_sec - s->failed_sec < ALERT_STATE_RETRY_SEC)
		return;
	if (is_stale || s->is_failed || mark_of(of) != s->mark)
		alert_state_save(s, of);
}

/* ── reading ──────────────────────────────────────────────────────────────────────────────── */

/* NULL: no JSON of ours, and why. */
static json_object *document_parse(const char *text, size_t text_bytes, const char **ret_why)
{
	_cleanup_(json_tokener_freep) json_tokener *tokener = json_tokener_new();
	_cleanup_(json_object_putp) json_object *o = NULL;

	*ret_why = "out of memory";
	if (!tokener)
		return NULL;
	o = json_tokener_parse_ex(tokener, text, (int)text_bytes);
	*ret_why = "it is not JSON, or a part of it is missing";
	if (!json_object_is_type(o, json_type_object))
		return NULL;
	*ret_why = "it is of another version of pygrowd";
	if (json_object_get_int64(json_object_object_get(o, "format")) != FORMAT)
		return NULL;
	return TAKE_PTR(o);
}

static void put_aside(struct alert_state *s, const char *why)
{
	_cleanup_free_ char *to = NULL;

	s->counters[ALERT_STATE_COUNTER_DAMAGED]++;
	if (asprintf(&to, "%s" ALERT_STATE_ASIDE, s->path) < 0)
		to = NULL;
	if (to && rename(s->path, to) == 0)
		log_warn(0, "saved alerts in %s are of no use (%s): kept as %s, starting without",
			 s->path, why, to);
	else
		log_warn(0, "saved alerts in %s are of no use (%s): starting without", s->path,
			 why);
}

static void apply(struct alert_state *s, const struct alert_state_of *of, json_object *o)
{
	uint64_t *bad = &s->counters[ALERT_STATE_COUNTER_BAD_ROW];
	size_t n_growing, n;

	n_growing = judge_keep_load(of->judge, json_object_object_get(o, "growing"), of->now_sec,
				    of->unix_sec - of->now_sec, bad);
	n = alert_keep_load(of->alerts, json_object_object_get(o, "alerts"), of->unix_sec, bad);
	if (*bad)
		log_warn(0, "saved alerts in %s: %llu entries make no sense, skipping", s->path,
			 (unsigned long long)*bad);
	if (n)
		log_info("%zu alerts of before, of which %zu fire; %zu stacks grew", n,
			 alerts_firing(of->alerts), n_growing);
}

int alert_state_load(struct alert_state *s, const char *dir, const struct alert_state_of *of)
{
	_cleanup_(json_object_putp) json_object *o = NULL;
	_cleanup_free_ char *text = NULL;
	const char *why = NULL;
	size_t text_bytes = 0;
	int r;

	s->saved_sec = s->failed_sec = NAN;
	if (asprintf(&s->path, "%s/" FILE_NAME, dir) < 0) {
		s->path = NULL;
		return -ENOMEM;
	}
	r = fsutil_file_load(s->path, ALERT_STATE_BYTES_MAX, &text, &text_bytes);
	if (r == 0)
		o = document_parse(text, text_bytes, &why);
	if (o)
		apply(s, of, o);
	else if (r != -ENOENT)
		put_aside(s, r < 0 ? strerror(-r) : why);
	s->mark = mark_of(of);
	return 0;
}

void alert_state_done(struct alert_state *s)
{
	free(s->path);
	*s = (struct alert_state){ 0 };
}
