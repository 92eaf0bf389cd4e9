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
 * Pure. Only where every block is followed are these sums known.
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

/* Bytes that the last full collection left; NAN: there was none while it held anything. */
double cycles_survived_bytes(const struct cycles *c);
/* Bytes of live_bytes that the next full collection is expected to free; NAN: not known. */
double cycles_waiting_bytes(const struct cycles *c, const struct cycles_collector *gc,
			    double live_bytes);
enum cycles_verdict cycles_judge(const struct cycles *c, const struct cycles_collector *gc,
				 double live_bytes);

#endif
