/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/answer_show.c — see answer_show.h. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/answer_show.h"
#include "report/document.h"
#include "report/historyput.h"
#include "report/jsonput.h"
#include "report/request.h"

/* ── of stacks that are there ─────────────────────────────────────────────────────────────── */

struct whose {
	uint64_t process, stack;
};

static uint64_t process_key(const struct snapshot *s, int64_t pid)
{
	for (size_t i = 0; i < s->n_processes; i++)
		if (s->processes[i].pid == pid)
			return history_process_key(&s->processes[i]);
	return HISTORY_PROCESS_ANY;
}

static struct whose whose_of(json_object *stack, const struct snapshot *s)
{
	const char *id = json_object_get_string(json_object_object_get(stack, "id"));

	return (struct whose){
		process_key(s, json_object_get_int64(json_object_object_get(stack, "pid"))),
		strtoull(id, NULL, 16),
	};
}

/* NULL: nothing is known. */
static json_object *series_new(struct history *h, uint64_t stack, uint64_t process)
{
	struct history_series series = { 0 };
	json_object *list = NULL;

	if (history_series_whole(h, stack, process, &series) == 0)
		list = historyput_series_new(&series);
	history_series_done(&series);
	return list;
}

void answer_show_extend(json_object *document, const struct snapshot *snapshot, struct history *h)
{
	json_object *stacks = json_object_object_get(document, "stacks");
	size_t n_series = 0;

	for (size_t i = 0; i < json_object_array_length(stacks); i++) {
		json_object *stack = json_object_array_get_idx(stacks, i), *series = NULL;
		struct whose whose = whose_of(stack, snapshot);

		if (h && whose.process != HISTORY_PROCESS_ANY && n_series < ANSWER_SHOW_SERIES_MAX)
			series = series_new(h, whose.stack, whose.process);
		n_series += series != NULL;
		jsonput_object(stack, "series", series);
	}
}

/* ── of stacks that are gone ──────────────────────────────────────────────────────────────── */

/* The last point that was not nothing; NULL: all were. */
static const struct history_point *last_point(const struct history_series *s)
{
	for (size_t i = s->n; i-- > 0;)
		if (s->points[i].live_bytes > 0)
			return &s->points[i];
	return NULL;
}

static void put_last(json_object *o, const struct history_series *s)
{
	const struct history_point *last = last_point(s);
	double peak = NAN;

	for (size_t i = 0; i < s->n; i++)
		peak = fmax(peak, s->points[i].peak_bytes);
	jsonput_moment(o, "last_seen", last ? last->time_sec : NAN);
	jsonput_bytes(o, "last_bytes", last ? last->live_bytes : NAN);
	jsonput_bytes(o, "last_bytes_error", last ? last->live_error : NAN);
	jsonput_bytes(o, "peak_bytes", peak);
}

static json_object *gone_new(struct history *h, uint64_t stack, const struct history_owner *owner)
{
	static const char *const unknown[] = { "pid",	      "verdict",
					       "live_bytes",  "live_bytes_error",
					       "live_blocks", "growth_bytes_per_second",
					       "growth_error" };
	json_object *o = json_object_new_object();
	struct history_series series = { 0 };

	jsonput_id(o, "id", stack);
	jsonput_bool(o, "is_gone", true);
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		jsonput_object(o, unknown[i], NULL);
	jsonput_object(o, "process", historyput_process_new(h, owner->process));
	jsonput_moment(o, "since", owner->since_sec);
	if (history_series_whole(h, stack, owner->process, &series) < 0)
		series.n = 0;
	put_last(o, &series);
	jsonput_object(o, "series", historyput_series_new(&series));
	historyput_frames(o, h, stack);
	history_series_done(&series);
	return o;
}

static json_object *document_of(struct history *h, uint64_t stack, const struct snapshot *now)
{
	struct history_owner owners[ANSWER_SHOW_OWNERS_MAX];
	json_object *o, *stacks;
	size_t n = 0;

	if (history_stack_owners(h, stack, owners, ARRAY_SIZE(owners), &n) < 0)
		return NULL;
	o = json_object_new_object();
	stacks = json_object_new_array();
	jsonput_string(o, "version", now->version);
	jsonput_moment(o, "at", now->at);
	jsonput_decimal(o, "uptime_seconds", now->uptime_seconds);
	jsonput_object(o, "processes", json_object_new_array());
	for (size_t i = 0; i < n; i++)
		json_object_array_add(stacks, gone_new(h, stack, &owners[i]));
	jsonput_object(o, "stacks", stacks);
	return o;
}

/* "1f2" → 1f20000000000000 to 1f2fffffffffffff. */
static uint64_t id_end(const char *prefix, char fill)
{
	char text[DOCUMENT_STACK_MAX + 1];
	size_t n = strlen(prefix);

	memset(text, fill, DOCUMENT_STACK_MAX);
	text[DOCUMENT_STACK_MAX] = '\0';
	memcpy(text, prefix, n < DOCUMENT_STACK_MAX ? n : DOCUMENT_STACK_MAX);
	return strtoull(text, NULL, 16);
}

json_object *answer_show_gone(struct history *h, const char *prefix, const struct snapshot *now)
{
	uint64_t ids[2];
	size_t n = 0;

	if (history_stacks_find(h, id_end(prefix, '0'), id_end(prefix, 'f'), ids, ARRAY_SIZE(ids),
				&n) < 0)
		return NULL;
	if (n > 1)
		return request_error_new("stack %s: could be %016" PRIx64 " or %016" PRIx64
					 "; give more digits",
					 prefix, ids[0], ids[1]);
	return document_of(h, ids[0], now);
}
