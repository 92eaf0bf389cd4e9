/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/sink_alertmanager.c — see sink_alertmanager.h. */
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/strbuf.h"
#include "report/jsonput.h"
#include "report/sink_alertmanager.h"

#define SEVERITY	     "warning"
#define ANNOTATION_BYTES_MAX 4096

DEFINE_CLEANUP(json_object *, json_object_put)

/* A name of theirs, and the key of ours (alert_json_new). */
struct value {
	const char *name, *key;
};

/* Not the line: it moves to another one when another stack of the function grows fastest. */
static const struct value labels[] = {
	{ "alert_id", "id" },
	{ "unit", "unit" },
	{ "function", "function" },
	{ "file", "file" },
};

static const struct value annotations[] = {
	{ "summary", "message" },
	{ "line", "line" },
	{ "pid", "pid" },
	{ "comm", "comm" },
	{ "stack", "stack" },
	{ "growth_bytes_per_second", "growth_bytes_per_second" },
	{ "headroom_seconds", "headroom_seconds" },
};

/* NULL: not known. */
static const char *text_of(json_object *alert, const char *key)
{
	return json_object_get_string(json_object_object_get(alert, key));
}

static void put_values(json_object *o, json_object *alert, const struct value *v, size_t n,
		       size_t max_bytes)
{
	for (size_t i = 0; i < n; i++) {
		const char *text = text_of(alert, v[i].key);

		if (text && *text)
			jsonput_text(o, v[i].name, text, max_bytes);
	}
}

static json_object *labels_new(json_object *alert, const char *host)
{
	json_object *o = json_object_new_object();

	if (!o)
		return NULL;
	jsonput_text(o, "alertname", SINK_ALERTMANAGER_NAME, SINK_ALERTMANAGER_LABEL_BYTES);
	jsonput_text(o, "severity", SEVERITY, SINK_ALERTMANAGER_LABEL_BYTES);
	jsonput_text(o, "instance", host, SINK_ALERTMANAGER_LABEL_BYTES);
	put_values(o, alert, labels, ARRAY_SIZE(labels), SINK_ALERTMANAGER_LABEL_BYTES);
	return o;
}

static json_object *annotations_new(json_object *alert)
{
	_cleanup_(strbuf_done) struct strbuf command = STRBUF_INIT;
	json_object *o = json_object_new_object();
	const char *id = text_of(alert, "stack");

	if (!o)
		return NULL;
	put_values(o, alert, annotations, ARRAY_SIZE(annotations), ANNOTATION_BYTES_MAX);
	if (id) {
		strbuf_printf(&command, "pygrowctl show %s", id);
		jsonput_text(o, "command", command.buf, ANNOTATION_BYTES_MAX);
	}
	return o;
}

/* `text` if there is one: a moment of RFC 3339, as theirs are. */
static void put_moment(json_object *o, const char *key, const char *text, double now_sec)
{
	if (text)
		jsonput_text(o, key, text, CLOCK_TEXT_MAX);
	else
		jsonput_moment(o, key, now_sec);
}

json_object *sink_alertmanager_new(json_object *alert, const char *host, double now_sec)
{
	_cleanup_(json_object_putp) json_object *o = json_object_new_object();
	const char *state = text_of(alert, "state");

	if (!o)
		return NULL;
	jsonput_object(o, "labels", labels_new(alert, host));
	jsonput_object(o, "annotations", annotations_new(alert));
	put_moment(o, "startsAt", text_of(alert, "since"), now_sec);
	if (state && !strcmp(state, "resolved"))
		put_moment(o, "endsAt", text_of(alert, "resolved_at"), now_sec);
	if (!json_object_object_get(o, "labels") || !json_object_object_get(o, "annotations"))
		return NULL;
	return TAKE_PTR(o);
}
