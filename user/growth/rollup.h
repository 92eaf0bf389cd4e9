/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/rollup.h — what do all the stacks through one line, or one function, hold together?
 *
 *   stack A  leaf1 ◄ lib ◄ get_user ◄ loop         row get_user:  all = A + B, blamed = A + B
 *   stack B  leaf2 ◄ lib ◄ get_user ◄ loop    ─►   row loop:      all = A + B + C, blamed = C
 *   stack C  leaf3 ◄ loop                          row lib:       all = A + B, blamed = nothing
 *
 * Ranked by what is blamed on the row, so that the line a person can mend is on top and the event
 * loop, through which everything passes, is not.
 *
 * A row is of one group of processes (snapshot_process.group: the workers of a service), or of one
 * process if asked so. Its figures are those of the processes that are there, since what ended has
 * given its memory back: when a worker ends, the sum falls by what it held, and the row says so
 * (gone_…) for as long as the snapshot has that worker. Where none is left, figures are of those
 * that were.
 * Errors of sums are not sums of errors: see pool.h.
 */
#ifndef USER_GROWTH_ROLLUP_H
#define USER_GROWTH_ROLLUP_H

#include "growth/snapshot.h"

enum rollup_by {
	ROLLUP_BY_LINE,
	ROLLUP_BY_FUNCTION,
	ROLLUP_BY_STACK, /* what is told apart by id; `all` and `blamed` are the same */
	ROLLUP_BY_MAX
};

struct rollup_figures {
	double live_bytes, live_error; /* 0: exact */
	double growth_bytes_per_sec, growth_error; /* NAN: no stack of it has a rate yet */
	int64_t live_blocks;
	size_t n_stacks;
};

/* What tells rows apart. Strings belong to the stacks. */
struct rollup_key {
	pid_t group; /* see snapshot_process; of one that is on its own, or split off: its PID */
	uint64_t stack; /* by stack: its id, and nothing below is set; else 0 */
	const char *function, *file; /* both NULL: stacks without any Python frame */
	int line; /* 0: not known, or by function */
};

/* Lists belong to the rollup, what they point to and top_stack to the snapshot. */
struct rollup_row {
	struct rollup_key key;
	const pid_t *pids; /* whose figures these are; ascending */
	size_t n_pids;
	const char *service; /* whose processes they are, or NULL */
	bool is_gone; /* all of them have ended */
	/* Of the same group, ended, and in no figure but these two; none if is_gone. What they held
	 * is their stacks' peak_bytes, since who ends in good order frees it first. */
	const pid_t *gone_pids;
	size_t n_gone_pids;
	double gone_bytes, gone_blamed_bytes;
	bool in_application;
	struct rollup_figures all; /* of every stack through it, a recursive one once */
	struct rollup_figures blamed; /* of those whose blame frame it is */
	/* The first stack of `blamed`, or of `all` if nothing is: with stacks in a snapshot's order
	 * that is the fastest growing one. */
	const struct snapshot_stack *top_stack;
	const struct snapshot_stack *const *blamed_stacks; /* blamed.n_stacks of them */
};

struct rollup {
	struct rollup_row
		*rows; /* by blamed growth, blamed live bytes, all growth, all live bytes */
	size_t n_rows;
	pid_t *pids; /* of all rows */
	const struct snapshot_stack **stacks; /* each once: of the row that it is blamed on */
};

/* The stacks of both are the snapshot's, of which processes, n_history and history_sec are read.
 * Quadrature is left where nothing better is known: live_bytes_error of stacks without samples, and
 * of different processes, which are sampled independently; growth_error if the snapshot has no
 * times or a stack has no history. */

/* What a set of stacks holds and grows, without keys. 0 or -ENOMEM; *ret untouched then. */
int rollup_sum(const struct snapshot *snapshot, const struct snapshot_stack *const *stacks,
	       size_t n_stacks, struct rollup_figures *ret);

/* is_split: no process is added to another. 0 or -ENOMEM; *ret untouched then. At most one row per
 * frame of all stacks. */
int rollup_new(const struct snapshot *snapshot, const struct snapshot_stack *const *stacks,
	       size_t n_stacks, enum rollup_by by, bool is_split, struct rollup *ret);
void rollup_done(struct rollup *r);

/* Live bytes over time of the stacks that are blamed on a row, oldest first: their histories,
 * aligned at the newest point. How many points, at most SNAPSHOT_HISTORY_MAX. */
size_t rollup_history(const struct rollup_row *row, double ret[SNAPSHOT_HISTORY_MAX]);

#endif
