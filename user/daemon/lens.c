/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/lens.c — see lens.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lens.h"
#include "lib/clock.h"
#include "target/budget.h"

#define RARE_PER_SEC	20 /* hits a second of a site that may always be on */
#define BUSY_HITS_MIN	3 /* in a scouting window that was cut short: not rare, */
#define BUSY_CHANCE	0.01 /* since a rare site would have so many with this probability */
#define SHARE_CERTAIN	0.01 /* of the allocations: such a site is on in every window */
#define ODDS_MIN	0.2
#define COST_SCALE	2 /* a guess; 1.5 to 2.8 were seen */
#define PROMOTE_SEC_MIN 0.01
#define RATE_NEWS	0.2F /* weight of a window, in what is known of a site */
#define NS_PER_SEC	1e9

static void mark_allocs(const struct lens *l, uint8_t is_alloc[PGD_SITES_MAX])
{
	const struct sites *s = &l->watch->sites;

	for (size_t i = 0; i < s->n && i < PGD_SITES_MAX; i++)
		is_alloc[i] = window_prog_of(s->v[i].kind) == WINDOW_ON_ALLOC;
}

/* Sites of the collector are no part of this: gcwatch.h. */
static bool is_scouted(const struct lens *l, size_t i)
{
	enum window_prog prog = window_prog_of(l->watch->sites.v[i].kind);

	return prog == WINDOW_ON_ALLOC || prog == WINDOW_ON_FREE;
}

static size_t count_sites(const struct lens *l)
{
	return l->watch->sites.n < PGD_SITES_MAX ? l->watch->sites.n : PGD_SITES_MAX;
}

int lens_new(struct watch *w, struct lens **ret)
{
	_cleanup_(lens_freep) struct lens *l = calloc(1, sizeof(*l));
	uint8_t is_alloc[PGD_SITES_MAX] = { 0 };

	if (!l)
		return -ENOMEM;
	l->watch = w;
	l->overhead = NAN;
	if (clock_getcpuclockid(w->pid, &l->cpu_clock) != 0)
		return -ESRCH;
	l->state = LENS_NEW;
	l->cost_scale = COST_SCALE;
	mark_allocs(l, is_alloc);
	pace_init(&l->pace, is_alloc, count_sites(l));
	l->cpu_ns = lens_cpu_ns(l);
	l->began_sec = clock_monotonic_sec();
	*ret = TAKE_PTR(l);
	return 0;
}

void lens_free(struct lens *l)
{
	if (!l)
		return;
	window_close(&l->always);
	for (size_t k = 0; k < LENS_RARE_GROUPS; k++)
		window_close(&l->rare[k]);
	gcwatch_free(l->gc);
	liveness_free(l->liveness);
	liveness_free(l->capture_liveness);
	free(l);
}

int lens_prepare(struct lens *l)
{
	int r = 0;

	if (!l->liveness)
		r = liveness_new(&l->watch->runtime, &l->watch->mem, &l->liveness);
	if (r == 0 && !l->capture_liveness)
		r = liveness_new(&l->watch->runtime, &l->watch->mem, &l->capture_liveness);
	return r;
}

uint64_t lens_cpu_ns(const struct lens *l)
{
	return clock_ns(l->cpu_clock);
}

/* ── scouting ─────────────────────────────────────────────────────────────────────────────── */

/* The kinds that matter most come first. Those where pool blocks are freed come last: of a busy
 * target they need not be asked. */
static const enum site_kind scout_order[] = { SITE_POP,	    SITE_FREE,	  SITE_MALLOC, SITE_CARVE,
					      SITE_REALLOC, SITE_RESIZED, SITE_PUSH };

/* While windows are cut short, which says little of most sites, a kind at a time: every site that
 * goes on costs. */
bool lens_scout_plan(const struct lens *l, uint8_t on[PGD_SITES_MAX])
{
	size_t n = count_sites(l), n_on = 0;

	memset(on, 0, PGD_SITES_MAX);
	for (size_t k = 0; k < ARRAY_SIZE(scout_order) && !(n_on && l->was_cut); k++) {
		for (size_t i = 0; i < n && n_on < LENS_SCOUT_SITES; i++) {
			if (l->watch->sites.v[i].kind != scout_order[k] ||
			    l->sites[i] != LENS_SITE_UNKNOWN)
				continue;
			on[i] = 1;
			n_on++;
		}
	}
	return n_on;
}

/* Pool blocks pass behind realloc, which other sites report: a busy site there says little. */
static enum lens_site busy(const struct lens *l, size_t i)
{
	return l->watch->sites.v[i].kind == SITE_RESIZED ? LENS_SITE_OFF : LENS_SITE_BUSY;
}

/* So many hits in so short a time are not a rare site's: the tail of Poisson's distribution. */
static uint32_t busy_hits(double gate_sec)
{
	double mean = RARE_PER_SEC * gate_sec, p = exp(-mean), less = p;
	uint32_t n = 1;

	for (; 1 - less > BUSY_CHANCE && n < RARE_PER_SEC; n++) {
		p *= mean / n;
		less += p;
	}
	return n > BUSY_HITS_MIN ? n : BUSY_HITS_MIN;
}

static enum lens_site judge(const struct lens *l, size_t i, uint32_t hits, double gate_sec,
			    bool was_cut)
{
	bool is_busy = was_cut ? hits >= busy_hits(gate_sec) : hits / gate_sec > RARE_PER_SEC;

	if (!is_busy && was_cut)
		return LENS_SITE_UNKNOWN;
	/* Of a pool's block its free list says that it is free, and an allocation that it has
	 * another owner: half of all hits, for nothing that cannot be had otherwise. */
	if (l->watch->sites.v[i].kind == SITE_PUSH)
		return LENS_SITE_OFF;
	return is_busy ? busy(l, i) : LENS_SITE_RARE;
}

uint64_t lens_scout_hits(const struct pace_cost *cost)
{
	return (uint64_t)fmin(LENS_SCOUT_HITS, BUDGET_LOSS_MAX_NS / cost->count_ns);
}

void lens_scout_done(struct lens *l, const uint8_t on[PGD_SITES_MAX],
		     const struct shutter_result *r, const struct pace_cost *cost)
{
	bool was_cut = r->gate.allocs >= lens_scout_hits(cost);
	double work_sec =
		((double)r->cpu_ns - (double)r->gate.allocs * cost->count_ns) / NS_PER_SEC;
	double gate_sec = (double)r->gate_ns / NS_PER_SEC;
	bool found = false;

	if (r->error)
		return;
	l->was_cut = was_cut;
	if (!(work_sec > 0.02 * gate_sec)) /* idle, or nothing but traps */
		work_sec = 0.02 * gate_sec;
	for (size_t i = 0; i < count_sites(l); i++) {
		uint32_t hits = r->site_hits[i];

		if (!on[i])
			continue;
		/* What rare means is cost: by the clock. What it would cost always: by CPU time. */
		l->sites[i] = (uint8_t)judge(l, i, hits, gate_sec, was_cut);
		l->rates[i] = (float)(hits / work_sec);
		found |= l->sites[i] != LENS_SITE_UNKNOWN;
	}
	if (found || !was_cut)
		return;
	for (size_t i = 0; i < count_sites(l); i++) /* many sites, a few hits each: none is rare */
		if (on[i] && r->site_hits[i])
			l->sites[i] = (uint8_t)busy(l, i);
}

void lens_scout_no_frees(struct lens *l)
{
	for (size_t i = 0; i < count_sites(l); i++)
		if (l->watch->sites.v[i].kind == SITE_PUSH)
			l->sites[i] = LENS_SITE_OFF;
}

void lens_scout_again(struct lens *l)
{
	l->state = LENS_SCOUTING;
	l->is_scouted = false;
	l->was_cut = true; /* who is scouted is busy */
	memset(l->came_off_cpu_ns, 0, sizeof(l->came_off_cpu_ns)); /* lens.backlog_ns has that */
	for (size_t i = 0; i < count_sites(l); i++)
		l->sites[i] = is_scouted(l, i) ? LENS_SITE_UNKNOWN : LENS_SITE_OFF;
}

static double site_share(const struct lens *l, size_t i, const struct pace_cost *cost)
{
	return (double)l->rates[i] * (l->pace.is_alloc[i] ? cost->alloc_ns : cost->free_ns) /
	       NS_PER_SEC;
}

double lens_always_share(const struct lens *l, const struct pace_cost *cost)
{
	double share = 0;

	for (size_t i = 0; i < count_sites(l); i++)
		share += site_share(l, i, cost);
	return share;
}

void lens_limit_rare(struct lens *l, double share, const struct pace_cost *cost)
{
	double sum = 0;

	for (size_t i = 0; i < count_sites(l); i++)
		if (l->sites[i] == LENS_SITE_RARE)
			sum += site_share(l, i, cost);
	while (sum > share) {
		size_t most = SIZE_MAX;

		for (size_t i = 0; i < count_sites(l); i++)
			if (l->sites[i] == LENS_SITE_RARE &&
			    (most == SIZE_MAX || l->rates[i] > l->rates[most]))
				most = i;
		if (most == SIZE_MAX || l->rates[most] <= 0)
			return;
		l->sites[most] = (uint8_t)busy(l, most);
		sum -= site_share(l, most, cost);
	}
}

/* Not where libc's blocks go: nothing else tells that one of them is free. */
static bool is_drawn(const struct lens *l, size_t i)
{
	return l->sites[i] == LENS_SITE_BUSY && l->pace.is_alloc[i];
}

void lens_set_odds(struct lens *l)
{
	double sum = 0;

	for (size_t i = 0; i < count_sites(l); i++)
		if (is_drawn(l, i))
			sum += (double)l->rates[i];
	for (size_t i = 0; i < count_sites(l); i++) {
		double share = (double)l->rates[i] / sum;

		l->odds[i] = 1;
		if (is_drawn(l, i) && !l->pace.is_ref[PACE_WIDE][i])
			l->odds[i] = (float)fmin(1, fmax(sqrt(share / SHARE_CERTAIN), ODDS_MIN));
	}
}

void lens_draw_sites(const struct lens *l, uint8_t on[PGD_SITES_MAX])
{
	memset(on, 0, PGD_SITES_MAX);
	for (size_t i = 0; i < count_sites(l); i++)
		on[i] = l->sites[i] == LENS_SITE_BUSY &&
			(l->odds[i] >= 1 || l->came_off_cpu_ns[i] ||
			 drand48() < (double)l->odds[i]);
}

void lens_busy_sites(const struct lens *l, uint8_t on[PGD_SITES_MAX])
{
	memset(on, 0, PGD_SITES_MAX);
	for (size_t i = 0; i < count_sites(l); i++)
		on[i] = l->sites[i] == LENS_SITE_BUSY;
}

double lens_weight(const struct lens *l, const struct lens_window *w, uint32_t site, uint32_t walk)
{
	double weight = w->weight * (walk == PGD_WALK_CHANCE ? w->walk_of : 1);
	size_t i = site & (PGD_SITES_MAX - 1);

	if (!l->came_off_cpu_ns[i])
		return weight / (double)l->odds[i];
	if (w->to_cpu_ns <= w->from_cpu_ns || l->came_off_cpu_ns[i] >= w->from_cpu_ns)
		return weight;
	return weight * (double)(w->to_cpu_ns - l->came_off_cpu_ns[i]) /
	       (double)(w->to_cpu_ns - w->from_cpu_ns);
}

void lens_window_done(struct lens *l, const uint8_t on[PGD_SITES_MAX],
		      const uint32_t hits[PGD_SITES_MAX], double work_sec)
{
	for (size_t i = 0; i < count_sites(l); i++) {
		float news = l->came_off_cpu_ns[i] ? 1 : RATE_NEWS;

		if (!on[i])
			continue;
		l->rates[i] += news * ((float)(hits[i] / work_sec) - l->rates[i]);
		l->came_off_cpu_ns[i] = 0;
	}
}

bool lens_is_running(const struct lens *l, double now_sec)
{
	return now_sec - l->sampled_sec < LENS_CALM_FIRST_SEC;
}

/* SIZE_MAX: none was hit. */
static size_t rare_with_most(const struct lens *l, const uint32_t hits[PGD_SITES_MAX])
{
	size_t most = SIZE_MAX;

	for (size_t i = 0; i < count_sites(l); i++)
		if (l->sites[i] == LENS_SITE_RARE && hits[i] &&
		    (most == SIZE_MAX || hits[i] > hits[most]))
			most = i;
	return most;
}

bool lens_promote_rare(struct lens *l, const uint32_t hits[PGD_SITES_MAX], double work_sec,
		       double hits_may)
{
	double sum = 0;
	bool is_first = true;

	for (size_t i = 0; i < count_sites(l); i++)
		sum += l->sites[i] == LENS_SITE_RARE ? hits[i] : 0;
	for (; is_first || sum > hits_may; is_first = false) {
		size_t most = rare_with_most(l, hits);

		if (most == SIZE_MAX)
			return !is_first;
		l->sites[most] = (uint8_t)busy(l, most);
		l->rates[most] = (float)(hits[most] / fmax(work_sec, PROMOTE_SEC_MIN));
		l->came_off_cpu_ns[most] = l->cpu_ns;
		sum -= hits[most];
	}
	return true;
}
