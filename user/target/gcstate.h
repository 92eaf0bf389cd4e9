/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/gcstate.h — is this interpreter's collector on, when is it due, what is frozen?
 *
 *	struct _gc_runtime_state of CPython 3.8 to 3.14 (main interpreter):
 *
 *	  +12 enabled │ +24 generations[3] {next, prev, threshold, count} │ … │ permanent │ stats[3]
 *…
 *	              (+20 in Debian's 3.13, whose heads are aligned to 4)         └ 24 bytes ┘
 *
 * Read from outside. Where the lists are is not believed but seen: each head's neighbour must point
 * back to it. While a collection runs its own list does not; the two others do.
 */
#ifndef USER_TARGET_GCSTATE_H
#define USER_TARGET_GCSTATE_H

#include <stdbool.h>
#include <stdint.h>

#include "pgd_abi.h"
#include "target/procmem.h"

#define GCSTATE_FROZEN_MAX 16384 /* objects of the permanent generation that are counted */

/* Addresses in the target; 0: not found. */
struct gcstate {
	uint64_t enabled, lists, permanent;
	/* The permanent generation is counted again when one of its ends has changed. */
	uint64_t frozen_first, frozen_last;
	int64_t n_frozen;
	bool is_freezing;
};

struct gcstate_now {
	bool is_enabled;
	int64_t thresholds[PGD_GENERATIONS];
	int64_t counts[PGD_GENERATIONS]; /* of what starts each generation when it is over it */
	int64_t n_frozen; /* objects that gc.freeze() has put aside, at most GCSTATE_FROZEN_MAX;
			   * -1: not known (the list changed while we looked) */
	bool is_freezing; /* they have become more since the first look */
};

/* gc, gc_stats: of struct pyruntime. 0, or -EBADMSG: no lists there; *ret is all zeros then. */
int gcstate_find(const struct procmem *m, uint64_t gc, uint64_t gc_stats, struct gcstate *ret);
/* 0, -ENOENT if nothing was found, or what procmem_read() said. Costs three reads, and one for each
 * page with frozen objects when these have changed. */
int gcstate_read(const struct procmem *m, struct gcstate *g, struct gcstate_now *ret);

#endif
