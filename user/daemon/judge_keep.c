/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/judge_keep.c — what grows, from one daemon to the next. See judge.h.
 *
 * Only that it grows, and how fast: what it held is of no use, since the next daemon does not know
 * the blocks of before. So a process that was there all along is to it as one that was restarted,
 * and its stacks take over what waits for them, or do not come.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/judge_internal.h"
#include "lib/fnv.h"
#include "report/jsonput.h"
#include "report/jsonrow.h"

#define WHY_NAME_BYTES 64

/* In seconds of Unix time, not of this boot. */
struct kept {
	struct judge_heir heir;
	uint64_t alert;
	double waited_sec; /* for an heir, so far */
	struct detect_memory memory;
};

#define FIELD(key, type, member)                                   \
	{                                                          \
		key, JSONROW_##type, offsetof(struct kept, member) \
	}

static const struct jsonrow_field fields[] = {
	FIELD("stack", ID, heir.stack),
	FIELD("process", ID, heir.process),
	FIELD("alert", ID, alert),
	FIELD("waited_sec", NUMBER, waited_sec),
	FIELD("since", MOMENT, memory.verdict.since_sec),
	FIELD("span_sec", NUMBER, memory.verdict.span_sec),
	FIELD("growth_bytes", NUMBER, memory.verdict.growth_bytes),
	FIELD("slope", NUMBER, memory.verdict.slope_bytes_per_sec),
	FIELD("slope_low", NUMBER, memory.verdict.slope_low),
	FIELD("slope_high", NUMBER, memory.verdict.slope_high),
	FIELD("tau", NUMBER, memory.verdict.tau),
	FIELD("p_value", NUMBER, memory.verdict.p_value),
	FIELD("is_after_collections", BOOL, memory.verdict.is_after_collections),
	FIELD("taken_per_sec", NUMBER, memory.taken_per_sec),
};

static void entry_keep(const struct judge_entry *e, double waited_sec, double to_unix_sec,
		       json_object *list)
{
	struct kept kept = { .heir = e->heir, .alert = e->alert, .waited_sec = waited_sec };
	json_object *o;

	if (!detect_remember(e->detect, &kept.memory))
		return;
	kept.memory.verdict.since_sec += to_unix_sec;
	o = jsonrow_new(fields, ARRAY_SIZE(fields), &kept);
	if (o)
		jsonput_text(o, "why", detect_why_name[kept.memory.verdict.why], WHY_NAME_BYTES);
	json_object_array_add(list, o);
}

json_object *judge_keep_new(const struct judge *j, double now_sec, double to_unix_sec)
{
	json_object *list = json_object_new_array();
	struct judge_entry *e, *next;

	if (!list)
		return NULL;
	HASH_ITER (hh, j->entries, e, next)
		if (e->key.stack != JUDGE_PROCESS && judge_is_growing(e))
			entry_keep(e, 0, to_unix_sec, list);
	HASH_ITER (hh, j->waiting, e, next)
		entry_keep(e, now_sec - e->ended_sec, to_unix_sec, list);
	return list;
}

static int kept_read(json_object *o, double unix_sec, struct kept *ret)
{
	struct detect_verdict *v = &ret->memory.verdict;
	const char *why;

	if (jsonrow_read(fields, ARRAY_SIZE(fields), o, unix_sec, ret) < 0)
		return -EBADMSG;
	why = json_object_get_string(json_object_object_get(o, "why"));
	v->state = DETECT_GROWING;
	for (int i = 0; why && i < DETECT_WHY_MAX; i++)
		if (strcmp(why, detect_why_name[i]) == 0)
			v->why = (enum detect_why)i;
	return 0;
}

/* Time in which no daemon looked is no time that it waited. */
static int entry_revive(struct judge *j, struct kept *kept, double now_sec, double to_unix_sec)
{
	struct judge_entry *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	kept->memory.verdict.since_sec -= to_unix_sec;
	r = detect_revive(&kept->memory, &e->detect);
	if (r < 0) {
		free(e);
		return r;
	}
	e->heir = kept->heir;
	e->alert = kept->alert;
	e->verdict = kept->memory.verdict;
	e->is_revived = true;
	e->ended_sec = now_sec - fmin(fmax(kept->waited_sec, 0), j->limits.settle_sec);
	return judge_waiting_add(j, e);
}

size_t judge_keep_load(struct judge *j, json_object *list, double now_sec, double to_unix_sec,
		       uint64_t *ret_bad)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	size_t n_good = 0;

	for (size_t i = 0; i < n; i++) {
		struct kept kept = { 0 };
		int r = kept_read(json_object_array_get_idx(list, i), now_sec + to_unix_sec, &kept);

		if (r == 0)
			r = entry_revive(j, &kept, now_sec, to_unix_sec);
		n_good += r == 0;
		*ret_bad += r < 0;
	}
	return n_good;
}

/* Sums do not depend on the order of a hash table. */
uint64_t judge_keep_mark(const struct judge *j)
{
	struct judge_entry *e, *next;
	uint64_t mark = 0;

	HASH_ITER (hh, j->entries, e, next)
		if (e->key.stack != JUDGE_PROCESS && judge_is_growing(e))
			mark += ((FNV_BASIS ^ e->heir.stack) * FNV_PRIME ^ e->heir.process) *
				FNV_PRIME;
	HASH_ITER (hh, j->waiting, e, next)
		mark += ((FNV_PRIME ^ e->heir.stack) * FNV_PRIME ^ e->heir.process) * FNV_PRIME;
	return mark;
}
