/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/answer_diff.c — see answer_diff.h. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "lib/clock.h"
#include "report/answer_diff.h"
#include "report/document.h"
#include "report/historyput.h"
#include "report/jsonput.h"
#include "report/request.h"

bool answer_diff_is_asked(json_object *request)
{
	json_object *command = json_object_object_get(request, "command");

	return json_object_is_type(command, json_type_string) &&
	       strcmp(json_object_get_string(command), "diff") == 0;
}

static json_object *moment_new(const struct history_snapshot *s)
{
	json_object *o = json_object_new_object();

	jsonput_moment(o, "at", s->time_sec);
	jsonput_count(o, "step_seconds", s->step_sec);
	jsonput_count(o, "stacks", (int64_t)s->n);
	jsonput_bytes(o, "other_bytes", s->other_bytes);
	return o;
}

static json_object *row_new(struct history *h, const struct diff_row *row)
{
	json_object *o = json_object_new_object();

	jsonput_id(o, "id", row->stack);
	jsonput_object(o, "process", historyput_process_new(h, row->process));
	jsonput_bytes(o, "from_bytes", row->from_bytes);
	jsonput_bytes(o, "to_bytes", row->to_bytes);
	jsonput_bytes(o, "change_bytes", row->change_bytes);
	jsonput_bytes(o, "change_bytes_error", row->change_error);
	jsonput_bool(o, "is_new", row->is_new);
	jsonput_bool(o, "is_gone", row->is_gone);
	historyput_frames(o, h, row->stack);
	return o;
}

static json_object *document(struct history *h, const struct history_snapshot *from,
			     const struct history_snapshot *to, size_t limit, double now_sec)
{
	const struct diff_side sides[] = { { from->stacks, from->n, from->floor_bytes },
					   { to->stacks, to->n, to->floor_bytes } };
	json_object *o, *rows;
	struct diff diff;

	if (diff_new(&sides[0], &sides[1], &diff) < 0)
		return NULL;
	o = json_object_new_object();
	rows = json_object_new_array();
	jsonput_string(o, "version", PYGROWD_VERSION);
	jsonput_moment(o, "at", now_sec);
	jsonput_object(o, "from", moment_new(from));
	jsonput_object(o, "to", moment_new(to));
	jsonput_count(o, "restarts", history_restarts(h, from, to));
	jsonput_bytes(o, "change_bytes", diff.change_bytes);
	jsonput_bytes(o, "change_bytes_error", diff.change_error);
	jsonput_count(o, "changed", (int64_t)diff.n_rows);
	for (size_t i = 0; i < diff.n_rows && i < limit; i++)
		json_object_array_add(rows, row_new(h, &diff.rows[i]));
	jsonput_object(o, "stacks", rows);
	diff_done(&diff);
	return o;
}

/* NULL: found. */
static json_object *find(struct history *h, const char *which, double time_sec,
			 struct history_snapshot *ret)
{
	int r = history_snapshot_at(h, time_sec, ret);
	double first_sec = 0, last_sec = 0;
	char first[CLOCK_TEXT_MAX], last[CLOCK_TEXT_MAX];

	if (r == 0)
		return NULL;
	if (r != -ENOENT)
		return request_error_new("the history cannot be read: %s", strerror(-r));
	if (history_extent(h, &first_sec, &last_sec) < 0)
		return request_error_new("the history is empty: its first point is still to come");
	return request_error_new(
		"%s: nothing is known of that moment; the history goes from %s to %s", which,
		clock_rfc3339_format(first, first_sec), clock_rfc3339_format(last, last_sec));
}

json_object *answer_diff_new(struct history *h, json_object *request, double now_sec)
{
	struct history_snapshot from = { 0 }, to = { 0 };
	double from_sec = NAN, to_sec = now_sec, limit = ANSWER_DIFF_LIMIT;
	char text[CLOCK_TEXT_MAX];
	json_object *answer;

	if (!h)
		return request_error_new(
			"this pygrowd keeps no history: it was started for processes "
			"that were named (-p)");
	if (!request_number(request, "from", &from_sec) ||
	    !request_number(request, "to", &to_sec) || isnan(from_sec))
		return request_error_new("from, to: not Unix times");
	if (!request_number(request, "limit", &limit) || limit < 1)
		return request_error_new("limit: not a number of rows");
	if (from_sec >= to_sec)
		return request_error_new("diff: the first moment is not before the second");
	answer = find(h, "from", from_sec, &from);
	if (!answer)
		answer = find(h, "to", to_sec, &to);
	if (!answer && from.time_sec >= to.time_sec)
		answer = request_error_new("the history has the same point for both moments, of %s",
					   clock_rfc3339_format(text, from.time_sec));
	if (!answer)
		answer = document(h, &from, &to, (size_t)fmin(limit, ANSWER_DIFF_LIMIT_MAX),
				  now_sec);
	history_snapshot_done(&from);
	history_snapshot_done(&to);
	return answer;
}
