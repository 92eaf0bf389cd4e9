/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/pace.c: a target of known speed is seen through windows, as the kernel side
 * and the clocks would see it. */
#include <math.h>

#include "lib/cleanup.h"
#include "target/pace.h"
#include "test.h"

#define SITES	   32
#define COUNT_HITS 4000 /* as turn.c asks for */
#define HITS_MAX   4000
#define WALL_NS	   50e6
#define DRIFT_RUNS 6
#define SEEDS	   4

static const struct pace_cost cost = { 800, 550, 450 };

/* The truth. */
struct target {
	double per_sec; /* allocations a second of its own CPU time; as many frees */
	double share[SITES]; /* of the allocations, by site */
	double cost_factor; /* what a hit really costs, over what we believe */
	uint64_t random;
};

struct sim {
	struct target target;
	struct pace pace;
	uint8_t on[SITES];
	uint32_t site_hits[PGD_SITES_MAX];
	uint64_t n_windows, n_counts, n_unknown, n_rates;
	double sum_rates; /* what pace_rate() said in sampling windows */
	/* Sampling windows, and what their weights were in terms of the right ones, in all, by enum
	 * pace_pending. */
	double n_weights, weights[PACE_OPEN + 1];
};

static struct sim sim;

static double rand01(struct target *t)
{
	t->random ^= t->random << 13, t->random ^= t->random >> 7, t->random ^= t->random << 17;
	return (double)(t->random >> 11) / (double)(1ull << 53);
}

static size_t draw_site(struct target *t)
{
	double at = rand01(t);
	size_t i = 0;

	while (i < SITES - 1 && at >= t->share[i])
		at -= t->share[i++];
	return i;
}

/* Shares that fall by `factor` from site to site. */
static void set_shares(struct target *t, double factor)
{
	double sum = 0, share = 1;

	for (size_t i = 0; i < SITES; i++, share *= factor)
		sum += t->share[i] = share;
	for (size_t i = 0; i < SITES; i++)
		t->share[i] /= sum;
}

static void sim_start(double per_sec, double factor)
{
	uint8_t is_alloc[SITES];

	memset(is_alloc, 1, sizeof(is_alloc));
	memset(&sim, 0, sizeof(sim));
	sim.target = (struct target){ .per_sec = per_sec,
				      .cost_factor = 1,
				      .random = 88172645463325252ull };
	set_shares(&sim.target, factor);
	memset(sim.on, 1, sizeof(sim.on));
	pace_init(&sim.pace, is_alloc, SITES);
}

/* A window until it has had its hits or its time; only[]: which sites are on. Returns the target's
 * own work in it. */
static double sim_window(const uint8_t *only, double alloc_ns, double free_ns, double hits_max,
			 double wall_ns, struct pace_window *ret)
{
	struct target *t = &sim.target;
	double work_ns = 0, cpu_ns = 0;

	*ret = (struct pace_window){ .site_hits = sim.site_hits };
	memset(sim.site_hits, 0, sizeof(sim.site_hits));
	while (cpu_ns < wall_ns && (double)(ret->allocs + ret->frees) < hits_max) {
		double step_ns = 2 * rand01(t) / t->per_sec * 1e9;
		size_t i = draw_site(t);

		work_ns += step_ns;
		cpu_ns += step_ns;
		if (!only[i])
			continue;
		sim.site_hits[i]++;
		ret->allocs++;
		ret->frees += free_ns > 0;
		cpu_ns += (alloc_ns + free_ns) * t->cost_factor;
	}
	ret->cpu_ns = (uint64_t)cpu_ns;
	return work_ns;
}

static void sim_settle(const struct pace_settlement *s)
{
	sim.weights[PACE_OPEN] *= s->open;
	sim.weights[PACE_CLOSED] *= s->closed;
	if (!s->n_steps)
		return;
	sim.weights[PACE_FOR_GOOD] += sim.weights[PACE_CLOSED];
	sim.weights[PACE_CLOSED] = sim.weights[PACE_OPEN];
	sim.weights[PACE_OPEN] = 0;
}

static void sim_step(void)
{
	struct pace_window w;
	struct pace_settlement settlement;
	double work_ns, said_ns;

	if (pace_wants_count(&sim.pace, sim.on, sim.n_windows++)) {
		sim_window(sim.pace.is_ref[sim.pace.turn], cost.count_ns, 0, COUNT_HITS,
			   pace_count_ns(&sim.pace), &w);
		pace_count(&sim.pace, &w, &cost);
		if (pace_settle(&sim.pace, &settlement))
			sim_settle(&settlement);
		sim.n_counts++;
		return;
	}
	work_ns = sim_window(sim.on, cost.alloc_ns, cost.free_ns, HITS_MAX, WALL_NS, &w);
	said_ns = pace_sample(&sim.pace, &w, &cost);
	sim.n_unknown += isnan(pace_rate(&sim.pace));
	sim.n_rates += isfinite(pace_rate(&sim.pace));
	sim.sum_rates += isfinite(pace_rate(&sim.pace)) ? pace_rate(&sim.pace) : 0;
	if (isnan(said_ns))
		return;
	sim.n_weights++;
	sim.weights[sim.pace.pending] += work_ns / said_ns;
}

/* How far off weights of the next n windows are: the right ones over the work that pace said. */
static double sim_bias(unsigned n)
{
	sim.n_weights = 0;
	memset(sim.weights, 0, sizeof(sim.weights));
	sim.n_counts = sim.n_unknown = 0;
	for (unsigned i = 0; i < n; i++)
		sim_step();
	return (sim.weights[PACE_FOR_GOOD] + sim.weights[PACE_CLOSED] + sim.weights[PACE_OPEN]) /
		       sim.n_weights -
	       1;
}

static double refs_share(void)
{
	double share = 0;

	for (size_t i = 0; i < SITES; i++)
		if (sim.pace.is_ref[PACE_THIN][i])
			share += sim.target.share[i];
	return share;
}

static void pace__work_is_told_without_bias(void **state)
{
	static const struct {
		const char *name;
		double per_sec, factor, cost_factor, bias_max;
	} rows[] = {
		{ "40 times slower", 12.5e6, 0.8, 1, 0.05 },
		{ "heavy", 3e6, 0.8, 1, 0.06 },
		{ "between heavy and light", 7e5, 0.8, 1, 0.05 },
		{ "light", 1e5, 0.8, 1, 0.03 },
		{ "next to nothing", 2e3, 0.8, 1, 0.03 },
		{ "all sites alike", 12.5e6, 1, 1, 0.05 },
		{ "two sites make nearly all", 12.5e6, 0.3, 1, 0.06 },
		{ "one site makes all: a guess", 3e6, 0, 1, 0.3 },
		{ "traps dearer than believed", 12.5e6, 0.8, 1.3, 0.1 },
		{ "traps cheaper than believed", 12.5e6, 0.8, 0.7, 0.1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		double bias = 0;

		for (uint64_t seed = 0; seed < SEEDS; seed++) {
			sim_start(rows[i].per_sec, rows[i].factor);
			sim.target.random ^= seed << 32;
			sim.target.cost_factor = rows[i].cost_factor;
			sim_bias(30);
			bias += sim_bias(200) / SEEDS;
		}
		if (!(fabs(bias) < rows[i].bias_max))
			fail_msg("%s: %.1f %%", rows[i].name, bias * 100);
		if (sim.n_unknown && rows[i].per_sec > 1e6)
			fail_msg("%s: rate not known in %d windows", rows[i].name,
				 (int)sim.n_unknown);
	}
}

/* What scouting has seen is enough to choose by: counting windows come first. */
static void pace__primed_counts_at_once(void **state)
{
	float rates[PGD_SITES_MAX] = { 0 };
	double bias;

	(void)state;
	sim_start(12.5e6, 0.8);
	for (size_t i = 0; i < SITES; i++)
		rates[i] = (float)(sim.target.share[i] * sim.target.per_sec * 0.6);
	pace_prime(&sim.pace, sim.on, rates, &cost);
	assert_true(pace_is_wanting(&sim.pace));
	sim_bias(20);
	assert_true(sim.n_counts >= 8 && sim.n_unknown <= 5);
	assert_false(pace_is_wanting(&sim.pace));
	bias = sim_bias(200);
	if (!(fabs(bias) < 0.05))
		fail_msg("%.1f %%", bias * 100);
	pace_prime(&sim.pace, sim.on, rates, &cost); /* again, and of nothing */
	memset(rates, 0, sizeof(rates));
	pace_prime(&sim.pace, sim.on, rates, &cost);
	assert_false(pace_wants_count(&sim.pace, sim.on, 1));
}

static void pace__light_windows_need_no_counting(void **state)
{
	(void)state;
	sim_start(1e5, 0.8);
	sim_bias(50);
	assert_int_equal(sim.n_counts, 0);
	assert_true(isnan(pace_rate(&sim.pace)));
	assert_true(pace_error(&sim.pace) == 0);
}

static void pace__counting_is_seldom_once_the_rate_is_known(void **state)
{
	static const double factors[] = { 0.8, 1, 0.3 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(factors); i++) {
		sim_start(12.5e6, factors[i]);
		sim_bias(30);
		assert_true(pace_error(&sim.pace) < 0.15);
		sim_bias(200);
		if (sim.n_counts < 40 || sim.n_counts > 80)
			fail_msg("factor %g: %d of 200", factors[i], (int)sim.n_counts);
		assert_true(pace_error(&sim.pace) < 0.06);
	}
}

static void pace__rate_is_that_of_all_sites(void **state)
{
	(void)state;
	sim_start(12.5e6, 0.8);
	assert_true(isnan(pace_rate(&sim.pace)));
	sim_bias(200);
	assert_true(fabs(sim.sum_rates / sim.n_rates / 12.5e6 - 1) < 0.03);
}

static void pace__hits_cost_what_they_cost_here(void **state)
{
	(void)state;
	for (double factor = 1; factor < 3; factor += 0.5) {
		double sum = 0;

		for (uint64_t seed = 0; seed < SEEDS; seed++) {
			sim_start(12.5e6, 0.8);
			sim.target.random ^= seed << 32;
			sim.target.cost_factor = factor;
			assert_true(pace_hit_ns(&sim.pace) > 0); /* a guess */
			sim_bias(100);
			sum += pace_hit_ns(&sim.pace) / SEEDS;
		}
		if (!(fabs(sum / (cost.count_ns * factor) - 1) < 0.15))
			fail_msg("%.1f times: %.0f ns", factor, sum);
	}
}

static void pace__refs_are_a_small_share_of_all(void **state)
{
	static const struct {
		double factor, min, max;
	} rows[] = { { 0.8, 0.003, 0.012 }, { 0.9, 0.003, 0.015 }, { 1, 0.02, 0.04 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		sim_start(12.5e6, rows[i].factor);
		sim_bias(50);
		if (!(refs_share() >= rows[i].min && refs_share() <= rows[i].max))
			fail_msg("factor %g: %g", rows[i].factor, refs_share());
	}
}

static void pace__refs_are_sites_that_are_on(void **state)
{
	(void)state;
	sim_start(12.5e6, 1);
	for (size_t i = 0; i < SITES; i += 2)
		sim.on[i] = 0;
	sim_bias(50);
	for (size_t i = 0; i < SITES; i += 2)
		assert_false(sim.pace.is_ref[PACE_THIN][i]);
	assert_true(refs_share() > 0.02);
}

/* The program turns to something else: sites change places, its rate stays. */
static void pace__drifting_shares_are_followed(void **state)
{
	double tmp, bias;

	(void)state;
	sim_start(12.5e6, 0.9);
	sim_bias(300);
	for (int turn = 0; turn < 4; turn++) {
		for (size_t i = 0; i < SITES / 2; i++) {
			tmp = sim.target.share[i];
			sim.target.share[i] = sim.target.share[SITES - 1 - i];
			sim.target.share[SITES - 1 - i] = tmp;
		}
		sim_bias(100); /* less than the memory's half-life */
		bias = sim_bias(100);
		if (!(fabs(bias) < 0.08))
			fail_msg("turn %d: %.1f %%", turn, bias * 100);
	}
}

/* The refs' share drifts within what is good enough: nobody chooses new ones. */
static void pace__refs_that_drift_a_little_are_followed(void **state)
{
	double bias;

	(void)state;
	for (int up = 0; up <= 1; up++) {
		bias = 0;
		for (uint64_t seed = 1; seed <= DRIFT_RUNS; seed++) {
			double was, now;

			sim_start(12.5e6, 0.9);
			sim.target.random ^= seed << 32;
			sim_bias(300);
			was = refs_share();
			now = up ? 2 * was : was / 2;
			for (size_t i = 0; i < SITES; i++)
				sim.target.share[i] *= sim.pace.is_ref[PACE_THIN][i]
							       ? now / was
							       : (1 - now) / (1 - was);
			bias += sim_bias(150) / DRIFT_RUNS;
		}
		if (!(fabs(bias) < 0.05))
			fail_msg("%s: %.1f %%", up ? "up" : "down", bias * 100);
	}
}

/* The program gets slower or faster at what it does. */
static void pace__changing_rate_is_followed(void **state)
{
	double bias;

	(void)state;
	sim_start(12.5e6, 0.8);
	sim_bias(600);
	sim.target.per_sec = 9e6;
	/* At once; those right after the change weigh too much, as those before it weigh too
	 * little: the mean of the rates before and after. */
	bias = sim_bias(60);
	if (!(fabs(bias) < 0.1))
		fail_msg("at once: %.1f %%", bias * 100);
	sim.target.per_sec = 6e6;
	sim_bias(60);
	bias = sim_bias(200);
	if (!(fabs(bias) < 0.06))
		fail_msg("%.1f %%", bias * 100);
}

/* Sites that make so much and so little of the hits that both sets are the same one: what a hit
 * costs more than in our own loop is guessed, caches and predictors, and not in proportion to the
 * trap.
 */
static void pace__one_set_is_enough_however_slow_traps_are(void **state)
{
	static const struct {
		double count_ns, extra_ns;
	} rows[] = { { 600, 480 }, { 600, 100 }, { 5400, 0 }, { 5400, 500 }, { 5400, 900 } };
	const double per_sec = 20e6;

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		const double hit_ns = rows[k].count_ns + rows[k].extra_ns;
		const struct pace_cost said = { rows[k].count_ns + 800, 0, rows[k].count_ns };
		float rates[SITES] = { 0 };
		struct pace_window w;

		sim_start(per_sec, 0.5);
		memset(sim.target.share, 0, sizeof(sim.target.share));
		sim.target.share[0] = 0.996;
		sim.target.share[1] = 0.004;
		rates[0] = (float)(0.996 * per_sec / 3); /* scouting is wrong by much */
		rates[1] = (float)(0.004 * per_sec / 3);
		pace_prime(&sim.pace, sim.on, rates, &said);
		for (uint64_t n = 0; n < 60; n++) {
			bool counts = pace_wants_count(&sim.pace, sim.on, n);

			sim_window(counts ? sim.pace.is_ref[sim.pace.turn] : sim.on,
				   counts ? hit_ns : hit_ns + 800, 0, counts ? INFINITY : 1500,
				   counts ? pace_count_ns(&sim.pace) : WALL_NS, &w);
			if (counts)
				pace_count(&sim.pace, &w, &said);
			else
				pace_sample(&sim.pace, &w, &said);
		}
		print_message("a trap of %.0f ns and %.0f more: %+.1f %%, said ±%.1f %%\n",
			      rows[k].count_ns, rows[k].extra_ns,
			      (pace_rate(&sim.pace) / per_sec - 1) * 100,
			      pace_error(&sim.pace) * 100);
		assert_true(fabs(pace_rate(&sim.pace) / per_sec - 1) < 2 * pace_error(&sim.pace));
		assert_true(pace_error(&sim.pace) < 0.25);
	}
}

/* Half of the time in windows is traps, and no rate comes: too few allocations for a choice of
 * sets. The time less the traps is what there is, for as long as it takes. */
static void pace__time_tells_where_the_rate_is_not_known(void **state)
{
	static const double shares[] = { 0.3, 0.5, 0.65 };
	float rates[PGD_SITES_MAX] = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
		struct pace_window w = { .allocs = 100, .site_hits = sim.site_hits };
		double traps_ns = 100 * cost.alloc_ns;

		sim_start(12.5e6, 0.8);
		rates[0] = 1e5;
		pace_prime(&sim.pace, sim.on, rates, &cost);
		w.cpu_ns = (uint64_t)(traps_ns / shares[i]);
		for (size_t n = 0; n < 100; n++) {
			double said = pace_sample(&sim.pace, &w, &cost);

			assert_true(fabs(said - ((double)w.cpu_ns - traps_ns)) < 1);
			assert_int_equal(sim.pace.pending, PACE_FOR_GOOD);
		}
		assert_true(pace_error(&sim.pace) > 0.08 && pace_error(&sim.pace) < 0.5);
	}
}

/* Nearly all is traps, and the rate is not known yet: a guess, which the first windows that count
 * set right. */
static void pace__guesses_are_pending_until_the_rate_is_known(void **state)
{
	struct pace_window w = { .allocs = 1000, .cpu_ns = 900000, .site_hits = sim.site_hits };
	float rates[PGD_SITES_MAX] = { 0 };
	struct pace_settlement settlement = { 0 };
	double factor = 1, rate;

	(void)state;
	sim_start(12.5e6, 0.8);
	for (size_t i = 0; i < SITES; i++)
		rates[i] = (float)(sim.target.share[i] * 2e6);
	pace_prime(&sim.pace, sim.on, rates, &cost);
	assert_true(fabs(pace_sample(&sim.pace, &w, &cost) - 1000 / 2e6 * 1e9) < 1000);
	assert_int_equal(sim.pace.pending, PACE_OPEN);
	assert_false(pace_settle(&sim.pace, &settlement));
	for (unsigned i = 0; i < 100 && sim.pace.pending_rate > 0; i++) {
		bool counts = pace_wants_count(&sim.pace, sim.on, i);

		sim_window(counts ? sim.pace.is_ref[sim.pace.turn] : sim.on,
			   counts ? cost.count_ns : cost.alloc_ns, 0, HITS_MAX,
			   counts ? pace_count_ns(&sim.pace) : WALL_NS, &w);
		if (!counts) {
			pace_sample(&sim.pace, &w, &cost);
			continue;
		}
		pace_count(&sim.pace, &w, &cost);
		factor *= pace_settle(&sim.pace, &settlement) ? settlement.open : 1;
	}
	rate = pace_rate(&sim.pace);
	assert_true(fabs(factor * 2e6 / rate - 1) < 1e-3 && fabs(rate / 12.5e6 - 1) < 0.3);
	assert_int_equal(settlement.n_steps, 1);
	assert_false(pace_settle(&sim.pace, &settlement)); /* once */
}

/* A trap of 5 µs: a thin set of 0.4 % would be nothing but traps. */
static void pace__slow_traps_want_a_thinner_set(void **state)
{
	static const double count_ns[] = { 450, 5300 };
	double share[2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(count_ns); i++) {
		const struct pace_cost said = { count_ns[i] + 800, 0, count_ns[i] };
		struct pace_window w;

		sim_start(12.5e6, 0.8);
		for (uint64_t n = 0; n < 150; n++) {
			bool counts = pace_wants_count(&sim.pace, sim.on, n);

			sim_window(counts ? sim.pace.is_ref[sim.pace.turn] : sim.on,
				   counts ? said.count_ns : said.alloc_ns, 0, HITS_MAX,
				   counts ? pace_count_ns(&sim.pace) : WALL_NS, &w);
			if (counts)
				pace_count(&sim.pace, &w, &said);
			else
				pace_sample(&sim.pace, &w, &said);
		}
		share[i] = refs_share();
	}
	assert_true(share[0] > 0.003 && share[0] < 0.012);
	/* Traps are a tenth to a third of its windows. */
	assert_true(share[1] * 12.5e6 * 5.3e-6 > 0.1 && share[1] * 12.5e6 * 5.3e-6 < 0.6);
}

static void pace__windows_without_sense_do_no_harm(void **state)
{
	static uint32_t no_hits[PGD_SITES_MAX], hits[PGD_SITES_MAX];
	static const struct {
		const char *name;
		struct pace_window w;
		double min, max; /* of what is said */
	} rows[] = {
		{ "nothing", { 0, 0, 0, no_hits }, 0, 0 },
		{ "hits without CPU time", { 1000, 1000, 0, hits }, 0, 0 },
		{ "CPU time without hits", { 0, 0, 1000000, no_hits }, 1e6, 1e6 },
		{ "more traps than CPU time", { 1000, 1000, 10000, hits }, 1, 10000 },
		{ "frees alone", { 0, 1000, 600000, no_hits }, 1, 600000 },
		{ "endless", { 1ull << 60, 1ull << 60, 1ull << 60, hits }, 1, 2e18 },
	};

	(void)state;
	hits[0] = 1000;
	for (size_t known = 0; known <= 1; known++) {
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			double said;

			sim_start(12.5e6, 0.8);
			if (known)
				sim_bias(40);
			said = pace_sample(&sim.pace, &rows[i].w, &cost);
			if (!known && isnan(said))
				continue;
			if (!(said >= 0 && said <= rows[i].max) ||
			    (!known && !(said >= rows[i].min)))
				fail_msg("%s: %g", rows[i].name, said);
			pace_count(&sim.pace, &rows[i].w, &cost);
			pace_wants_count(&sim.pace, sim.on, 1);
			assert_false(pace_rate(&sim.pace) < 0);
			assert_false(pace_error(&sim.pace) < 0 || isnan(pace_error(&sim.pace)));
		}
	}
}

static void pace__all_sites_rare_is_no_case_for_counting(void **state)
{
	struct pace_window w = { .cpu_ns = 1000000, .site_hits = sim.site_hits };

	(void)state;
	sim_start(12.5e6, 0.8);
	memset(sim.on, 0, sizeof(sim.on));
	for (uint64_t i = 0; i < 50; i++) {
		assert_false(pace_wants_count(&sim.pace, sim.on, i));
		assert_true(pace_sample(&sim.pace, &w, &cost) == 1e6);
	}
	/* hits of traps alone, at sites that are never on in counting windows */
	w.allocs = 1000;
	for (uint64_t i = 0; i < 50; i++) {
		pace_wants_count(&sim.pace, sim.on, i);
		assert_true(isnan(pace_sample(&sim.pace, &w, &cost)));
	}
	assert_true(isnan(pace_rate(&sim.pace)));
}

static void pace__too_many_sites_are_cut(void **state)
{
	static uint8_t is_alloc[PGD_SITES_MAX + 1];

	(void)state;
	pace_init(&sim.pace, is_alloc, PGD_SITES_MAX + 1);
	assert_int_equal(sim.pace.n_sites, PGD_SITES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pace__work_is_told_without_bias),
		cmocka_unit_test(pace__primed_counts_at_once),
		cmocka_unit_test(pace__light_windows_need_no_counting),
		cmocka_unit_test(pace__counting_is_seldom_once_the_rate_is_known),
		cmocka_unit_test(pace__rate_is_that_of_all_sites),
		cmocka_unit_test(pace__hits_cost_what_they_cost_here),
		cmocka_unit_test(pace__refs_are_a_small_share_of_all),
		cmocka_unit_test(pace__refs_are_sites_that_are_on),
		cmocka_unit_test(pace__drifting_shares_are_followed),
		cmocka_unit_test(pace__refs_that_drift_a_little_are_followed),
		cmocka_unit_test(pace__changing_rate_is_followed),
		cmocka_unit_test(pace__one_set_is_enough_however_slow_traps_are),
		cmocka_unit_test(pace__time_tells_where_the_rate_is_not_known),
		cmocka_unit_test(pace__guesses_are_pending_until_the_rate_is_known),
		cmocka_unit_test(pace__slow_traps_want_a_thinner_set),
		cmocka_unit_test(pace__windows_without_sense_do_no_harm),
		cmocka_unit_test(pace__all_sites_rare_is_no_case_for_counting),
		cmocka_unit_test(pace__too_many_sites_are_cut),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
