/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/pace.c — see pace.h: what windows say of the rate. Which sites count is pace_refs.c.
 */
#include <math.h>
#include <string.h>

#include "target/pace_internal.h"

#define NS_PER_SEC	1e9
#define FORGET		0.995 /* of the sums, a window: half of them is of the last 140 windows */
#define BY_RATE_ABOVE	0.4 /* above, by rate alone; between, from one to the other */
#define BY_TIME_AT_MOST 0.7 /* below, by time as long as the rate is not known */
#define BY_TIME_ERROR	0.25 /* of what traps take, until it was learned here: standard error */
#define PRIME_ALLOCS	20000.0 /* what scouting is worth */
#define THIN_MAX	0.7 /* of the wide set's hits: with more the two equations are one */
#define COUNT_WEIGHT	0.5 /* sampling windows that a counting window stands for, at least */
#define ERROR_MAX	0.25 /* with more nothing is said by rate before PACE_COUNTS_WANTED */
#define ERROR_OF_GUESS	0.7 /* of what scouting guesses, at best: a factor of 2 to 5 was seen */
#define COUNT_MIN_NS	300000.0 /* of CPU time in a counting window: it has its full weight */
#define COST_MIN	0.8 /* times what a hit costs in a loop of nothing else; */
#define COST_MAX	5.0
#define COST_MORE_ERROR 650.0 /* ns, */
#define COST_LOOP_ERROR 0.03 /* and of what it takes in that loop */
#define COST_DIFFERS	0.1 /* of the cost, between the sets: standard error */
#define CPU_ERROR	0.03 /* of the CPU time of a counting window: standard error */
#define SCATTER_GUESS	10.0 /* hits come in bursts: their variance is so many times Poisson's; */
#define SCATTER_WORTH	8.0 /* counts that guess is worth, and then the mean of all for each kind */
#define SCATTER_HITS	5.0 /* fewer that were expected say nothing of it */
#define SCATTER_MAX	100.0 /* of one count: more is no scatter but a change */

/* If the two equations are one: more than in a loop of nothing else, for caches and predictors; how
 * long the trap itself takes (0.5 µs, or 5 where page tables are switched) does not change that. */
#define COST_MORE_NS 480.0

#define LATE_HITS_MIN 100 /* of the thin set, by which its share lately is known, */
#define LATE_SCATTER  20 /* or so many times what they scatter; half as many of the wide one */
#define MADE_UP_MAX   0.15 /* a relative variance of more is hardly known itself */

/* A counting window of each set: hits that it should have, time until that is known, and limits. */
static const struct {
	double hits, first_ns, min_ns, max_ns;
} counting[PACE_SETS] = { { 1000, 10e6, 3e6, 40e6 }, { 1000, 2e6, 1e6, 40e6 } };

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
	p->guess_rate = sum;
	p->count_ns = cost->count_ns;
	traps = sum * cost->alloc_ns / NS_PER_SEC;
	p->heaviness = traps / (1 + traps);
}

static double square(double x)
{
	return x * x;
}

/* The mean of what was learned, from a guess that is worth some counts. */
static double mean_from(double guess, double sum, double n)
{
	return (SCATTER_WORTH * guess + sum) / (SCATTER_WORTH + n);
}

/* The variance of counts of hits, in terms of Poisson's: until it was seen for this kind, as that
 * of all. */
static double scatter_of(const struct pace *p, enum pace_scatter of)
{
	double sum = 0, n = 0;

	for (unsigned i = 0; i < PACE_SCATTERS; i++)
		sum += p->seen.scatter[i], n += p->seen.n_scatter[i];
	return fmax(mean_from(mean_from(SCATTER_GUESS, sum, n), p->seen.scatter[of],
			      p->seen.n_scatter[of]),
		    1);
}

/* As many were expected, by a share or rate that was learned from `known` hits; they are `share` of
 * what they were expected by (0: it was time). How far off is that, squared, over what Poisson's
 * would be? */
static void learn_scatter(struct pace *p, enum pace_scatter of, double seen, double expected,
			  double share, double known)
{
	double off;

	if (!(expected >= SCATTER_HITS) || !(known >= expected) || !(share < 1))
		return;
	off = square(seen - expected) / (expected * (1 - share) * (1 + expected / known));
	p->seen.scatter[of] += fmin(off, SCATTER_MAX);
	p->seen.n_scatter[of]++;
}

/* Thin set's hits, and wide set's hits, wherever both could be seen. */
static double hits_seen(const struct pace *p, enum pace_set set)
{
	return p->seen.share_hits[set] + p->seen.wide_hits[set];
}

bool pace_has_two(const struct pace *p)
{
	return hits_seen(p, PACE_THIN) < THIN_MAX * hits_seen(p, PACE_WIDE);
}

static bool is_counted(const struct pace *p, enum pace_set set)
{
	return p->seen.ref_hits[set] > 0 && p->seen.ref_ns[set] > 0;
}

/* What the work for a hit of the thin set is lately. */
static void estimate_work(const struct pace *p, struct pace_estimate *e)
{
	double hits = p->seen.late.thin_hits, ns = p->seen.late.thin_ns;

	e->work_ns = e->hit_ns - e->cost_ns;
	e->of_late = e->of_ns[PACE_THIN];
	if (!(hits > 0))
		return;
	e->work_ns = fmax(ns / hits - e->cost_ns, ns / hits / 2);
	e->of_late =
		scatter_of(p, PACE_OF_TIME) / hits + square(CPU_ERROR * ns / hits / e->work_ns) / 2;
}

/* Hits that the thin set's share of the wide one's was taken from. */
static double late_thin(const struct pace_late *l)
{
	return l->share_hits[PACE_THIN] + l->wide_hits[PACE_THIN];
}

/* As many hits are expected there, by the shares of all windows, that shares can be told by them.
 * Who waits for the hits themselves has shares that are too large. */
static bool says_enough(const struct pace *p, const struct pace_late *l)
{
	double thin_of_wide = hits_seen(p, PACE_THIN) / hits_seen(p, PACE_WIDE);
	double wide = p->seen.share_hits[PACE_WIDE] / p->seen.share_allocs * l->allocs;
	double enough = fmax(LATE_HITS_MIN, LATE_SCATTER * scatter_of(p, PACE_OF_WIDE));

	return wide >= fmax(LATE_HITS_MIN, LATE_SCATTER * scatter_of(p, PACE_OF_ALL)) / 2 &&
	       thin_of_wide * (wide + l->wide_hits[PACE_WIDE]) >= enough;
}

struct pace_shares pace_late_shares(const struct pace *p)
{
	const struct pace_late *l = &p->seen.late;

	if (!(late_thin(l) > 0 && l->share_hits[PACE_WIDE] > 0))
		return (struct pace_shares){ p->seen.share_allocs, p->seen.share_hits[PACE_WIDE],
					     hits_seen(p, PACE_WIDE), hits_seen(p, PACE_THIN) };
	return (struct pace_shares){ l->allocs, l->share_hits[PACE_WIDE],
				     l->share_hits[PACE_WIDE] + l->wide_hits[PACE_WIDE],
				     late_thin(l) };
}

static void estimate_share(const struct pace *p, struct pace_estimate *e)
{
	struct pace_shares s = pace_late_shares(p);
	double of_all = 1 / s.of_all - 1 / fmax(s.all, s.of_all), of_thin = 1 / s.thin - 1 / s.wide;

	/* The inverse of what scatters is too much on average. */
	e->inverse_share = s.all / s.of_all * (s.wide / s.thin) /
			   (1 + fmin(scatter_of(p, PACE_OF_ALL) * of_all +
					     scatter_of(p, PACE_OF_WIDE) * of_thin,
				     MADE_UP_MAX));
}

double pace_guess_hit_ns(const struct pace *p)
{
	return p->count_ns + COST_MORE_NS;
}

bool pace_estimate(const struct pace *p, struct pace_estimate *e)
{
	double scatter = scatter_of(p, PACE_OF_TIME), wide_ns, thin, from, work_ns;
	bool is_two = pace_has_two(p);

	if (!is_counted(p, PACE_THIN) || (is_two && !is_counted(p, PACE_WIDE)) ||
	    !(p->seen.share_hits[PACE_WIDE] > 0) || !(hits_seen(p, PACE_THIN) > 0))
		return false;
	thin = hits_seen(p, PACE_THIN) / hits_seen(p, PACE_WIDE);
	from = 1 / p->seen.share_hits[PACE_WIDE] -
	       1 / fmax(p->seen.share_allocs, p->seen.share_hits[PACE_WIDE]);
	e->of_share = scatter_of(p, PACE_OF_ALL) * from;
	e->of_thin = scatter_of(p, PACE_OF_WIDE) *
		     (1 / hits_seen(p, PACE_THIN) - 1 / hits_seen(p, PACE_WIDE));
	e->hit_ns = p->seen.ref_ns[PACE_THIN] / p->seen.ref_hits[PACE_THIN];
	e->cost_ns = pace_guess_hit_ns(p);
	wide_ns = is_two ? p->seen.ref_ns[PACE_WIDE] / p->seen.ref_hits[PACE_WIDE] : 0;
	if (is_two)
		e->cost_ns = wide_ns - thin / (1 - thin) * (e->hit_ns - wide_ns);
	e->cost_ns = fmin(fmax(e->cost_ns, COST_MIN * p->count_ns), COST_MAX * p->count_ns);
	e->cost_ns = fmin(e->cost_ns, e->hit_ns / 2); /* it is mostly work, or it is none */

	work_ns = is_two ? fmax(e->hit_ns - wide_ns, e->hit_ns / 20) : e->hit_ns - e->cost_ns;
	e->of_ns[PACE_THIN] =
		scatter / p->seen.ref_seen[PACE_THIN] * square((e->hit_ns - e->cost_ns) / work_ns) +
		square(CPU_ERROR * e->hit_ns / work_ns) / p->seen.ref_windows[PACE_THIN];
	if (is_two) {
		e->of_thin /= square(1 - thin);
		e->of_ns[PACE_WIDE] =
			(scatter / p->seen.ref_seen[PACE_WIDE] *
				 square(fmax(wide_ns - e->cost_ns, 0)) +
			 square(CPU_ERROR * wide_ns) / p->seen.ref_windows[PACE_WIDE] +
			 square(COST_DIFFERS * e->cost_ns)) /
			square(work_ns);
	} else {
		e->of_ns[PACE_WIDE] =
			(square(COST_MORE_ERROR) + square(COST_LOOP_ERROR * p->count_ns)) /
			square(work_ns);
	}
	estimate_work(p, e);
	estimate_share(p, e);
	return true;
}

static double error_of(const struct pace_estimate *e)
{
	return sqrt(e->of_share + e->of_thin + e->of_ns[PACE_THIN] + e->of_ns[PACE_WIDE]);
}

static bool is_believed(const struct pace *p, const struct pace_estimate *e)
{
	return error_of(e) <= ERROR_MAX || p->seen.n_counts >= PACE_COUNTS_WANTED;
}

static double rate_of(const struct pace_estimate *e)
{
	/* The inverse of what scatters, once more. */
	return NS_PER_SEC * e->inverse_share / e->work_ns /
	       (1 + fmin(e->of_late + e->of_ns[PACE_WIDE], square(ERROR_MAX)));
}

double pace_rate(const struct pace *p)
{
	struct pace_estimate e;

	return pace_estimate(p, &e) && is_believed(p, &e) ? rate_of(&e) : NAN;
}

double pace_best_rate(const struct pace *p)
{
	struct pace_estimate e;

	if (!pace_estimate(p, &e) || (!is_believed(p, &e) && error_of(&e) > ERROR_OF_GUESS))
		return NAN;
	return rate_of(&e);
}

double pace_hit_ns(const struct pace *p)
{
	struct pace_estimate e;

	return pace_estimate(p, &e) && is_believed(p, &e) ? e.cost_ns : pace_guess_hit_ns(p);
}

double pace_count_ns(const struct pace *p)
{
	double ns = counting[p->turn].first_ns;

	if (is_counted(p, p->turn))
		ns = counting[p->turn].hits * p->seen.ref_ns[p->turn] / p->seen.ref_hits[p->turn];
	return fmin(fmax(ns, counting[p->turn].min_ns), counting[p->turn].max_ns);
}

bool pace_is_wanting(const struct pace *p)
{
	return p->heaviness >= PACE_BY_TIME_BELOW && isnan(pace_rate(p));
}

double pace_error(const struct pace *p)
{
	struct pace_estimate e;

	if (p->heaviness < PACE_BY_TIME_BELOW)
		return 0;
	if (pace_estimate(p, &e) && is_believed(p, &e))
		return fmin(error_of(&e), 1);
	/* What is known, and not believed yet, is not what these weights rest on. */
	if (p->heaviness < BY_TIME_AT_MOST)
		return BY_TIME_ERROR * p->heaviness / (1 - p->heaviness);
	return isfinite(pace_best_rate(p)) ? error_of(&e) : 1;
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
 * long as the longer one lasts, whenever shares change. */
static void forget(struct pace *p)
{
	for (unsigned k = 0; k < PACE_SETS; k++) {
		p->seen.ref_hits[k] *= FORGET;
		p->seen.ref_ns[k] *= FORGET;
		p->seen.ref_seen[k] *= FORGET;
		p->seen.ref_windows[k] *= FORGET;
		p->seen.share_hits[k] *= FORGET;
		p->seen.wide_hits[k] *= FORGET;
	}
	for (size_t i = 0; i < p->n_sites; i++)
		p->hits[i] *= (float)FORGET;
	p->allocs *= FORGET;
	p->seen.share_allocs *= FORGET;
	for (unsigned of = 0; of < PACE_SCATTERS; of++) {
		p->seen.scatter[of] *= FORGET;
		p->seen.n_scatter[of] *= FORGET;
	}
}

static void learn_share_of_wide(struct pace *p, double thin, double wide)
{
	double share = hits_seen(p, PACE_THIN) / hits_seen(p, PACE_WIDE);

	learn_scatter(p, PACE_OF_WIDE, thin, wide * share, share, hits_seen(p, PACE_THIN));
}

static void remember(struct pace *p, const struct pace_window *w)
{
	double allocs = (double)w->allocs;
	double seen[PACE_SETS] = { hits_in(p, w, PACE_THIN), hits_in(p, w, PACE_WIDE) }, share;

	forget(p);
	for (unsigned k = 0; k < PACE_SETS; k++)
		p->seen.since_count[k]++;
	for (size_t i = 0; i < p->n_sites; i++)
		if (p->is_alloc[i])
			p->hits[i] += (float)w->site_hits[i];
	p->allocs += allocs;
	if (!p->has_refs)
		return;
	if (p->seen.share_allocs > 0) {
		share = p->seen.share_hits[PACE_WIDE] / p->seen.share_allocs;
		learn_scatter(p, PACE_OF_ALL, seen[PACE_WIDE], share * allocs, share,
			      p->seen.share_hits[PACE_WIDE]);
	}
	learn_share_of_wide(p, seen[PACE_THIN], seen[PACE_WIDE]);
	p->seen.share_allocs += allocs;
	for (unsigned k = 0; k < PACE_SETS; k++)
		p->seen.share_hits[k] += seen[k], p->seen.next.share_hits[k] += seen[k];
	p->seen.next.allocs += allocs;
}

/* By the rate that all pending work rests on; NAN: nobody has said one. */
static double work_by_rate(struct pace *p, double allocs, double cpu_ns)
{
	double rate = pace_best_rate(p);

	if (!(p->pending_rate > 0))
		p->pending_rate = isnan(rate) ? p->guess_rate : rate;
	if (!(p->pending_rate > 0))
		return NAN;
	p->pending = PACE_OPEN;
	return fmin(allocs / p->pending_rate * NS_PER_SEC, cpu_ns);
}

double pace_sample(struct pace *p, const struct pace_window *w, const struct pace_cost *cost)
{
	double cpu_ns = (double)w->cpu_ns, traps_ns, share, by_time, part, at_rate;

	p->pending = PACE_FOR_GOOD;
	if (!w->cpu_ns)
		return 0;
	traps_ns = (double)w->allocs * cost->alloc_ns + (double)w->frees * cost->free_ns;
	share = fmin(traps_ns / cpu_ns, 1);
	p->heaviness = p->heaviness ? 0.9 * p->heaviness + 0.1 * share : share;
	if (share > PACE_BY_TIME_BELOW)
		remember(p, w);

	by_time = fmax(cpu_ns - traps_ns, 0);
	part = fmin(fmax((share - PACE_BY_TIME_BELOW) / (BY_RATE_ABOVE - PACE_BY_TIME_BELOW), 0),
		    1);
	if (part == 0 || (isnan(pace_rate(p)) && share < BY_TIME_AT_MOST))
		return by_time;
	if (part == 1)
		return work_by_rate(p, (double)w->allocs, cpu_ns);
	at_rate = fmin((double)w->allocs / pace_rate(p) * NS_PER_SEC, cpu_ns);
	return part * at_rate + (1 - part) * by_time;
}

static void learn_from_thin(struct pace *p, double hits, double cpu_ns)
{
	struct pace_late *next = &p->seen.next;
	const struct pace_late *known = p->seen.late.thin_hits > 0 ? &p->seen.late : next;

	if (known->thin_hits > 0)
		learn_scatter(p, PACE_OF_TIME, hits, cpu_ns * known->thin_hits / known->thin_ns, 0,
			      known->thin_hits);
	next->thin_hits += hits;
	next->thin_ns += cpu_ns;
	p->seen.is_late_new = says_enough(p, next);
	if (!p->seen.is_late_new)
		return;
	p->seen.late = *next;
	*next = (struct pace_late){ .thin_hits = hits, .thin_ns = cpu_ns };
}

static void learn_from_wide(struct pace *p, double thin, double wide)
{
	learn_share_of_wide(p, thin, wide);
	p->seen.next.wide_hits[PACE_THIN] += thin;
	p->seen.next.wide_hits[PACE_WIDE] += wide;
	p->seen.wide_hits[PACE_THIN] += thin;
	p->seen.wide_hits[PACE_WIDE] += wide;
}

void pace_count(struct pace *p, const struct pace_window *w, const struct pace_cost *cost)
{
	double cpu_ns = (double)w->cpu_ns, scale;

	p->count_ns = cost->count_ns;
	if (cpu_ns <= (double)w->allocs * cost->count_ns * COST_MIN)
		return; /* a burst of nothing but these sites: says nothing of the rest */
	if (p->turn == PACE_THIN)
		learn_from_thin(p, (double)w->allocs, cpu_ns);
	else
		learn_from_wide(p, hits_in(p, w, PACE_THIN), hits_in(p, w, PACE_WIDE));
	/* However long it took to have its hits, it weighs as much as the sampling windows since
	 * the last one: while shares change, both averages are then of the same mixture of old and
	 * new. */
	scale = COUNT_MIN_NS / fmax(cpu_ns, COUNT_MIN_NS) *
		fmax(p->seen.since_count[p->turn], COUNT_WEIGHT);
	p->seen.since_count[p->turn] = 0;
	p->seen.ref_seen[p->turn] += (double)w->allocs;
	p->seen.ref_hits[p->turn] += (double)w->allocs * scale;
	p->seen.ref_ns[p->turn] += cpu_ns * scale;
	p->seen.ref_windows[p->turn]++;
	p->seen.n_counts++;
}

bool pace_settle(struct pace *p, struct pace_settlement *ret)
{
	double rate = pace_best_rate(p), around = rate;

	if (!(p->pending_rate > 0) || p->turn != PACE_THIN || isnan(rate))
		return false;
	*ret = (struct pace_settlement){ rate / p->pending_rate, 1, 0 };
	p->pending_rate = rate;
	if (!p->seen.is_late_new || isnan(pace_rate(p)))
		return true;
	if (p->before_rate > 0)
		around = (p->before_rate + rate) / 2;
	if (p->closed_rate > 0)
		ret->closed = around / p->closed_rate;
	ret->n_steps = 1;
	p->before_rate = p->closed_rate;
	p->closed_rate = rate;
	p->pending_rate = 0;
	return true;
}

void pace_settle_end(struct pace *p)
{
	p->pending_rate = p->closed_rate = p->before_rate = 0;
}

double pace_settle_weight(const struct pace_settlement *s, double weight, uint8_t *pending)
{
	double factor = *pending == PACE_OPEN ? s->open : *pending == PACE_CLOSED ? s->closed : 1;

	*pending -= *pending < s->n_steps ? *pending : s->n_steps;
	return isfinite(factor) ? fmax(weight * factor, 1) : weight;
}
