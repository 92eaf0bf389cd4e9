/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/rollup.h — what do all the stacks through one line, or one function, hold together?
 *
 *   stack A  leaf1 ◄ lib ◄ get_user ◄ loop         row get_user:  all = A + B, blamed = A + B
 *   stack B  leaf2 ◄ lib ◄ get_user ◄ loop    ─►   row loop:      all = A + B + C, blamed = C
 *   stack C  leaf3 ◄ loop                          row lib:       all = A + B, blamed = nothing
 *
 * Ranked by what is blamed on the row, so that the line a person can mend is on top and the event
 * loop, through which everything passes, is not.
 * Errors of sums are not sums of errors: see pool.h.
 */
#ifndef USER_GROWTH_ROLLUP_H
#define USER_GROWTH_ROLLUP_H

#include "growth/snapshot.h"

enum rollup_by {
	ROLLUP_BY_LINE,
	ROLLUP_BY_FUNCTION,
	ROLLUP_BY_MAX
};

struct rollup_figures {
	double live_bytes, live_error; /* 0: exact */
	double growth_bytes_per_sec, growth_error; /* NAN: no stack of it has a rate yet */
	int64_t live_blocks;
	size_t n_stacks;
};

/* Strings and top_stack belong to the stacks. */
struct rollup_row {
	pid_t pid;
	const char *function, *file; /* both NULL: stacks without any Python frame */
	int line; /* 0: not known, or by function */
	bool in_application;
	struct rollup_figures all; /* of every stack through it, a recursive one once */
	struct rollup_figures blamed; /* of those whose blame frame it is */
	/* The first stack of `blamed`, or of `all` if nothing is: with stacks in a snapshot's order
	 * that is the fastest growing one. */
	const struct snapshot_stack *top_stack;
};

struct rollup {
	struct rollup_row
		*rows; /* by blamed growth, blamed live bytes, all growth, all live bytes */
	size_t n_rows;
};

/* The stacks of both are the snapshot's, of which nothing but n_history and history_sec is read.
 * Quadrature is left where nothing better is known: live_bytes_error of stacks without samples and
 * of different processes, growth_error if the snapshot has no times or a stack has no history. */

/* What a set of stacks holds and grows, without keys. 0 or -ENOMEM; *ret untouched then. */
int rollup_sum(const struct snapshot *snapshot, const struct snapshot_stack *const *stacks,
	       size_t n_stacks, struct rollup_figures *ret);

/* 0 or -ENOMEM; *ret untouched then. At most one row per frame of all stacks. */
int rollup_new(const struct snapshot *snapshot, const struct snapshot_stack *const *stacks,
	       size_t n_stacks, enum rollup_by by, struct rollup *ret);
void rollup_done(struct rollup *r);

/* Live bytes over time of the stacks that are blamed on a row of rollup_new(), oldest first: their
 * histories, aligned at the newest point. How many points, at most SNAPSHOT_HISTORY_MAX. */
size_t rollup_history(const struct snapshot_stack *const *stacks, size_t n_stacks,
		      enum rollup_by by, const struct rollup_row *row,
		      double ret[SNAPSHOT_HISTORY_MAX]);

#endif
