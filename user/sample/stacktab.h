/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/stacktab.h — the stacks that people see: kernel stacks with names, added up by line.
 *
 *   (slot, hash) ─┐
 *   (slot, hash) ─┼─► struct stack: file, function, line frames ─ id ─ series
 *   (slot, hash) ─┘
 *
 * The kernel tells stacks apart by code address and instruction; several of its rows can be the
 * same lines (two calls in one line, a module loaded twice) and are one stack here. The id is a
 * hash of (file, function, line) frames, so that workers, restarts and hosts can be compared.
 */
#ifndef USER_SAMPLE_STACKTAB_H
#define USER_SAMPLE_STACKTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "growth/series.h"
#include "growth/snapshot.h"
#include "lib/cleanup.h"
#include "pgd_abi.h"

#define STACKTAB_STACKS_MAX 16384 /* full: -ENOSPC, the caller counts STACKTAB_FULL */
#define STACKTAB_NAMES_MAX  (1 << 18) /* different strings */

struct stacktab;

struct stack {
	uint64_t id;
	uint32_t slot;
	bool truncated;
	bool is_new; /* no tick has ended since it was added */
	int blame; /* index into frames, -1: no frame */
	struct snapshot_frame *frames;
	size_t n_frames;
	double since_sec; /* Unix time */
	int64_t live_bytes, live_blocks; /* sums over its kernel rows, of this tick */
	uint64_t gc_freed_bytes;
	uint64_t gone_gc_freed_bytes; /* of rows that were let go */
	size_t n_rows; /* kernel rows that lead here */
	struct series series;
};

int stacktab_new(struct stacktab **ret);
void stacktab_free(struct stacktab *t);
DEFINE_CLEANUP(struct stacktab *, stacktab_free)

/* One copy of each name, owned by the table. NULL: out of memory or STACKTAB_NAMES_MAX. */
const char *stacktab_name(struct stacktab *t, const char *name);

/* Make the kernel's row lead to the stack of these frames (names from stacktab_name; copied). A row
 * known already is left as it is. 0, -ENOSPC, -ENOMEM. */
int stacktab_add(struct stacktab *t, const struct pgd_stack_key *key,
		 const struct snapshot_frame *frames, size_t n_frames, bool truncated,
		 double now_sec);

/* One tick: begin, account each row, end. account: -ENOENT, the row leads nowhere (its event has
 * not come yet, or was refused). `gone`: the row is let go by the kernel. */
void stacktab_begin(struct stacktab *t);
int stacktab_account(struct stacktab *t, const struct pgd_stack_key *key,
		     const struct pgd_stack_total *total, bool gone);
/* Pushes a point to each series; time_sec is monotonic. `exact`: a stack that is new held nothing
 * before. Stacks that no row leads to are dropped. */
void stacktab_end(struct stacktab *t, double time_sec, bool exact);
/* All rows of a target go. */
void stacktab_forget(struct stacktab *t, uint32_t slot);

/* All stacks, in no order; the array is the caller's, its members the table's. */
int stacktab_list(const struct stacktab *t, struct stack ***ret, size_t *ret_n);

#endif
