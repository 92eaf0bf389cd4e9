/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/document_gc.c — see document_gc.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "report/document_frame.h"
#include "report/document_gc.h"
#include "report/jsonput.h"

#define WORD_BYTES 32

/* ── a process ────────────────────────────────────────────────────────────────────────────── */

static const char *kind_of(const struct snapshot_gc *gc, int generation)
{
	static const char *const names[2][PGD_GENERATIONS] = {
		{ "young", "middle", "full" },
		{ "young", "increment", "full" },
	};

	return names[gc->is_incremental][generation];
}

static json_object *generation_new(const struct snapshot_gc *gc, int generation)
{
	const struct snapshot_generation *g = &gc->generations[generation];
	json_object *o = json_object_new_object();

	jsonput_count(o, "generation", generation);
	jsonput_text(o, "kind", kind_of(gc, generation), WORD_BYTES);
	jsonput_count(o, "threshold", gc->is_state_known ? g->threshold : -1);
	jsonput_count(o, "count", gc->is_state_known ? g->count : -1);
	jsonput_count(o, "collections", gc->known ? (int64_t)g->collections : -1);
	jsonput_count(o, "asked", gc->known ? g->asked : -1);
	jsonput_count(o, "collected", gc->known ? (int64_t)g->collected : -1);
	jsonput_count(o, "uncollectable", gc->known ? (int64_t)g->uncollectable : -1);
	jsonput_number(o, "yield",
		       gc->known && g->collections ? (double)g->collected / (double)g->collections
						   : NAN);
	jsonput_count(o, "timed", gc->known ? (int64_t)g->timed : -1);
	jsonput_number(o, "pause_seconds", gc->known ? g->pause_seconds : NAN);
	jsonput_number(o, "pause_p50_seconds", gc->known ? g->pause_p50_seconds : NAN);
	jsonput_number(o, "pause_p99_seconds", gc->known ? g->pause_p99_seconds : NAN);
	jsonput_number(o, "pause_max_seconds", gc->known ? g->pause_max_seconds : NAN);
	jsonput_number(o, "time_share", gc->known ? g->time_share : NAN);
	jsonput_moment(o, "last", gc->known ? g->last : NAN);
	return o;
}

static void put_state(json_object *o, const struct snapshot_gc *gc)
{
	if (gc->is_state_known)
		jsonput_bool(o, "enabled", gc->is_enabled);
	else
		jsonput_object(o, "enabled", NULL);
	jsonput_text(o, "collector", gc->is_incremental ? "incremental" : "generational",
		     WORD_BYTES);
	jsonput_count(o, "frozen_objects", gc->is_state_known ? gc->frozen_objects : -1);
	if (gc->is_state_known && gc->frozen_objects >= 0)
		jsonput_bool(o, "freezing", gc->is_freezing);
	else
		jsonput_object(o, "freezing", NULL);
}

json_object *document_gc_new(const struct snapshot_gc *gc)
{
	json_object *o = json_object_new_object();
	json_object *collections = NULL, *pauses = NULL, *generations = json_object_new_array();

	if (gc->known) {
		collections = json_object_new_array();
		pauses = json_object_new_array();
	}
	for (int i = 0; i < PGD_GENERATIONS; i++) {
		const struct snapshot_generation *g = &gc->generations[i];

		json_object_array_add(generations, generation_new(gc, i));
		if (!gc->known)
			continue;
		json_object_array_add(collections, json_object_new_int64((int64_t)g->collections));
		json_object_array_add(pauses, jsonput_number_new(g->pause_seconds));
	}
	jsonput_bool(o, "known", gc->known);
	jsonput_number(o, "probe_duty", gc->known ? gc->probe_duty : NAN);
	put_state(o, gc);
	jsonput_object(o, "collections", collections);
	jsonput_object(o, "pause_seconds", pauses);
	jsonput_object(o, "generations", generations);
	jsonput_moment(o, "last_full_collection",
		       gc->known ? gc->generations[PGD_GENERATIONS - 1].last : NAN);
	jsonput_count(o, "freed_bytes", gc->known ? gc->freed_bytes : -1);
	jsonput_count(o, "freed_blocks", gc->known ? gc->freed_blocks : -1);
	return o;
}

/* ── a stack ──────────────────────────────────────────────────────────────────────────────── */

/* Of the bytes that were freed; NAN: none were, or nobody knows. */
static double cyclic_share(const struct snapshot_cycles *c)
{
	double all = c->by_collector_bytes + c->by_references_bytes;

	return all > 0 ? c->by_collector_bytes / all : NAN;
}

json_object *document_cycles_new(const struct snapshot_cycles *c)
{
	json_object *o = json_object_new_object();

	jsonput_bytes(o, "freed_by_collector_bytes", c->by_collector_bytes);
	jsonput_count(o, "freed_by_collector_blocks", c->by_collector_blocks);
	jsonput_bytes(o, "freed_by_references_bytes", c->by_references_bytes);
	jsonput_count(o, "freed_by_references_blocks", c->by_references_blocks);
	jsonput_number(o, "cyclic_share", cyclic_share(c));
	jsonput_number(o, "cyclic_share_error", isnan(cyclic_share(c)) ? NAN : c->share_error);
	jsonput_count(o, "survived_full_collections", c->fulls_survived);
	jsonput_bytes(o, "survived_bytes", c->survived_bytes);
	jsonput_bytes(o, "waiting_bytes", c->waiting_bytes);
	jsonput_text(o, "verdict", cycles_verdict_name[c->verdict], WORD_BYTES);
	return o;
}

static int by_cycles(const void *a, const void *b)
{
	const struct snapshot_stack *x = *(const struct snapshot_stack *const *)a;
	const struct snapshot_stack *y = *(const struct snapshot_stack *const *)b;

	return (x->cycles.by_collector_bytes < y->cycles.by_collector_bytes) -
	       (x->cycles.by_collector_bytes > y->cycles.by_collector_bytes);
}

static json_object *row_new(const struct snapshot_stack *s)
{
	bool has_blame = s->blame >= 0 && (size_t)s->blame < s->n_frames;
	json_object *o = json_object_new_object();

	jsonput_id(o, "id", s->id);
	jsonput_count(o, "pid", s->pid);
	jsonput_bytes(o, "live_bytes", s->live_bytes);
	jsonput_object(o, "gc", document_cycles_new(&s->cycles));
	jsonput_object(o, "blame", has_blame ? document_frame_new(&s->frames[s->blame]) : NULL);
	return o;
}

int document_cyclic_new(const struct snapshot_stack *const *stacks, size_t n, size_t limit,
			json_object **ret, bool *ret_is_cut)
{
	_cleanup_free_ const struct snapshot_stack **list = calloc(n + 1, sizeof(list[0]));
	size_t n_cyclic = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (stacks[i]->cycles.by_collector_bytes > 0) /* false for NAN */
			list[n_cyclic++] = stacks[i];
	qsort(list, n_cyclic, sizeof(list[0]), by_cycles);
	*ret = json_object_new_array();
	for (size_t i = 0; i < n_cyclic && i < limit; i++)
		json_object_array_add(*ret, row_new(list[i]));
	*ret_is_cut = n_cyclic > limit;
	return 0;
}
