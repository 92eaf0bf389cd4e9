/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/pool.h — what do some of these stacks hold and grow together, and how sure is that?
 *
 * Figures add up. Errors do not, not even in quadrature: a request that is caught by a window is
 * caught with all of its stacks, and what it leaks grows in all of them. So some stacks are judged
 * as the one stack that they would be without their inner frames:
 *   live    estimate_live() of all their samples, neighbours by window;
 *   growth  series_rate() of the sum of their histories.
 * Made of all stacks once, asked for many subsets of them (rollup.c: for each row).
 */
#ifndef USER_GROWTH_POOL_H
#define USER_GROWTH_POOL_H

#include "growth/rollup.h"

struct pool_member {
	const struct snapshot_stack *stack;
	const struct snapshot_process *process; /* whose it is; NULL: the snapshot does not say */
	const size_t *windows; /* of each of its samples, as a number; NULL: it has no samples */
};

struct pool {
	const struct snapshot *snapshot;
	struct pool_member *members; /* in the order of the stacks */
	size_t n_members, n_samples;
	size_t *windows; /* of all samples of all members, numbered from 0 */
	struct estimate_sample *samples; /* room for all: those of a window are neighbours */
	size_t *places; /* per window: how many samples, then where in `samples`; else 0 */
	size_t *touched; /* the windows whose place is not 0 */
};

/* Of a pool that is { 0 }; the stacks must outlive it. 0 or -ENOMEM; pool_done() is due anyway. */
int pool_init(struct pool *p, const struct snapshot *snapshot,
	      const struct snapshot_stack *const *stacks, size_t n_stacks);
void pool_done(struct pool *p);

/* Members of one process must be neighbours. */
struct rollup_figures pool_figures(struct pool *p, const struct pool_member *const *m, size_t n);

#endif
