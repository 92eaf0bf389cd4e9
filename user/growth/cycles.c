/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/cycles.c — see cycles.h. */
#include <math.h>

#include "growth/cycles.h"
#include "lib/cleanup.h"

#define MOST 0.5 /* of what a stack holds */
#define Z95  1.959964

const char *const cycles_verdict_name[CYCLES_VERDICT_MAX] = {
	NULL, "survives", "waits", "off", "frozen",
};

void cycles_settle(struct pgd_stack_total *total, uint32_t fulls)
{
	int32_t n = (int32_t)(fulls - total->fulls_seen);

	if (n <= 0) /* below 0: it has changed since `fulls` was read */
		return;
	if (!total->is_in_full && total->live_bytes > total->floor_bytes)
		total->full_grown_bytes += (uint64_t)(total->live_bytes - total->floor_bytes);
	total->fulls_survived = total->live_bytes > 0 ? total->fulls_survived + (uint32_t)n : 0;
	total->floor_bytes = total->live_bytes;
	total->is_in_full = 0;
	total->fulls_seen = fulls;
}

void cycles_add(struct cycles *c, const struct pgd_stack_total *total, bool has_floor)
{
	c->freed_bytes += total->freed_bytes;
	c->gc_freed_bytes += total->gc_freed_bytes;
	c->gc_freed_blocks += total->gc_freed_blocks;
	c->full_freed_bytes += total->full_freed_bytes;
	c->full_grown_bytes += total->full_grown_bytes;
	if (!has_floor)
		return;
	c->floor_bytes += total->floor_bytes;
	if (total->fulls_survived > c->fulls_survived)
		c->fulls_survived = total->fulls_survived;
}

/* ── drawn ────────────────────────────────────────────────────────────────────────────────── */

void cycles_drawn_add(struct cycles_drawn *d, enum cycles_fate fate, double weight, double bytes,
		      double n_blocks)
{
	double sum = weight * bytes * n_blocks, square = weight * bytes * weight * bytes * n_blocks;

	if (fate == CYCLES_MET_FULL) {
		d->full_grown_bytes += sum;
		d->full_squares += square;
		return;
	}
	d->known_bytes += sum;
	d->known_blocks += weight * n_blocks;
	d->squares += square;
	if (fate == CYCLES_BY_REFERENCES)
		return;
	d->gc_bytes += sum;
	d->gc_blocks += weight * n_blocks;
	if (fate == CYCLES_BY_FULL)
		d->full_freed_bytes += sum;
}

/* As many equal ones would say as much. */
static double in_effect(double sum, double squares)
{
	return squares > 0 ? sum * sum / squares : 0;
}

static double share_of(double part, double all)
{
	return fmin(fmax(part / all, 0), 1);
}

/* Wilson's interval: it has a width where all or none were the collector's, too. */
double cycles_drawn_share(const struct cycles_drawn *d, double *ret_error)
{
	double n = in_effect(d->known_bytes, d->squares), share, spread;

	*ret_error = NAN;
	if (!(n >= CYCLES_DRAWN_MIN))
		return NAN;
	share = share_of(d->gc_bytes, d->known_bytes);
	spread = Z95 * sqrt(share * (1 - share) / n + Z95 * Z95 / (4 * n * n));
	*ret_error = spread / (1 + Z95 * Z95 / n);
	return share;
}

double cycles_drawn_share_of_blocks(const struct cycles_drawn *d)
{
	if (!(in_effect(d->known_bytes, d->squares) >= CYCLES_DRAWN_MIN))
		return NAN;
	return share_of(d->gc_blocks, d->known_blocks);
}

static uint64_t to_bytes(double bytes)
{
	return bytes > 0 ? (uint64_t)bytes : 0;
}

struct cycles cycles_drawn_sums(const struct cycles_drawn *d)
{
	bool is_enough = in_effect(d->full_grown_bytes, d->full_squares) >= CYCLES_DRAWN_MIN;

	return (struct cycles){
		.full_freed_bytes = is_enough ? to_bytes(d->full_freed_bytes) : 0,
		.full_grown_bytes = is_enough ? to_bytes(d->full_grown_bytes) : 0,
		.floor_bytes = (int64_t)to_bytes(d->floor_bytes),
		.fulls_survived = d->fulls_survived,
	};
}

/* ── judged ───────────────────────────────────────────────────────────────────────────────── */

/* Has a full collection met this stack? */
static bool has_met_one(const struct cycles *c)
{
	return c->fulls_survived || c->full_grown_bytes;
}

double cycles_survived_bytes(const struct cycles *c)
{
	return has_met_one(c) ? (double)c->floor_bytes : NAN;
}

double cycles_waiting_bytes(const struct cycles *c, const struct cycles_collector *gc,
			    double live_bytes)
{
	double beyond = live_bytes - (double)c->floor_bytes;

	if (!gc->are_fulls_known || !has_met_one(c))
		return NAN;
	if (beyond <= 0)
		return 0;
	if (!c->full_grown_bytes) /* it has never held more before: nobody knows what becomes of it
				   */
		return NAN;
	return beyond * fmin((double)c->full_freed_bytes / (double)c->full_grown_bytes, 1);
}

enum cycles_verdict cycles_judge(const struct cycles *c, const struct cycles_collector *gc,
				 double live_bytes)
{
	double most = MOST * live_bytes;

	if (!(live_bytes > 0))
		return CYCLES_NOT_KNOWN;
	if (!has_met_one(c))
		return gc->is_state_known && !gc->is_enabled ? CYCLES_OFF : CYCLES_NOT_KNOWN;
	if (cycles_waiting_bytes(c, gc, live_bytes) >= most) /* false for NAN */
		return CYCLES_WAITS;
	if (!c->fulls_survived || (double)c->floor_bytes < most)
		return CYCLES_NOT_KNOWN;
	return gc->is_state_known && gc->is_freezing ? CYCLES_FROZEN : CYCLES_SURVIVES;
}
