/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/witness.h — who freed it: the collector, or references?
 *
 * In windows nobody sees frees, and a look from outside comes too late: a young collection takes
 * 20 µs, to be woken 50. So a part of what each window has caught alive is handed to the kernel,
 * which looks at it when a collection begins and when it is done (bpf/witness.bpf.h). The daemon
 * gives and takes rows, and adds up what became of them.
 *
 *	window opens      witnesses_reserve()   so many rows are free; if they were not, of each two
 *	                                        witnesses one at random stands for both
 *	its end           witnesses_watch()     the shutter's thread fills them, before a collection
 *	                                        can come
 *	its result        witnesses_take()      now it is known what each stands for
 *	beats             witnesses_harvest()   what has become of them
 *
 * No clock, no I/O; what the kernel shares comes in as pointers.
 */
#ifndef USER_SAMPLE_WITNESS_H
#define USER_SAMPLE_WITNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "growth/cycles.h"
#include "lib/cleanup.h"
#include "pgd_abi.h"
#include "sample/fingerprint.h"
#include "target/pace.h"

#define WITNESSES_A_WINDOW 32
#define WITNESSES_FEW	   32 /* of a target whose collections cost nearly what they may */

struct witness {
	uint64_t stack; /* pgd_stack_key.hash */
	double weight; /* how many blocks it stands for */
	uint32_t bytes;
	bool is_taken; /* witnesses_take() knows it */
	uint8_t pending; /* enum pace_pending, of its weight */
	bool has_met_full; /* that it has been in a full collection was told */
};

struct witnesses;

/* rows: by slot * PGD_WITNESSES_MAX; trips: by slot; both stay. seed: of who goes when rows run
 * short. 0 or -ENOMEM. */
int witnesses_new(struct pgd_witness *rows, struct pgd_gc_trip *trips, uint64_t seed,
		  struct witnesses **ret);
void witnesses_free(struct witnesses *ws);
DEFINE_CLEANUP(struct witnesses *, witnesses_free)

/* Of a slot, for one window. */
struct witness_room {
	struct pgd_witness *rows[WITNESSES_A_WINDOW];
	size_t n;
};
/* n_max: witnesses that the target may have in all, 4 to PGD_WITNESSES_MAX. Room for
 * WITNESSES_A_WINDOW of them, or half of n_max; 0: out of memory. Rows that were reserved before
 * and not taken are free again. */
void witnesses_reserve(struct witnesses *ws, uint32_t slot, size_t n_max, struct witness_room *ret);

/* Fill a row, not watched yet: false, nothing of this block tells whether it lives. Any thread. */
bool witness_fill(uint64_t block, const struct fingerprint *print, struct pgd_witness *ret);
static inline void witness_watch(struct pgd_witness *row)
{
	__atomic_store_n(&row->state, PGD_WITNESS_WATCHED, __ATOMIC_RELEASE);
}
static inline void witness_unwatch(struct pgd_witness *row)
{
	__atomic_store_n(&row->state, PGD_WITNESS_EMPTY, __ATOMIC_RELEASE);
}

/* What a reserved row that is watched now stands for. */
void witnesses_take(struct witnesses *ws, uint32_t slot, const struct pgd_witness *row,
		    const struct witness *witness);
/* As samples_settle(). */
void witnesses_settle(struct witnesses *ws, uint32_t slot,
		      const struct pace_settlement *settlement);

/* What has become of witnesses since the last call. CYCLES_MET_FULL comes first, once at most. */
typedef void (*witnesses_tell_t)(void *userdata, uint32_t slot, const struct witness *witness,
				 enum cycles_fate fate);
void witnesses_harvest(struct witnesses *ws, uint32_t slot, witnesses_tell_t tell, void *userdata);
/* This block has died, as was seen otherwise: outside of collections, if none is running. */
void witnesses_bury(struct witnesses *ws, uint32_t slot, uint64_t block);
/* This block is another one now (realloc), so no witness: it was not freed. */
void witnesses_let_go(struct witnesses *ws, uint32_t slot, uint64_t block);
/* Nobody looks any more, what becomes of them is not known; or the slot gets another target. */
void witnesses_drop(struct witnesses *ws, uint32_t slot);

/* Do the kernel's looks follow one another without a gap now? What is seen alive at two such
 * moments with the same `begun` and `phase` has been through no collection in between. */
static inline bool witness_is_quiet(const struct pgd_gc_trip *trip)
{
	return __atomic_load_n(&trip->phase, __ATOMIC_ACQUIRE) & 1 &&
	       __atomic_load_n(&trip->begun, __ATOMIC_ACQUIRE) ==
		       __atomic_load_n(&trip->seen, __ATOMIC_ACQUIRE);
}

#endif
