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

#include "growth/cycles.h"
#include "growth/estimate.h"
#include "growth/series.h"
#include "growth/survival.h"
#include "growth/snapshot.h"
#include "lib/cleanup.h"
#include "pgd_abi.h"

#define STACKTAB_STACKS_MAX 16384 /* full: -ENOSPC, the caller counts STACKTAB_FULL */
#define STACKTAB_NAMES_MAX  (1 << 18) /* different strings */

struct stacktab;

#define STACKTAB_TYPES_MAX 8 /* of a stack; more are "other" */

struct stack_type {
	const char *name; /* of stacktab_name() */
	double bytes;
};

struct stack {
	uint64_t id;
	uint32_t slot;
	bool truncated;
	int blame; /* index into frames, -1: no frame */
	struct snapshot_frame *frames;
	size_t n_frames;
	double since_sec; /* Unix time */
	/* Sums over its kernel rows, of this tick: blocks that are followed to their end … */
	int64_t live_bytes, live_blocks;
	uint64_t n_births; /* blocks taken so far */
	uint64_t taken_bytes; /* by those that are followed: pgd_stack_total */
	struct cycles cycles;
	/* … and what its samples stand for */
	double sampled_bytes, sampled_error, sampled_blocks;
	struct estimate_sample *samples; /* n_samples of them, sorted by window after estimate */
	size_t n_samples, samples_cap;
	size_t n_windows;
	double weight_error;
	struct stack_type types[STACKTAB_TYPES_MAX]; /* of the samples, weighted; name NULL: free */
	double typed_bytes; /* of all types, those without a row too */
	struct cycles_drawn drawn; /* by all its samples so far */

	uint64_t gone_births, gone_taken_bytes; /* of rows that were let go */
	struct cycles gone_cycles;
	uint64_t last_births; /* n_births at the tick before */
	bool was_idle; /* at the end of a tick: it held nothing, and had taken nothing in it */
	struct survival survival; /* from the end of their window on: looks at its samples */
	uint64_t n_caught; /* blocks that were alive at the end of their window */
	size_t n_rows; /* kernel rows that lead here */
	struct series *series; /* NULL: has never held anything */
	bool is_recalled; /* whoever knows its past was asked: for daemon/recall.c */
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

/* One tick: begin, account each row (settled: cycles.h), end. account: -ENOENT, the row leads
 * nowhere (its event has not come yet, or was refused). `gone`: the row is let go by the kernel. */
void stacktab_begin(struct stacktab *t);
int stacktab_account(struct stacktab *t, const struct pgd_stack_key *key,
		     const struct pgd_stack_total *total, bool gone);
/* Between begin and end: a sample that is alive; name: of its type (stacktab_name), or NULL. */
int stacktab_add_sample(struct stack *stack, const struct estimate_sample *sample,
			const char *name);
/* Then, once per target: what its samples stand for; n_windows and weight_error: see estimate.h. */
void stacktab_estimate(struct stacktab *t, uint32_t slot, size_t n_windows, double weight_error);
/* Pushes a point to each series; time_sec is monotonic. A stack that is new held nothing before.
 * Stacks that no row leads to are dropped. */
void stacktab_end(struct stacktab *t, double time_sec);
/* May this row go? The table is crowded, and its stack holds nothing and takes nothing. */
bool stacktab_is_idle(const struct stacktab *t, const struct pgd_stack_key *key);
#define STACKTAB_CROWDED \
	4096 /* stacks; a tool that stays on needs no memory of all that ever ran */

/* Before the first tick: moments at which stacks were looked at by a daemon before this one (with a
 * break there), and then a break. A time that is not after the one before it is left out. */
void stacktab_add_moment(struct stacktab *t, double time_sec, bool is_break);
void stacktab_break(struct stacktab *t);

/* The stack that a kernel row leads to; NULL: none. */
struct stack *stacktab_find(const struct stacktab *t, const struct pgd_stack_key *key);
/* Its past: zeros if it has never held anything. */
const struct series *stacktab_series(const struct stacktab *t, const struct stack *stack);
/* When the points of all series were taken. */
const struct series *stacktab_absent(const struct stacktab *t);
/* All rows of a target go. */
void stacktab_forget(struct stacktab *t, uint32_t slot);

/* All stacks, in no order; the array is the caller's, its members the table's. */
int stacktab_list(const struct stacktab *t, struct stack ***ret, size_t *ret_n);

#endif
