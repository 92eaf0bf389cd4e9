/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/pace.c: a target of known speed is seen through windows, as the kernel side
 * and the clocks would see it. */
#include <math.h>

#include "lib/cleanup.h"
#include "target/pace.h"
#include "test.h"

#define SITES	   32
#define COUNT_HITS 1500 /* as windows.c asks for */
#define COUNT_NS   25e6
#define HITS_MAX   4000
#define WALL_NS	   50e6

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
	uint64_t n_windows, n_counts, n_unknown;
	double work_ns, said_ns; /* of sampling windows: the truth, and what pace says */
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

static void sim_step(void)
{
	struct pace_window w;
	double work_ns;

	if (pace_wants_count(&sim.pace, sim.on, sim.n_windows++)) {
		sim_window(sim.pace.is_ref[sim.pace.turn], cost.count_ns, 0, COUNT_HITS, COUNT_NS, &w);
		pace_count(&sim.pace, &w, &cost);
		sim.n_counts++;
		return;
	}
	work_ns = sim_window(sim.on, cost.alloc_ns, cost.free_ns, HITS_MAX, WALL_NS, &w);
	sim.work_ns += work_ns;
	sim.said_ns += pace_sample(&sim.pace, &w, &cost);
	sim.n_unknown += isnan(pace_rate(&sim.pace));
}

/* What pace said of the next n windows, over the truth, less 1. */
static double sim_bias(unsigned n)
{
	sim.work_ns = sim.said_ns = 0;
	sim.n_counts = sim.n_unknown = 0;
	for (unsigned i = 0; i < n; i++)
		sim_step();
	return sim.said_ns / sim.work_ns - 1;
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
		{ "40 times slower", 12.5e6, 0.8, 1, 0.03 },
		{ "heavy", 3e6, 0.8, 1, 0.03 },
		{ "between heavy and light", 7e5, 0.8, 1, 0.03 },
		{ "light", 1e5, 0.8, 1, 0.03 },
		{ "next to nothing", 2e3, 0.8, 1, 0.03 },
		{ "all sites alike", 12.5e6, 1, 1, 0.03 },
		{ "two sites make nearly all", 12.5e6, 0.3, 1, 0.03 },
		{ "one site makes all", 3e6, 0, 1, 0.03 },
		{ "traps dearer than believed", 12.5e6, 0.8, 1.3, 0.1 },
		{ "traps cheaper than believed", 12.5e6, 0.8, 0.7, 0.1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		double bias;

		sim_start(rows[i].per_sec, rows[i].factor);
		sim.target.cost_factor = rows[i].cost_factor;
		sim_bias(30);
		bias = sim_bias(200);
		if (!(fabs(bias) < rows[i].bias_max))
			fail_msg("%s: %.1f %%", rows[i].name, bias * 100);
		if (sim.n_unknown && rows[i].per_sec > 1e6)
			fail_msg("%s: rate not known in %d windows", rows[i].name,
				 (int)sim.n_unknown);
	}
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

static void pace__counting_is_rare_once_the_rate_is_known(void **state)
{
	static const double factors[] = { 0.8, 1, 0.3, 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(factors); i++) {
		sim_start(12.5e6, factors[i]);
		sim_bias(30);
		assert_true(pace_error(&sim.pace) < 0.1);
		sim_bias(200);
		if (sim.n_counts < 15 || sim.n_counts > 25)
			fail_msg("factor %g: %d of 200", factors[i], (int)sim.n_counts);
		assert_true(pace_error(&sim.pace) < 0.04);
	}
}

static void pace__rate_is_that_of_all_sites(void **state)
{
	(void)state;
	sim_start(12.5e6, 0.8);
	assert_true(isnan(pace_rate(&sim.pace)));
	sim_bias(200);
	assert_true(fabs(pace_rate(&sim.pace) / 12.5e6 - 1) < 0.03);
}

static void pace__refs_are_some_per_cent_of_all(void **state)
{
	static const struct {
		double factor, min, max;
	} rows[] = { { 0.8, 0.02, 0.06 }, { 0.9, 0.02, 0.06 }, { 1, 0.025, 0.07 } };

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
		double was, now;

		sim_start(12.5e6, 0.9);
		sim_bias(300);
		was = refs_share();
		now = up ? 2 * was : was / 2;
		for (size_t i = 0; i < SITES; i++)
			sim.target.share[i] *=
				sim.pace.is_ref[PACE_THIN][i] ? now / was : (1 - now) / (1 - was);
		bias = sim_bias(150);
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
	sim.target.per_sec = 6e6;
	sim_bias(800);
	bias = sim_bias(200);
	if (!(fabs(bias) < 0.06))
		fail_msg("%.1f %%", bias * 100);
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
		assert_true(pace_sample(&sim.pace, &w, &cost) > 0);
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
		cmocka_unit_test(pace__light_windows_need_no_counting),
		cmocka_unit_test(pace__counting_is_rare_once_the_rate_is_known),
		cmocka_unit_test(pace__rate_is_that_of_all_sites),
		cmocka_unit_test(pace__refs_are_some_per_cent_of_all),
		cmocka_unit_test(pace__refs_are_sites_that_are_on),
		cmocka_unit_test(pace__drifting_shares_are_followed),
		cmocka_unit_test(pace__refs_that_drift_a_little_are_followed),
		cmocka_unit_test(pace__changing_rate_is_followed),
		cmocka_unit_test(pace__windows_without_sense_do_no_harm),
		cmocka_unit_test(pace__all_sites_rare_is_no_case_for_counting),
		cmocka_unit_test(pace__too_many_sites_are_cut),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
