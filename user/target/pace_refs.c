/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/pace_refs.c — which sites are on in counting windows, and when is there to be one?
 *
 * A set is few sites that make about the share that is wanted. Where each trap is dear, that is
 * less: see THIN_TRAPS.
 */
#include <math.h>
#include <string.h>

#include "target/pace_internal.h"

#define NS_PER_SEC    1e9
#define FORGET_BAD    0.01 /* of the hits whose shares have made the choice of refs a bad one */
#define REF_HITS_MIN  5.0
#define REF_SITES     3 /* in each set, if there are such */
#define REF_FROM      0.8 /* of the share that is wanted: enough; */
#define REF_TO	      1.3 /* too much */
#define CHOOSE_ALLOCS 4500.0 /* in the sums, before a choice makes sense */
#define DRIFT_ALLOCS  100000.0 /* fewer in the sums: a bad choice was want of data, not a change */
#define TIMES_OFF_MAX 3.0 /* the share that is wanted */
#define BETTER	      1.5 /* times nearer to the share that is wanted: worth to start anew for */
#define WIDE_SHARES   5 /* times the thin set's share, at least, is the wide one's */
#define COUNT_DEAR_NS                                                                  \
	2000.0 /* a trap: sampling windows have few hits, and the share of the sets is \
		* what is known worst; of the first windows they are half then */
#define COUNT_EVERY  2 /* windows; later, */
#define COUNT_SELDOM 4 /* and once the error is below COUNT_ERROR */
#define COUNT_ERROR  0.05

/* Of all allocations, by the sites of each set, at most. */
static const double ref_share[PACE_SETS] = { 0.004, 0.03 };

/* The thin set's traps, over the work in its windows. Where traps are slow they shall not be what
 * its windows are made of: what is not known of the cost of one, a tenth, is an error of the rate
 * in this proportion. With fewer its share is not known: hits in sampling windows are few. The best
 * of both is flat, from 0.05 to 0.4. */
#define THIN_TRAPS 0.2
#define THIN_MIN   0.001

/* The site with most hits, but no more than that; or the one with fewest. SIZE_MAX: none. */
static size_t find_site(const struct pace *p, const uint8_t *on, const uint8_t *is_ref, double max)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < p->n_sites; i++) {
		double hits = (double)p->hits[i];

		if (!on[i] || !p->is_alloc[i] || is_ref[i] || hits < REF_HITS_MIN)
			continue;
		if (max > 0 ? hits <= max && (best == SIZE_MAX || hits > (double)p->hits[best])
			    : best == SIZE_MAX || hits < (double)p->hits[best])
			best = i;
	}
	return best;
}

/* Adds sites to is_ref[] until together they make that share: few, since every site that goes on
 * costs, but not one alone, which one phase of a program may have all the hits of. Returns what
 * they do make. */
static double find_refs(const struct pace *p, const uint8_t *on, double share, uint8_t *is_ref)
{
	double sum = 0, want = share * p->allocs, max = want / REF_SITES;

	for (size_t i = 0; i < p->n_sites; i++)
		sum += is_ref[i] ? (double)p->hits[i] : 0;
	while (sum < REF_FROM * want) {
		size_t i = find_site(p, on, is_ref, fmin(max, REF_TO * want - sum));

		if (i == SIZE_MAX && max < want)
			max = want;
		else if (i == SIZE_MAX)
			break;
		if (i == SIZE_MAX)
			continue;
		is_ref[i] = 1;
		sum += (double)p->hits[i];
	}
	while (sum < REF_FROM * want / 2) { /* of sites with few hits there is not enough */
		size_t i = find_site(p, on, is_ref, 0);

		if (i == SIZE_MAX)
			break;
		is_ref[i] = 1;
		sum += (double)p->hits[i];
	}
	return sum / p->allocs;
}

/* The thin set's, of all allocations. */
static double thin_share(const struct pace *p)
{
	struct pace_shares s = pace_late_shares(p);

	return s.wide > 0 && s.all > 0 ? s.of_all / s.all * (s.thin / s.wide) : 0;
}

static double thin_wanted(const struct pace *p)
{
	double rate = pace_best_rate(p), cost_sec = pace_guess_hit_ns(p) / NS_PER_SEC;

	rate = isnan(rate) ? p->guess_rate : rate;
	if (!(rate > 0))
		return ref_share[PACE_THIN];
	return fmin(fmax(THIN_TRAPS / (rate * cost_sec), THIN_MIN), ref_share[PACE_THIN]);
}

static double times_off(const struct pace *p, double share)
{
	double wanted = thin_wanted(p);

	return fmax(share / wanted, wanted / fmax(share, 1e-9));
}

/* Does it make a share that can be counted, without slowing the target by much? */
static bool are_refs_good(const struct pace *p)
{
	return times_off(p, thin_share(p)) < TIMES_OFF_MAX;
}

/* A site that is not on in sampling windows has no share there. */
static bool are_refs_on(const struct pace *p, const uint8_t *on)
{
	for (size_t i = 0; i < p->n_sites; i++)
		if ((p->is_ref[PACE_THIN][i] || p->is_ref[PACE_WIDE][i]) && !on[i])
			return false;
	return true;
}

/* Other sites than before start anew, with shares of what comes; if they are hardly better, the old
 * ones stay. */
static void choose_refs(struct pace *p, const uint8_t *on)
{
	uint8_t is_ref[PACE_SETS][PGD_SITES_MAX] = { 0 };
	double thin = find_refs(p, on, thin_wanted(p), is_ref[PACE_THIN]);
	bool had_refs = p->has_refs;

	memcpy(is_ref[PACE_WIDE], is_ref[PACE_THIN], sizeof(is_ref[PACE_WIDE]));
	find_refs(p, on, fmax(ref_share[PACE_WIDE], fmin(WIDE_SHARES * thin, 1)),
		  is_ref[PACE_WIDE]);
	if (had_refs && are_refs_on(p, on) &&
	    (memcmp(is_ref, p->is_ref, sizeof(is_ref)) == 0 ||
	     times_off(p, thin) * BETTER > times_off(p, thin_share(p))))
		return;
	if (isfinite(pace_best_rate(p)))
		p->guess_rate = pace_best_rate(p);
	memcpy(p->is_ref, is_ref, sizeof(is_ref));
	p->has_refs = thin > 0;
	p->seen = (struct pace_seen){ 0 };
	if (had_refs && p->allocs > DRIFT_ALLOCS) {
		for (size_t i = 0; i < p->n_sites; i++)
			p->hits[i] *= (float)FORGET_BAD;
		p->allocs *= FORGET_BAD;
	}
}

/* Each in turn, and then whose windows would make the rate known better. */
static enum pace_set next_set(const struct pace *p)
{
	struct pace_estimate e;

	if (!pace_has_two(p) || p->seen.n_counts % 3 == 0)
		return PACE_THIN;
	if (p->seen.n_counts % 3 == 1)
		return PACE_WIDE;
	if (!pace_estimate(p, &e))
		return PACE_THIN;
	return e.of_thin + e.of_ns[PACE_WIDE] > e.of_ns[PACE_THIN] ? PACE_WIDE : PACE_THIN;
}

bool pace_wants_count(struct pace *p, const uint8_t *on, uint64_t n_windows)
{
	if (p->heaviness < PACE_BY_TIME_BELOW || !(p->allocs > 0))
		return false;
	if (p->has_refs ? !are_refs_on(p, on) ||
				  (!are_refs_good(p) && p->seen.share_allocs >= CHOOSE_ALLOCS)
			: p->allocs >= CHOOSE_ALLOCS)
		choose_refs(p, on);
	if (!p->has_refs)
		return false;
	p->turn = next_set(p);
	if (p->seen.n_counts < PACE_COUNTS_WANTED)
		return n_windows % (p->count_ns > COUNT_DEAR_NS ? 2 : 3) != 0;
	return n_windows % (pace_error(p) < COUNT_ERROR ? COUNT_SELDOM : COUNT_EVERY) == 1;
}
