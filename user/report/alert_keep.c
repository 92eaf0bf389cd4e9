/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/alert_keep.c — see alert_keep.h. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "lib/fnv.h"
#include "report/alert_keep.h"
#include "report/jsonput.h"
#include "report/jsonrow.h"

#define ENDED "ended" /* ALERT_ENDED, as in documents */

#define FIELD(key, type, member)                                    \
	{                                                           \
		key, JSONROW_##type, offsetof(struct alert, member) \
	}

/* Names are of this file only: it is nobody's interface. */
static const struct jsonrow_field fields[] = {
	FIELD("id", ID, id),
	FIELD("is_firing", BOOL, is_firing),
	FIELD("since", MOMENT, since_sec),
	FIELD("fired", MOMENT, fired_sec),
	FIELD("resolved", MOMENT, resolved_sec),
	FIELD("stack", ID, stack),
	FIELD("pid", INT, pid),
	FIELD("function", TEXT, function),
	FIELD("file", TEXT, file),
	FIELD("unit", TEXT, unit),
	FIELD("comm", TEXT, comm),
	FIELD("line", INT, line),
	FIELD("in_application", BOOL, in_application),
	FIELD("stacks", COUNT, n_stacks),
	FIELD("processes", COUNT, n_processes),
	FIELD("growth_bytes_per_sec", NUMBER, growth_bytes_per_sec),
	FIELD("growth_error", NUMBER, growth_error),
	FIELD("growth_bytes", NUMBER, growth_bytes),
	FIELD("tau", NUMBER, tau),
	FIELD("p_value", NUMBER, p_value),
	FIELD("headroom_bytes", NUMBER, headroom_bytes),
	FIELD("coverage", NUMBER, coverage),
	FIELD("is_headroom_of_host", BOOL, is_headroom_of_host),
	FIELD("has_gc", BOOL, has_gc),
	FIELD("is_gc_off", BOOL, is_gc_off),
	FIELD("is_silent", BOOL, is_silent),
	FIELD("suppressed_by", TEXT, suppressed_by),
	FIELD("suppressed_reason", TEXT, suppressed_reason),
	FIELD("suppressed_until", NUMBER, suppressed_until_sec),
};

_Static_assert(sizeof(pid_t) == sizeof(int), "JSONROW_INT");

static const char *why_name(const struct alert *a)
{
	return !a->is_firing && a->why == ALERT_ENDED ? ENDED : detect_why_name[a->why];
}

json_object *alert_keep_new(const struct alerts *a)
{
	json_object *list = json_object_new_array();
	const struct alert *row;

	for (size_t i = 0; list && (row = alerts_get(a, i)); i++) {
		json_object *o = jsonrow_new(fields, ARRAY_SIZE(fields), row);

		if (o)
			jsonput_text(o, "why", why_name(row), JSONROW_TEXT_BYTES);
		json_object_array_add(list, o);
	}
	return list;
}

static int why_read(json_object *o, struct alert *ret)
{
	const char *name = json_object_get_string(json_object_object_get(o, "why"));

	ret->why = ALERT_ENDED;
	if (name && strcmp(name, ENDED) == 0)
		return ret->is_firing ? -EBADMSG : 0;
	for (int i = 0; name && i < DETECT_WHY_MAX; i++)
		if (strcmp(name, detect_why_name[i]) == 0) {
			ret->why = (enum detect_why)i;
			return 0;
		}
	return -EBADMSG;
}

/* It began before it fired, and fired before it was over. */
static int moments_check(struct alert *a)
{
	if (isnan(a->fired_sec) || a->is_firing != isnan(a->resolved_sec))
		return -EBADMSG;
	a->since_sec = isnan(a->since_sec) ? NAN : fmin(a->since_sec, a->fired_sec);
	if (!a->is_firing)
		a->resolved_sec = fmax(a->resolved_sec, a->fired_sec);
	return 0;
}

size_t alert_keep_load(struct alerts *a, json_object *list, double now_sec, uint64_t *ret_bad)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	size_t n_good = 0;

	for (size_t i = 0; i < n; i++) {
		json_object *o = json_object_array_get_idx(list, i);
		struct alert row = { 0 };

		if (jsonrow_read(fields, ARRAY_SIZE(fields), o, now_sec, &row) == 0 &&
		    why_read(o, &row) == 0 && moments_check(&row) == 0 &&
		    alerts_restore(a, &row) == 0)
			n_good++;
		else
			(*ret_bad)++;
	}
	return n_good;
}

static uint64_t mark_add(uint64_t mark, uint64_t v)
{
	return (mark ^ v) * FNV_PRIME;
}

uint64_t alert_keep_mark(const struct alerts *a)
{
	const struct alert *row;
	uint64_t mark = FNV_BASIS;

	for (size_t i = 0; (row = alerts_get(a, i)); i++) {
		mark = mark_add(mark, row->id);
		mark = mark_add(mark, row->stack);
		mark = mark_add(mark, (uint64_t)(row->fired_sec * 1000));
		mark = mark_add(mark, row->is_firing);
		mark = mark_add(mark, row->suppressed_by != NULL);
	}
	return mark;
}
