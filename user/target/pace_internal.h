/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/pace_internal.h — what the files behind pace.h share.
 *
 *   pace.c       what windows say of the target's rate
 *   pace_refs.c  the sets of sites that are on in counting windows
 */
#ifndef USER_TARGET_PACE_INTERNAL_H
#define USER_TARGET_PACE_INTERNAL_H

#include "target/pace.h"

#define PACE_BY_TIME_BELOW 0.25 /* share of traps: below, by time alone; */
#define PACE_COUNTS_WANTED 10 /* counting windows, two of three, until the rate is believed */

/* What is known. */
struct pace_estimate {
	double inverse_share; /* of the thin set */
	double hit_ns,
		cost_ns; /* CPU time for a hit at the thin set, and what of it is the hit's */
	double work_ns; /* what is not, lately */
	/* Relative variances of the rate: of the sampled share, of the thin set in the wide one,
	 * of the times of each set, and of the thin one's lately. */
	double of_share, of_thin, of_ns[PACE_SETS], of_late;
};

/* Hits by which shares are known lately; if they are too few, of all windows. */
struct pace_shares {
	double all, of_all; /* in sampling windows: of all sites, of the wide set */
	double wide, thin; /* of each set, where both were on */
};

/* False: nothing is known. */
bool pace_estimate(const struct pace *p, struct pace_estimate *ret);
struct pace_shares pace_late_shares(const struct pace *p);
/* As pace_rate(), however badly it is known, as long as that is said: NAN. */
double pace_best_rate(const struct pace *p);
/* What a hit costs, ns, until that was seen here. */
double pace_guess_hit_ns(const struct pace *p);
/* Is the thin set so much less than the wide one that there are two equations? */
bool pace_has_two(const struct pace *p);

#endif
