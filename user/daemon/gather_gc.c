/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/gather_gc.c — see gather_gc.h. */
#include <math.h>

#include "daemon/gather_gc.h"
#include "growth/pause.h"
#include "lib/clock.h"

#define NS_PER_SEC 1e9
#define P50	   0.5
#define P99	   0.99

static double watched_sec(const struct watch *w)
{
	return (w->regime == WATCH_GONE ? w->gone_sec : clock_monotonic_sec()) - w->opened_sec;
}

static double to_unix_sec(uint64_t monotonic_ns)
{
	return clock_realtime_sec() - clock_monotonic_sec() + (double)monotonic_ns / NS_PER_SEC;
}

static void gather_generation(const struct watch *w, const struct pgd_gc_generation *from,
			      struct snapshot_generation *ret)
{
	double max_sec = (double)from->pause_max_ns / NS_PER_SEC;

	*ret = (struct snapshot_generation){
		.collections = from->collections,
		.timed = from->collections,
		.asked = w->gcstate.lists ? (int64_t)from->asked : -1,
		.collected = from->collected,
		.uncollectable = from->uncollectable,
		.pause_seconds = (double)from->pause_ns / NS_PER_SEC,
		.pause_p50_seconds = pause_quantile_sec(from->pauses, max_sec, P50),
		.pause_p99_seconds = pause_quantile_sec(from->pauses, max_sec, P99),
		.pause_max_seconds = from->collections ? max_sec : NAN,
		.last = from->collections ? to_unix_sec(from->ended_ns) : NAN,
		.threshold = -1,
		.count = -1,
	};
}

/* What the interpreter counts itself, and what that makes of those that were timed. */
static void gather_counted(const struct watch *w, const struct gccount_generation *from,
			   struct snapshot_generation *ret)
{
	ret->collections = from->counted.collections;
	ret->timed = from->timed;
	ret->collected = from->counted.collected;
	ret->uncollectable = from->counted.uncollectable;
	ret->pause_seconds = from->pause_ns / NS_PER_SEC;
	ret->asked = w->gcstate.lists && !isnan(from->asked) ? llround(from->asked) : -1;
	ret->last = from->last_ns ? to_unix_sec(from->last_ns) : NAN;
}

/* Of one that has ended nothing is read any more. */
static void gather_state(struct watch *w, struct snapshot_gc *ret)
{
	struct gcstate_now now;

	ret->is_incremental = w->runtime.is_gc_incremental;
	ret->frozen_objects = -1;
	if (w->regime == WATCH_GONE || gcstate_read(&w->mem, &w->gcstate, &now) < 0)
		return;
	ret->is_state_known = true;
	ret->is_enabled = now.is_enabled && now.thresholds[0];
	ret->frozen_objects = now.n_frozen;
	ret->is_freezing = now.is_freezing;
	for (int i = 0; i < PGD_GENERATIONS; i++) {
		ret->generations[i].threshold = now.thresholds[i];
		ret->generations[i].count = now.counts[i];
	}
}

void gather_gc(const struct pipeline *p, struct watch *w, bool is_followed, struct snapshot_gc *ret)
{
	const struct gccount *count = NULL;
	struct pgd_gc gc = { 0 };

	ret->known = w->has_gc && probes_gc(p->probes, w->slot, &gc) == 0;
	/* In windows most blocks are never seen, so neither is who ends them; nor is that while
	 * the collector's probes are off. */
	is_followed &= !w->has_gc_gaps;
	ret->freed_bytes = ret->known && is_followed ? (int64_t)gc.freed_bytes : -1;
	ret->freed_blocks = ret->known && is_followed ? (int64_t)gc.freed_blocks : -1;
	ret->probe_duty = 1;
	if (p->windows)
		count = windows_gc(p->windows, w, &ret->probe_duty);
	for (int i = 0; i < PGD_GENERATIONS; i++) {
		struct snapshot_generation *g = &ret->generations[i];

		gather_generation(w, &gc.generations[i], g);
		if (count)
			gather_counted(w, &count->generations[i], g);
		g->time_share = g->pause_seconds / fmax(watched_sec(w), 1e-3);
	}
	gather_state(w, ret);
}

/* Every block was followed, from its birth to its end. */
static void gather_followed(const struct stack *from, struct snapshot_cycles *ret)
{
	const struct cycles *c = &from->cycles;
	int64_t freed_blocks = (int64_t)from->n_births - from->live_blocks;

	ret->by_collector_bytes = (double)c->gc_freed_bytes;
	ret->by_collector_blocks = (int64_t)c->gc_freed_blocks;
	ret->by_references_bytes = (double)(c->freed_bytes - c->gc_freed_bytes);
	ret->by_references_blocks = freed_blocks - ret->by_collector_blocks;
	ret->share_error = 0;
}

/* All that died, as the samples say, and the collector's share of it, as the witnesses do. */
static void gather_drawn(const struct cycles_drawn *d, struct snapshot_cycles *ret)
{
	double blocks = fmax(d->freed_blocks, 0), bytes = fmax(d->freed_bytes, 0), error;
	double share = cycles_drawn_share(d, &error);
	double of_blocks = cycles_drawn_share_of_blocks(d);

	if (isnan(share))
		return;
	ret->by_collector_bytes = share * bytes;
	ret->by_references_bytes = (1 - share) * bytes;
	ret->by_collector_blocks = llround(of_blocks * blocks);
	ret->by_references_blocks = llround((1 - of_blocks) * blocks);
	ret->share_error = error;
}

/* After gather_gc() of its process. */
void gather_cycles(const struct watch *w, const struct snapshot_gc *gc, const struct stack *from,
		   struct snapshot_cycles *ret)
{
	const struct cycles_collector collector = {
		.is_state_known = gc->is_state_known,
		.is_enabled = gc->is_enabled,
		.is_freezing = gc->is_freezing,
		.are_fulls_known = w->gcstate.lists && !gc->is_incremental,
	};
	double live_bytes = (double)from->live_bytes + from->sampled_bytes;
	struct cycles drawn = cycles_drawn_sums(&from->drawn);
	const struct cycles *c = w->n_windows ? &drawn : &from->cycles;

	*ret = SNAPSHOT_CYCLES_NOT_KNOWN;
	if (!gc->known || (w->has_gc_gaps && !w->n_windows))
		return;
	if (w->n_windows)
		gather_drawn(&from->drawn, ret);
	else
		gather_followed(from, ret);
	ret->fulls_survived = c->fulls_survived;
	ret->survived_bytes = cycles_survived_bytes(c);
	ret->waiting_bytes = cycles_waiting_bytes(c, &collector, live_bytes);
	ret->verdict = cycles_judge(c, &collector, live_bytes);
}
