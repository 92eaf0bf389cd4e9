/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/windows_cost.c — what do hits cost a target, and what does its budget pay? */
#include "daemon/windows_internal.h"
#include "lib/clock.h"

struct pace_cost windows_cost(const struct windows *w, const struct lens *l)
{
	return (struct pace_cost){ w->cost.alloc_ns * l->cost_scale,
				   w->cost.free_ns * l->cost_scale, w->cost.count_ns };
}

struct pace_cost windows_always_cost(const struct windows *w)
{
	double trap_ns = probes_trap_ns(w->probes);

	return (struct pace_cost){ trap_ns + WINDOWS_EXACT_ALLOC_NS,
				   trap_ns + WINDOWS_EXACT_FREE_NS, 0 };
}

double windows_hit_cost(const struct windows *w, const struct lens *l, const struct pgd_hits *hits)
{
	struct pace_cost cost = windows_cost(w, l), always = windows_always_cost(w);

	if (l->state == LENS_ALWAYS)
		return (double)hits->alloc * always.alloc_ns + (double)hits->free * always.free_ns;
	if (w->open != l) /* rare sites: their stacks are walked, too */
		return (double)hits->alloc * always.alloc_ns + (double)hits->free * cost.free_ns;
	return (double)hits->alloc * cost.alloc_ns + (double)hits->free * cost.free_ns +
	       (double)hits->counted * cost.count_ns;
}

struct pgd_hits windows_take_hits(struct windows *w, struct lens *l)
{
	struct pgd_hits hits = l->hits, was = l->hits;

	if (probes_hits(w->probes, l->watch->slot, &hits) == 0)
		l->hits = hits;
	return (struct pgd_hits){ .alloc = hits.alloc - was.alloc,
				  .free = hits.free - was.free,
				  .counted = hits.counted - was.counted };
}

void windows_pay(struct windows *w, const struct lens *l, double loss_ns, double extra_ns)
{
	uint64_t now_ns = clock_monotonic_ns();
	bool is_turn =
		(w->purpose == WINDOWS_SAMPLE || w->purpose == WINDOWS_RATE) && !w->is_let_off;

	/* Counting is cheap: what it costs says nothing of the windows that are planned. */
	if (!is_turn || w->purpose == WINDOWS_RATE) {
		budget_spend(w->budget, l->watch->slot, now_ns, (uint64_t)(loss_ns + extra_ns));
		loss_ns = extra_ns = 0;
	}
	if (is_turn)
		budget_window_done(w->budget, l->watch->slot, now_ns, (uint64_t)loss_ns,
				   (uint64_t)extra_ns);
}
