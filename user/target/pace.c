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
#define REF_SHARE     0.03 /* of all allocations that the sites of counting windows make */
#define COUNTS_WANTED 8 /* counting windows until the rate is believed; they alternate then */
#define COUNT_EVERY   10 /* windows; later */
#define WORK_MIN_SHARE \
	(1 / 64.0) /* of CPU time: while no rate is known, at least that much is work */
#define COUNT_MIN_NS 300000.0 /* of work in a counting window: it has its full weight */
#define CLUSTERING   4 /* hits come in bursts: their variance is so many times Poisson's */

void pace_init(struct pace *p, const uint8_t *is_alloc, size_t n_sites)
{
	memset(p, 0, sizeof(*p));
	p->n_sites = n_sites < PGD_SITES_MAX ? n_sites : PGD_SITES_MAX;
	memcpy(p->is_alloc, is_alloc, p->n_sites);
}

/* Hits in heavy sampling windows at the sites that counting windows count. */
static double ref_share_hits(const struct pace *p)
{
	double hits = 0;

	for (size_t i = 0; i < p->n_sites; i++)
		if (p->is_ref[i])
			hits += (double)p->hits[i];
	return hits;
}

double pace_rate(const struct pace *p)
{
	double hits = ref_share_hits(p);

	if (!(p->ref_hits > 0) || !(p->ref_ns > 0) || !(hits > 0))
		return NAN;
	return p->ref_hits / (p->ref_ns / NS_PER_SEC) / (hits / p->allocs);
}

double pace_error(const struct pace *p)
{
	if (p->heaviness < BY_TIME_BELOW)
		return 0;
	if (isnan(pace_rate(p)))
		return 1;
	return sqrt(CLUSTERING / p->ref_seen + CLUSTERING / ref_share_hits(p));
}

/* All sums forget together: of two memories of different lengths the quotient would be wrong for as
 * long as the longer one lasts, whenever the target changes. */
static void remember(struct pace *p, const struct pace_window *w)
{
	p->ref_hits *= FORGET;
	p->ref_ns *= FORGET;
	p->ref_seen *= FORGET;
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

	by_time = fmax(cpu_ns - traps_ns, cpu_ns * WORK_MIN_SHARE);
	rate = pace_rate(p);
	part = fmin(fmax((share - BY_TIME_BELOW) / (BY_RATE_ABOVE - BY_TIME_BELOW), 0), 1);
	if (part == 0 || isnan(rate))
		return by_time;
	by_rate = fmin((double)w->allocs / rate * NS_PER_SEC, cpu_ns);
	return part * by_rate + (1 - part) * by_time;
}

void pace_count(struct pace *p, const struct pace_window *w, const struct pace_cost *cost)
{
	double work_ns = (double)w->cpu_ns - (double)w->allocs * cost->count_ns, scale;

	if (work_ns <= 0)
		return; /* a burst of nothing but these sites: says nothing of the rest */
	/* As sampling windows have it, every window the same weight, however long it took to have
	 * its hits: while shares change, both averages are then of the same mixture of old and new.
	 */
	scale = COUNT_MIN_NS / fmax(work_ns, COUNT_MIN_NS);
	p->ref_seen += (double)w->allocs;
	p->ref_hits += (double)w->allocs * scale;
	p->ref_ns += work_ns * scale;
	p->n_counts++;
}

/* The rarest of the sites that are hit, until together they make REF_SHARE. */
static void find_refs(const struct pace *p, const uint8_t *on, uint8_t is_ref[PGD_SITES_MAX])
{
	double sum = 0;

	memset(is_ref, 0, PGD_SITES_MAX);
	while (sum < REF_SHARE * p->allocs) {
		size_t best = SIZE_MAX;

		for (size_t i = 0; i < p->n_sites; i++)
			if (on[i] && p->is_alloc[i] && !is_ref[i] && p->hits[i] > 0 &&
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
	uint8_t is_ref[PGD_SITES_MAX];

	find_refs(p, on, is_ref);
	if (memcmp(is_ref, p->is_ref, sizeof(is_ref)) == 0)
		return;
	memcpy(p->is_ref, is_ref, sizeof(is_ref));
	p->ref_hits = p->ref_ns = p->ref_seen = 0;
	if (p->n_counts) {
		for (size_t i = 0; i < p->n_sites; i++)
			p->hits[i] *= (float)FORGET_BAD;
		p->allocs *= FORGET_BAD;
	}
	p->n_counts = 0;
}

/* Do they still make a share that can be counted, without slowing the target by much? */
static bool are_refs_good(const struct pace *p)
{
	double share = ref_share_hits(p) / p->allocs;

	return share > REF_SHARE / 3 && share < REF_SHARE * 4;
}

bool pace_wants_count(struct pace *p, const uint8_t *on, uint64_t n_windows)
{
	if (p->heaviness < BY_TIME_BELOW || !(p->allocs > 0))
		return false;
	if (!are_refs_good(p) && (!p->n_counts || p->n_counts >= COUNTS_WANTED))
		choose_refs(p, on);
	return n_windows % (p->n_counts < COUNTS_WANTED ? 2 : COUNT_EVERY) == 1;
}
