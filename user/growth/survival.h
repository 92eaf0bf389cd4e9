/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/survival.h — what share of the blocks that a stack takes is still alive at each age?
 *
 *   share                      a leak: a curve with a floor
 *    1 ┤■
 *      │ ■                     Kaplan–Meier over the looks: blocks leave the watch (too young yet,
 *      │  ■ ■ ■ ■ ■            thinned out) without bending the curve
 *    0 ┼─┬─┬─┬─┬─┬─► age
 *
 * Pure: no clock, no I/O, no allocation.
 */
#ifndef USER_GROWTH_SURVIVAL_H
#define USER_GROWTH_SURVIVAL_H

#include <stdint.h>

/* Ages at which blocks are looked at; index 0 is the end of the window in which they were taken. No
 * block reaches the one after the last, which ends the list. */
#define SURVIVAL_AGES 9
extern const double survival_age_sec[SURVIVAL_AGES + 1]; /* 0, 0.1, 0.5, 2, 8, 30, 120, 600, 3600,
							  * INFINITY */

struct survival {
	uint64_t looked[SURVIVAL_AGES]; /* blocks looked at, at that age or just above */
	uint64_t died[SURVIVAL_AGES]; /* of these, gone since the age before */
};

/* The age that a look at this moment counts for: the oldest that is not above it (a microsecond
 * short is not short: differences of times are rounded). Below 0 or NAN: 0. */
unsigned survival_age(double age_sec);
/* Looks beyond the last age (age >= SURVIVAL_AGES) count nowhere. */
void survival_add(struct survival *s, unsigned age, uint64_t looked, uint64_t died);
/* `from` into `s`: several kernel stacks are one stack of lines. */
void survival_merge(struct survival *s, const struct survival *from);
/* Share alive at that age, 0..1; NAN: nobody was looked at, at this age or one before. An age that
 * nobody was looked at after the last one that somebody was is NAN too; one between two that
 * somebody was looked at has the share of the one before. Beyond the last age: NAN. */
double survival_share(const struct survival *s, unsigned age);

#endif
