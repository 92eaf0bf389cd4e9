/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/gccount.h — how many collections were there, and how long did they take, if only a
 * part of them was timed?
 *
 *   the interpreter's statistics:  ████████████████████████  each collection, whatever is on
 *   the collector's probes:        ██ ·········· ██ ······   those while they are on
 *
 * How often a generation ran, and what it found, the interpreter counts itself: exact. Collections
 * that nobody has timed are taken to be as long as those that were timed next; the probes go on at
 * random moments (gcbudget.h), so that is right on average, and where the program has phases, for
 * each of them. While the probes are on, sums are exact. What was said never gets less.
 *
 * Pure: no clock, no I/O.
 */
#ifndef USER_TARGET_GCCOUNT_H
#define USER_TARGET_GCCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "pgd_abi.h"

#define GCCOUNT_TIMED_MIN 30.0 /* timed ones that stand for others */

/* struct gc_generation_stats of CPython, the same in 3.8 to 3.14. */
struct gccount_stats {
	uint64_t collections, collected, uncollectable;
};

struct gccount_generation {
	struct gccount_stats counted; /* since gccount_begin() */
	uint64_t timed; /* of these collections */
	double pause_ns, asked; /* of all; NAN: none was timed yet */
	uint64_t last_ns; /* when the last one ended, as far as is known; 0: none */
	/* own */
	struct gccount_stats base;
	bool is_part; /* of those that are not covered yet, some were not timed */
	uint64_t covered; /* collections in the two sums that follow */
	double covered_pause_ns, covered_asked;
	uint64_t seen_timed, seen_pause_ns, seen_asked; /* the kernel's sums that are in those */
	uint64_t seen_collected, seen_uncollectable; /* at the last look */
	double recent_n, recent_pause_ns, recent_asked; /* of those timed last */
};

struct gccount {
	struct gccount_generation generations[PGD_GENERATIONS];
};

/* Both as of now; gc: what the kernel side has timed, which may be something already. */
void gccount_begin(struct gccount *c, const struct gccount_stats stats[PGD_GENERATIONS],
		   const struct pgd_gc *gc);
/* Again; `gc` was read before `stats`. stats NULL: the process has ended, count what was timed.
 * are_all_timed: the probes were on ever since the last look. */
void gccount_look(struct gccount *c, const struct gccount_stats stats[PGD_GENERATIONS],
		  const struct pgd_gc *gc, uint64_t now_ns, bool are_all_timed);

#endif
