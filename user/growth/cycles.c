/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/cycles.c — see cycles.h. */
#include <math.h>

#include "growth/cycles.h"
#include "lib/cleanup.h"

#define MOST 0.5 /* of what a stack holds */

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
