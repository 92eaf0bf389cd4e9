/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/answer.c — see answer.h. Every request gets the same document; the commands differ in
 * which fields they know and what they insist on.
 */
#include <math.h>
#include <string.h>

#include "lib/cleanup.h"
#include "report/answer.h"
#include "report/answer_show.h"
#include "report/document.h"
#include "report/jsonput.h"
#include "report/past.h"
#include "report/request.h"

static const struct {
	const char *name;
	enum {
		ANSWER_STATUS,
		ANSWER_REPORT,
		ANSWER_SHOW
	} answer;
} commands[] = {
	{ "status", ANSWER_STATUS },
	{ "report", ANSWER_REPORT },
	{ "show", ANSWER_SHOW },
};

/* The same stack may live in many processes; two different ids with this beginning are too many. */
static json_object *stacks_check(json_object *doc, const char *prefix)
{
	json_object *stacks = json_object_object_get(doc, "stacks");
	const char *first = NULL;
	size_t n = json_object_array_length(stacks);

	if (!n)
		return request_error_new(
			"stack %s: not known; nothing of it may be left: see pygrowctl "
			"report --by stack",
			prefix);
	for (size_t i = 0; i < n; i++) {
		json_object *stack = json_object_array_get_idx(stacks, i);
		const char *id = json_object_get_string(json_object_object_get(stack, "id"));

		if (first && strcmp(first, id) != 0)
			return request_error_new("stack %s: could be %s or %s; give more digits",
						 prefix, first, id);
		first = id;
	}
	return NULL;
}

/* The document, if it has the stack that was asked for. */
static json_object *checked(json_object *doc, const struct document_options *o)
{
	json_object *error = o->stack ? stacks_check(doc, o->stack) : NULL;

	if (!error)
		return doc;
	json_object_put(doc);
	return error;
}

static json_object *report(const struct snapshot *snapshot, const struct document_options *o)
{
	json_object *doc;

	return document_new(snapshot, o, &doc) < 0 ? NULL : checked(doc, o);
}

static bool is_document(json_object *answer)
{
	return answer && !json_object_object_get_ex(answer, "error", NULL);
}

/* What is alive comes first: the history holds months of ids that begin alike. */
static json_object *show(const struct snapshot *snapshot, struct history *h,
			 const struct document_options *o)
{
	json_object *answer, *gone = NULL;

	if (document_new(snapshot, o, &answer) < 0)
		return NULL;
	if (h && !o->pid && !json_object_array_length(json_object_object_get(answer, "stacks")))
		gone = answer_show_gone(h, o->stack, snapshot);
	if (gone) {
		json_object_put(answer);
		return gone;
	}
	answer = checked(answer, o);
	if (is_document(answer))
		answer_show_extend(answer, snapshot, h);
	return answer;
}

/* Growth of the time that was asked for, and from when on it is known. */
static json_object *report_since(const struct snapshot *snapshot, struct history *h,
				 const struct document_options *o, double since_sec)
{
	json_object *answer;
	struct past past;

	if (past_new(snapshot, h, since_sec, &past) < 0)
		return NULL;
	answer = report(&past.snapshot, o);
	if (is_document(answer)) {
		jsonput_moment(answer, "growth_since", past.since_sec);
		jsonput_count(answer, "growth_points", (int64_t)past.snapshot.n_history);
	}
	past_done(&past);
	return answer;
}

json_object *answer_new(const struct snapshot *snapshot, struct history *history,
			json_object *request)
{
	struct document_options o = DOCUMENT_OPTIONS_INIT;
	double since_sec = NAN;
	json_object *command = json_object_object_get(request, "command"), *error;
	const char *name = json_object_is_type(command, json_type_string)
				   ? json_object_get_string(command)
				   : "";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			break;
	if (i == ARRAY_SIZE(commands))
		return request_error_new(
			"command '%.32s': not known to pygrowd %s; is pygrowctl of the "
			"same version?",
			name, PYGROWD_VERSION);
	error = request_options(request, &o, &since_sec);
	if (error)
		return error;
	if (commands[i].answer == ANSWER_SHOW && !o.stack)
		return request_error_new("show: no stack given; see pygrowctl report --by stack");
	if (!snapshot)
		return request_error_new(
			"no figures yet: the first interval is not over; ask again");
	if (commands[i].answer == ANSWER_SHOW)
		return show(snapshot, history, &o);
	if (isnan(since_sec) || commands[i].answer != ANSWER_REPORT)
		return report(snapshot, &o);
	if (since_sec >= snapshot->at)
		return request_error_new("since: that moment is still to come");
	return report_since(snapshot, history, &o, since_sec);
}
