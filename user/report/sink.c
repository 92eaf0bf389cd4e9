/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/sink.c — see sink.h. */
#include <errno.h>

#include "report/sink.h"

#define EXEC_NAME(id, name, is_loss, help)	   "alert_exec_" name,
#define WEBHOOK_NAME(id, name, is_loss, help)	   "alert_webhook_" name,
#define ALERTMANAGER_NAME(id, name, is_loss, help) "alert_alertmanager_" name,
static const char *const names[][SINK_COUNTER_MAX] = {
	[SINK_KIND_EXEC] = { SINK_COUNTERS(EXEC_NAME) },
	[SINK_KIND_WEBHOOK] = { SINK_COUNTERS(WEBHOOK_NAME) },
	[SINK_KIND_ALERTMANAGER] = { SINK_COUNTERS(ALERTMANAGER_NAME) },
};
_Static_assert(ARRAY_SIZE(names) == SINK_KIND_MAX, "every kind has counters");

static const struct {
	bool is_loss;
	const char *help;
} counters[] = {
#define COUNTER_ROW(id, name, is_loss, help) { is_loss, help },
	SINK_COUNTERS(COUNTER_ROW)
#undef COUNTER_ROW
};
_Static_assert(ARRAY_SIZE(counters) == SINK_COUNTER_MAX, "every counter has a row");

static const char *const keys[] = {
	[SINK_KIND_EXEC] = "alert-exec",
	[SINK_KIND_WEBHOOK] = "alert-webhook",
	[SINK_KIND_ALERTMANAGER] = "alert-alertmanager",
};
_Static_assert(ARRAY_SIZE(keys) == SINK_KIND_MAX, "every kind has a key");

static int send_text(struct sink *s, json_object *alert)
{
	size_t n_bytes = 0;
	const char *text =
		json_object_to_json_string_length(alert, JSON_C_TO_STRING_PLAIN, &n_bytes);

	if (!text)
		return -ENOMEM;
	if (n_bytes > SINK_ALERT_BYTES_MAX)
		return -EMSGSIZE;
	return s->ops->send(s, alert, text, n_bytes);
}

int sink_send(struct sink *s, json_object *alert)
{
	int r;

	if (!s)
		return 0;
	r = send_text(s, alert);
	if (r < 0)
		s->counters[SINK_COUNTER_DROPPED]++;
	return r;
}

void sink_close(struct sink *s)
{
	if (s)
		s->ops->close(s);
}

size_t sink_waiting_cnt(const struct sink *s)
{
	return s ? s->ops->waiting_cnt(s) : 0;
}

uint64_t sink_counter_get(const struct sink *s, enum sink_counter counter)
{
	return s ? s->counters[counter] : 0;
}

const char *sink_counter_name(enum sink_kind kind, enum sink_counter counter)
{
	return names[kind][counter];
}

const char *sink_counter_help(enum sink_counter counter)
{
	return counters[counter].help;
}

bool sink_counter_is_loss(enum sink_counter counter)
{
	return counters[counter].is_loss;
}

const char *sink_key(enum sink_kind kind)
{
	return keys[kind];
}
