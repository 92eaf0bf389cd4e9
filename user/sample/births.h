/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/births.h — how old is what the kernel follows: its map of live blocks, read as a
 * whole and added up by stack and time of birth.
 *
 * 0.26 µs a block (its row is in no cache), and 5 ms for the map. So what was read is used again
 * until that is BIRTHS_SHARE of a core: with 60,000 blocks for 10 s, with a million for two
 * minutes. Who is older than a while is what is asked for, so that is soon enough.
 */
#ifndef USER_SAMPLE_BIRTHS_H
#define USER_SAMPLE_BIRTHS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/cleanup.h"
#include "pgd_abi.h"

#define BIRTHS_SHARE 0.002
/* Rows at most. More: times of birth are told half as finely, as often as it takes. */
#define BIRTHS_MAX   131072

/* Blocks of one stack, born at about the same time. */
struct births_row {
	uint64_t stack; /* pgd_stack_key.hash */
	double born_sec; /* monotonic */
	double bytes;
	uint32_t slot;
};

/* Monotonic seconds, as of a moment after it: pgd_live.born in units of 2^shift ns. */
double births_sec(uint32_t born, uint32_t shift, uint64_t now_ns);

struct births;

struct births_options {
	double unit_sec; /* births are told at least as finely; 0: to 8.6 s */
	double share; /* of a core that it may take; 0: BIRTHS_SHARE */
};

/* live_fd: the map pgd_live, which stays the caller's; its births are in units of 2^shift ns. 0 or
 * -ENOMEM. */
int births_new(int live_fd, uint32_t shift, const struct births_options *o, struct births **ret);
void births_free(struct births *b);
DEFINE_CLEANUP(struct births *, births_free)

/* Reads them now, if it is time to. 0, -ENOMEM, or -errno of the map: what it has is then of
 * before. */
int births_read(struct births *b);
/* The i-th row, in no order, of so many. */
size_t births_count(const struct births *b);
struct births_row births_get(const struct births *b, size_t i);

/* The arithmetic behind it, for who has read the map: begin at that moment, add block by block. */
void births_begin(struct births *b, uint64_t now_ns);
int births_add(struct births *b, uint32_t slot, const struct pgd_live *live);

#endif
