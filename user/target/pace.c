/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/pace.c — see pace.h. */
#include <math.h>
#include <string.h>

#include "target/pace.h"

#define NS_PER_SEC	1e9
#define FORGET		0.995 /* of the sums, a window: half of them is of the last 140 windows */
#define FORGET_BAD	0.01 /* of the hits whose shares have made the choice of refs a bad one */
#define BY_TIME_BELOW	0.25 /* share of traps: below, by time alone; */
#define BY_RATE_ABOVE	0.4 /* above, by rate alone; between, from one to the other */
#define REF_HITS_MIN	5.0
#define REF_SITES	3 /* in each set, if there are such */
#define REF_FROM	0.8 /* of the share that is wanted: enough; */
#define REF_TO		1.3 /* too much */
#define PRIME_ALLOCS	20000.0 /* what scouting is worth */
#define CHOOSE_ALLOCS	4500.0 /* in the sums, before a choice makes sense */
#define DRIFT_ALLOCS	100000.0 /* fewer in the sums: a bad choice was want of data, not a change */
#define BETTER		1.5 /* times nearer to the share that is wanted: worth to start anew for */
#define WIDE_SHARES	5 /* times the thin set's share, at least, is the wide one's */
#define THIN_MAX	0.7 /* of the wide set's hits: with more the two equations are one */
#define COUNTS_WANTED	10 /* counting windows, two of three, until the rate is believed */
#define COUNT_EVERY	2 /* windows; later, */
#define COUNT_SELDOM	4 /* and once the error is below COUNT_ERROR */
#define COUNT_ERROR	0.05
#define COUNT_WEIGHT	0.5 /* sampling windows that a counting window stands for, at least */
#define ERROR_MAX	0.25 /* with more nothing is said by rate before COUNTS_WANTED */
#define COUNT_MIN_NS	300000.0 /* of CPU time in a counting window: it has its full weight */
#define COST_MIN	0.8 /* times what a hit costs in a loop of nothing else; */
#define COST_MAX	5.0
/* If the two equations are one: more than in a loop of nothing else, for caches and predictors; how
 * long the trap itself takes (0.5 µs, or 5 where page tables are switched) does not change that. */
#define COST_MORE_NS	480.0
#define COST_MORE_ERROR 650.0 /* ns, */
#define COST_LOOP_ERROR 0.03 /* and of what it takes in that loop */
#define COST_DIFFERS	0.1 /* of the cost, between the sets: standard error */
#define CPU_ERROR	0.03 /* of the CPU time of a counting window: standard error */
#define SCATTER_GUESS	10.0 /* hits come in bursts: their variance is so many times Poisson's; */
#define SCATTER_WORTH	4.0 /* counts that guess is worth */
#define SCATTER_HITS	5.0 /* fewer that were expected say nothing of it */
#define SCATTER_MAX	100.0 /* of one count: more is no scatter but a change */

/* Of all allocations, by the sites of each set. */
static const double ref_share[PACE_SETS] = { 0.004, 0.03 };

/* A counting window of each set: hits that it should have, time until that is known, and limits. */
static const struct {
	double hits, first_ns, min_ns, max_ns;
} counting[PACE_SETS] = { { 1000, 10e6, 3e6, 40e6 }, { 1000, 2e6, 1e6, 40e6 } };

/* What is known. */
struct estimate {
	double inverse_share; /* of the thin set */
	double hit_ns,
		cost_ns; /* CPU time for a hit at the thin set, and what of it is the hit's */
	/* Relative variances of the rate: of the sampled share, of the thin set in the wide one,
	 * and of the times of each set. */
	double of_share, of_thin, of_ns[PACE_SETS];
};

void pace_init(struct pace *p, const uint8_t *is_alloc, size_t n_sites)
{
	memset(p, 0, sizeof(*p));
	p->n_sites = n_sites < PGD_SITES_MAX ? n_sites : PGD_SITES_MAX;
	memcpy(p->is_alloc, is_alloc, p->n_sites);
}

void pace_prime(struct pace *p, const uint8_t *on, const float *rates, const struct pace_cost *cost)
{
	double sum = 0, traps;

	memset(p->hits, 0, sizeof(p->hits));
	p->allocs = 0;
	for (size_t i = 0; i < p->n_sites; i++)
		if (on[i] && p->is_alloc[i])
			sum += (double)rates[i];
	if (!(sum > 0))
		return;
	for (size_t i = 0; i < p->n_sites; i++)
		if (on[i] && p->is_alloc[i])
			p->hits[i] = (float)((double)rates[i] / sum * PRIME_ALLOCS);
	p->allocs = PRIME_ALLOCS;
	p->primed_rate = sum;
	traps = sum * cost->alloc_ns / NS_PER_SEC;
	p->heaviness = traps / (1 + traps);
}

static double square(double x)
{
	return x * x;
}

/* The variance of counts of hits, in terms of Poisson's. */
static double scatter_of(const struct pace *p)
{
	return fmax((SCATTER_GUESS * SCATTER_WORTH + p->scatter) / (SCATTER_WORTH + p->n_scatter),
		    1);
}

/* As many were expected, by a share or rate that was learned from `known` hits. */
static void learn_scatter(struct pace *p, double seen, double expected, double known)
{
	if (!(expected >= SCATTER_HITS) || !(known >= expected))
		return;
	p->scatter +=
		fmin(square(seen - expected) / (expected * (1 + expected / known)), SCATTER_MAX);
	p->n_scatter++;
}

/* Thin set's hits, and wide set's hits, wherever both could be seen. */
static double hits_seen(const struct pace *p, enum pace_set set)
{
	return p->share_hits[set] + p->wide_hits[set];
}

/* Is the thin set so much less than the wide one that there are two equations? */
static bool has_two(const struct pace *p)
{
	return hits_seen(p, PACE_THIN) < THIN_MAX * hits_seen(p, PACE_WIDE);
}

static bool is_counted(const struct pace *p, enum pace_set set)
{
	return p->ref_hits[set] > 0 && p->ref_ns[set] > 0;
}

/* False: nothing is known. */
static bool estimate(const struct pace *p, struct estimate *e)
{
	double scatter = scatter_of(p), wide_ns, thin, from, work_ns;
	bool is_two = has_two(p);

	if (!is_counted(p, PACE_THIN) || (is_two && !is_counted(p, PACE_WIDE)) ||
	    !(p->share_hits[PACE_WIDE] > 0) || !(hits_seen(p, PACE_THIN) > 0))
		return false;
	thin = hits_seen(p, PACE_THIN) / hits_seen(p, PACE_WIDE);
	from = 1 / p->share_hits[PACE_WIDE] - 1 / fmax(p->share_allocs, p->share_hits[PACE_WIDE]);
	e->of_share = scatter * from;
	e->of_thin = scatter * (1 / hits_seen(p, PACE_THIN) - 1 / hits_seen(p, PACE_WIDE));
	/* The inverse of what scatters is too much on average. */
	e->inverse_share = p->share_allocs / (p->share_hits[PACE_WIDE] * thin) /
			   (1 + e->of_share + e->of_thin);
	e->hit_ns = p->ref_ns[PACE_THIN] / p->ref_hits[PACE_THIN];
	e->cost_ns = p->count_ns + COST_MORE_NS;
	wide_ns = is_two ? p->ref_ns[PACE_WIDE] / p->ref_hits[PACE_WIDE] : 0;
	if (is_two)
		e->cost_ns = wide_ns - thin / (1 - thin) * (e->hit_ns - wide_ns);
	e->cost_ns = fmin(fmax(e->cost_ns, COST_MIN * p->count_ns), COST_MAX * p->count_ns);
	e->cost_ns = fmin(e->cost_ns, e->hit_ns / 2); /* it is mostly work, or it is none */

	work_ns = is_two ? fmax(e->hit_ns - wide_ns, e->hit_ns / 20) : e->hit_ns - e->cost_ns;
	e->of_ns[PACE_THIN] =
		scatter / p->ref_seen[PACE_THIN] * square((e->hit_ns - e->cost_ns) / work_ns) +
		square(CPU_ERROR * e->hit_ns / work_ns) / p->ref_windows[PACE_THIN];
	if (is_two) {
		e->of_thin /= square(1 - thin);
		e->of_ns[PACE_WIDE] =
			(scatter / p->ref_seen[PACE_WIDE] * square(fmax(wide_ns - e->cost_ns, 0)) +
			 square(CPU_ERROR * wide_ns) / p->ref_windows[PACE_WIDE] +
			 square(COST_DIFFERS * e->cost_ns)) /
			square(work_ns);
	} else {
		e->of_ns[PACE_WIDE] =
			(square(COST_MORE_ERROR) + square(COST_LOOP_ERROR * p->count_ns)) /
			square(work_ns);
	}
	return true;
}

static double error_of(const struct estimate *e)
{
	return sqrt(e->of_share + e->of_thin + e->of_ns[PACE_THIN] + e->of_ns[PACE_WIDE]);
}

static bool is_believed(const struct pace *p, const struct estimate *e)
{
	return error_of(e) <= ERROR_MAX || p->n_counts >= COUNTS_WANTED;
}

double pace_rate(const struct pace *p)
{
	struct estimate e;

	if (!estimate(p, &e) || !is_believed(p, &e))
		return NAN;
	return NS_PER_SEC * e.inverse_share / (e.hit_ns - e.cost_ns);
}

double pace_guess_rate(const struct pace *p)
{
	return p->primed_rate > 0 ? p->primed_rate : NAN;
}

double pace_count_ns(const struct pace *p)
{
	double ns = counting[p->turn].first_ns;

	if (is_counted(p, p->turn))
		ns = counting[p->turn].hits * p->ref_ns[p->turn] / p->ref_hits[p->turn];
	return fmin(fmax(ns, counting[p->turn].min_ns), counting[p->turn].max_ns);
}

bool pace_is_wanting(const struct pace *p)
{
	return p->heaviness >= BY_TIME_BELOW && isnan(pace_rate(p));
}

double pace_error(const struct pace *p)
{
	struct estimate e;

	if (p->heaviness < BY_TIME_BELOW)
		return 0;
	/* What is known, and not believed yet, is not what weights rest on. */
	return estimate(p, &e) && is_believed(p, &e) ? fmin(error_of(&e), 1) : 1;
}

static double hits_in(const struct pace *p, const struct pace_window *w, enum pace_set set)
{
	double hits = 0;

	for (size_t i = 0; i < p->n_sites; i++)
		if (p->is_ref[set][i])
			hits += w->site_hits[i];
	return hits;
}

/* All sums forget together: of two memories of different lengths the quotient would be wrong for as
 * long as the longer one lasts, whenever the target changes. */
static void forget(struct pace *p)
{
	for (unsigned k = 0; k < PACE_SETS; k++) {
		p->ref_hits[k] *= FORGET;
		p->ref_ns[k] *= FORGET;
		p->ref_seen[k] *= FORGET;
		p->ref_windows[k] *= FORGET;
		p->share_hits[k] *= FORGET;
		p->wide_hits[k] *= FORGET;
	}
	for (size_t i = 0; i < p->n_sites; i++)
		p->hits[i] *= (float)FORGET;
	p->allocs *= FORGET;
	p->share_allocs *= FORGET;
	p->scatter *= FORGET;
	p->n_scatter *= FORGET;
}

static void remember(struct pace *p, const struct pace_window *w)
{
	double allocs = (double)w->allocs, wide = hits_in(p, w, PACE_WIDE);

	forget(p);
	for (unsigned k = 0; k < PACE_SETS; k++)
		p->since_count[k]++;
	for (size_t i = 0; i < p->n_sites; i++)
		if (p->is_alloc[i])
			p->hits[i] += (float)w->site_hits[i];
	p->allocs += allocs;
	if (!p->has_refs)
		return;
	if (p->share_allocs > 0)
		learn_scatter(p, wide, allocs * p->share_hits[PACE_WIDE] / p->share_allocs,
			      p->share_hits[PACE_WIDE]);
	p->share_allocs += allocs;
	p->share_hits[PACE_WIDE] += wide;
	p->share_hits[PACE_THIN] += hits_in(p, w, PACE_THIN);
}

double pace_sample(struct pace *p, const struct pace_window *w, const struct pace_cost *cost)
{
	double cpu_ns = (double)w->cpu_ns, traps_ns, share, by_time, by_rate, rate, part;

	if (!w->cpu_ns)
		return 0;
	traps_ns = (double)w->allocs * cost->alloc_ns + (double)w->frees * cost->free_ns;
	share = fmin(traps_ns / cpu_ns, 1);
	p->heaviness = p->heaviness ? 0.9 * p->heaviness + 0.1 * share : share;
	if (share > BY_TIME_BELOW)
		remember(p, w);

	by_time = fmax(cpu_ns - traps_ns, 0);
	rate = pace_rate(p);
	part = fmin(fmax((share - BY_TIME_BELOW) / (BY_RATE_ABOVE - BY_TIME_BELOW), 0), 1);
	if (part == 0)
		return by_time;
	if (isnan(rate))
		return NAN;
	by_rate = fmin((double)w->allocs / rate * NS_PER_SEC, cpu_ns);
	return part * by_rate + (1 - part) * by_time;
}

static void learn_from_count(struct pace *p, const struct pace_window *w)
{
	double allocs = (double)w->allocs, thin;

	if (p->turn == PACE_THIN) {
		if (is_counted(p, PACE_THIN))
			learn_scatter(p, allocs,
				      (double)w->cpu_ns * p->ref_hits[PACE_THIN] /
					      p->ref_ns[PACE_THIN],
				      p->ref_seen[PACE_THIN]);
		return;
	}
	thin = hits_in(p, w, PACE_THIN);
	if (hits_seen(p, PACE_WIDE) > 0)
		learn_scatter(p, thin, allocs * hits_seen(p, PACE_THIN) / hits_seen(p, PACE_WIDE),
			      hits_seen(p, PACE_THIN));
	p->wide_hits[PACE_THIN] += thin;
	p->wide_hits[PACE_WIDE] += hits_in(p, w, PACE_WIDE);
}

void pace_count(struct pace *p, const struct pace_window *w, const struct pace_cost *cost)
{
	double cpu_ns = (double)w->cpu_ns, scale;

	p->count_ns = cost->count_ns;
	if (cpu_ns <= (double)w->allocs * cost->count_ns * COST_MIN)
		return; /* a burst of nothing but these sites: says nothing of the rest */
	learn_from_count(p, w);
	/* However long it took to have its hits, it weighs as much as the sampling windows since
	 * the last one: while shares change, both averages are then of the same mixture of old and
	 * new. */
	scale = COUNT_MIN_NS / fmax(cpu_ns, COUNT_MIN_NS) *
		fmax(p->since_count[p->turn], COUNT_WEIGHT);
	p->since_count[p->turn] = 0;
	p->ref_seen[p->turn] += (double)w->allocs;
	p->ref_hits[p->turn] += (double)w->allocs * scale;
	p->ref_ns[p->turn] += cpu_ns * scale;
	p->ref_windows[p->turn]++;
	p->n_counts++;
}

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
	double wide = hits_seen(p, PACE_WIDE);

	return wide > 0 && p->share_allocs > 0 ? p->share_hits[PACE_WIDE] / p->share_allocs *
							 (hits_seen(p, PACE_THIN) / wide)
					       : 0;
}

static double times_off(double share)
{
	return fmax(share / ref_share[PACE_THIN], ref_share[PACE_THIN] / fmax(share, 1e-9));
}

/* Does it make a share that can be counted, without slowing the target by much? */
static bool are_refs_good(const struct pace *p)
{
	return times_off(thin_share(p)) < 4;
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
	double thin = find_refs(p, on, ref_share[PACE_THIN], is_ref[PACE_THIN]);
	bool had_refs = p->has_refs;

	memcpy(is_ref[PACE_WIDE], is_ref[PACE_THIN], sizeof(is_ref[PACE_WIDE]));
	find_refs(p, on, fmax(ref_share[PACE_WIDE], fmin(WIDE_SHARES * thin, 1)),
		  is_ref[PACE_WIDE]);
	if (had_refs && are_refs_on(p, on) &&
	    (memcmp(is_ref, p->is_ref, sizeof(is_ref)) == 0 ||
	     times_off(thin) * BETTER > times_off(thin_share(p))))
		return;
	memcpy(p->is_ref, is_ref, sizeof(is_ref));
	p->has_refs = thin > 0;
	memset(p->ref_hits, 0, sizeof(p->ref_hits));
	memset(p->ref_ns, 0, sizeof(p->ref_ns));
	memset(p->ref_seen, 0, sizeof(p->ref_seen));
	memset(p->ref_windows, 0, sizeof(p->ref_windows));
	memset(p->share_hits, 0, sizeof(p->share_hits));
	memset(p->wide_hits, 0, sizeof(p->wide_hits));
	p->share_allocs = 0;
	memset(p->since_count, 0, sizeof(p->since_count));
	p->scatter = p->n_scatter = 0;
	p->n_counts = 0;
	if (had_refs && p->allocs > DRIFT_ALLOCS) {
		for (size_t i = 0; i < p->n_sites; i++)
			p->hits[i] *= (float)FORGET_BAD;
		p->allocs *= FORGET_BAD;
	}
}

/* Each in turn, and then whose windows would make the rate known better. */
static enum pace_set next_set(const struct pace *p)
{
	struct estimate e;

	if (!has_two(p) || p->n_counts % 3 == 0)
		return PACE_THIN;
	if (p->n_counts % 3 == 1)
		return PACE_WIDE;
	if (!estimate(p, &e))
		return PACE_THIN;
	return e.of_thin + e.of_ns[PACE_WIDE] > e.of_ns[PACE_THIN] ? PACE_WIDE : PACE_THIN;
}

bool pace_wants_count(struct pace *p, const uint8_t *on, uint64_t n_windows)
{
	if (p->heaviness < BY_TIME_BELOW || !(p->allocs > 0))
		return false;
	if (p->has_refs
		    ? !are_refs_on(p, on) || (!are_refs_good(p) && p->share_allocs >= CHOOSE_ALLOCS)
		    : p->allocs >= CHOOSE_ALLOCS)
		choose_refs(p, on);
	if (!p->has_refs)
		return false;
	p->turn = next_set(p);
	if (p->n_counts < COUNTS_WANTED)
		return n_windows % 3 != 0;
	return n_windows % (pace_error(p) < COUNT_ERROR ? COUNT_SELDOM : COUNT_EVERY) == 1;
}
