/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/diff.h — what changed between two moments, stack by stack?
 *
 *   from: A 10 MiB, B 4 MiB          rows:  C  new   +8 MiB
 *   to:   A 12 MiB, C 8 MiB    ─►           B  gone  −4 MiB
 *                                           A        +2 MiB
 *
 * Errors of the two moments add in quadrature. Much of what is alive at both rests on the same
 * samples, whose accidents cancel out: the error given is too wide then, never too narrow.
 * Pure: no clock, no I/O.
 */
#ifndef USER_GROWTH_DIFF_H
#define USER_GROWTH_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A stack of a process at one moment. The same pair twice in a list is added up. */
struct diff_stack {
	uint64_t process, stack; /* process: history_process_key(), or 0 where it does not matter */
	double live_bytes, live_error; /* half of a 95 % interval; 0: exact */
};

/* A moment. Lists are cut at the small end: what is not in this one held at most floor_bytes then;
 * 0: it is complete, and what is not in it held nothing. */
struct diff_side {
	const struct diff_stack *stacks; /* in any order */
	size_t n;
	double floor_bytes;
};

struct diff_row {
	uint64_t process, stack;
	double from_bytes, to_bytes; /* 0 where it is not listed */
	double change_bytes, change_error;
	bool is_new, is_gone; /* not listed, or without a byte, in `from`; in `to` */
};

struct diff {
	struct diff_row *rows; /* largest change first, whatever its sign; no row with 0 in both */
	size_t n_rows;
	double change_bytes, change_error; /* of all rows together */
};

/* 0, -ENOMEM, or -EINVAL if a figure is negative or not finite; *ret untouched then. The caller
 * calls diff_done(). */
int diff_new(const struct diff_side *from, const struct diff_side *to, struct diff *ret);
void diff_done(struct diff *d);

#endif
