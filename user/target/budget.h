/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/budget.h — when may the next window be, of which target, and how much may it cost?
 *
 * Every target earns credit by the CPU time that it uses (share × CPU time), all targets together
 * by the time that passes (host share × time, of one core). What we cost is taken off both. A
 * window may open when there is credit for it; at a random moment, so that no periodic work is
 * always, or never, seen.
 *
 *   credit ▲      window      window
 *          │    ╱│      ╱╲   ╱│            earned: share × CPU time used
 *          │  ╱  │    ╱   ╲╱  │            spent: what the window has cost, measured
 *        0 ┼╱────┴──╱─────────┴──► time
 *
 * No clock, no I/O: time comes in as an argument, so a test can run a day of it. All costs and
 * times are nanoseconds, all shares 0..1. A slot that nobody is in is ignored; a clock or a CPU
 * time that jumps earns nothing by it.
 */
#ifndef USER_TARGET_BUDGET_H
#define USER_TARGET_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "pgd_abi.h"

/* We aim below the budget by this: what cannot be measured (caches, branch predictors, other CPUs
 * interrupted) is paid by the target too. */
#define BUDGET_AIM 0.75

/* Limits of one window. A request that meets it waits for so long, and p99 of a web service must at
 * most double. For requests that take longer than the window it cannot do more. Of shorter ones, of
 * length r, windows of length W that take a share s of the time meet s (1 + r / W), less than 2 s,
 * which is 1 % at most if s is half of the default budget: the rest of it is attaching. Long
 * windows are cheap, since what comes with each costs as much as 2,000 hits. More budget buys more
 * windows first; but there can be no more than ten a second or so, since closing one takes grace
 * periods of the kernel, and then it buys longer ones. */
#define BUDGET_LOSS_MAX_NS    8000000
#define BUDGET_LOSS_SHARE     0.02 /* above this share windows are longer in proportion, */
#define BUDGET_LOSS_SCALE_MAX 3 /* up to that many times */
#define BUDGET_WALL_MAX_NS    250000000

struct budget_options {
	double share; /* of each target's CPU time: --overhead */
	double host_share; /* of one core, for all targets together */
	uint64_t seed;
};

enum budget_pace {
	BUDGET_PACE_ALWAYS = 0, /* all its sites are on: no windows; it earns as with FULL */
	BUDGET_PACE_QUIET, /* does not grow: a quarter of the budget */
	BUDGET_PACE_FULL, /* new, or suspect */
	BUDGET_PACE_MAX
};

struct budget;
/* 0, -EINVAL if a share is not within 0..1, or -ENOMEM. */
int budget_new(const struct budget_options *o, struct budget **ret);
void budget_free(struct budget *b);
/* Other shares from now on. 0 or -EINVAL. */
int budget_set_shares(struct budget *b, double share, double host_share);

/* A target comes and goes. It starts with BUDGET_PACE_FULL and without credit, but the first
 * BUDGET_ENTRY_NS of budget_spend() are not taken off it: getting to know an idle process would put
 * it in debt for hours. Once some of that was spent, the rest also comes with what it earns at full
 * pace, half as much again, for windows that are not all in its first second. cpu_ns: CPU time used
 * so far. A window that is open when its target goes is still budget_window_done(). A new pace
 * counts from the next budget_earn(). */
#define BUDGET_ENTRY_NS 200000000
void budget_add(struct budget *b, uint32_t slot, uint64_t now_ns, uint64_t cpu_ns);
void budget_del(struct budget *b, uint32_t slot);
void budget_set_pace(struct budget *b, uint32_t slot, enum budget_pace pace);
/* Has more been spent on it than it has earned, and than it is let off with? */
bool budget_is_in_debt(const struct budget *b, uint32_t slot);
/* What is left of BUDGET_ENTRY_NS. */
double budget_entry_ns(const struct budget *b, uint32_t slot);

/* It has used that much CPU time so far (which includes what we cost it). Call often: 10 a second.
 */
void budget_earn(struct budget *b, uint32_t slot, uint64_t now_ns, uint64_t cpu_ns);
/* We have cost it that much: traps of sites that are always on, and our own work for it. A debt is
 * limited to what it earns in half a minute, or to two windows if that is more, and fades even if
 * it earns nothing: one of a window in half a minute, the largest in some minutes. */
void budget_spend(struct budget *b, uint32_t slot, uint64_t now_ns, uint64_t cost_ns);

struct budget_window {
	uint64_t loss_max_ns; /* traps may cost this much, then it closes */
	uint64_t wall_max_ns; /* and it closes after this time, whatever it cost */
};

/* Which target's turn is it? Among those whose random delay is over and whose credit suffices: the
 * one that has waited longest (a second of a full pace counts as four of a quiet one); none if the
 * host's credit does not suffice for it. True: open a window of *ret_slot now with these limits,
 * and then budget_window_done(), also if it could not be opened. False while a window is open. */
bool budget_next(struct budget *b, uint64_t now_ns, uint32_t *ret_slot, struct budget_window *ret);
/* How long until budget_next() may say something else, for the caller's timer; at most 100 ms. */
uint64_t budget_wait_ns(const struct budget *b, uint64_t now_ns);
/* The window is over. loss_ns: what the traps in it cost; extra_ns: everything else that was spent
 * on it (attaching, detaching, traps meanwhile, looking), from which the next ones are planned; 0
 * if it did not come about. Both are spent here, do not call budget_spend() for them. */
void budget_window_done(struct budget *b, uint32_t slot, uint64_t now_ns, uint64_t loss_ns,
			uint64_t extra_ns);

/* Cost over CPU time, both decaying alike: of the last ten seconds, or of the last few windows'
 * time if they are rarer (else the figure jumped far above the budget with each). NAN: no CPU time
 * used.
 */
double budget_overhead(const struct budget *b, uint32_t slot);
/* Of one core, of the last ten seconds; NAN: no time has passed. */
double budget_host_overhead(const struct budget *b, uint64_t now_ns);

#endif
