/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/gccount.c — see gccount.h. */
#include <math.h>
#include <stddef.h>

#include "target/gccount.h"

void gccount_begin(struct gccount *c, const struct gccount_stats stats[PGD_GENERATIONS],
		   const struct pgd_gc *gc)
{
	*c = (struct gccount){ 0 };
	for (int i = 0; i < PGD_GENERATIONS; i++) {
		const struct pgd_gc_generation *from = &gc->generations[i];
		struct gccount_generation *g = &c->generations[i];

		g->base = stats[i];
		g->base.collections -= from->collections;
		g->base.collected -= from->collected;
		g->base.uncollectable -= from->uncollectable;
	}
}
/* Only grows, and by no more than a process can do between two looks: else something else is at
 * that address by now. */
static bool is_next(uint64_t before, uint64_t now)
{
	return now - before <= UINT32_MAX;
}

static bool are_next(const struct gccount_generation *g, const struct gccount_stats *now)
{
	return is_next(g->base.collections + g->counted.collections, now->collections) &&
	       is_next(g->base.collected + g->counted.collected, now->collected) &&
	       is_next(g->base.uncollectable + g->counted.uncollectable, now->uncollectable);
}

static void count(struct gccount_generation *g, const struct gccount_stats *now,
		  const struct pgd_gc_generation *from)
{
	if (now && are_next(g, now)) {
		g->counted.collections = now->collections - g->base.collections;
		g->counted.collected = now->collected - g->base.collected;
		g->counted.uncollectable = now->uncollectable - g->base.uncollectable;
	} else {
		g->counted.collections += from->collections - g->timed;
		g->counted.collected += from->collected - g->seen_collected;
		g->counted.uncollectable += from->uncollectable - g->seen_uncollectable;
	}
	g->seen_collected = from->collected;
	g->seen_uncollectable = from->uncollectable;
}

/* What the last of them were like: of GCCOUNT_TIMED_MIN and more. */
static void learn(struct gccount_generation *g, double n, double pause_ns, double asked)
{
	double keep = g->recent_n > GCCOUNT_TIMED_MIN ? GCCOUNT_TIMED_MIN / g->recent_n : 1;

	g->recent_n = g->recent_n * keep + n;
	g->recent_pause_ns = g->recent_pause_ns * keep + pause_ns;
	g->recent_asked = g->recent_asked * keep + asked;
}

/* Those that were timed stand for themselves, and for those that were not. Few of them are no
 * answer: a single one that was interrupted would stand for thousands. */
static void cover(struct gccount_generation *g, const struct pgd_gc_generation *from,
		  bool are_all_timed)
{
	double n_timed = (double)(from->collections - g->seen_timed);
	double n_new = (double)g->counted.collections - (double)g->covered;
	double pause_ns = (double)(from->pause_ns - g->seen_pause_ns);
	double asked = (double)(from->asked - g->seen_asked), n;

	g->timed = from->collections;
	g->is_part |= !are_all_timed;
	if (n_timed < (g->is_part ? GCCOUNT_TIMED_MIN : 1))
		return;
	n = g->is_part ? fmax(n_new, n_timed) : n_timed;
	learn(g, n_timed, pause_ns, asked);
	g->is_part = false;
	g->covered += (uint64_t)n;
	g->covered_pause_ns += pause_ns * (n / n_timed);
	g->covered_asked += asked * (n / n_timed);
	g->seen_timed = from->collections;
	g->seen_pause_ns = from->pause_ns;
	g->seen_asked = from->asked;
}

/* Until more are timed the rest is as those timed before; if there were none, as the few so far;
 * NAN: there are none. What was told never gets less. */
static double with_rest(double told, double covered, double n_rest, double mean)
{
	double sum = n_rest > 0 ? covered + n_rest * mean : covered;

	return isnan(sum) ? NAN : fmax(told, sum);
}

static void estimate(struct gccount_generation *g, const struct pgd_gc_generation *from)
{
	double n_rest = (double)g->counted.collections - (double)g->covered;
	double n = g->recent_n, pause_ns = g->recent_pause_ns, asked = g->recent_asked;

	if (!(n > 0)) {
		n = (double)(from->collections - g->seen_timed);
		pause_ns = (double)(from->pause_ns - g->seen_pause_ns);
		asked = (double)(from->asked - g->seen_asked);
	}
	g->pause_ns =
		with_rest(g->pause_ns, g->covered_pause_ns, n_rest, n > 0 ? pause_ns / n : NAN);
	g->asked = with_rest(g->asked, g->covered_asked, n_rest, n > 0 ? asked / n : NAN);
}

void gccount_look(struct gccount *c, const struct gccount_stats stats[PGD_GENERATIONS],
		  const struct pgd_gc *gc, uint64_t now_ns, bool are_all_timed)
{
	for (int i = 0; i < PGD_GENERATIONS; i++) {
		const struct pgd_gc_generation *from = &gc->generations[i];
		struct gccount_generation *g = &c->generations[i];
		uint64_t before = g->counted.collections;
		uint64_t n_timed = from->collections - g->timed;

		count(g, stats ? &stats[i] : NULL, from);
		cover(g, from, are_all_timed);
		estimate(g, from);
		if (g->counted.collections - before > n_timed)
			g->last_ns = now_ns;
		else if (n_timed)
			g->last_ns = from->ended_ns;
	}
}
