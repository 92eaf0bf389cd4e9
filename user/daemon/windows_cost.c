/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/windows_cost.c — what do hits cost a target, and what does its budget pay? */
#include <math.h>

#include "daemon/windows_internal.h"
#include "lib/clock.h"

static double beside_ns(const struct lens *l)
{
	return (double)l->n_beside * WINDOWS_BESIDE_NS;
}

struct pace_cost windows_cost(const struct windows *w, const struct lens *l)
{
	return (struct pace_cost){ (w->cost.alloc_ns + beside_ns(l)) * l->cost_scale,
				   (w->cost.free_ns + beside_ns(l)) * l->cost_scale,
				   w->cost.count_ns + beside_ns(l) };
}

struct pace_cost windows_always_cost(const struct windows *w, const struct lens *l)
{
	double trap_ns = probes_trap_ns(w->probes) + beside_ns(l);

	return (struct pace_cost){ trap_ns + WINDOWS_EXACT_ALLOC_NS,
				   trap_ns + WINDOWS_EXACT_FREE_NS, 0 };
}

double windows_hit_cost(const struct windows *w, const struct lens *l, const struct pgd_hits *hits)
{
	struct pace_cost always = windows_always_cost(w, l);
	double free_ns = l->state == LENS_ALWAYS ? always.free_ns : windows_cost(w, l).free_ns;

	return (double)hits->alloc * always.alloc_ns + (double)hits->free * free_ns;
}

static double counted_ns(const struct windows *w, const struct lens *l)
{
	return fmax(pace_hit_ns(&l->pace), windows_cost(w, l).count_ns);
}

double windows_loss(const struct windows *w, const struct lens *l, const struct shutter_result *r)
{
	struct pace_cost cost = windows_cost(w, l);

	if (r->kind == PGD_GATE_COUNT)
		return (double)r->gate.allocs * counted_ns(w, l);
	return (double)r->gate.allocs * cost.alloc_ns + (double)r->gate.frees * cost.free_ns;
}

static double beyond(uint64_t all, uint64_t in_gate)
{
	return all > in_gate ? (double)(all - in_gate) : 0;
}

double windows_shut_cost(const struct windows *w, const struct lens *l,
			 const struct shutter_result *r, const struct pgd_hits *hits)
{
	struct pace_cost cost = windows_cost(w, l);

	if (r->kind == PGD_GATE_COUNT)
		return beyond(hits->counted, r->gate.allocs) * counted_ns(w, l) +
		       (double)(hits->alloc + hits->free) * cost.free_ns;
	return (beyond(hits->alloc, r->gate.allocs) + beyond(hits->free, r->gate.frees)) *
	       cost.free_ns;
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
