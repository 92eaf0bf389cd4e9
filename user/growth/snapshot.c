/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/snapshot.c — in which order do people want the stacks? */
#include <math.h>
#include <stdlib.h>

#include "growth/snapshot.h"

/* A rate that is not known comes last. */
static int by_growth(const void *a, const void *b)
{
	const struct snapshot_stack *x = a, *y = b;
	double gx = x->growth_bytes_per_second, gy = y->growth_bytes_per_second;

	gx = isnan(gx) ? -INFINITY : gx;
	gy = isnan(gy) ? -INFINITY : gy;
	if (gx != gy)
		return gx < gy ? 1 : -1;
	if (x->live_bytes != y->live_bytes)
		return x->live_bytes < y->live_bytes ? 1 : -1;
	return x->id < y->id ? -1 : x->id > y->id;
}

void snapshot_sort(struct snapshot *s)
{
	qsort(s->stacks, s->n_stacks, sizeof(*s->stacks), by_growth);
}
