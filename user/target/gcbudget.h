/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/gcbudget.h — may the collector's probes of a target be on now?
 *
 *   bucket ▲ ┐ on          ┌─┐ on          ┌─┐
 *          │ │        drawn│ │        drawn│ │     earned: share × CPU time used
 *          │ │╲    level ╱ │ │╲    level ╱ │ │╲    spent: what collections have cost
 *        0 ┼─┴─╲───────╱───┴─┴─╲───────╱───┴─┴─╲─► time
 *              off     on      off     on
 *
 * While collections cost less than the share, the bucket stays full and the probes on. Empty: they
 * come off, and go on again when there is as much in it as a stretch costs, switching them on and
 * off included. As much is drawn each time, so that a stretch begins at no particular moment of
 * what the target does periodically.
 *
 * No clock, no I/O: time comes in as an argument. All costs and times are nanoseconds.
 */
#ifndef USER_TARGET_GCBUDGET_H
#define USER_TARGET_GCBUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "pgd_abi.h"

/* A quarter of the target's overhead budget, at the default 0.25 % of its CPU time: below the 0.5 %
 * that these probes may cost, by what cannot be measured. Not less for a larger budget: who allows
 * 20 % wants all pauses timed. */
#define GCBUDGET_PART	     0.25
/* An idle target has as much of a core: ten young collections a second. */
#define GCBUDGET_FLOOR_SHARE 0.00025
/* What a stretch may cost, switching not included, on average; more if the budget is large. While
 * it lasts a program that does nothing but collect runs at nine tenths of its speed, for a tenth of
 * a second or so. */
#define GCBUDGET_STRETCH_NS  5e6
#define GCBUDGET_STRETCH_SEC 0.2 /* so many seconds' worth of the share */

struct gcbudget {
	double share; /* of the target's CPU time */
	double bucket_ns, level_ns; /* off: at this level they go on */
	double switch_ns; /* what it costs to go on and to come off, learnt */
	bool is_on;
	uint64_t seen_ns, seen_cpu_ns, random;
};

/* Off, and may go on at once. overhead: the target's whole budget, 0..1. */
void gcbudget_init(struct gcbudget *b, double overhead, uint64_t seed, uint64_t now_ns,
		   uint64_t cpu_ns);
void gcbudget_set_overhead(struct gcbudget *b, double overhead);
/* It has used that much CPU time so far; hits have cost that much since the last call. A clock that
 * jumps back earns nothing. */
void gcbudget_earn(struct gcbudget *b, uint64_t now_ns, uint64_t cpu_ns);
void gcbudget_spend(struct gcbudget *b, double cost_ns);
/* True: they are to go on, or to come off. */
bool gcbudget_may_go_on(const struct gcbudget *b);
bool gcbudget_must_come_off(const struct gcbudget *b);
/* They are on: that has cost as much CPU time of ours, and taking them off will again. */
void gcbudget_went_on(struct gcbudget *b, double cost_ns);
void gcbudget_came_off(struct gcbudget *b);
/* What is in the bucket in hits of that cost, for the kernel to count down. */
int64_t gcbudget_hits(const struct gcbudget *b, double hit_ns);

#endif
