/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/cycles.h — does the collector take what a stack holds, or leave it?
 *
 *	bytes                ┌ grown ┐
 *	  held          ╱│        ╱│ ▲      ╱ ◄─ now
 *	               ╱ │       ╱ │ freed ╱
 *	             ╱   │     ╱   │ ▼   ╱
 *	  floor ───╱     └───╱     └───╱ ◄─ held after the last full collection
 *	               full      full
 *
 * What waits for the collector cannot be told from what is in use, short of doing the collector's
 * work. But a stack does tomorrow what it did today: of what it held at the start of a full
 * collection more than after the one before, a share was freed by it. As much of what it holds now
 * beyond its floor waits for the next one.
 *
 * Pure. Where every block is followed, the kernel keeps these sums (struct cycles). In windows they
 * are drawn (struct cycles_drawn): who frees what samples stand for is known of a part of them,
 * which was chosen by chance; the rest is taken to be like it.
 */
#ifndef USER_GROWTH_CYCLES_H
#define USER_GROWTH_CYCLES_H

#include <stdbool.h>
#include <stdint.h>

#include "pgd_abi.h"

enum cycles_verdict {
	CYCLES_NOT_KNOWN = 0, /* no full collection yet, or most of it is younger than the last */
	CYCLES_SURVIVES, /* most of it was there after the last full collection: a leak or a cache
			  */
	CYCLES_WAITS, /* the next full collection is expected to free most of it */
	CYCLES_OFF, /* nobody collects: the collector is off, and no full collection was asked for
		     */
	CYCLES_FROZEN, /* survives; but gc.freeze() hides objects from the collector meanwhile */
	CYCLES_VERDICT_MAX
};

extern const char *const cycles_verdict_name[CYCLES_VERDICT_MAX]; /* NULL: not known */

/* Sums over the kernel's rows of a stack. */
struct cycles {
	uint64_t freed_bytes; /* in all */
	uint64_t gc_freed_bytes, gc_freed_blocks; /* of these, inside the collector */
	uint64_t full_freed_bytes, full_grown_bytes; /* see above */
	int64_t floor_bytes;
	uint32_t fulls_survived; /* full collections in a row after which something was left */
};

/* How a block ended; or, of one that is still there, that a full collection has met it. */
enum cycles_fate {
	CYCLES_BY_REFERENCES = 0, /* outside of collections */
	CYCLES_BY_COLLECTOR, /* inside of one, */
	CYCLES_BY_FULL, /* of a full one */
	CYCLES_MET_FULL, /* its first one, whether it survives that or not */
	CYCLES_FATE_MAX
};

/* Sums over the samples of a stack, each by its weight. */
struct cycles_drawn {
	double freed_bytes, freed_blocks; /* all that have died, */
	double known_bytes, known_blocks; /* those of which it is known who freed them, */
	double gc_bytes, gc_blocks; /* and it was the collector */
	double squares; /* of each of those that are known, in bytes */
	double full_freed_bytes, full_grown_bytes; /* as in struct cycles */
	double full_squares; /* of those that have met a full collection */
	double unwatched_blocks; /* of which nobody will know; the next witnesses stand for them */
	uint32_t n_called; /* witnesses, of the window that is being taken on */
	/* Now: held since before the last full collection; after how many there was something. */
	double floor_bytes;
	uint32_t fulls_survived;
};
/* Fewer in effect are not enough to say anything. */
#define CYCLES_DRAWN_MIN 8

/* What is known of the collector. */
struct cycles_collector {
	bool is_state_known; /* is_enabled and is_freezing are */
	bool is_enabled;
	bool is_freezing; /* gc.freeze() was called while we watched */
	bool are_fulls_known; /* false: which collection was a full one is not known while it runs
			       */
};

/* A kernel row as if it had changed just now: full collections since its last change left it as it
 * is. fulls: of struct pgd_gc. */
void cycles_settle(struct pgd_stack_total *total, uint32_t fulls);
/* Add a settled row; with `floor`: also what it holds. */
void cycles_add(struct cycles *c, const struct pgd_stack_total *total, bool has_floor);

/* n_blocks of weight × bytes each have ended so; n_blocks < 0: they have not, after all. */
void cycles_drawn_add(struct cycles_drawn *d, enum cycles_fate fate, double weight, double bytes,
		      double n_blocks);
/* The share of the freed bytes, or blocks, that the collector has freed; half of a 95 % interval.
 * NAN, both: too few are known. */
double cycles_drawn_share(const struct cycles_drawn *d, double *ret_error);
double cycles_drawn_share_of_blocks(const struct cycles_drawn *d);
/* What `cycles_waiting_bytes()` and the like ask for. */
struct cycles cycles_drawn_sums(const struct cycles_drawn *d);

/* Bytes that the last full collection left; NAN: there was none while it held anything. */
double cycles_survived_bytes(const struct cycles *c);
/* Bytes of live_bytes that the next full collection is expected to free; NAN: not known. */
double cycles_waiting_bytes(const struct cycles *c, const struct cycles_collector *gc,
			    double live_bytes);
enum cycles_verdict cycles_judge(const struct cycles *c, const struct cycles_collector *gc,
				 double live_bytes);

#endif
