/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/pace.c — see pace.h. */
#include <math.h>
#include <string.h>

#include "target/pace.h"

#define NS_PER_SEC    1e9
#define FORGET	      0.995 /* of the sums, a window: half of them is of the last 140 windows */
#define FORGET_BAD    0.01 /* of the hits whose shares have made the choice of refs a bad one */
#define BY_TIME_BELOW 0.4 /* share of traps: below, by time alone; */
#define BY_RATE_ABOVE 0.6 /* above, by rate alone; between, from one to the other */
#define REF_HITS_MIN  20.0
#define DRIFT_ALLOCS  100000.0 /* fewer in the sums: a bad choice was want of data, not a change */
#define WIDE_SHARES   5 /* times the thin set's share, at least, is the wide one's */
#define WIDE_EVERY    3 /* counting windows: one of them is the wide set's */
#define COUNTS_WANTED 9 /* counting windows until the rate is believed; they alternate then */
#define COUNTS_FIRST  3 /* before anything can be said by rate; they come in a row */
#define COUNT_EVERY   10 /* windows; later */
#define COUNT_MIN_NS 300000.0 /* of CPU time in a counting window: it has its full weight */
#define COST_MIN     0.8 /* times what a hit costs in a loop of nothing else; */
#define COST_MAX     5.0
#define COST_GUESS   1.8 /* until both sets have been counted */
#define CLUSTERING   4 /* hits come in bursts: their variance is so many times Poisson's */

/* Of all allocations, by the sites of each set. */
static const double ref_share[PACE_SETS] = { 0.006, 0.06 };

void pace_init(struct pace *p, const uint8_t *is_alloc, size_t n_sites)
{
	memset(p, 0, sizeof(*p));
	p->n_sites = n_sites < PGD_SITES_MAX ? n_sites : PGD_SITES_MAX;
	memcpy(p->is_alloc, is_alloc, p->n_sites);
}

static double hits_of(const struct pace *p, const uint8_t *is_ref)
{
	double hits = 0;

	for (size_t i = 0; i < p->n_sites; i++)
		if (is_ref[i])
			hits += (double)p->hits[i];
	return hits;
}

static double share_of(const struct pace *p, const uint8_t *is_ref)
{
	return p->allocs > 0 ? hits_of(p, is_ref) / p->allocs : 0;
}

/* Hits in heavy sampling windows at the sites of a set. */
static double ref_share_hits(const struct pace *p, unsigned set)
{
	return hits_of(p, p->is_ref[set]);
}

static bool is_counted(const struct pace *p, unsigned set)
{
	return p->ref_hits[set] > 0 && p->ref_ns[set] > 0 && ref_share_hits(p, set) > 0;
}

double pace_rate(const struct pace *p)
{
	double inverse_share[PACE_SETS], t[PACE_SETS], c = COST_GUESS * p->count_ns;

	if (!is_counted(p, 0))
		return NAN;
	for (unsigned k = 0; k < PACE_SETS; k++) {
		inverse_share[k] = p->allocs / ref_share_hits(p, k);
		t[k] = p->ref_ns[k] / p->ref_hits[k];
	}
	if (is_counted(p, 1) && inverse_share[0] > 2 * inverse_share[1])
		c = t[1] - inverse_share[1] * (t[0] - t[1]) / (inverse_share[0] - inverse_share[1]);
	c = fmin(fmax(c, COST_MIN * p->count_ns), COST_MAX * p->count_ns);
	c = fmin(c, t[0] / 2); /* the thin set's windows are mostly work, or it is none */
	return NS_PER_SEC * inverse_share[0] / (t[0] - c);
}

double pace_error(const struct pace *p)
{
	if (p->heaviness < BY_TIME_BELOW)
		return 0;
	if (isnan(pace_rate(p)))
		return 1;
	return sqrt(CLUSTERING / p->ref_seen[0] + CLUSTERING / ref_share_hits(p, 0));
}

/* All sums forget together: of two memories of different lengths the quotient would be wrong for as
 * long as the longer one lasts, whenever the target changes. */
static void remember(struct pace *p, const struct pace_window *w)
{
	for (unsigned k = 0; k < PACE_SETS; k++) {
		p->ref_hits[k] *= FORGET;
		p->ref_ns[k] *= FORGET;
		p->ref_seen[k] *= FORGET;
	}
	for (size_t i = 0; i < p->n_sites; i++) {
		p->hits[i] *= (float)FORGET;
		if (p->is_alloc[i])
			p->hits[i] += (float)w->site_hits[i];
	}
	p->allocs = p->allocs * FORGET + (double)w->allocs;
}

double pace_sample(struct pace *p, const struct pace_window *w, const struct pace_cost *cost)
{
	double cpu_ns = (double)w->cpu_ns, traps_ns, share, by_time, by_rate, rate, part;

	if (!w->cpu_ns)
		return 0;
	traps_ns = (double)w->allocs * cost->alloc_ns + (double)w->frees * cost->free_ns;
	share = fmin(traps_ns / cpu_ns, 1);
	p->heaviness = p->heaviness ? 0.9 * p->heaviness + 0.1 * share : share;
	if (share > (BY_TIME_BELOW + BY_RATE_ABOVE) / 2)
		remember(p, w);

	by_time = fmax(cpu_ns - traps_ns, 0);
	rate = pace_rate(p);
	part = fmin(fmax((share - BY_TIME_BELOW) / (BY_RATE_ABOVE - BY_TIME_BELOW), 0), 1);
	if (part == 0)
		return by_time;
	if (isnan(rate) || p->n_counts < COUNTS_FIRST)
		return NAN;
	by_rate = fmin((double)w->allocs / rate * NS_PER_SEC, cpu_ns);
	return part * by_rate + (1 - part) * by_time;
}

void pace_count(struct pace *p, const struct pace_window *w, const struct pace_cost *cost)
{
	double cpu_ns = (double)w->cpu_ns, scale;

	p->count_ns = cost->count_ns;
	if (cpu_ns <= (double)w->allocs * cost->count_ns * COST_MIN)
		return; /* a burst of nothing but these sites: says nothing of the rest */
	/* As sampling windows have it, every window the same weight, however long it took to have
	 * its hits: while shares change, both averages are then of the same mixture of old and new.
	 */
	scale = COUNT_MIN_NS / fmax(cpu_ns, COUNT_MIN_NS);
	p->ref_seen[p->turn] += (double)w->allocs;
	p->ref_hits[p->turn] += (double)w->allocs * scale;
	p->ref_ns[p->turn] += cpu_ns * scale;
	p->n_counts++;
}

/* The rarest of the sites that are hit, until together they make that share. Not those with a few
 * hits so far: they were picked for being few, and their share is more. */
static void find_refs(const struct pace *p, const uint8_t *on, double share, uint8_t *is_ref)
{
	double sum = 0;

	memset(is_ref, 0, PGD_SITES_MAX);
	while (sum < share * p->allocs) {
		size_t best = SIZE_MAX;

		for (size_t i = 0; i < p->n_sites; i++)
			if (on[i] && p->is_alloc[i] && !is_ref[i] &&
			    (double)p->hits[i] >= REF_HITS_MIN &&
			    (best == SIZE_MAX || p->hits[i] < p->hits[best]))
				best = i;
		if (best == SIZE_MAX)
			return;
		is_ref[best] = 1;
		sum += (double)p->hits[best];
	}
}

/* Other sites than before start anew, with shares that are mostly of what comes; the same ones, if
 * there are no better, keep what they have. */
static void choose_refs(struct pace *p, const uint8_t *on)
{
	uint8_t is_ref[PACE_SETS][PGD_SITES_MAX];

	find_refs(p, on, ref_share[0], is_ref[0]);
	find_refs(p, on, fmax(ref_share[1], WIDE_SHARES * share_of(p, is_ref[0])), is_ref[1]);
	if (memcmp(is_ref, p->is_ref, sizeof(is_ref)) == 0)
		return;
	memcpy(p->is_ref, is_ref, sizeof(is_ref));
	memset(p->ref_hits, 0, sizeof(p->ref_hits));
	memset(p->ref_ns, 0, sizeof(p->ref_ns));
	memset(p->ref_seen, 0, sizeof(p->ref_seen));
	if (p->n_counts && p->allocs > DRIFT_ALLOCS) {
		for (size_t i = 0; i < p->n_sites; i++)
			p->hits[i] *= (float)FORGET_BAD;
		p->allocs *= FORGET_BAD;
	}
	p->n_counts = 0;
}

/* Do they still make a share that can be counted, without slowing the target by much? */
static bool are_refs_good(const struct pace *p)
{
	double share = ref_share_hits(p, 0) / p->allocs;

	return share > ref_share[0] / 3 && share < ref_share[0] * 4;
}

/* A site that is not on in sampling windows has no share there. */
static bool are_refs_on(const struct pace *p, const uint8_t *on)
{
	for (size_t i = 0; i < p->n_sites; i++)
		if ((p->is_ref[0][i] || p->is_ref[1][i]) && !on[i])
			return false;
	return true;
}

bool pace_wants_count(struct pace *p, const uint8_t *on, uint64_t n_windows)
{
	if (p->heaviness < BY_TIME_BELOW || !(p->allocs > 0))
		return false;
	if (!are_refs_on(p, on) ||
	    (!are_refs_good(p) && (!p->n_counts || p->n_counts >= COUNTS_WANTED)))
		choose_refs(p, on);
	p->turn = p->n_counts % WIDE_EVERY == WIDE_EVERY - 1;
	return p->n_counts < COUNTS_FIRST ||
	       n_windows % (p->n_counts < COUNTS_WANTED ? 2 : COUNT_EVERY) == 1;
}
