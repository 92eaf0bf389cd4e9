/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/daemon/lens.c: sites of a made-up interpreter, and what counting windows say of
 * them. */
#include <math.h>
#include <unistd.h>

#include "daemon/lens.h"
#include "test.h"

#define SITES 600

static const struct pace_cost cost = { 2000, 1000, 500 };

static struct site sites[SITES];
static struct watch watch;
static struct lens *l;
static struct shutter_result result;
static uint8_t on[PGD_SITES_MAX];

/* n sites of a kind more. */
static void add_sites(enum site_kind kind, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sites[watch.sites.n++] =
			(struct site){ .offset = 16 * watch.sites.n, .kind = kind };
}

static int setup(void **state)
{
	(void)state;
	memset(&watch, 0, sizeof(watch));
	memset(&result, 0, sizeof(result));
	watch.pid = getpid();
	watch.runtime.pool_bytes = 16384;
	watch.sites.v = sites;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lens_free(l);
	l = NULL;
	return 0;
}

static void start(void)
{
	assert_ok(lens_new(&watch, &l));
	lens_scout_again(l);
}

/* A site of each kind that can be scouted, twice, and those of the collector. */
static void start_kinds(void)
{
	for (int k = 0; k < SITE_KIND_MAX; k++)
		add_sites(k, 2);
	start();
}

/* A counting window of 100 ms, in which the target used this much CPU time of its own. */
static void scouted(double work_ms)
{
	result.gate_ns = LENS_SCOUT_WALL_NS;
	result.gate.allocs = 0;
	for (size_t i = 0; i < SITES; i++)
		result.gate.allocs += result.site_hits[i];
	result.cpu_ns = (uint64_t)(work_ms * 1e6 + (double)result.gate.allocs * cost.count_ns);
	lens_scout_done(l, on, &result, &cost);
}

static size_t count_on(void)
{
	size_t n = 0;

	for (size_t i = 0; i < PGD_SITES_MAX; i++)
		n += on[i];
	return n;
}

static size_t count_kind_on(enum site_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < watch.sites.n; i++)
		n += on[i] && sites[i].kind == kind;
	return n;
}

/* ── planning ─────────────────────────────────────────────────────────────────────────────── */

static void lens__sites_that_matter_most_are_scouted_first(void **state)
{
	(void)state;
	add_sites(SITE_GC_START, 1);
	add_sites(SITE_RESIZED, 50);
	add_sites(SITE_CARVE, 100);
	add_sites(SITE_MALLOC, 100);
	add_sites(SITE_PUSH, 100);
	add_sites(SITE_POP, 150);
	start();
	assert_true(lens_scout_plan(l, on));
	assert_int_equal(count_on(), 150);
	assert_int_equal(count_kind_on(SITE_POP), 150);
	scouted(100);
	assert_true(
		lens_scout_plan(l, on)); /* it was not cut short: as many as there is room for */
	assert_int_equal(count_on(), LENS_SCOUT_SITES);
	assert_int_equal(count_kind_on(SITE_MALLOC), 100);
	assert_int_equal(count_kind_on(SITE_CARVE), 100);
	assert_int_equal(count_kind_on(SITE_RESIZED), 50);
	assert_int_equal(count_kind_on(SITE_PUSH), LENS_SCOUT_SITES - 250);
	scouted(100);
	assert_true(lens_scout_plan(l, on));
	assert_int_equal(count_kind_on(SITE_PUSH), 94);
	assert_int_equal(count_on(), 94);
	scouted(100);
	assert_false(lens_scout_plan(l, on));
	assert_int_equal(count_on(), 0);
}

/* Every site that goes on costs, and a window that is cut short says little of most of them. */
static void lens__kinds_are_apart_while_windows_are_cut_short(void **state)
{
	(void)state;
	add_sites(SITE_POP, 10);
	add_sites(SITE_MALLOC, 10);
	add_sites(SITE_CARVE, 10);
	start();
	assert_true(lens_scout_plan(l, on));
	assert_int_equal(count_on(), 10);
	result.site_hits[0] = LENS_SCOUT_HITS;
	scouted(2);
	assert_true(lens_scout_plan(l, on));
	assert_int_equal(count_kind_on(SITE_POP), 9);
	assert_int_equal(count_on(), 9);
	result.site_hits[0] = 0;
	scouted(100);
	assert_true(lens_scout_plan(l, on));
	assert_int_equal(count_on(), 20);
}

static void lens__sites_of_busy_targets_that_free_are_not_scouted(void **state)
{
	(void)state;
	add_sites(SITE_POP, 10);
	add_sites(SITE_PUSH, 10);
	add_sites(SITE_FREE, 10); /* libc's blocks */
	start();
	lens_scout_no_frees(l);
	assert_true(lens_scout_plan(l, on));
	scouted(100);
	assert_true(lens_scout_plan(l, on));
	assert_int_equal(count_kind_on(SITE_FREE), 10);
	assert_int_equal(count_on(), 10);
	assert_int_equal(l->sites[10], LENS_SITE_OFF);
	lens_scout_again(l); /* it may have become calm */
	assert_int_equal(l->sites[10], LENS_SITE_UNKNOWN);
}

/* No request waits longer for a scouting window than for any other. */
static void lens__scouting_windows_cost_no_more_than_others(void **state)
{
	const struct pace_cost slow = { 7000, 6000, 5000 }, fast = { 1000, 800, 500 };

	(void)state;
	assert_int_equal(lens_scout_hits(&slow), 1600);
	assert_int_equal(lens_scout_hits(&fast), LENS_SCOUT_HITS);
}

static void lens__sites_of_the_collector_are_not_scouted(void **state)
{
	(void)state;
	start_kinds();
	l->was_cut = false;
	assert_true(lens_scout_plan(l, on));
	assert_int_equal(count_on(), 2 * (SITE_KIND_MAX - 2));
	assert_int_equal(count_kind_on(SITE_GC_START) + count_kind_on(SITE_GC_DONE), 0);
	for (size_t i = 0; i < SITES; i++)
		result.site_hits[i] = 100;
	scouted(100);
	lens_draw_sites(l, on);
	assert_int_equal(count_kind_on(SITE_GC_START) + count_kind_on(SITE_GC_DONE), 0);
}

/* ── what a counting window has shown ─────────────────────────────────────────────────────── */

static void lens__whole_window_tells_rare_from_busy(void **state)
{
	static const struct {
		enum site_kind kind;
		uint32_t hits; /* in 100 ms */
		enum lens_site want;
	} rows[] = {
		{ SITE_POP, 0, LENS_SITE_RARE },       { SITE_POP, 2, LENS_SITE_RARE },
		{ SITE_POP, 3, LENS_SITE_BUSY },       { SITE_POP, 7000, LENS_SITE_BUSY },
		{ SITE_PUSH, 2, LENS_SITE_OFF },       { SITE_PUSH, 300, LENS_SITE_OFF },
		{ SITE_RESIZED, 1, LENS_SITE_RARE },   { SITE_RESIZED, 300, LENS_SITE_OFF },
		{ SITE_REALLOC, 300, LENS_SITE_BUSY },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		add_sites(rows[i].kind, 1);
		result.site_hits[i] = rows[i].hits;
	}
	start();
	l->was_cut = false;
	assert_true(lens_scout_plan(l, on));
	scouted(50);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (l->sites[i] != rows[i].want)
			fail_msg("row %zu: %d", i, l->sites[i]);
		assert_true(fabs((double)l->rates[i] - rows[i].hits / 0.05) < 1);
	}
	assert_false(lens_scout_plan(l, on));
}

static void lens__window_cut_short_tells_only_busy_sites(void **state)
{
	(void)state;
	add_sites(SITE_POP, 6);
	start();
	assert_true(lens_scout_plan(l, on));
	result.site_hits[0] = LENS_SCOUT_HITS;
	result.site_hits[1] = 7; /* at 20 a second 6 or less, in 99 of 100 windows of 100 ms */
	result.site_hits[2] = 6;
	scouted(2);
	assert_int_equal(l->sites[0], LENS_SITE_BUSY);
	assert_int_equal(l->sites[1], LENS_SITE_BUSY);
	for (size_t i = 2; i < 6; i++)
		assert_int_equal(l->sites[i], LENS_SITE_UNKNOWN);
	assert_true(lens_scout_plan(l, on)); /* the others are asked again, without these */
	assert_int_equal(count_on(), 4);
	assert_int_equal(on[0] + on[1], 0);
}

/* The shorter, the fewer hits are needed to say so; but never so few that a burst has them. */
static void lens__shorter_windows_need_fewer_hits(void **state)
{
	(void)state;
	add_sites(SITE_POP, 3);
	start();
	assert_true(lens_scout_plan(l, on));
	result.gate_ns = 8000000;
	result.cpu_ns = 8000000;
	result.gate.allocs = LENS_SCOUT_HITS;
	result.site_hits[0] = 3;
	result.site_hits[1] = 2;
	lens_scout_done(l, on, &result, &cost);
	assert_int_equal(l->sites[0], LENS_SITE_BUSY);
	assert_int_equal(l->sites[1], LENS_SITE_UNKNOWN);
	assert_int_equal(l->sites[2], LENS_SITE_UNKNOWN);
}

/* Thousands of hits, a few at each site: there must be an end to asking. */
static void lens__many_sites_with_few_hits_are_all_busy(void **state)
{
	(void)state;
	add_sites(SITE_POP, 100);
	add_sites(SITE_RESIZED, 100);
	start();
	l->was_cut = false;
	assert_true(lens_scout_plan(l, on));
	for (size_t i = 0; i < 199; i++)
		result.site_hits[i] = 6;
	scouted(100);
	result.gate.allocs = LENS_SCOUT_HITS; /* the rest passed sites that came off meanwhile */
	lens_scout_again(l);
	lens_scout_done(l, on, &result, &cost);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(l->sites[i], LENS_SITE_BUSY);
	for (size_t i = 100; i < 199; i++)
		assert_int_equal(l->sites[i], LENS_SITE_OFF);
	assert_int_equal(l->sites[199], LENS_SITE_UNKNOWN);
}

static void lens__scouting_comes_to_an_end(void **state)
{
	int n = 0;

	(void)state;
	add_sites(SITE_POP, 500);
	start();
	srand48(1);
	while (lens_scout_plan(l, on)) {
		/* always cut short, most of it at one site that is on */
		memset(result.site_hits, 0, sizeof(result.site_hits));
		for (size_t i = 0; i < 500; i++)
			if (on[i])
				result.site_hits[i] = i % 2 ? 8 : (uint32_t)(drand48() * 8);
		for (size_t i = 0; i < 500; i++)
			if (on[i]) {
				result.site_hits[i] += LENS_SCOUT_HITS;
				break;
			}
		scouted(1);
		assert_true(++n < 600);
	}
}

static void lens__idle_target_is_judged_by_the_clock(void **state)
{
	(void)state;
	add_sites(SITE_POP, 2);
	start();
	assert_true(lens_scout_plan(l, on));
	result.site_hits[0] = 2; /* in 0.01 ms of CPU time: yet 20 a second */
	result.site_hits[1] = 40;
	scouted(0.01);
	assert_int_equal(l->sites[0], LENS_SITE_RARE);
	assert_int_equal(l->sites[1], LENS_SITE_BUSY);
	/* what it would cost always: as if it had used 2 % of the time */
	assert_true(fabs((double)l->rates[1] - 40 / 0.002) < 1);

	lens_scout_again(l); /* all of its CPU time was traps */
	assert_true(lens_scout_plan(l, on));
	result.cpu_ns = 0;
	lens_scout_done(l, on, &result, &cost);
	assert_true(fabs((double)l->rates[1] - 40 / 0.002) < 1);
}

static void lens__window_that_failed_says_nothing(void **state)
{
	(void)state;
	start_kinds();
	assert_true(lens_scout_plan(l, on));
	result.error = -ENOMEM;
	scouted(100);
	for (size_t i = 0; i < watch.sites.n; i++)
		assert_int_equal(l->sites[i] != LENS_SITE_UNKNOWN,
				 sites[i].kind == SITE_GC_START || sites[i].kind == SITE_GC_DONE);
}

static void lens__sites_that_were_off_are_not_judged(void **state)
{
	(void)state;
	add_sites(SITE_POP, 4);
	start();
	memset(on, 0, sizeof(on));
	on[1] = 1;
	scouted(100);
	assert_int_equal(l->sites[0], LENS_SITE_UNKNOWN);
	assert_int_equal(l->sites[1], LENS_SITE_RARE);
	assert_int_equal(l->sites[2], LENS_SITE_UNKNOWN);
}

static void lens__scouting_again_forgets(void **state)
{
	(void)state;
	start_kinds();
	assert_true(lens_scout_plan(l, on));
	scouted(100);
	l->state = LENS_WINDOWS;
	l->is_scouted = true;
	lens_scout_again(l);
	assert_int_equal(l->state, LENS_SCOUTING);
	assert_false(l->is_scouted);
	l->was_cut = false;
	assert_true(lens_scout_plan(l, on));
	assert_int_equal(count_on(), 2 * (SITE_KIND_MAX - 2));
}

/* ── cost ─────────────────────────────────────────────────────────────────────────────────── */

static void lens__share_of_all_sites_always_on(void **state)
{
	(void)state;
	add_sites(SITE_POP, 1);
	add_sites(SITE_PUSH, 1);
	start();
	assert_true(lens_always_share(l, &cost) == 0);
	l->was_cut = false;
	assert_true(lens_scout_plan(l, on));
	result.site_hits[0] = 100; /* in 100 ms: 1,000 a second, of 2 us each */
	result.site_hits[1] = 200; /* of 1 us */
	scouted(100);
	assert_true(fabs(lens_always_share(l, &cost) - 0.004) < 1e-6);
}

static void lens__rare_sites_that_cost_most_become_busy(void **state)
{
	static const struct {
		double share;
		enum lens_site want[5];
	} rows[] = {
		{ 1,
		  { LENS_SITE_RARE, LENS_SITE_RARE, LENS_SITE_RARE, LENS_SITE_RARE,
		    LENS_SITE_BUSY } },
		{ 95e-6,
		  { LENS_SITE_RARE, LENS_SITE_RARE, LENS_SITE_RARE, LENS_SITE_RARE,
		    LENS_SITE_BUSY } },
		{ 85e-6,
		  { LENS_SITE_RARE, LENS_SITE_RARE, LENS_SITE_BUSY, LENS_SITE_RARE,
		    LENS_SITE_BUSY } },
		{ 55e-6,
		  { LENS_SITE_RARE, LENS_SITE_RARE, LENS_SITE_BUSY, LENS_SITE_OFF,
		    LENS_SITE_BUSY } },
		{ 10e-6,
		  { LENS_SITE_RARE, LENS_SITE_BUSY, LENS_SITE_BUSY, LENS_SITE_OFF,
		    LENS_SITE_BUSY } },
		{ 0,
		  { LENS_SITE_RARE, LENS_SITE_BUSY, LENS_SITE_BUSY, LENS_SITE_OFF,
		    LENS_SITE_BUSY } },
		{ -1,
		  { LENS_SITE_RARE, LENS_SITE_BUSY, LENS_SITE_BUSY, LENS_SITE_OFF,
		    LENS_SITE_BUSY } },
	};
	static const float rates[] = { 0, 10, 30, 20, 1000 }; /* 0, 20, 30, 40, 2000 us a second */

	(void)state;
	add_sites(SITE_POP, 2);
	add_sites(SITE_PUSH, 1);
	add_sites(SITE_RESIZED, 1);
	add_sites(SITE_POP, 1);
	start();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(l->sites, LENS_SITE_RARE, 4);
		l->sites[4] = LENS_SITE_BUSY;
		memcpy(l->rates, rates, sizeof(rates));
		lens_limit_rare(l, rows[i].share, &cost);
		for (size_t k = 0; k < 5; k++)
			if (l->sites[k] != rows[i].want[k])
				fail_msg("row %zu: site %zu: %d", i, k, l->sites[k]);
	}
}

/* ── which are on ─────────────────────────────────────────────────────────────────────────── */

static void lens__odds_follow_the_share_of_hits(void **state)
{
	static const struct {
		enum site_kind kind;
		float rate;
		double want;
	} rows[] = {
		{ SITE_POP, 98000, 1 },	   { SITE_POP, 1250, 1 }, /* 1.25 % */
		{ SITE_MALLOC, 250, 0.5 }, /* a quarter of what is certain */
		{ SITE_POP, 1, 0.2 },	   { SITE_POP, 0, 0.2 },
		{ SITE_FREE, 1, 1 }, /* where libc's blocks go: always */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		add_sites(rows[i].kind, 1);
	start();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		l->sites[i] = LENS_SITE_BUSY;
		l->rates[i] = rows[i].rate;
	}
	lens_set_odds(l);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!(fabs((double)l->odds[i] - rows[i].want) < 0.01))
			fail_msg("row %zu: %g", i, (double)l->odds[i]);
}

/* Their share in sampling windows is what pace_rate() is made from. */
static void lens__sites_that_pace_counts_by_are_certain(void **state)
{
	(void)state;
	add_sites(SITE_POP, 3);
	start();
	memset(l->sites, LENS_SITE_BUSY, 3);
	l->rates[0] = 1e6F;
	l->pace.is_ref[PACE_WIDE][1] = 1;
	lens_set_odds(l);
	assert_true(l->odds[0] >= 1 && l->odds[1] >= 1 && l->odds[2] < 1);
}

/* Those with most hits, until the rest has no more than it may. */
static void lens__rare_sites_with_most_hits_are_promoted(void **state)
{
	static const uint32_t hits[PGD_SITES_MAX] = { 1000, 7, 10, 30, 500, 0 };
	static const struct {
		double may;
		size_t n_busy; /* of sites 0, 3, 2, 1, in that order */
	} rows[] = { { 1e9, 1 }, { 47, 1 }, { 46, 2 }, { 17, 2 }, { 16, 3 }, { 0, 4 }, { -1, 4 } };
	static const size_t order[] = { 0, 3, 2, 1 };

	(void)state;
	add_sites(SITE_POP, 6);
	start();
	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		memset(l->sites, LENS_SITE_RARE, 6);
		l->sites[4] = LENS_SITE_BUSY; /* is one already */
		assert_true(lens_promote_rare(l, hits, 0.5, rows[k].may));
		for (size_t i = 0; i < ARRAY_SIZE(order); i++)
			if ((l->sites[order[i]] == LENS_SITE_BUSY) != (i < rows[k].n_busy))
				fail_msg("row %zu: site %zu", k, order[i]);
		assert_int_equal(l->sites[5], LENS_SITE_RARE);
	}
	assert_true(fabs((double)l->rates[0] - 2000) < 1);
	assert_true(l->rates[4] == 0);
}

/* It was off from then until its first window, which others of the same window were not. */
static void lens__first_window_of_a_promoted_site_stands_for_the_time_since(void **state)
{
	static const uint32_t hits[PGD_SITES_MAX] = { 1000, 0 };
	struct lens_window w = { .weight = 100, .walk_of = 3 };
	uint64_t off_ns = 1000000;

	(void)state;
	add_sites(SITE_POP, 2);
	start();
	l->sites[0] = LENS_SITE_RARE;
	l->sites[1] = LENS_SITE_BUSY;
	l->cpu_ns = off_ns;
	assert_true(lens_promote_rare(l, hits, 0.5, 0));
	assert_int_equal(l->came_off_cpu_ns[0], off_ns);
	l->odds[0] = l->odds[1] = 0.5F;
	for (int i = 0; i < 64; i++) {
		lens_draw_sites(l, on);
		assert_true(on[0]); /* whatever its odds are */
	}

	w.to_cpu_ns = off_ns + 400;
	w.from_cpu_ns = off_ns;
	assert_true(fabs(lens_weight(l, &w, 0, PGD_WALK_SUSPECT) - 100) < 1e-9);
	assert_true(fabs(lens_weight(l, &w, 0, PGD_WALK_CHANCE) - 300) < 1e-9);
	assert_true(fabs(lens_weight(l, &w, 1, PGD_WALK_SUSPECT) - 200) < 1e-9);
	w.from_cpu_ns = off_ns + 300; /* the window before had been planned without it */
	assert_true(fabs(lens_weight(l, &w, 0, PGD_WALK_SUSPECT) - 400) < 1e-9);
	memset(on, 0, sizeof(on));
	lens_window_done(l, on, hits, 0.01); /* it was not on */
	assert_int_equal(l->came_off_cpu_ns[0], off_ns);
	on[0] = 1;
	lens_window_done(l, on, hits, 0.01);
	assert_int_equal(l->came_off_cpu_ns[0], 0);
	assert_true(fabs(lens_weight(l, &w, 0, PGD_WALK_SUSPECT) - 200) < 1e-9);
}

/* A site that was rare until it turned busy was hit far less often before. */
static void lens__rates_follow_the_windows(void **state)
{
	static const uint32_t hits[PGD_SITES_MAX] = { 1000, 10, 0 };

	(void)state;
	add_sites(SITE_POP, 4);
	start();
	l->sites[0] = LENS_SITE_RARE;
	assert_true(lens_promote_rare(l, hits, 100, 0));
	assert_true(fabs((double)l->rates[0] - 10) < 0.01);
	l->rates[1] = l->rates[2] = l->rates[3] = 5000;
	on[0] = on[1] = on[2] = 1;
	lens_window_done(l, on, hits, 0.001);
	assert_true(fabs((double)l->rates[0] - 1e6) < 1); /* at once */
	assert_true(l->rates[1] > 5000 && l->rates[1] < 10000);
	assert_true(l->rates[2] > 0 && l->rates[2] < 5000);
	assert_true(l->rates[3] == 5000);
}

/* What was off before they are scouted is in the backlog of all sites. */
static void lens__scouting_again_forgets_when_sites_came_off(void **state)
{
	static const uint32_t hits[PGD_SITES_MAX] = { 1000 };

	(void)state;
	add_sites(SITE_POP, 1);
	start();
	l->sites[0] = LENS_SITE_RARE;
	assert_true(lens_promote_rare(l, hits, 0.5, 0));
	lens_scout_again(l);
	assert_int_equal(l->came_off_cpu_ns[0], 0);
}

static void lens__rare_sites_without_hits_are_not_promoted(void **state)
{
	static const uint32_t none[PGD_SITES_MAX];

	(void)state;
	add_sites(SITE_POP, 6);
	start();
	memset(l->sites, LENS_SITE_RARE, 6);
	assert_false(lens_promote_rare(l, none, 0, 0));
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(l->sites[i], LENS_SITE_RARE);
}

static void lens__odds_without_any_hits_are_odds(void **state)
{
	(void)state;
	start_kinds();
	memset(l->sites, LENS_SITE_BUSY, watch.sites.n);
	lens_set_odds(l);
	for (size_t i = 0; i < watch.sites.n; i++)
		assert_true(l->odds[i] > 0 && l->odds[i] <= 1);
}

static void lens__sites_are_drawn_by_their_odds(void **state)
{
	static const float odds[] = { 1, 0.5, 0.25, 1, 1, 1 };
	static const uint8_t kinds[] = { LENS_SITE_BUSY, LENS_SITE_BUSY,    LENS_SITE_BUSY,
					 LENS_SITE_RARE, LENS_SITE_UNKNOWN, LENS_SITE_OFF };
	unsigned n[ARRAY_SIZE(odds)] = { 0 };

	(void)state;
	add_sites(SITE_POP, ARRAY_SIZE(odds));
	start();
	memcpy(l->sites, kinds, sizeof(kinds));
	memcpy(l->odds, odds, sizeof(odds));
	srand48(7);
	for (int round = 0; round < 4000; round++) {
		lens_draw_sites(l, on);
		for (size_t i = 0; i < ARRAY_SIZE(odds); i++)
			n[i] += on[i];
	}
	assert_int_equal(n[0], 4000);
	assert_in_range(n[1], 1850, 2150);
	assert_in_range(n[2], 870, 1130);
	assert_int_equal(n[3] + n[4] + n[5], 0);
	lens_busy_sites(l, on);
	assert_int_equal(count_on(), 3);
}

static void lens__more_sites_than_there_is_room_for_are_left_out(void **state)
{
	static struct site many[PGD_SITES_MAX + 100];

	(void)state;
	watch.sites.v = many; /* all of them pops */
	watch.sites.n = ARRAY_SIZE(many);
	start();
	for (int i = 0; i < PGD_SITES_MAX / LENS_SCOUT_SITES; i++) {
		assert_true(lens_scout_plan(l, on));
		assert_int_equal(count_on(), LENS_SCOUT_SITES);
		scouted(100);
	}
	assert_false(lens_scout_plan(l, on));
}

/* ── the target ───────────────────────────────────────────────────────────────────────────── */

static void lens__new_one_knows_nothing_yet(void **state)
{
	(void)state;
	add_sites(SITE_POP, 1);
	assert_ok(lens_new(&watch, &l));
	assert_int_equal(l->state, LENS_NEW);
	assert_true(isnan(l->overhead));
	assert_true(lens_cpu_ns(l) > 0);
	lens_draw_sites(l, on);
	assert_int_equal(count_on(), 0);
}

static void lens__process_that_is_gone(void **state)
{
	(void)state;
	watch.pid = 1 << 25; /* more than there can be */
	assert_err(lens_new(&watch, &l), -ESRCH);
	assert_null(l);
}

static void lens__running_is_what_had_a_window_just_now(void **state)
{
	(void)state;
	add_sites(SITE_POP, 1);
	start();
	l->sampled_sec = 1000;
	assert_true(lens_is_running(l, 1001));
	assert_false(lens_is_running(l, 1000 + LENS_CALM_FIRST_SEC));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lens__sites_that_matter_most_are_scouted_first),
		TEST(lens__kinds_are_apart_while_windows_are_cut_short),
		TEST(lens__sites_of_busy_targets_that_free_are_not_scouted),
		TEST(lens__scouting_windows_cost_no_more_than_others),
		TEST(lens__sites_of_the_collector_are_not_scouted),
		TEST(lens__whole_window_tells_rare_from_busy),
		TEST(lens__window_cut_short_tells_only_busy_sites),
		TEST(lens__shorter_windows_need_fewer_hits),
		TEST(lens__many_sites_with_few_hits_are_all_busy),
		TEST(lens__scouting_comes_to_an_end),
		TEST(lens__idle_target_is_judged_by_the_clock),
		TEST(lens__window_that_failed_says_nothing),
		TEST(lens__sites_that_were_off_are_not_judged),
		TEST(lens__scouting_again_forgets),
		TEST(lens__share_of_all_sites_always_on),
		TEST(lens__rare_sites_that_cost_most_become_busy),
		TEST(lens__odds_follow_the_share_of_hits),
		TEST(lens__sites_that_pace_counts_by_are_certain),
		TEST(lens__rare_sites_with_most_hits_are_promoted),
		TEST(lens__first_window_of_a_promoted_site_stands_for_the_time_since),
		TEST(lens__scouting_again_forgets_when_sites_came_off),
		TEST(lens__rates_follow_the_windows),
		TEST(lens__rare_sites_without_hits_are_not_promoted),
		TEST(lens__odds_without_any_hits_are_odds),
		TEST(lens__sites_are_drawn_by_their_odds),
		TEST(lens__more_sites_than_there_is_room_for_are_left_out),
		TEST(lens__new_one_knows_nothing_yet),
		TEST(lens__process_that_is_gone),
		TEST(lens__running_is_what_had_a_window_just_now),
	};

	return cmocka_run_group_tests_name("lens", tests, NULL, NULL);
}
